//! The models a provider account serves, with their names there.

use serde_json::{Map, Value};

use super::field::item_text;

/// `supportedModels` of console and CCR accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ModelMap {
    /// Empty map or list, or JSON that is neither: every model, under its own name.
    #[default]
    All,
    /// Old form: a list of names.
    List(Vec<String>),
    /// Requested name to the provider's name.
    Map(Map<String, Value>),
    /// No JSON; the legacy service fails to load such an account.
    Unreadable(String),
}

impl ModelMap {
    /// Reads a stored value.
    pub fn parse(stored: &str) -> Self {
        if stored.is_empty() {
            return Self::All;
        }
        match serde_json::from_str(stored) {
            Ok(Value::Object(map)) if map.is_empty() => Self::All,
            Ok(Value::Object(map)) => Self::Map(map),
            Ok(Value::Array(items)) if items.is_empty() => Self::All,
            Ok(Value::Array(items)) => Self::List(items.into_iter().map(item_text).collect()),
            Ok(_) => Self::All,
            Err(_) => Self::Unreadable(stored.to_owned()),
        }
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        match self {
            Self::All => "{}".to_owned(),
            Self::List(models) => Value::from(models.clone()).to_string(),
            Self::Map(map) => Value::Object(map.clone()).to_string(),
            Self::Unreadable(stored) => stored.clone(),
        }
    }

    /// The name under which the provider knows `model`: exact first, then (in maps) without regard to
    /// case; `None` when it is not served.
    pub fn mapped<'a>(&'a self, model: &'a str) -> Option<&'a str> {
        match self {
            Self::All => Some(model),
            Self::List(models) => models.iter().any(|known| known == model).then_some(model),
            Self::Map(map) => {
                let exact = map.get(model).filter(|name| name.as_str() != Some(""));
                let name = exact.or_else(|| {
                    let lower = model.to_lowercase();
                    map.iter()
                        .find(|(known, _)| known.to_lowercase() == lower)
                        .map(|(_, name)| name)
                });
                name.map(|name| name.as_str().unwrap_or(model))
            }
            Self::Unreadable(_) => None,
        }
    }
}
