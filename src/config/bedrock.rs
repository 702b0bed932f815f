//! Settings of AWS Bedrock: the vendor's own variables, and those of Claude Code that the legacy
//! service reads for it.

use super::reader::Reader;
use crate::domain::Secret;

/// What applies to Bedrock accounts that leave it open.
#[derive(Clone, Debug)]
pub struct BedrockConfig {
    /// `AWS_REGION` (us-east-1): region of accounts without one.
    pub region: String,
    /// `ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION` (`AWS_REGION`): the same for Haiku models.
    pub small_model_region: String,
    /// `ANTHROPIC_MODEL`: model when neither account nor request names one.
    pub default_model: String,
    /// `BEDROCK_MAX_OUTPUT_TOKENS` (128000): limit of requests that name none.
    pub max_tokens: i64,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// `AWS_BEARER_TOKEN_BEDROCK`: used before any access key, also an account's.
    pub bearer_token: Option<Secret>,
    /// `AWS_MAX_ATTEMPTS` (3): how often a request is tried.
    pub max_attempts: u32,
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, else `AWS_ENDPOINT_URL`: asked in place of the regions'
    /// endpoints.
    pub endpoint_url: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT` (false).
    pub fips: bool,
}

impl BedrockConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let region = reader.text("AWS_REGION", "us-east-1");
        let secret = |name| reader.optional(name).map(Secret::from);
        let endpoint = reader.optional("AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
        let everywhere = reader.optional("AWS_ENDPOINT_URL");
        Self {
            small_model_region: reader.text("ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION", &region),
            region,
            default_model: reader
                .text("ANTHROPIC_MODEL", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
            max_tokens: reader.int_or("BEDROCK_MAX_OUTPUT_TOKENS", 128_000),
            access_key_id: reader.optional("AWS_ACCESS_KEY_ID"),
            secret_access_key: secret("AWS_SECRET_ACCESS_KEY"),
            session_token: secret("AWS_SESSION_TOKEN"),
            bearer_token: secret("AWS_BEARER_TOKEN_BEDROCK"),
            max_attempts: u32::try_from(reader.int_or("AWS_MAX_ATTEMPTS", 3)).unwrap_or(1),
            endpoint_url: endpoint.or(everywhere),
            fips: reader.is_true("AWS_USE_FIPS_ENDPOINT"),
        }
    }
}
