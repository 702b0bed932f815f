//! The price table and the model match.
//!
//! Entries keep the order of their source: the fuzzy match takes the first entry that fits, so the order
//! decides prices (contract/auth-limits-usage.md §5.2). All prices are USD per token.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::{Map, Value};
use thiserror::Error;

/// The table used while no `data/model_pricing.json` exists.
const BUILT_IN: &str = include_str!("prices.tsv");

/// How many model names the match remembers; beyond that it starts afresh.
const REMEMBERED_MODELS: usize = 4096;

/// Prices of one model, USD per token. Absent prices are `None`; the calculators decide what that means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Price {
    /// Vendor name (`litellm_provider`).
    pub provider: Option<String>,
    /// Uncached input.
    pub input: Option<f64>,
    /// Output.
    pub output: Option<f64>,
    /// Cache write, five minutes.
    pub cache_write: Option<f64>,
    /// Cache write, one hour.
    pub cache_write_1h: Option<f64>,
    /// Cache read.
    pub cache_read: Option<f64>,
    /// Input of a long-context request.
    pub input_200k: Option<f64>,
    /// Output of a long-context request.
    pub output_200k: Option<f64>,
    /// Five-minute cache write of a long-context request.
    pub cache_write_200k: Option<f64>,
    /// One-hour cache write of a long-context request.
    pub cache_write_1h_200k: Option<f64>,
    /// Cache read of a long-context request.
    pub cache_read_200k: Option<f64>,
    /// Input in the priority tier.
    pub input_priority: Option<f64>,
    /// Output in the priority tier.
    pub output_priority: Option<f64>,
    /// Cache read in the priority tier.
    pub cache_read_priority: Option<f64>,
    /// Whether the priority tier applies to this model at all.
    pub priority_tier: bool,
    /// Fast-mode multiplier.
    pub fast: Option<f64>,
}

/// An ordered table of model prices.
#[derive(Debug)]
pub struct PriceTable {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    remembered: Mutex<HashMap<String, Option<usize>>>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// Lower case without `_` and `-`.
    folded: String,
    price: Price,
}

/// A price file could not be read.
#[derive(Debug, Error)]
pub enum PriceError {
    /// Not JSON.
    #[error("price file is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but not an object of models.
    #[error("price file is not an object of models")]
    Shape,
}

impl PriceTable {
    /// The table that comes with the program.
    pub fn built_in() -> Self {
        Self::from_text(BUILT_IN)
    }

    /// Reads a table as [`super::table_text()`] writes it.
    pub(super) fn from_text(text: &str) -> Self {
        Self::from_entries(text.lines().skip(1).map(built_in_line))
    }

    /// Reads the JSON of `model_pricing.json` (the LiteLLM layout).
    ///
    /// # Errors
    /// When it is not a JSON object.
    pub fn from_json(text: &str) -> Result<Self, PriceError> {
        let Value::Object(models) = serde_json::from_str(text)? else {
            return Err(PriceError::Shape);
        };
        Ok(Self::from_entries(
            models
                .iter()
                .filter_map(|(name, fields)| Some((name.clone(), price_of(fields.as_object()?)))),
        ))
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Prices of a model, by the legacy match: exact, known successors, Bedrock without region, then the
    /// first entry whose folded name contains, or is contained in, the folded model name.
    pub fn find(&self, model: &str) -> Option<&Price> {
        self.find_entry(model).map(|entry| &entry.price)
    }

    /// Name of the entry that [`PriceTable::find`] takes.
    pub fn matched_name(&self, model: &str) -> Option<&str> {
        self.find_entry(model).map(|entry| entry.name.as_str())
    }

    fn from_entries(entries: impl Iterator<Item = (String, Price)>) -> Self {
        let entries: Vec<Entry> =
            entries.map(|(name, price)| Entry { folded: fold(&name), name, price }).collect();
        let by_name = entries.iter().enumerate().map(|(at, e)| (e.name.clone(), at)).collect();
        Self { entries, by_name, remembered: Mutex::default() }
    }

    fn find_entry(&self, model: &str) -> Option<&Entry> {
        if model.is_empty() {
            return None;
        }
        if let Some(&at) = self.by_name.get(model) {
            return self.entries.get(at);
        }
        let known = self.remembered.lock().get(model).copied();
        let found = known.unwrap_or_else(|| {
            let found = self.search(model);
            let mut remembered = self.remembered.lock();
            if remembered.len() >= REMEMBERED_MODELS {
                remembered.clear();
            }
            remembered.insert(model.to_owned(), found);
            found
        });
        self.entries.get(found?)
    }

    fn search(&self, model: &str) -> Option<usize> {
        let exact = |name: &str| self.by_name.get(name).copied();
        if (model == "gpt-5.5" || model.starts_with("gpt-5.6"))
            && let Some(found) = exact("gpt-5")
        {
            return Some(found);
        }
        if (model.contains(".anthropic.") || model.contains(".claude"))
            && let Some(found) = exact(without_region(model))
        {
            return Some(found);
        }
        let folded = fold(model);
        let fuzzy = |e: &Entry| e.folded.contains(&folded) || folded.contains(&e.folded);
        if let Some(found) = self.entries.iter().position(fuzzy) {
            return Some(found);
        }
        if !model.contains("anthropic.claude") {
            return None;
        }
        let core = without_region(model).replacen("anthropic.", "", 1);
        self.entries.iter().position(|e| {
            e.name.contains(&core) || e.name.replacen("anthropic.", "", 1).contains(&core)
        })
    }
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace(['_', '-'], "")
}

fn without_region(model: &str) -> &str {
    ["us.", "eu.", "apac."].iter().find_map(|region| model.strip_prefix(region)).unwrap_or(model)
}

pub(super) fn price_of(fields: &Map<String, Value>) -> Price {
    // Prices written as text count, too.
    let price = |name: &str| match fields.get(name)? {
        Value::String(text) => text.trim().parse::<f64>().ok().filter(|usd| usd.is_finite()),
        other => other.as_f64(),
    };
    Price {
        provider: fields.get("litellm_provider").and_then(Value::as_str).map(str::to_owned),
        input: price("input_cost_per_token"),
        output: price("output_cost_per_token"),
        cache_write: price("cache_creation_input_token_cost"),
        cache_write_1h: price("cache_creation_input_token_cost_above_1hr"),
        cache_read: price("cache_read_input_token_cost"),
        input_200k: price("input_cost_per_token_above_200k_tokens"),
        output_200k: price("output_cost_per_token_above_200k_tokens"),
        cache_write_200k: price("cache_creation_input_token_cost_above_200k_tokens"),
        cache_write_1h_200k: price("cache_creation_input_token_cost_above_1hr_above_200k_tokens"),
        cache_read_200k: price("cache_read_input_token_cost_above_200k_tokens"),
        input_priority: price("input_cost_per_token_priority"),
        output_priority: price("output_cost_per_token_priority"),
        cache_read_priority: price("cache_read_input_token_cost_priority"),
        priority_tier: fields.get("supports_service_tier").is_some_and(is_truthy),
        fast: fields
            .get("provider_specific_entry")
            .and_then(|entry| entry.get("fast"))
            .and_then(Value::as_f64),
    }
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// One line of `prices.tsv`; its first line names the columns.
fn built_in_line(line: &str) -> (String, Price) {
    let mut columns = line.split('\t');
    let name = columns.next().unwrap_or_default().to_owned();
    let provider = columns.next().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut price = || columns.next().and_then(|text| text.parse::<f64>().ok());
    let price = Price {
        provider,
        input: price(),
        output: price(),
        cache_write: price(),
        cache_write_1h: price(),
        cache_read: price(),
        input_200k: price(),
        output_200k: price(),
        cache_write_200k: price(),
        cache_read_200k: price(),
        input_priority: price(),
        output_priority: price(),
        cache_read_priority: price(),
        priority_tier: price() == Some(1.0),
        fast: price(),
        cache_write_1h_200k: price(),
    };
    (name, price)
}
