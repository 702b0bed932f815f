//! TLS to vendors and to HTTPS proxies: one client configuration, built once.

use std::{io, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{SendError, SendErrorKind, failure, settings::SettingsError};

/// Opens TLS on connections.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the public roots, the system's, and those in `extra` PEM files.
    pub fn new(extra: &[impl AsRef<Path>]) -> Result<Self, SettingsError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        // Unreadable system stores are common in containers; the public roots remain.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for file in extra {
            add_file(&mut roots, file.as_ref())?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| SettingsError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Shakes hands with `host` on an open connection.
    pub async fn wrap<S>(&self, io: S, host: &str) -> Result<TlsStream<S>, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            SendError::new(SendErrorKind::Invalid, format!("Invalid TLS server name {host}"))
        })?;
        self.0.connect(name, io).await.map_err(|error| failure::handshake(&error, host))
    }
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), SettingsError> {
    let wrong = |reason: String| SettingsError::Roots { file: file.display().to_string(), reason };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let mut reader = io::BufReader::new(pem.as_slice());
    let mut count = 0;
    for certificate in rustls_pemfile::certs(&mut reader) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(wrong("no certificate in it".to_owned())) } else { Ok(()) }
}
