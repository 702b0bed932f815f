//! Where a region's endpoint is.

use url::Url;

use super::BuildError;

/// Domains by the beginning of the region's name, the narrowest first; all others are the first domain.
const DOMAINS: [(&str, &str); 7] = [
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("us-iso-", "c2s.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("eusc-", "amazonaws.eu"),
    ("", "amazonaws.com"),
];

/// Which of the vendor's endpoints are asked, and with what base where it is another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, else `AWS_ENDPOINT_URL`: asked in place of the regions'.
    pub base: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`: the endpoints under FIPS 140.
    pub fips: bool,
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
    let model = encoded(model);
    let text = match &endpoints.base {
        Some(base) => format!("{}/model/{model}/{operation}", base.trim_end_matches('/')),
        None => {
            // Anything else would lead the request, and its signature, to another host.
            let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if region.is_empty() || !region.chars().all(label) {
                return Err(BuildError::Url);
            }
            let (_, domain) = DOMAINS
                .iter()
                .find(|(start, _)| region.starts_with(start))
                .ok_or(BuildError::Url)?;
            let fips = if endpoints.fips { "-fips" } else { "" };
            format!("https://bedrock-runtime{fips}.{region}.{domain}/model/{model}/{operation}")
        }
    };
    Url::parse(&text).ok().filter(Url::has_host).ok_or(BuildError::Url)
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
