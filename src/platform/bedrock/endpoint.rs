//! Where a region's endpoint is.

use url::Url;

use super::BuildError;

/// Domains by the beginning of the region's name, the narrowest first, and the domains that are also
/// reached over IPv6, where there are any; all other regions are in the last.
const DOMAINS: [(&str, &str, Option<&str>); 7] = [
    ("cn-", "amazonaws.com.cn", Some("api.amazonwebservices.com.cn")),
    ("us-isob-", "sc2s.sgov.gov", None),
    ("us-isof-", "csp.hci.ic.gov", None),
    ("us-iso-", "c2s.ic.gov", None),
    ("eu-isoe-", "cloud.adc-e.uk", None),
    ("eusc-", "amazonaws.eu", Some("api.amazonwebservices.eu")),
    ("", "amazonaws.com", Some("api.aws")),
];

/// Which of the vendor's endpoints are asked, and with what base where it is another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, else `AWS_ENDPOINT_URL`: asked in place of the regions'.
    pub base: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`: the endpoints under FIPS 140.
    pub fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`: the endpoints that are also reached over IPv6.
    pub dual_stack: bool,
}

/// URL of one operation of a model: `invoke` or `invoke-with-response-stream`.
///
/// # Errors
/// When the region or the base makes no URL.
pub(super) fn url(
    endpoints: &Endpoints,
    region: &str,
    model: &str,
    operation: &str,
) -> Result<Url, BuildError> {
    let path = format!("model/{}/{operation}", encoded(model));
    let text = match &endpoints.base {
        Some(base) => format!("{}/{path}", base.trim_end_matches('/')),
        None => format!("{}/{path}", origin("bedrock-runtime", region, endpoints)?),
    };
    Url::parse(&text).ok().filter(Url::has_host).ok_or(BuildError::Url)
}

/// Scheme and host of a service in a region, whatever the base.
///
/// # Errors
/// When the region makes no host, or has none of the kind that is asked for.
pub(super) fn origin(
    service: &str,
    region: &str,
    endpoints: &Endpoints,
) -> Result<String, BuildError> {
    // Anything else would lead the request, and its signature, to another host.
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if region.is_empty() || !region.chars().all(label) {
        return Err(BuildError::Url);
    }
    let found = DOMAINS.iter().find(|(start, ..)| region.starts_with(start));
    let (_, plain, dual) = found.ok_or(BuildError::Url)?;
    let domain = match (endpoints.dual_stack, dual) {
        (false, _) => plain,
        (true, Some(dual)) => dual,
        (true, None) => return Err(BuildError::DualStack),
    };
    let fips = if endpoints.fips { "-fips" } else { "" };
    Ok(format!("https://{service}{fips}.{region}.{domain}"))
}

/// A model's name as one segment of a path: all but letters, digits and `-._~` encoded.
fn encoded(model: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(model.len() + 8);
    for byte in model.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
