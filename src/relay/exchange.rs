//! What every exchange with a vendor has in common, whoever the vendor is.

use super::Relay;
use crate::{
    domain::ProxyConfig,
    platform::BuiltRequest,
    upstream::{SendError, SendErrorKind, UpstreamRequest},
};

/// What the legacy runtime calls an answer whose connection ended too early.
const ABORTED: &str = "aborted";
/// What the legacy service's HTTP library calls it, and its name for it.
const HALF_READ: &str = "stream has been aborted";
const HALF_READ_CODE: &str = "ERR_BAD_RESPONSE";

impl Relay {
    /// A built request as it is sent with an account that may have a proxy.
    pub(super) fn to_send(
        &self,
        built: BuiltRequest,
        proxy: Option<ProxyConfig>,
    ) -> UpstreamRequest {
        UpstreamRequest {
            method: http::Method::POST,
            url: built.url,
            headers: built.headers,
            body: built.body,
            proxy,
            idle_timeout: self.settings.request_timeout,
            decode_body: true,
        }
    }
}

/// A plain answer that ended or fell silent within its body, as the legacy service's HTTP library words it. A
/// reset keeps the system's words.
pub(super) fn half_read(error: SendError) -> SendError {
    if error.kind == SendErrorKind::IdleTimeout || error.message == ABORTED {
        return SendError::new(SendErrorKind::Network, HALF_READ).with_code(Some(HALF_READ_CODE));
    }
    error
}
