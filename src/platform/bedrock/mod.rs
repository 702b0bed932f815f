//! AWS Bedrock: Claude models behind AWS's own request form, signature and event stream
//! (contract/anthropic.md §5.3).
//!
//! [`plan`] says which model is asked for where and with what body; [`sign_attempt`] makes one attempt
//! of it, since every attempt is signed anew. [`Fault`] is what the vendor's refusals and broken
//! exchanges mean, [`reply`] what clients get. The legacy service speaks HTTP/2 here; the requests are
//! the same otherwise.

mod body;
pub mod documents;
mod endpoint;
mod fault;
mod models;
pub mod reply;
pub mod roles;
mod sign;
pub mod sign_on;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use thiserror::Error;

use super::BuiltRequest;
use crate::{
    domain::{HeaderList, Secret},
    wire::{body::RequestBody, json::Value},
};

pub use endpoint::Endpoints;
pub use fault::{Again, Fault};
pub use models::from_vendor;
pub use sign::AccessKey;
use sign::Scope;

/// The service's name in signatures.
const SERVICE: &str = "bedrock";
/// The client library that the legacy service uses, as it names itself.
const LIBRARY: &str = "aws-sdk-js/3.883.0";
const USER_AGENT: &str =
    "aws-sdk-js/3.883.0 ua/2.1 os/linux lang/js md/nodejs api/bedrock-runtime#3.883.0";

/// What a request signs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// An access key: requests are signed.
    AccessKey(AccessKey),
    /// A Bedrock API key.
    Bearer(Secret),
}

/// The operator's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `AWS_REGION`, for accounts without a region.
    pub region: String,
    /// `ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION`: the same for Haiku models.
    pub small_model_region: String,
    /// `ANTHROPIC_MODEL`: asked for when neither account nor request names a model.
    pub default_model: String,
    /// `BEDROCK_MAX_OUTPUT_TOKENS`: limit of requests that name none.
    pub max_tokens: i64,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`: for accounts without
    /// credentials of their own.
    pub access_key: Option<AccessKey>,
    /// `AWS_BEARER_TOKEN_BEDROCK`: used before any access key.
    pub bearer: Option<Secret>,
    /// `AWS_MAX_ATTEMPTS`: how often a request is tried; below 1 is once.
    pub max_attempts: i64,
    /// `AWS_RETRY_MODE` is `adaptive`: told to the vendor.
    pub adaptive: bool,
    /// Other endpoints than the regions'.
    pub endpoints: Endpoints,
}

/// What of an account's record shapes its requests.
#[derive(Clone, Debug)]
pub struct Account {
    /// `region`; empty leaves it to the settings.
    pub region: String,
    /// `defaultModel`: asked for whatever the request says.
    pub default_model: Option<String>,
    /// Its own credentials.
    pub credentials: Option<Credentials>,
    /// What in its record fails every request.
    pub odd: Option<BuildError>,
}

/// Why a request could not be made. The texts are what the legacy service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// `model` is no text.
    #[error("modelName.replace is not a function")]
    Model,
    /// Neither account nor environment has credentials.
    #[error(
        "AWS凭证未配置。请在Bedrock账户中配置AWS访问密钥或Bearer Token，或设置环境变量AWS_ACCESS_KEY_ID、AWS_SECRET_ACCESS_KEY 或 AWS_BEARER_TOKEN_BEDROCK"
    )]
    NoCredentials,
    /// The credentials are incomplete.
    #[error("Resolved credential object is not valid")]
    Credentials,
    /// The model is empty once it is the vendor's.
    #[error("Empty value provided for input HTTP label: modelId.")]
    NoModel,
    /// The account's region is no text.
    #[error("region is not a function")]
    Region,
    /// The account's session token is no text.
    #[error("headers[headerName].trim is not a function")]
    SessionToken,
    /// The region makes no host.
    #[error("Invalid URL")]
    Url,
    /// The region cannot be reached over IPv6.
    #[error("DualStack is enabled but this partition does not support DualStack")]
    DualStack,
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The vendor's id of the model; streams are billed under it.
    pub model: String,
    /// Region asked.
    pub region: String,
    url: String,
    host: String,
    body: Bytes,
    stream: bool,
    credentials: Credentials,
    /// What of the client library is in use, in the vendor's letters.
    features: String,
}

/// One attempt of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Names all attempts of one request.
    pub invocation_id: &'a str,
    /// From 1.
    pub number: u32,
    /// Of how many.
    pub of: i64,
    /// The moment, by the vendor's clock.
    pub now_ms: i64,
}

/// Plans the request for a client's call.
///
/// # Errors
/// When no request can be made of it.
pub fn plan(
    request: &RequestBody,
    stream: bool,
    account: &Account,
    settings: &Settings,
) -> Result<Plan, BuildError> {
    if let Some(odd) = account.odd {
        return Err(odd);
    }
    let model = model(request.root().get_truthy("model"), account, settings)?;
    let region = if !account.region.is_empty() {
        &account.region
    } else if model.contains("haiku") {
        &settings.small_model_region
    } else {
        &settings.region
    };
    let credentials = credentials(account, settings)?;
    if model.is_empty() {
        return Err(BuildError::NoModel);
    }
    let operation = if stream { "invoke-with-response-stream" } else { "invoke" };
    let url = endpoint::url(&settings.endpoints, region, &model, operation)?;
    let name = url.host_str().unwrap_or_default();
    Ok(Plan {
        host: url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}")),
        url: url.into(),
        region: region.clone(),
        body: body::build(request, settings.max_tokens).into(),
        features: features(&credentials, account, settings),
        model,
        stream,
        credentials,
    })
}

/// Makes one attempt of a plan: headers, signature and all.
///
/// # Errors
/// When the credentials cannot sign.
pub fn sign_attempt(plan: &Plan, attempt: &Attempt<'_>) -> Result<BuiltRequest, BuildError> {
    let mut headers = HeaderList::new();
    headers.push("host", &*plan.host);
    headers.push("content-type", "application/json");
    headers.push(if plan.stream { "x-amzn-bedrock-accept" } else { "accept" }, "application/json");
    headers.push("content-length", plan.body.len().to_string());
    headers.push("x-amz-user-agent", LIBRARY);
    headers.push("user-agent", format!("{USER_AGENT} m/{}", plan.features));
    headers.push("amz-sdk-invocation-id", attempt.invocation_id);
    headers.push("amz-sdk-request", format!("attempt={}; max={}", attempt.number, attempt.of));
    match &plan.credentials {
        Credentials::Bearer(token) => {
            headers.push("authorization", format!("Bearer {}", token.expose()));
        }
        Credentials::AccessKey(key) => {
            let (region, now_ms) = (plan.region.as_str(), attempt.now_ms);
            let scope = Scope { service: SERVICE, region, now_ms };
            sign::sign(&plan.url, &mut headers, &plan.body, key, scope)?;
        }
    }
    Ok(BuiltRequest { url: plan.url.clone(), headers, body: plan.body.clone() })
}

/// The account's model wins over the request's.
fn model(
    requested: Option<Value<'_>>,
    account: &Account,
    settings: &Settings,
) -> Result<String, BuildError> {
    let asked: Cow<'_, str> = match (&account.default_model, requested) {
        (Some(model), _) => model.into(),
        (None, Some(model)) => model.as_str().ok_or(BuildError::Model)?,
        (None, None) => settings.default_model.as_str().into(),
    };
    Ok(models::to_vendor(&asked))
}

/// How it tries again, and where the credentials are from.
fn features(credentials: &Credentials, account: &Account, settings: &Settings) -> String {
    let mode = if settings.adaptive { "F" } else { "E" };
    let source = match (credentials, &account.credentials) {
        (Credentials::AccessKey(_), None) => "g,e",
        (Credentials::Bearer(_), None | Some(Credentials::AccessKey(_))) => "3",
        _ => "e",
    };
    format!("{mode},{source}")
}

/// A bearer token of the environment goes before access keys, as the vendor's client library has it.
fn credentials(account: &Account, settings: &Settings) -> Result<Credentials, BuildError> {
    let env_bearer = || settings.bearer.clone().map(Credentials::Bearer);
    let found = match &account.credentials {
        Some(Credentials::AccessKey(key)) => {
            env_bearer().unwrap_or_else(|| Credentials::AccessKey(key.clone()))
        }
        Some(bearer) => bearer.clone(),
        None => {
            let key = settings.access_key.clone().ok_or(BuildError::NoCredentials)?;
            env_bearer().unwrap_or(Credentials::AccessKey(key))
        }
    };
    Ok(found)
}
