//! `api.http.*` and `tls.*`.

use super::Listen;
use std::path::PathBuf;
use std::time::Duration;

/// Whether and how HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `enable`.
    pub enabled: bool,
    /// `bind` and `port`.
    pub listen: Listen,
    /// `enable_cors`.
    pub cors: bool,
    /// `cors_allow_origin`: an origin, or `*`.
    pub cors_allow_origin: String,
    /// `timeout_sec`: how long a head or a body may take to come, and a bulk body may pause.
    pub timeout: Duration,
    /// `tls`.
    pub tls: bool,
    /// `limits.http_body_bytes`: bytes of a JSON body.
    pub body_bytes_max: usize,
    /// `limits.bulk_bytes`: bytes of a bulk body.
    pub bulk_bytes_max: u64,
    /// `limits.batch_queries`: queries of one search request.
    pub queries_max: usize,
}

impl Default for HttpConfig {
    /// Off; on 127.0.0.1:8080 when it is switched on.
    fn default() -> Self {
        HttpConfig {
            enabled: false,
            listen: Listen { host: "127.0.0.1".to_owned(), port: 8080 },
            cors: false,
            cors_allow_origin: String::new(),
            timeout: Duration::from_secs(5),
            tls: false,
            body_bytes_max: 16 << 20,
            bulk_bytes_max: 64 << 30,
            queries_max: 1000,
        }
    }
}

/// The certificate, and who shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// `api.tcp.tls`.
    pub tcp: bool,
    /// `tls.cert_file`.
    pub cert_file: Option<PathBuf>,
    /// `tls.key_file`.
    pub key_file: Option<PathBuf>,
}
