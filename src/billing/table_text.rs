//! The built-in table as text, made of a public price list (the LiteLLM layout): which models it has, in
//! which order and spelling. The same list gives the same text.

use serde_json::Value;

use super::{
    prices::{Price, PriceError, price_of},
    told::Told,
};

/// Columns, in order; the first line of the table names them.
const COLUMNS: [&str; 17] = [
    "model",
    "provider",
    "input",
    "output",
    "cache_write",
    "cache_write_1h",
    "cache_read",
    "input_200k",
    "output_200k",
    "cache_write_200k",
    "cache_read_200k",
    "input_priority",
    "output_priority",
    "cache_read_priority",
    "priority_tier",
    "fast",
    "cache_write_1h_200k",
];

/// How names of models begin that clients ask a relay for.
const FAMILIES: [&str; 10] = [
    "claude-",
    "gemini-",
    "gpt-",
    "chatgpt-",
    "codex-",
    "o1",
    "o3",
    "o4",
    "deepseek-",
    "text-embedding-",
];
/// Claude models as Bedrock names them, whatever region stands before.
const ON_BEDROCK: &str = "anthropic.claude-";

/// The table: one line per model that clients ask for and that has a price, in the order of the list, which
/// the match of names goes by.
///
/// # Errors
/// When the list is no JSON object.
pub fn table_text(list: &str) -> Result<String, PriceError> {
    let Value::Object(models) = serde_json::from_str(list)? else {
        return Err(PriceError::Shape);
    };
    let mut text = COLUMNS.join("\t");
    text.push('\n');
    for (name, fields) in models.iter().filter(|(name, _)| is_asked_for(name)) {
        let price = price_of(fields);
        if price.input.is_some() || price.output.is_some() {
            text.push_str(&line(name, &price));
            text.push('\n');
        }
    }
    Ok(text)
}

/// Names of another relay's routes (`azure/gpt-4`) are left out.
fn is_asked_for(name: &str) -> bool {
    let plain = !name.contains(['/', '\t', '\n', '\r']);
    let known = FAMILIES.iter().any(|family| name.starts_with(family)) || name.contains(ON_BEDROCK);
    plain && known
}

fn line(name: &str, price: &Price) -> String {
    let amount = |told: Option<Told>| {
        let usd = told.map(Told::amount).filter(|usd| usd.is_finite());
        usd.map(|usd| format!("{usd:e}")).unwrap_or_default()
    };
    let cells = [
        name.to_owned(),
        price.provider.clone().unwrap_or_default().replace(['\t', '\n'], " "),
        amount(price.input),
        amount(price.output),
        amount(price.cache_write),
        amount(price.cache_write_1h),
        amount(price.cache_read),
        amount(price.input_200k),
        amount(price.output_200k),
        amount(price.cache_write_200k),
        amount(price.cache_read_200k),
        amount(price.input_priority),
        amount(price.output_priority),
        amount(price.cache_read_priority),
        if price.priority_tier { "1".to_owned() } else { String::new() },
        amount(price.fast),
        amount(price.cache_write_1h_200k),
    ];
    cells.join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::PriceTable;

    const LIST: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0.0},
        "gpt-5": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "litellm_provider": "openai",
                  "cache_read_input_token_cost": 1.25e-07, "supports_service_tier": true,
                  "input_cost_per_token_priority": 2.5e-06, "output_cost_per_token_priority": 2e-05},
        "azure/gpt-5": {"input_cost_per_token": 1.0},
        "us.anthropic.claude-sonnet-4-20250514-v1:0": {"input_cost_per_token": 3e-06, "litellm_provider": "bedrock_converse"},
        "claude-sonnet-4-5": {"input_cost_per_token": 3e-06, "input_cost_per_token_above_200k_tokens": 6e-06,
                  "cache_creation_input_token_cost_above_1hr": 6e-06,
                  "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
                  "provider_specific_entry": {"fast": 6.0}},
        "dall-e-3": {"input_cost_per_token": 1.0},
        "gpt-free": {"mode": "chat"}
    }"#;

    #[test]
    fn the_table_says_what_the_list_says() {
        let text = table_text(LIST).unwrap();
        assert_eq!(text, table_text(LIST).unwrap());
        let names: Vec<&str> =
            text.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
        let bedrock = "us.anthropic.claude-sonnet-4-20250514-v1:0";
        assert_eq!(names, ["gpt-5", bedrock, "claude-sonnet-4-5"]);
        let (list, table) = (PriceTable::from_json(LIST).unwrap(), PriceTable::from_text(&text));
        for name in names {
            assert_eq!(table.find(name), list.find(name), "{name}");
        }
        assert_eq!(
            table.find("claude-sonnet-4-5").unwrap().cache_write_1h_200k,
            Some(Told::number(1.2e-5))
        );
        assert!(table_text("[]").is_err());
    }

    #[test]
    fn the_table_at_hand_has_the_columns() {
        let header = include_str!("prices.tsv").lines().next().unwrap();
        assert_eq!(header, COLUMNS.join("\t"));
    }
}
