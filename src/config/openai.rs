//! Settings of the OpenAI family.

use std::path::PathBuf;

use super::reader::Reader;

/// ChatGPT accounts.
#[derive(Clone, Debug, Default)]
pub struct OpenAiConfig {
    /// `CRS_CODEX_INSTRUCTIONS_FILE` (unset): instructions that requests of clients other than Codex get.
    pub instructions_file: Option<PathBuf>,
}

impl OpenAiConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let instructions_file = reader.optional("CRS_CODEX_INSTRUCTIONS_FILE").map(PathBuf::from);
        Self { instructions_file }
    }
}
