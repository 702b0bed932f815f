//! `Content-Type` as the legacy body parsers read it.

/// Type and charset of a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype`, lower-case.
    pub essence: String,
    /// `charset`, lower-case; the last one when it is given twice.
    pub charset: Option<String>,
}

impl MediaType {
    /// Parses a header value; `None` for anything malformed, which means "do not parse the body".
    pub fn parse(text: &str) -> Option<Self> {
        let (essence, parameters) = match text.find(';') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let essence = essence.trim_matches(' ').to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        let name_ok = |name: &str, extra: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.len() <= 127
                && name.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
        };
        if !name_ok(kind, "!#$&^_-") || !name_ok(subtype, "!#$&^_.+-") {
            return None;
        }
        let mut charset = None;
        let mut rest = parameters;
        while !rest.is_empty() {
            let (name, value, tail) = parameter(rest)?;
            if name == "charset" {
                charset = Some(value.to_ascii_lowercase()).filter(|c| !c.is_empty());
            }
            rest = tail;
        }
        Some(Self { essence, charset })
    }
}

/// Reads `; name=value` from the start of `text`.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let text = text.strip_prefix(';')?.trim_start_matches(' ');
    let (name, text) = token(text)?;
    let text = text.trim_start_matches(' ').strip_prefix('=')?.trim_start_matches(' ');
    let (value, tail) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => token(text).map(|(value, tail)| (value.to_owned(), tail))?,
    };
    Some((name.to_ascii_lowercase(), value, tail.trim_start_matches(' ')))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)))
        .unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("application/json", Some(("application/json", None)))]
    #[case("Application/JSON; charset=UTF-8", Some(("application/json", Some("utf-8"))))]
    #[case("application/json;charset=\"utf-8\"", Some(("application/json", Some("utf-8"))))]
    #[case("application/json ; a=b ; charset=x", Some(("application/json", Some("x"))))]
    #[case("application/json; charset", None)]
    #[case("application/json;", None)]
    #[case("json", None)]
    fn content_types(#[case] text: &str, #[case] expected: Option<(&str, Option<&str>)>) {
        let parsed = MediaType::parse(text);
        let seen = parsed.as_ref().map(|m| (m.essence.as_str(), m.charset.as_deref()));
        assert_eq!(seen, expected);
    }
}
