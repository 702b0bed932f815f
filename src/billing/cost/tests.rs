use compat::number::js;
use serde_json::Value;

use super::*;

/// Optional extra vectors in the same layout, e.g. freshly computed by a legacy service: files named by
/// `CRS_COST_VECTORS`, with commas between. `prices` in one names the price file that they go by.
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

fn check(prices: &PriceTable, file: &Value) -> usize {
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let (usage, model) = usage_of(vector);
        let expected = &vector["expected"];
        let cost = calculate(prices, &usage, model);
        let spell = |name: &str| js(expected[name].as_f64().unwrap());
        let got = [
            ("total", cost.total),
            ("input", cost.input),
            ("output", cost.output),
            ("cacheCreate", cost.cache_create),
            ("cacheRead", cost.cache_read),
            ("ephemeral5m", cost.ephemeral_5m),
            ("ephemeral1h", cost.ephemeral_1h),
        ];
        for (name, value) in got {
            assert_eq!(js(value), spell(name), "{name} of {vector}");
        }
        assert_eq!(Value::from(cost.long_context), expected["isLongContextRequest"], "{vector}");
        assert_eq!(cost.source.as_str(), expected["pricingSource"], "{vector}");
        assert_eq!(Value::from(cost.used_fallback), expected["usedFallbackPricing"], "{vector}");
        if let Some(name) = expected.get("matchedPricingKey") {
            assert_eq!(
                prices.matched_name(model).map_or(Value::Null, Value::from),
                *name,
                "{vector}"
            );
        }
        if let Some(window) = expected.get("windowCost") {
            let again = recalculate_for_window(prices, &usage, model);
            assert_eq!(js(again), js(window.as_f64().unwrap()), "window cost of {vector}");
        }
    }
    vectors.len()
}

#[test]
fn legacy_vectors_are_met_to_the_last_bit() {
    let text = include_str!("../../../tests/fixtures/vectors/cost.json");
    assert_eq!(check(&PriceTable::built_in(), &serde_json::from_str(text).unwrap()), 31);
}

#[test]
fn extra_vectors_are_met_when_given() {
    let Ok(file) = std::env::var(EXTRA) else { return };
    for file in file.split(',') {
        let text = std::fs::read_to_string(file).unwrap();
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let prices = match vectors["prices"].as_str() {
            Some(path) => PriceTable::from_json(&std::fs::read_to_string(path).unwrap()).unwrap(),
            None => PriceTable::built_in(),
        };
        assert!(check(&prices, &vectors) > 0);
    }
}

#[test]
fn price_files_in_the_public_layout_are_read() {
    let prices = PriceTable::from_json(
        r#"{"zeta-1":{"input_cost_per_token":2e-06,"output_cost_per_token":null,
            "litellm_provider":"openai","supports_service_tier":true},
            "sample":"text","zeta":{"input_cost_per_token":1e-06}}"#,
    )
    .unwrap();
    assert_eq!(prices.len(), 2);
    assert_eq!(prices.matched_name("Zeta"), Some("zeta-1"), "the first entry that fits");
    let usage = Usage { input: 10, output: 5, cache_create: 3, ..Usage::default() };
    let cost = calculate(&prices, &usage, "zeta-1");
    assert_eq!((cost.input, cost.output), (0.00002, 0.0));
    assert_eq!(cost.cache_create, 3.0 / 1e6 * (2e-06 * 1e6), "cache writes cost as input");
    assert!(PriceTable::from_json("[]").is_err());
}
