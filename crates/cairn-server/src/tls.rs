//! TLS: the certificate that listeners show.

use crate::config::{Config, TlsConfig};
use crate::failure::Failure;
use cairn_disk::{Storage, read_file};
use cairn_engine::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// Bytes of a certificate or key file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Shakes hands, with the certificate that was read at the start.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads the certificate and its key, when any listener wants TLS.
    pub fn load(config: &Config, storage: &dyn Storage) -> Result<Option<Tls>, Failure> {
        let http = config.http.enabled && config.http.tls;
        if !(config.tls.tcp || http) {
            return Ok(None);
        }
        let TlsConfig { cert_file, key_file, .. } = &config.tls;
        let (cert_file, key_file) =
            (named("tls.cert_file", cert_file.as_deref())?, named("tls.key_file", key_file.as_deref())?);
        let pem = read("tls.cert_file", cert_file, storage)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = chain.map_err(|e| wrong("tls.cert_file", cert_file, &e.to_string()))?;
        if chain.is_empty() {
            return Err(wrong("tls.cert_file", cert_file, "expected a certificate in PEM, found none"));
        }
        let pem = read("tls.key_file", key_file, storage)?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|e| wrong("tls.key_file", key_file, &format!("expected a private key in PEM: {e}")))?;
        let provider = Arc::new(ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Failure::new(ErrorKind::Bug, format!("TLS: {e}; please report it")))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| {
                wrong("tls.key_file", key_file, &format!("does not fit {}: {e}", cert_file.display()))
            })?;
        Ok(Some(Tls(TlsAcceptor::from(Arc::new(server)))))
    }

    /// Shakes hands; `None` when that fails or takes too long. The caller's permit bounds how many do at once.
    pub async fn accept(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        match timeout(HANDSHAKE, self.0.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }
}

fn named<'p>(key: &str, path: Option<&'p Path>) -> Result<&'p Path, Failure> {
    path.ok_or_else(|| Failure::input(format!("{key}: expected a PEM file, since TLS is on; it is not set")))
}

fn read(key: &str, path: &Path, storage: &dyn Storage) -> Result<Vec<u8>, Failure> {
    read_file(storage, path, FILE_BYTES_MAX).map_err(|e| Failure::new(e.kind(), format!("{key}: {e}")))
}

fn wrong(key: &str, path: &Path, why: &str) -> Failure {
    Failure::input(format!("{key}: {}: {why}", path.display()))
}
