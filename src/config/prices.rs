//! Where price data comes from.

use super::reader::Reader;

/// The price mirror (contract/auth-limits-usage.md §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricesConfig {
    /// `PRICE_MIRROR_JSON_URL`, else the file below the mirror's base.
    pub json_url: String,
    /// `PRICE_MIRROR_HASH_URL`, else the hash file below the mirror's base.
    pub hash_url: String,
    /// `CRS_PRICES_DOWNLOAD` (true): `false` uses only the files already there.
    pub download: bool,
}

impl PricesConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        let repository = reader
            .optional("PRICE_MIRROR_REPO")
            .or_else(|| reader.optional("GITHUB_REPOSITORY"))
            .unwrap_or_else(|| "Wei-Shaw/claude-relay-service".to_owned());
        let branch = reader.text("PRICE_MIRROR_BRANCH", "price-mirror");
        let file = reader.text("PRICE_MIRROR_FILENAME", "model_prices_and_context_window.json");
        let hash =
            reader.text("PRICE_MIRROR_HASH_FILENAME", "model_prices_and_context_window.sha256");
        let base = match reader.optional("PRICE_MIRROR_BASE_URL") {
            // One trailing slash is dropped, as the legacy service does.
            Some(base) => base.strip_suffix('/').map(str::to_owned).unwrap_or(base),
            None => format!("https://raw.githubusercontent.com/{repository}/{branch}"),
        };
        Self {
            json_url: reader.text("PRICE_MIRROR_JSON_URL", &format!("{base}/{file}")),
            hash_url: reader.text("PRICE_MIRROR_HASH_URL", &format!("{base}/{hash}")),
            download: reader.is_not_false("CRS_PRICES_DOWNLOAD"),
        }
    }
}
