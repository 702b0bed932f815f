//! Settings of AWS Bedrock: the vendor's own variables and shared files, and those of Claude Code that
//! the legacy service reads for it.

use super::{
    aws::{AwsSurroundings, Shared},
    reader::Reader,
};

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
    /// Credentials for accounts that have none.
    pub surroundings: AwsSurroundings,
    /// `AWS_MAX_ATTEMPTS`, else `max_attempts` of the profile (3): how often a request is tried; below
    /// 1 is once.
    pub max_attempts: i64,
    /// `AWS_RETRY_MODE`, else `retry_mode` of the profile: whether it is `adaptive`.
    pub adaptive: bool,
    /// `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, else `AWS_ENDPOINT_URL`, else the profile's: asked in place
    /// of the regions' endpoints.
    pub endpoint_url: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`, else `use_fips_endpoint` of the profile.
    pub fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`, else `use_dualstack_endpoint` of the profile.
    pub dual_stack: bool,
}

impl BedrockConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let region = reader.text("AWS_REGION", "us-east-1");
        let surroundings = AwsSurroundings::read(reader, &region);
        let shared = Shared::of(&surroundings.files, surroundings.profile.as_deref());
        // What makes no sense in the environment leaves it to the profile, and there to the default.
        let count = |text: Option<String>| text.as_deref().and_then(js::parse_int);
        let switch = |text: Option<String>| match text.as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        let either = |variable, entry| {
            let own = switch(reader.optional(variable));
            own.or_else(|| switch(shared.text(entry))).unwrap_or_default()
        };
        let endpoint = reader.optional("AWS_ENDPOINT_URL_BEDROCK_RUNTIME");
        let everywhere = reader.optional("AWS_ENDPOINT_URL");
        let mode = reader.optional("AWS_RETRY_MODE").or_else(|| shared.text("retry_mode"));
        Self {
            small_model_region: reader.text("ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION", &region),
            region,
            default_model: reader
                .text("ANTHROPIC_MODEL", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
            max_tokens: reader.int_or("BEDROCK_MAX_OUTPUT_TOKENS", 128_000),
            max_attempts: count(reader.optional("AWS_MAX_ATTEMPTS"))
                .or_else(|| count(shared.text("max_attempts")))
                .unwrap_or(3),
            adaptive: mode.as_deref() == Some("adaptive"),
            endpoint_url: endpoint.or(everywhere).or_else(|| shared.endpoint("bedrock_runtime")),
            fips: either("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dual_stack: either("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
            surroundings,
        }
    }
}
