//! Globs on paths: `*` is any text within a segment, `**` any number of segments. Nothing else is
//! special, so placeholders such as `{id}` and Redis keys stand as they are.

/// Whether a path fits a pattern.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    segments(&pattern, &path)
}

fn segments(pattern: &[&str], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|skip| segments(rest, &path[skip..])),
        Some((first, rest)) => match path.split_first() {
            Some((head, tail)) => segment(first, head) && segments(rest, tail),
            None => false,
        },
    }
}

fn segment(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/headers/date", "/headers/date", true)]
    #[case("/headers/*", "/headers/date", true)]
    #[case("/headers/*", "/headers/a/b", false)]
    #[case("/**/date", "/a/b/date", true)]
    #[case("/**/date", "/date", true)]
    #[case("/x/**", "/x", true)]
    #[case("/x/**", "/x/y/z", true)]
    #[case("/usage:*:{date}/ttl", "/usage:daily:{id}:{date}/ttl", true)]
    #[case("/a*b*c", "/a1b2c", true)]
    #[case("/a*b*c", "/acb", false)]
    #[case("**", "/any/thing", true)]
    #[case("/a.c", "/abc", false)]
    #[case("/a*a", "/a", false)]
    fn fits(#[case] pattern: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, path), expected);
    }
}
