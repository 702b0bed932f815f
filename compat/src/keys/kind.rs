//! The ten kinds of accounts and the keys each has.

use crate::crypto::Service;

/// Kind of an upstream account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    /// Claude with OAuth or a setup token.
    ClaudeOfficial,
    /// Anthropic-compatible provider with an API key.
    ClaudeConsole,
    /// Claude Code Router.
    Ccr,
    /// AWS Bedrock.
    Bedrock,
    /// ChatGPT OAuth, Codex.
    OpenAi,
    /// OpenAI-Responses provider with an API key.
    OpenAiResponses,
    /// Azure `OpenAI`.
    AzureOpenAi,
    /// Gemini CLI and Antigravity.
    Gemini,
    /// Gemini API key.
    GeminiApi,
    /// Factory Droid.
    Droid,
}

impl AccountKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::ClaudeOfficial,
        Self::ClaudeConsole,
        Self::Ccr,
        Self::Bedrock,
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::AzureOpenAi,
        Self::Gemini,
        Self::GeminiApi,
        Self::Droid,
    ];

    /// Account type as it stands in values and in `temp_unavailable:{type}:{id}`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeOfficial => "claude-official",
            Self::ClaudeConsole => "claude-console",
            Self::Ccr => "ccr",
            Self::Bedrock => "bedrock",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::AzureOpenAi => "azure-openai",
            Self::Gemini => "gemini",
            Self::GeminiApi => "gemini-api",
            Self::Droid => "droid",
        }
    }

    /// Reads an account type.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What records and index start with.
    fn stem(self) -> &'static str {
        match self {
            Self::ClaudeOfficial => "claude:account",
            Self::ClaudeConsole => "claude_console_account",
            Self::Ccr => "ccr_account",
            Self::Bedrock => "bedrock_account",
            Self::OpenAi => "openai:account",
            Self::OpenAiResponses => "openai_responses_account",
            Self::AzureOpenAi => "azure_openai:account",
            Self::Gemini => "gemini_account",
            Self::GeminiApi => "gemini_api_account",
            Self::Droid => "droid:account",
        }
    }

    /// Key of one record: a JSON text for Bedrock, else a hash.
    pub fn record(self, account_id: &str) -> String {
        format!("{}:{account_id}", self.stem())
    }

    /// Pattern of the records in the catalogue.
    pub fn record_pattern(self) -> String {
        self.record("{account_id}")
    }

    /// Key of the set of all ids.
    pub fn index(self) -> String {
        format!("{}:index", self.stem())
    }

    /// Key of the marker that hides the kind, see [`empty_marker`](super::empty_marker).
    pub fn index_empty(self) -> String {
        super::empty_marker(&self.index())
    }

    /// Key of the set of accounts that any API key may use, for kinds that have one.
    pub fn shared(self) -> Option<&'static str> {
        match self {
            Self::ClaudeConsole => Some("shared_claude_console_accounts"),
            Self::Ccr => Some("shared_ccr_accounts"),
            Self::OpenAi => Some("shared_openai_accounts"),
            Self::OpenAiResponses => Some("shared_openai_responses_accounts"),
            Self::AzureOpenAi => Some("shared_azure_openai_accounts"),
            Self::Gemini => Some("shared_gemini_accounts"),
            Self::GeminiApi => Some("shared_gemini_api_accounts"),
            Self::ClaudeOfficial | Self::Bedrock | Self::Droid => None,
        }
    }

    /// Whose encryption the secrets are under; Bedrock has a form of its own.
    pub fn service(self) -> Option<Service> {
        match self {
            Self::ClaudeOfficial => Some(Service::Claude),
            Self::ClaudeConsole => Some(Service::ClaudeConsole),
            Self::Ccr => Some(Service::Ccr),
            Self::Bedrock => None,
            Self::OpenAi => Some(Service::OpenAi),
            Self::OpenAiResponses => Some(Service::OpenAiResponses),
            Self::AzureOpenAi => Some(Service::AzureOpenAi),
            Self::Gemini => Some(Service::Gemini),
            Self::GeminiApi => Some(Service::GeminiApi),
            Self::Droid => Some(Service::Droid),
        }
    }

    /// Platform of the groups an account of this kind may be in; `None` when it joins none.
    pub fn group_platform(self) -> Option<&'static str> {
        match self {
            Self::ClaudeOfficial | Self::ClaudeConsole | Self::Ccr => Some("claude"),
            Self::OpenAi | Self::OpenAiResponses => Some("openai"),
            Self::Gemini | Self::GeminiApi => Some("gemini"),
            Self::Droid => Some("droid"),
            Self::Bedrock | Self::AzureOpenAi => None,
        }
    }
}
