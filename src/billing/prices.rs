//! The price table and the model match.
//!
//! Entries keep the order of their source: the fuzzy match takes the first entry that fits, so the order
//! decides prices (contract/auth-limits-usage.md §5.2). All prices are USD per token.

use std::collections::HashMap;

use compat::js;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use thiserror::Error;

use super::told::Told;

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
    pub input: Option<Told>,
    /// Output.
    pub output: Option<Told>,
    /// Cache write, five minutes.
    pub cache_write: Option<Told>,
    /// Cache write, one hour.
    pub cache_write_1h: Option<Told>,
    /// Cache read.
    pub cache_read: Option<Told>,
    /// Input of a long-context request.
    pub input_200k: Option<Told>,
    /// Output of a long-context request.
    pub output_200k: Option<Told>,
    /// Five-minute cache write of a long-context request.
    pub cache_write_200k: Option<Told>,
    /// One-hour cache write of a long-context request.
    pub cache_write_1h_200k: Option<Told>,
    /// Cache read of a long-context request.
    pub cache_read_200k: Option<Told>,
    /// Input in the priority tier.
    pub input_priority: Option<Told>,
    /// Output in the priority tier.
    pub output_priority: Option<Told>,
    /// Cache read in the priority tier.
    pub cache_read_priority: Option<Told>,
    /// Whether the priority tier applies to this model at all.
    pub priority_tier: bool,
    /// Fast-mode multiplier, a plain factor.
    pub fast: Option<Told>,
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
    /// `None` for an empty entry (`null`, zero, empty text): the model then has no price. An entry that is
    /// something else has a price of nothing.
    price: Option<Price>,
    /// Whether it is an object, as an entry should be.
    proper: bool,
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

    /// Reads the JSON of `model_pricing.json` (the LiteLLM layout). What is no object of models has the
    /// members that JavaScript sees in it: items of a list, characters of a text, else none.
    ///
    /// # Errors
    /// When it is not JSON, or `null`.
    pub fn from_json(text: &str) -> Result<Self, PriceError> {
        let member = |(place, value)| (format!("{place}"), value);
        let models: Map<String, Value> = match serde_json::from_str(text)? {
            Value::Object(models) => models,
            Value::Array(items) => items.into_iter().enumerate().map(member).collect(),
            Value::String(text) => {
                text.chars().map(|c| Value::from(c.to_string())).enumerate().map(member).collect()
            }
            Value::Null => return Err(PriceError::Shape),
            Value::Number(_) | Value::Bool(_) => Map::new(),
        };
        let models = js::members_in_order(&models);
        Ok(Self::from_entries(models.map(|(name, value)| Entry {
            folded: fold(name),
            name: name.clone(),
            price: js::truthy(Some(value)).then(|| price_of(value)),
            proper: value.is_object(),
        })))
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.proper).count()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        !self.entries.iter().any(|entry| entry.proper)
    }

    /// Prices of a model, by the legacy match: exact, known successors, Bedrock without region, then the
    /// first entry whose folded name contains, or is contained in, the folded model name.
    pub fn find(&self, model: &str) -> Option<&Price> {
        self.find_entry(model)?.price.as_ref()
    }

    /// Name of the entry that [`PriceTable::find`] takes.
    pub fn matched_name(&self, model: &str) -> Option<&str> {
        self.find_entry(model).map(|entry| entry.name.as_str())
    }

    fn from_entries(entries: impl Iterator<Item = Entry>) -> Self {
        let entries: Vec<Entry> = entries.collect();
        let by_name = entries.iter().enumerate().map(|(at, e)| (e.name.clone(), at)).collect();
        Self { entries, by_name, remembered: Mutex::default() }
    }

    fn find_entry(&self, model: &str) -> Option<&Entry> {
        if model.is_empty() {
            return None;
        }
        if let Some(at) = self.exact(model) {
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

    /// The entry of this name, unless it is an empty one.
    fn exact(&self, name: &str) -> Option<usize> {
        let at = *self.by_name.get(name)?;
        self.entries.get(at).is_some_and(|entry| entry.price.is_some()).then_some(at)
    }

    fn search(&self, model: &str) -> Option<usize> {
        let exact = |name: &str| self.exact(name);
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

/// Prices of an entry; one that is no object has none.
pub(super) fn price_of(entry: &Value) -> Price {
    let price = |name: &str| entry.get(name).and_then(Told::of);
    let special = &entry["provider_specific_entry"];
    Price {
        provider: entry["litellm_provider"].as_str().map(str::to_owned),
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
        priority_tier: js::truthy(entry.get("supports_service_tier")),
        fast: special.get("fast").and_then(Told::of),
    }
}

/// One line of `prices.tsv`; its first line names the columns.
fn built_in_line(line: &str) -> Entry {
    let mut columns = line.split('\t');
    let name = columns.next().unwrap_or_default().to_owned();
    let provider = columns.next().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut price = || columns.next().and_then(|text| text.parse::<f64>().ok()).map(Told::number);
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
        priority_tier: price() == Some(Told::number(1.0)),
        fast: price(),
        cache_write_1h_200k: price(),
    };
    Entry { folded: fold(&name), name, price: Some(price), proper: true }
}
