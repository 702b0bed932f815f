//! The kinds of upstream accounts.

use std::fmt;

/// Kind of an upstream account, with the legacy spelling used in Redis values and usage records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    /// Claude with OAuth or a setup token (`claude-official`).
    ClaudeOfficial,
    /// Anthropic-compatible provider with an API key (`claude-console`).
    ClaudeConsole,
    /// Claude Code Router provider (`ccr`).
    Ccr,
    /// AWS Bedrock (`bedrock`).
    Bedrock,
    /// ChatGPT OAuth, Codex (`openai`).
    OpenAi,
    /// OpenAI-Responses provider with an API key (`openai-responses`).
    OpenAiResponses,
    /// Azure OpenAI (`azure-openai`).
    AzureOpenAi,
    /// Gemini CLI OAuth (`gemini`).
    Gemini,
    /// Gemini API key (`gemini-api`).
    GeminiApi,
    /// Factory Droid (`droid`).
    Droid,
}

impl AccountKind {
    /// The legacy account-type text.
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

    /// Reads the legacy account-type text; unknown text gives `None`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "claude-official" => Self::ClaudeOfficial,
            "claude-console" => Self::ClaudeConsole,
            "ccr" => Self::Ccr,
            "bedrock" => Self::Bedrock,
            "openai" => Self::OpenAi,
            "openai-responses" => Self::OpenAiResponses,
            "azure-openai" => Self::AzureOpenAi,
            "gemini" => Self::Gemini,
            "gemini-api" => Self::GeminiApi,
            "droid" => Self::Droid,
            _ => return None,
        })
    }
}

impl fmt::Display for AccountKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
