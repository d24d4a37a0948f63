//! The keys of HTTP and TLS.

use super::keys::{Key, key};
use super::value::Kind;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) static HTTP_KEYS: &[Key] = &[
    key("api.http.enable", Kind::Bool, "false", "whether HTTP is served", |c, v| c.http.enabled = v.bool()),
    key("api.http.bind", Kind::Text, "127.0.0.1", "address HTTP listens on", |c, v| {
        c.http.listen.host = v.text()
    }),
    key("api.http.port", Kind::Int(0, 65_535), "8080", "port HTTP listens on; 0: any free one", |c, v| {
        c.http.listen.port = v.u16()
    }),
    key("api.http.enable_cors", Kind::Bool, "false", "whether pages of other origins may call", |c, v| {
        c.http.cors = v.bool()
    }),
    key(
        "api.http.cors_allow_origin",
        Kind::Text,
        "",
        "the origin whose pages may, as https://app.example; *: any",
        |c, v| c.http.cors_allow_origin = v.text(),
    ),
    key(
        "api.http.timeout_sec",
        Kind::Int(1, 86_400),
        "5",
        "seconds a request's head or body may take, and a bulk body may pause",
        |c, v| c.http.timeout = Duration::from_secs(v.u64()),
    ),
    key("api.http.tls", Kind::Bool, "false", "whether HTTP is HTTPS", |c, v| c.http.tls = v.bool()),
    key("api.tcp.tls", Kind::Bool, "false", "whether the line protocol is inside TLS", |c, v| {
        c.tls.tcp = v.bool()
    }),
    key("tls.cert_file", Kind::Text, "", "the certificate and those it hangs on, PEM", |c, v| {
        c.tls.cert_file = Some(v.text()).filter(|path| !path.is_empty()).map(PathBuf::from)
    }),
    key("tls.key_file", Kind::Text, "", "the certificate's private key, PEM", |c, v| {
        c.tls.key_file = Some(v.text()).filter(|path| !path.is_empty()).map(PathBuf::from)
    }),
    key(
        "limits.http_body_bytes",
        Kind::Size(1024, 1 << 30),
        "16777216",
        "bytes of a request's JSON body",
        |c, v| c.http.body_bytes_max = v.usize(),
    ),
    key(
        "limits.bulk_bytes",
        Kind::Size(1024, 1 << 50),
        "64GB",
        "bytes of a bulk body, which is streamed",
        |c, v| c.http.bulk_bytes_max = v.u64(),
    ),
    key("limits.batch_queries", Kind::Int(1, 100_000), "1000", "queries of one search request", |c, v| {
        c.http.queries_max = v.usize()
    }),
];
