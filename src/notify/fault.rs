//! Why a notice did not arrive, in the words that the console shows after a failed test.

use thiserror::Error;

/// A failed delivery. Texts follow the legacy service where it has them. Addresses of webhooks are
/// secrets, so none is named.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The platform cannot be used as it is set up.
    #[error("{0}")]
    Setup(String),
    /// The address is no URL.
    #[error("Invalid URL")]
    Address,
    /// The receiver's status is no success.
    #[error("Request failed with status code {0}")]
    Status(u16),
    /// No answer in time.
    #[error("timeout of {0}ms exceeded")]
    Slow(u64),
    /// The receiver sends from place to place.
    #[error("Maximum number of redirects exceeded")]
    Redirects,
    /// The network failed, or the address is one that notices must not go to.
    #[error("{0}")]
    Network(String),
    /// The receiver understood and refused.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    /// Fixed label for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Setup(_) | Self::Address => "setup",
            Self::Status(_) | Self::Refused(_) => "refused",
            Self::Slow(_) => "timeout",
            Self::Redirects | Self::Network(_) => "network",
        }
    }
}
