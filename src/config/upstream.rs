//! Redirection of upstream hosts and extra trust roots.

use std::path::PathBuf;

use super::reader::Reader;

/// How upstream hosts are reached and believed.
#[derive(Clone, Debug, Default)]
pub struct UpstreamConfig {
    /// `UPSTREAM_HOST_MAP` (unset), raw: `host=base-url` pairs with commas. For tests and rehearsals;
    /// parsed by `upstream`, which also refuses nonsense.
    pub host_map: Option<String>,
    /// `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`: PEM files with roots trusted in addition.
    pub extra_roots: Vec<PathBuf>,
}

impl UpstreamConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self {
            host_map: reader.optional("UPSTREAM_HOST_MAP"),
            extra_roots: ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"]
                .into_iter()
                .filter_map(|name| reader.optional(name))
                .map(PathBuf::from)
                .collect(),
        }
    }
}
