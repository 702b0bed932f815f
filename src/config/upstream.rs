//! Redirection of upstream hosts and extra trust roots.

use std::path::PathBuf;

use super::reader::Reader;
use crate::domain::Secret;

/// How upstream hosts are reached and believed.
#[derive(Clone, Debug, Default)]
pub struct UpstreamConfig {
    /// `UPSTREAM_HOST_MAP` (unset), raw: `host=base-url` pairs with commas. For tests and rehearsals;
    /// parsed by `upstream`, which also refuses nonsense.
    pub host_map: Option<String>,
    /// `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`: PEM files with roots trusted in addition.
    pub extra_roots: Vec<PathBuf>,
    /// The environment's proxies.
    pub proxies: ProxyVariables,
}

/// Proxies for requests without one of their own. The lower-case spelling goes before the other.
#[derive(Clone, Debug, Default)]
pub struct ProxyVariables {
    /// `HTTP_PROXY`.
    pub http: Option<Secret>,
    /// `HTTPS_PROXY`.
    pub https: Option<Secret>,
    /// `ALL_PROXY`.
    pub all: Option<Secret>,
    /// `NO_PROXY`.
    pub except: Option<String>,
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
            proxies: ProxyVariables::read(reader),
        }
    }
}

impl ProxyVariables {
    fn read(reader: &Reader<'_>) -> Self {
        let either = |low, high| reader.optional(low).or_else(|| reader.optional(high));
        let secret = |low, high| either(low, high).map(Secret::from);
        Self {
            http: secret("http_proxy", "HTTP_PROXY"),
            https: secret("https_proxy", "HTTPS_PROXY"),
            all: secret("all_proxy", "ALL_PROXY"),
            except: either("no_proxy", "NO_PROXY"),
        }
    }
}
