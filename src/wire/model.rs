//! What a model's name tells (`contract/anthropic.md §2.1`, `src/utils/modelHelper.js`).

/// Splits `ccr,` (any case) off a model name: whether it was there, and the trimmed rest.
pub fn strip_vendor(model: &str) -> (bool, &str) {
    let trimmed = js::trim(model);
    match trimmed.split_once(',') {
        Some((vendor, base)) if vendor.to_lowercase() == "ccr" => (true, js::trim(base)),
        _ => (false, trimmed),
    }
}

/// Whether the name is a Claude model of any vendor; what weekly cost limits count.
pub fn is_claude(model: &str) -> bool {
    let base = strip_vendor(model).1.to_lowercase();
    ["claude-", "opus", "sonnet", "haiku"].iter().any(|part| base.contains(part))
}

/// Whether the name is Opus 4.5 or later, which Pro accounts may use. Names that cannot be read, such
/// as `claude-opus-4-5[1m]`, count as older; the legacy service has it so.
pub fn is_opus_45_or_newer(model: &str) -> bool {
    let name = model.to_lowercase();
    let Some(first) = name.find("opus") else { return false };
    if name.contains("opus-latest") || name.contains("opus_latest") {
        return true;
    }
    let version = version_before(&name)
        .or_else(|| version_dotted(&name))
        .or_else(|| version_after(name.get(first + 4..).unwrap_or_default()));
    version.is_some_and(|version| version >= (4, 5))
}

/// `claude-<major>[.-<minor>]-opus`
fn version_before(name: &str) -> Option<(u64, u64)> {
    name.match_indices("claude").find_map(|(at, word)| {
        let (major, rest) = number(separator(name.get(at + word.len()..)?)?)?;
        let minor = rest.strip_prefix(['.', '-']).and_then(number);
        let ends = |rest| separator(rest).is_some_and(|rest| rest.starts_with("opus"));
        match minor {
            Some((minor, rest)) if ends(rest) => Some((major, minor)),
            _ => ends(rest).then_some((major, 0)),
        }
    })
}

/// `opus-<major>.<minor>`
fn version_dotted(name: &str) -> Option<(u64, u64)> {
    name.match_indices("opus").find_map(|(at, word)| {
        let rest = name.get(at + word.len()..)?;
        let (major, rest) = number(separator(rest).unwrap_or(rest))?;
        let (minor, _) = number(rest.strip_prefix('.')?)?;
        Some((major, minor))
    })
}

/// `-<major>[-<minor>][-<date>]`; the minor counts only before a date or at the end.
fn version_after(rest: &str) -> Option<(u64, u64)> {
    let (major, rest) = number(separator(rest)?)?;
    let minor = separator(rest).and_then(|tail| {
        let (minor, end) = number(tail)?;
        let short = tail.len() - end.len() <= 2;
        let date =
            separator(end).is_some_and(|d| d.bytes().take_while(u8::is_ascii_digit).count() >= 8);
        (short && (end.is_empty() || date)).then_some(minor)
    });
    Some((major, minor.unwrap_or(0)))
}

fn separator(text: &str) -> Option<&str> {
    text.strip_prefix(['-', ' '])
}

/// Leading decimal number (saturating) and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(len)?;
    (len > 0).then(|| (digits.parse().unwrap_or(u64::MAX), rest))
}

#[cfg(test)]
mod tests {
    use compat::account_state::Family;

    use super::*;

    /// Values the legacy helpers returned for these names.
    #[test]
    fn agrees_with_recorded_values() {
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("fixtures/models.json")).unwrap();
        assert!(rows.len() > 60);
        for row in rows {
            let name = row["model"].as_str().unwrap();
            let (ccr, base) = strip_vendor(name);
            assert_eq!(ccr, row["vendor"].as_str() == Some("ccr"), "{name}");
            assert_eq!(base, row["base"].as_str().unwrap(), "{name}");
            assert_eq!(Family::of(name).map(Family::as_str), row["family"].as_str(), "{name}");
            assert_eq!(is_opus_45_or_newer(name), row["newOpus"].as_bool().unwrap(), "{name}");
            assert_eq!(is_claude(name), row["claude"].as_bool().unwrap(), "{name}");
        }
    }
}
