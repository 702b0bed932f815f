//! Which key a request presents (contract/auth-limits-usage.md §1.5).

use crate::domain::HeaderList;

/// Header names in the order in which they are asked.
const HEADERS: [&str; 4] = ["x-api-key", "x-goog-api-key", "authorization", "api-key"];

/// The presented key: the first non-empty of the four headers, then the query parameter `key`. A bad
/// earlier source is not skipped for a later one. The caller writes the result back to `x-api-key`, as
/// later steps read it there.
pub fn present(headers: &HeaderList, query_key: Option<&str>) -> Option<String> {
    HEADERS.iter().filter_map(|name| headers.get(name)).chain(query_key).find_map(|text| {
        let text = js::trim(text);
        let key = strip_bearer(text).map_or(text, js::trim);
        (!key.is_empty()).then(|| key.to_owned())
    })
}

/// What follows a leading `Bearer` and white space; `None` when there is no such prefix. A lone `Bearer`
/// is taken for a key.
pub(super) fn strip_bearer(text: &str) -> Option<&str> {
    let rest =
        text.get(..6).filter(|word| word.eq_ignore_ascii_case("bearer")).map(|_| &text[6..])?;
    rest.starts_with(js::is_space).then(|| js::trim_start(rest))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[("x-api-key", "cr_a"), ("authorization", "Bearer cr_b")], None, Some("cr_a"))]
    #[case(&[("authorization", "bEaReR \t cr_b ")], None, Some("cr_b"))]
    #[case(&[("x-api-key", "Bearer cr_a")], None, Some("cr_a"))]
    #[case(&[("x-api-key", "  "), ("api-key", "cr_c")], None, Some("cr_c"))]
    #[case(&[("x-api-key", "short"), ("authorization", "Bearer cr_good_key")], None, Some("short"))]
    #[case(&[("x-goog-api-key", "cr_g"), ("authorization", "Bearer cr_b")], Some("cr_q"), Some("cr_g"))]
    #[case(&[("authorization", "Bearer ")], None, Some("Bearer"))]
    #[case(&[("authorization", "Bearercr_x")], None, Some("Bearercr_x"))]
    #[case(&[], Some("cr_q"), Some("cr_q"))]
    #[case(&[], Some(" "), None)]
    #[case(&[], None, None)]
    fn the_first_source_wins(
        #[case] headers: &[(&str, &str)],
        #[case] query: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        let headers: HeaderList = headers.iter().copied().collect();
        assert_eq!(present(&headers, query).as_deref(), expected);
    }
}
