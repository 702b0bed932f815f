//! Taking on a role at AWS's token service (STS): its requests and answers.

use bytes::Bytes;
use url::form_urlencoded::Serializer;

use super::{
    AccessKey, BuildError, Endpoints, documents,
    documents::Lease,
    endpoint::origin,
    sign::{self, Scope},
};
use crate::{
    domain::{HeaderList, Secret},
    platform::BuiltRequest,
};

const VERSION: &str = "2011-06-15";

/// A role to take on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `role_arn`.
    pub arn: String,
    /// `role_session_name`: how the vendor's logs name this use of it.
    pub session: Option<String>,
    /// `external_id`.
    pub external_id: Option<String>,
    /// `duration_seconds`: how long it is wanted, as it was written.
    pub seconds: Option<String>,
    /// `mfa_serial`: the second factor whose code is asked for.
    pub second_factor: Option<String>,
    /// Region whose token service is asked.
    pub region: Option<String>,
}

/// Who wants the role.
#[derive(Clone, Copy, Debug)]
pub enum Applicant<'a> {
    /// Somebody with credentials, and with a code of the role's second factor if it asks for one.
    Key(&'a AccessKey, Option<&'a Secret>),
    /// The bearer of another identity provider's token.
    Token(&'a Secret),
}

/// The request for a role.
///
/// # Errors
/// When the region makes no host or the credentials cannot sign.
pub fn request(
    role: &Role,
    applicant: Applicant<'_>,
    endpoints: &Endpoints,
    region: &str,
    now_ms: i64,
) -> Result<BuiltRequest, BuildError> {
    let region = role.region.as_deref().unwrap_or(region);
    let url = match &endpoints.base {
        Some(base) => format!("{}/", base.trim_end_matches('/')),
        None => format!("{}/", origin("sts", region, endpoints)?),
    };
    let url = url::Url::parse(&url).ok().filter(url::Url::has_host).ok_or(BuildError::Url)?;
    let body = Bytes::from(form(role, applicant, now_ms));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers = HeaderList::new();
    headers.push("host", host);
    headers.push("content-type", "application/x-www-form-urlencoded");
    headers.push("content-length", body.len().to_string());
    if let Applicant::Key(key, _) = applicant {
        let scope = Scope { service: "sts", region, now_ms };
        sign::sign(url.as_str(), &mut headers, &body, key, scope)?;
    }
    Ok(BuiltRequest { url: url.into(), headers, body })
}

fn form(role: &Role, applicant: Applicant<'_>, now_ms: i64) -> String {
    let session = role.session.clone().unwrap_or_else(|| format!("crs-{now_ms}"));
    let mut form = Serializer::new(String::new());
    form.append_pair("Version", VERSION);
    form.append_pair("RoleArn", &role.arn).append_pair("RoleSessionName", &session);
    match applicant {
        Applicant::Key(_, code) => {
            form.append_pair("Action", "AssumeRole");
            form.append_pair("DurationSeconds", role.seconds.as_deref().unwrap_or("3600"));
            if let Some(id) = &role.external_id {
                form.append_pair("ExternalId", id);
            }
            if let (Some(serial), Some(code)) = (&role.second_factor, code) {
                form.append_pair("SerialNumber", serial).append_pair("TokenCode", code.expose());
            }
        }
        Applicant::Token(token) => {
            form.append_pair("Action", "AssumeRoleWithWebIdentity");
            form.append_pair("WebIdentityToken", token.expose().trim());
        }
    }
    form.finish()
}

/// What the token service answered.
///
/// # Errors
/// Its refusal, or what is wrong with the answer.
pub fn answer(status: u16, body: &[u8]) -> Result<Lease, String> {
    let text = String::from_utf8_lossy(body);
    if status != 200 {
        let said = |name: &str| inner(&text, name).map(unescaped);
        let code = said("Code").unwrap_or_else(|| format!("status {status}"));
        return Err(said("Message").map_or(code.clone(), |message| format!("{code}: {message}")));
    }
    let own = inner(&text, "Credentials").unwrap_or_default();
    let of = |name: &str| inner(own, name).map(unescaped);
    let ends = of("Expiration").as_deref().map(documents::moment).transpose()?.flatten();
    let (id, secret) = (of("AccessKeyId"), of("SecretAccessKey"));
    documents::lease(
        id.unwrap_or_default(),
        secret.unwrap_or_default(),
        of("SessionToken").filter(|token| !token.is_empty()),
        ends,
    )
}

/// What stands in an element without attributes. Enough for flat answers of one known service.
fn inner<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))?;
    Some(text[start..start + end].trim())
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
