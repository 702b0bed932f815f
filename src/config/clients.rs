//! Settings of the client validators.

use super::reader::Reader;

/// How strictly a request must look like Claude Code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientsConfig {
    /// `SYSTEM_PROMPT_THRESHOLD` (0.5): similarity a system entry needs. Legacy quirks: empty text is
    /// 0, and the whole text must be a number.
    pub system_prompt_threshold: f64,
    /// `CLAUDE_CODE_MIN_SYSTEM_PROMPT_MATCHES` (0): 0 = every entry must match, N = at least N.
    pub min_system_prompt_matches: u32,
}

impl ClientsConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self {
            system_prompt_threshold: reader
                .raw("SYSTEM_PROMPT_THRESHOLD")
                .and_then(|text| js::parse_number(&text))
                .unwrap_or(0.5),
            min_system_prompt_matches: reader
                .raw("CLAUDE_CODE_MIN_SYSTEM_PROMPT_MATCHES")
                .and_then(|text| js::parse_int(&text))
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(0),
        }
    }
}
