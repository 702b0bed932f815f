//! Signature Version 4 of one request.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign as signature,
    },
    sign::v4,
};

use super::BuildError;
use crate::domain::{HeaderList, Secret};

/// An AWS access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Key id.
    pub id: String,
    /// Secret key.
    pub secret: Secret,
    /// Token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// Not signed: proxies may change it.
const UNSIGNED: &str = "user-agent";

/// What a signature holds for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// The service's name there.
    pub service: &'static str,
    /// Region.
    pub region: &'a str,
    /// The moment, by the vendor's clock.
    pub now_ms: i64,
}

/// Adds the headers that sign a request. Everything but the client's name is signed, as the legacy
/// service's client library does.
///
/// # Errors
/// When the credentials or the URL cannot be signed with.
pub(super) fn sign(
    url: &str,
    headers: &mut HeaderList,
    body: &[u8],
    key: &AccessKey,
    scope: Scope<'_>,
) -> Result<(), BuildError> {
    if key.id.is_empty() || key.secret.is_empty() {
        return Err(BuildError::Credentials);
    }
    let token = key.session_token.as_ref().map(|token| token.expose().to_owned());
    let identity = Credentials::new(&key.id, key.secret.expose(), token, None, "crs").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let since = Duration::from_millis(u64::try_from(scope.now_ms).unwrap_or_default());
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(UNIX_EPOCH + since)
        .settings(settings)
        .build()
        .map_err(|_| BuildError::Credentials)?
        .into();
    let added = {
        let signed = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(UNSIGNED));
        let request = SignableRequest::new("POST", url, signed, SignableBody::Bytes(body))
            .map_err(|_| BuildError::Url)?;
        let (added, _) = signature(request, &params).map_err(|_| BuildError::Url)?.into_parts();
        added.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>()
    };
    for (name, value) in added {
        headers.push(name, value);
    }
    Ok(())
}
