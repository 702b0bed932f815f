//! Shapes of the legacy service's Redis keys, and which of them hold money.
//!
//! Data about names only; what the keys mean is the business of others. The first shape that fits
//! counts, so special ones stand before general ones. `{model}` may hold colons.

use crate::group;

/// Shapes in order of precedence.
const SHAPES: &[&str] = &[
    "apikey:hash_map",
    "apikey:idx:{name}",
    "apikey:set:{name}",
    "apikey:tag:{tag}",
    "apikey:tags:all",
    "apikey:index:version",
    "apikey:{id}",
    "apikey_hash:{hash}",
    "usage:records:{id}",
    "usage:cost:daily:{id}:{date}",
    "usage:cost:monthly:{id}:{month}",
    "usage:cost:hourly:{id}:{date}:{hour}",
    "usage:cost:total:{id}",
    "usage:cost:real:daily:{id}:{date}",
    "usage:cost:real:total:{id}",
    "usage:opus:weekly:{id}:{period}",
    "usage:opus:total:{id}",
    "usage:opus:real:weekly:{id}:{period}",
    "usage:opus:real:total:{id}",
    "usage:global:total",
    "usage:global:daily:{date}",
    "usage:global:monthly:{month}",
    "usage:daily:index:{date}",
    "usage:daily:index:{date}:empty",
    "usage:hourly:index:{date}:{hour}",
    "usage:hourly:index:{date}:{hour}:empty",
    "usage:keymodel:daily:index:{date}",
    "usage:keymodel:daily:index:{date}:empty",
    "usage:keymodel:hourly:index:{date}:{hour}",
    "usage:keymodel:hourly:index:{date}:{hour}:empty",
    "usage:model:daily:index:{date}",
    "usage:model:daily:index:{date}:empty",
    "usage:model:hourly:index:{date}:{hour}",
    "usage:model:hourly:index:{date}:{hour}:empty",
    "usage:model:monthly:index:{month}",
    "usage:model:monthly:index:{month}:empty",
    "usage:model:monthly:months",
    "usage:model:daily:{model}:{date}",
    "usage:model:monthly:{model}:{month}",
    "usage:model:hourly:{model}:{date}:{hour}",
    "usage:daily:{id}:{date}",
    "usage:monthly:{id}:{month}",
    "usage:hourly:{id}:{date}:{hour}",
    "usage:{id}:model:daily:{model}:{date}",
    "usage:{id}:model:monthly:{model}:{month}",
    "usage:{id}:model:hourly:{model}:{date}:{hour}",
    "usage:{id}:model:alltime:{model}",
    "usage:{id}",
    "account_usage:daily:index:{date}",
    "account_usage:daily:index:{date}:empty",
    "account_usage:hourly:index:{date}:{hour}",
    "account_usage:hourly:index:{date}:{hour}:empty",
    "account_usage:model:daily:index:{date}",
    "account_usage:model:daily:index:{date}:empty",
    "account_usage:model:hourly:index:{date}:{hour}",
    "account_usage:model:hourly:index:{date}:{hour}:empty",
    "account_usage:model:daily:{id}:{model}:{date}",
    "account_usage:model:monthly:{id}:{model}:{month}",
    "account_usage:model:hourly:{id}:{model}:{date}:{hour}",
    "account_usage:daily:{id}:{date}",
    "account_usage:monthly:{id}:{month}",
    "account_usage:hourly:{id}:{date}:{hour}",
    "account_usage:{id}",
    "system:metrics:minute:{minute}",
    "rate_limit:{counter}:{id}",
    "concurrency:queue:stats:{id}",
    "concurrency:queue:wait_times:global",
    "concurrency:queue:wait_times:{id}",
    "concurrency:queue:{id}",
    "concurrency:console_account:{id}",
    "concurrency:{id}",
    "token_refresh_lock:{platform}:{id}",
    "lock:account:{id}:recovery",
    "user_msg_queue_lock:{id}",
    "user_msg_queue_last:{id}",
    "unified_claude_session_mapping:{session}",
    "unified_openai_session_mapping:{session}",
    "unified_gemini_session_mapping:{session}",
    "unified_gemini_session_mapping:{provider}:{session}",
    "sticky_session:droid:{endpoint}:{id}:{session}",
    "sticky_session:droid_api_key:{id}:{endpoint}:{session}",
    "sticky_session:{session}",
    "azure_openai_session_account_mapping:{session}",
    "original_session_binding:{session}",
    "claude:account:index",
    "claude:account:index:empty",
    "claude:account:{id}",
    "openai:account:index",
    "openai:account:index:empty",
    "openai:account:{id}",
    "azure_openai:account:index",
    "azure_openai:account:index:empty",
    "azure_openai:account:{id}",
    "droid:account:index",
    "droid:account:index:empty",
    "droid:account:{id}",
    "{accounts}:index",
    "{accounts}:index:empty",
    "claude_console_account:{id}",
    "ccr_account:{id}",
    "bedrock_account:{id}",
    "openai_responses_account:{id}",
    "gemini_account:{id}",
    "gemini_api_account:{id}",
    "claude_account:{id}:{n}_errors",
    "account:overload:{id}",
    "temp_unavailable:{type}:{id}",
    "error_history:{type}:{id}",
    "claude_code_user_agent:daily",
    "claude_code_headers:{id}",
    "fmt_claude_req:stainless_headers:{id}",
    "request_detail:item:{request}",
    "request_detail:index:day:{date}",
    "billing:events",
];

/// Placeholders that stand for a known word of their own and stay as written.
const KEPT: [&str; 6] = ["{counter}", "{type}", "{name}", "{accounts}", "{platform}", "{provider}"];

/// Words that a `{model}` or `{id}` never is.
const PERIODS: [&str; 8] =
    ["daily", "hourly", "monthly", "alltime", "index", "months", "total", "weekly"];

pub(crate) fn is_period(word: &str) -> bool {
    PERIODS.contains(&word)
}

/// The key with placeholders.
pub fn normalise(key: &str) -> String {
    let words: Vec<&str> = key.split(':').collect();
    for shape in SHAPES {
        // Most shapes are told apart by their start alone.
        if !key.starts_with(start(shape)) {
            continue;
        }
        let parts: Vec<&str> = shape.split(':').collect();
        if let Some(found) = fit(&parts, &words) {
            return found.join(":");
        }
    }
    group::words(key, true)
}

/// The part of a shape before its first placeholder.
pub(crate) fn start(shape: &str) -> &str {
    shape.split('{').next().unwrap_or_default()
}

/// Whether amounts of money or spending limits are counted here. The path is a raw one:
/// `/<key>/fields/<field>`.
pub fn is_money(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let key = segments.next().unwrap_or_default();
    const KEYS: [&str; 3] = ["usage:cost:", "usage:opus:", "rate_limit:cost:"];
    let word = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("cost") || text.contains("quota") || text.contains("dailyusage")
    };
    KEYS.iter().any(|start| key.starts_with(start))
        || (!key.starts_with("quota_cards:") && word(key.split(':').next().unwrap_or_default()))
        || segments.any(word)
}

fn fit(shape: &[&str], words: &[&str]) -> Option<Vec<String>> {
    let Some((part, shape)) = shape.split_first() else {
        return words.is_empty().then(Vec::new);
    };
    let most = if *part == "{model}" { words.len() } else { words.len().min(1) };
    for take in 1..=most {
        let (taken, rest) = words.split_at(take);
        let Some(shown) = one(part, taken) else { continue };
        if let Some(mut tail) = fit(shape, rest) {
            tail.insert(0, shown);
            return Some(tail);
        }
    }
    None
}

fn one(part: &str, taken: &[&str]) -> Option<String> {
    let word = *taken.first()?;
    let looks = |wanted: &str| group::placeholder(word) == Some(wanted);
    let fits = match part {
        "{date}" | "{month}" => looks(part),
        "{period}" => looks("{period}") || looks("{week}"),
        "{hour}" | "{minute}" | "{n}" => looks("{n}"),
        "{id}" => !word.is_empty() && !is_period(word) && word != "model",
        "{model}" => !is_period(word) && !word.is_empty(),
        "{accounts}" => word.ends_with("_account"),
        _ if part.starts_with('{') && part.ends_with('}') => !word.is_empty(),
        _ if part == "{n}_errors" => word.ends_with("_errors"),
        _ => part == word,
    };
    let shown = if KEPT.contains(&part) || part == "{n}_errors" { word } else { part };
    fits.then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("usage:k1:model:daily:a.b:c-v1:0:2026-07-24", "usage:{id}:model:daily:{model}:{date}")]
    #[case("usage:model:monthly:months", "usage:model:monthly:months")]
    #[case("rate_limit:cost:k1", "rate_limit:cost:{id}")]
    #[case("bedrock_account:index:empty", "bedrock_account:index:empty")]
    #[case("temp_unavailable:claude-official:a1", "temp_unavailable:claude-official:{id}")]
    #[case("claude_account:a1:5xx_errors", "claude_account:{id}:5xx_errors")]
    #[case("usage:opus:weekly:k:2026-W05", "usage:opus:weekly:{id}:{period}")]
    #[case("crs:rs:lease:7", "crs:rs:lease:{n}")]
    fn shapes(#[case] key: &str, #[case] shape: &str) {
        assert_eq!(normalise(key), shape);
    }

    #[rstest]
    #[case("/usage:cost:daily:k:2026-07-24", true)]
    #[case("/usage:k:model:alltime:m/fields/realCostMicro", true)]
    #[case("/usage:records:k/head/0/costBreakdown/input", true)]
    #[case("/rate_limit:cost:k", true)]
    #[case("/rate_limit:tokens:k", false)]
    #[case("/claude_console_account:a/fields/dailyQuota", true)]
    #[case("/usage:k/fields/totalTokens", false)]
    #[case("/usage:opus:total:k", true)]
    fn money(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_money(path), expected);
    }
}
