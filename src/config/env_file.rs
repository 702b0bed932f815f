//! The `.env` format as the legacy service's loader reads it.
//!
//! `NAME=value`, `NAME: value` and `export NAME=value`; `#` starts a comment unless it stands inside
//! quotes; quotes are `'`, `"` or a back-tick and may span lines; `\n` and `\r` are expanded inside
//! double quotes only. `$NAME` is never expanded: passwords keep their dollar signs.

use std::collections::HashMap;

use regex::Regex;

/// One assignment. The order of alternatives and the greediness decide which of several readings of
/// a broken line is taken, so they follow the loader's.
const ASSIGNMENT: &str = r#"(?mx)
    ^ [\s\u{feff}]* (?: export \s+ )?
    ( [A-Za-z0-9_.\-]+ )
    (?: \s* = \s*? | : \s+? )
    ( \s* ' (?: \\' | [^'] )* '
    | \s* " (?: \\" | [^"] )* "
    | \s* ` (?: \\` | [^`] )* `
    | [^\#\r\n]+
    )?
    \s* (?: \# .* )? $
"#;

/// Parses the text of a `.env` file; a later assignment of a name replaces an earlier one.
pub fn parse(text: &str) -> HashMap<String, String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // The pattern is a constant covered by the tests below; were it broken, no settings would be read.
    let Ok(assignment) = Regex::new(ASSIGNMENT) else { return HashMap::new() };
    assignment
        .captures_iter(&text)
        .map(|found| {
            let value = found.get(2).map_or("", |m| m.as_str());
            (found[1].to_owned(), unquote(value.trim()))
        })
        .collect()
}

fn unquote(value: &str) -> String {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) else {
        return value.to_owned();
    };
    let inner =
        value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).unwrap_or(value);
    if quote == '"' { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("A=1", "1")]
    #[case("A = 1 ", "1")]
    #[case("  export A=1", "1")]
    #[case("A: 1", "1")]
    #[case("\u{feff}A=1", "1")]
    #[case("A=600000  # ten minutes", "600000")]
    #[case("A=pass#word", "pass")]
    #[case("A='pass#word' # why", "pass#word")]
    #[case("A=\"a\\nb\"", "a\nb")]
    #[case("A='a\\nb'", "a\\nb")]
    #[case("A=`it's \"so\"`", "it's \"so\"")]
    #[case("A=$HOME/x${Y}", "$HOME/x${Y}")]
    #[case("A=\"x", "\"x")]
    #[case("A=", "")]
    #[case("A=\nB=2", "")]
    #[case("A=\r\nB=2", "")]
    #[case("A=\"two\nlines\"", "two\nlines")]
    #[case("A=1\nA=2", "2")]
    #[case("A=a=b", "a=b")]
    #[case("# A=0\nA=1", "1")]
    #[case("A=(uid={{username}})", "(uid={{username}})")]
    fn reads_as_the_legacy_loader(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(parse(text).get("A").map(String::as_str), Some(expected));
    }

    #[test]
    fn a_commented_line_sets_nothing() {
        assert!(parse("# A=1\n#B=2\n\nnot an assignment\n").is_empty());
    }
}
