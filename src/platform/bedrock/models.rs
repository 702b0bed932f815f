//! Names of models here and at the vendor (contract/anthropic.md §5.3).

use std::borrow::Cow;

/// Plain names and the vendor's ids. Names that are not here pass as they are.
const TABLE: [(&str, &str); 26] = [
    ("claude-opus-4-6", "global.anthropic.claude-opus-4-6-v1"),
    // Not offered there when the table was made; its predecessor answers.
    ("claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-opus-4-5", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
    ("claude-opus-4-5-20251101", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
    ("claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("claude-haiku-4-5", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("claude-haiku-4-5-20251001", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("claude-sonnet-4", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    ("claude-sonnet-4-20250514", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    ("claude-opus-4", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
    ("claude-opus-4-1", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
    ("claude-opus-4-1-20250805", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
    ("claude-opus-4-20250514", "us.anthropic.claude-opus-4-20250514-v1:0"),
    ("claude-3-7-sonnet", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
    ("claude-3-7-sonnet-20250219", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
    ("claude-3-5-sonnet", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ("claude-3-5-sonnet-20241022", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ("claude-3-5-haiku", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
    ("claude-3-5-haiku-20241022", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
    ("claude-3-sonnet", "us.anthropic.claude-3-sonnet-20240229-v1:0"),
    ("claude-3-sonnet-20240229", "us.anthropic.claude-3-sonnet-20240229-v1:0"),
    ("claude-3-haiku", "us.anthropic.claude-3-haiku-20240307-v1:0"),
    ("claude-3-haiku-20240307", "us.anthropic.claude-3-haiku-20240307-v1:0"),
    ("claude-3-opus", "us.anthropic.claude-3-opus-20240229-v1:0"),
    ("claude-3-opus-20240229", "us.anthropic.claude-3-opus-20240229-v1:0"),
];

/// Whether a name is one of the vendor's ids.
fn is_id(name: &str) -> bool {
    name.contains(".anthropic.") || name.starts_with("anthropic.")
}

/// The vendor's id for a model. The mark of the long context is dropped: the vendor knows no such name.
pub fn to_vendor(model: &str) -> String {
    let plain = model.strip_suffix("[1m]").unwrap_or(model);
    let known = TABLE.iter().find(|(name, _)| *name == plain && !is_id(plain));
    known.map_or(plain, |(_, id)| id).to_owned()
}

/// The plain name of a vendor's id: clients judge context windows by it.
pub fn from_vendor(id: &str) -> Cow<'_, str> {
    if !is_id(id) {
        return Cow::Borrowed(id);
    }
    Cow::Borrowed(named(id).unwrap_or(id))
}

/// What follows `anthropic.`, without version and variant.
fn named(id: &str) -> Option<&str> {
    const VENDOR: &str = "anthropic.";
    const FAMILY: &str = "claude-";
    let names = |(at, _): (usize, &str)| {
        let name = &id[at + VENDOR.len()..];
        (name.starts_with(FAMILY) && name.len() > FAMILY.len()).then_some((at, name))
    };
    let found: Vec<(usize, &str)> = id.match_indices(VENDOR).filter_map(names).collect();
    // The last one after a dot, else one at the beginning, else the first.
    let after_dot = |(at, _): &&(usize, &str)| id[..*at].ends_with('.');
    let (_, name) = found.iter().rev().find(after_dot).or_else(|| found.first())?;
    let long_enough = |name: &&str| name.len() > FAMILY.len();
    let variant = without(name, ":").filter(long_enough);
    let base = variant.unwrap_or(name);
    Some(without(base, "-v").filter(long_enough).unwrap_or(base))
}

/// The text without `mark` and the digits that end it.
fn without<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if rest.len() == text.len() { None } else { rest.strip_suffix(mark) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("claude-sonnet-4-6[1m]", "us.anthropic.claude-sonnet-4-5-20250929-v1:0")]
    #[case("[1m]claude-opus-4-6", "[1m]claude-opus-4-6")]
    #[case("eu.anthropic.claude-x-v1:0[1m]", "eu.anthropic.claude-x-v1:0")]
    #[case("gpt-5", "gpt-5")]
    #[case("", "")]
    fn names_go_out_as_ids(#[case] model: &str, #[case] id: &str) {
        assert_eq!(to_vendor(model), id);
    }

    #[rstest]
    #[case("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-20250514")]
    #[case("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6")]
    #[case("anthropic.claude-v2:1", "claude-v2")]
    #[case("anthropic.claude-v2", "claude-v2")]
    #[case("anthropic.claude-", "anthropic.claude-")]
    #[case("anthropic.titan", "anthropic.titan")]
    #[case("a.anthropic.claude-x.anthropic.claude-y-v3", "claude-y")]
    #[case("us.anthropic.claude-x:12:3", "claude-x:12")]
    #[case("claude-sonnet-4", "claude-sonnet-4")]
    fn ids_come_back_as_names(#[case] id: &str, #[case] name: &str) {
        assert_eq!(from_vendor(id), name);
    }
}
