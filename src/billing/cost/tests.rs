use compat::number::js;
use serde_json::{Value, json};

use super::*;
use crate::billing::rates::{KeyRates, ServiceRates, service_of};

/// Optional extra vectors, freshly computed by a legacy service: files named by `CRS_COST_VECTORS`, with
/// commas between.
const EXTRA: &str = "CRS_COST_VECTORS";

fn usage_of(vector: &Value) -> (Usage<'_>, &str) {
    let input = &vector["input"];
    let usage = &input["usage"];
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let split = usage.get("cache_creation").map(|split| CacheSplit {
        ephemeral_5m: split["ephemeral_5m_input_tokens"].as_u64().unwrap_or(0),
        ephemeral_1h: split["ephemeral_1h_input_tokens"].as_u64().unwrap_or(0),
    });
    let usage = Usage {
        input: count("input_tokens"),
        output: count("output_tokens"),
        cache_create: count("cache_creation_input_tokens"),
        cache_read: count("cache_read_input_tokens"),
        split,
        anthropic_beta: usage["request_anthropic_beta"].as_str(),
        request_speed: usage["request_speed"].as_str(),
        speed: usage["speed"].as_str(),
        service_tier: input["service_tier"].as_str(),
    };
    (usage, input["model"].as_str().unwrap())
}

/// Every vector is met.
fn check(prices: &PriceTable, file: &Value) -> usize {
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let found = differences(prices, vector);
        assert!(found.is_empty(), "{found:?} in {vector}");
    }
    vectors.len()
}

/// What differs from a vector, as `name: crs, legacy`.
fn differences(prices: &PriceTable, vector: &Value) -> Vec<String> {
    let (usage, model) = usage_of(vector);
    let (input, expected) = (&vector["input"], &vector["expected"]);
    let cost = calculate(prices, &usage, model);
    let mut got = vec![
        ("total", js(cost.total)),
        ("input", js(cost.input)),
        ("output", js(cost.output)),
        ("cacheCreate", js(cost.cache_create)),
        ("cacheRead", js(cost.cache_read)),
        ("ephemeral5m", js(cost.ephemeral_5m)),
        ("ephemeral1h", js(cost.ephemeral_1h)),
        ("isLongContextRequest", cost.long_context.to_string()),
        ("pricingSource", cost.source.unwrap().as_str().to_owned()),
        ("usedFallbackPricing", cost.used_fallback.to_string()),
        ("windowCost", js(recalculate_for_window(prices, &usage, model))),
        ("matchedPricingKey", prices.matched_name(model).unwrap_or("null").to_owned()),
    ];
    if let Some(own) = input["key_rates"].as_str() {
        let global = ServiceRates::parse(input["rates"].as_str());
        let service = service_of(input["account_type"].as_str(), model);
        let rated = KeyRates::parse(own).rated(cost.total, service, &global);
        got.push(("rated", js(if cost.total > 0.0 { rated } else { cost.total })));
    }
    let spell = |told: &Value| match told {
        Value::String(text) => text.clone(),
        Value::Number(number) => js(number.as_f64().unwrap()),
        other => other.to_string(),
    };
    let told = got.into_iter().filter_map(|(name, ours)| {
        let theirs = spell(expected.get(name)?);
        // A rate that is no number counts as 1 (MIGRATION 26).
        let unrated = name == "rated" && theirs == "NaN";
        (ours != theirs && !unrated).then(|| format!("{name}: {ours}, {theirs}"))
    });
    told.collect()
}

#[test]
fn legacy_vectors_are_met_to_the_last_bit() {
    let text = include_str!("../../../tests/fixtures/vectors/cost.json");
    assert_eq!(check(&PriceTable::built_in(), &serde_json::from_str(text).unwrap()), 31);
}

#[test]
fn odd_price_files_and_rates_are_met() {
    let lines = include_str!("../../../tests/fixtures/vectors/cost-odd.jsonl");
    let (agreed, differing) = compare(lines);
    assert!(agreed > 100 && differing.is_empty(), "{agreed} agree; first: {:?}", differing.first());
}

#[test]
fn extra_vectors_are_met_when_given() {
    let Ok(files) = std::env::var(EXTRA) else { return };
    for file in files.split(',') {
        let (agreed, differing) = compare(&std::fs::read_to_string(file).unwrap());
        let all = agreed + differing.len();
        let first = differing.first();
        assert!(all > 0 && first.is_none(), "{agreed} of {all} agree in {file}; first: {first:?}");
    }
}

/// Vectors as lines of JSON: `{prices_text, vectors}` with a price file as text, null for the built-in
/// table. Beyond the others they may hold rates and what the cost is rated at. How many agree, and which
/// do not.
fn compare(lines: &str) -> (usize, Vec<Value>) {
    let (mut agreed, mut differing) = (0, Vec::new());
    for line in lines.lines() {
        let batch: Value = serde_json::from_str(line).unwrap();
        let text = batch["prices_text"].as_str();
        let prices = text.map_or_else(PriceTable::built_in, |t| PriceTable::from_json(t).unwrap());
        for vector in batch["vectors"].as_array().unwrap() {
            match differences(&prices, vector) {
                found if found.is_empty() => agreed += 1,
                found => differing.push(json!([found, vector, text])),
            }
        }
    }
    (agreed, differing)
}

#[test]
fn price_files_in_the_public_layout_are_read() {
    let prices = PriceTable::from_json(
        r#"{"zeta-1":{"input_cost_per_token":2e-06,"output_cost_per_token":null,
            "litellm_provider":"openai","supports_service_tier":true},
            "sample":"text","zeta":{"input_cost_per_token":1e-06}}"#,
    )
    .unwrap();
    assert_eq!(prices.len(), 2, "a text is no model");
    assert_eq!(prices.matched_name("Zeta"), Some("zeta-1"), "the first entry that fits");
    let usage = Usage { input: 10, output: 5, cache_create: 3, ..Usage::default() };
    let cost = calculate(&prices, &usage, "zeta-1");
    assert_eq!((cost.input, cost.output), (0.00002, 0.0));
    assert_eq!(cost.cache_create, 3.0 / 1e6 * (2e-06 * 1e6), "cache writes cost as input");
    assert!(PriceTable::from_json("null").is_err());
}
