//! A text member of a document's root, found while the document is still arriving.
//!
//! Follows strings and nesting only; whether the text is JSON at all, whoever reads all of it decides. A
//! member that is named twice is taken as it stands first.

use super::text;

/// Longest name or value that is kept.
const TOKEN_MAX: usize = 4 << 10;

/// Looks for one member.
#[derive(Clone, Debug)]
pub struct EarlyMember {
    name: &'static str,
    depth: u64,
    /// The string under way: its raw bytes with the opening quote, and whether the last one escapes.
    string: Option<(Vec<u8>, bool)>,
    /// At the root, after a name and its colon.
    value_next: bool,
    /// The string at the root that ended last: a name, if a colon follows.
    last: Option<Vec<u8>>,
    wanted: bool,
    found: Option<Found>,
}

/// How the search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The text.
    Text(String),
    /// The member is no text, or the document ended without one.
    None,
}

impl EarlyMember {
    /// Looks for the member of this name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            depth: 0,
            string: None,
            value_next: false,
            last: None,
            wanted: false,
            found: None,
        }
    }

    /// What was found, once it was.
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// Reads on.
    pub fn feed(&mut self, mut data: &[u8]) {
        while self.found.is_none() {
            if self.string.is_some() {
                let Some(rest) = self.in_string(data) else { return };
                data = rest;
                continue;
            }
            let Some((byte, rest)) = data.split_first() else { return };
            data = rest;
            self.byte(*byte);
        }
    }

    /// Reads a string on; what follows it, once it has ended.
    fn in_string<'d>(&mut self, data: &'d [u8]) -> Option<&'d [u8]> {
        let keeps = self.depth == 1;
        let (token, escaped) = self.string.as_mut()?;
        for (at, byte) in data.iter().enumerate() {
            if keeps && token.len() < TOKEN_MAX {
                token.push(*byte);
            }
            match (*escaped, byte) {
                (true, _) => *escaped = false,
                (false, b'\\') => *escaped = true,
                (false, b'"') => {
                    let token = std::mem::take(token);
                    // What was not kept whole is nothing that is looked for.
                    let token = if token.len() < TOKEN_MAX { token } else { Vec::new() };
                    self.string = None;
                    self.ended(token);
                    return data.get(at + 1..);
                }
                (false, _) => {}
            }
        }
        None
    }

    fn ended(&mut self, token: Vec<u8>) {
        if self.depth != 1 {
            return;
        }
        if self.wanted {
            self.found = Some(Found::Text(text::decode(&token).into_owned()));
        } else if !self.value_next {
            self.last = Some(token);
        }
    }

    fn byte(&mut self, byte: u8) {
        let at_root = self.depth == 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => self.string = Some((vec![b'"'], false)),
            b':' if at_root => {
                let name = self.last.take().unwrap_or_default();
                self.wanted = text::equals(&name, self.name);
                self.value_next = true;
            }
            b',' if at_root => self.value_next = false,
            b'}' if at_root => self.found = Some(Found::None),
            _ if at_root && self.wanted => self.found = Some(Found::None),
            b'{' if self.depth == 0 => self.depth = 1,
            _ if self.depth == 0 => self.found = Some(Found::None),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
    }
}

impl Found {
    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn found(text: &str) -> Option<Found> {
        let mut member = EarlyMember::new("model");
        member.feed(text.as_bytes());
        member.found().cloned()
    }

    #[rstest]
    #[case(r#"{"model":"gpt-5","mess"#, Some("gpt-5"))]
    #[case("\u{feff}{}", None)]
    #[case(
        r#" { "a" : [ {"model":"no"} , "model" ], "mod\u0065l" : "g\u0070t-\"x" "#,
        Some("gpt-\"x")
    )]
    #[case(r#"{"a":"model","b":"}","model":"m""#, Some("m"))]
    #[case(r#"{"a\\":{"model":"no"},"model":"m""#, Some("m"))]
    fn texts(#[case] text: &str, #[case] want: Option<&str>) {
        let want = want.map_or(Found::None, |text| Found::Text(text.to_owned()));
        assert_eq!(found(text), Some(want));
    }

    #[rstest]
    #[case(r#"{"a":1}"#)]
    #[case(r#"{"model":5"#)]
    #[case(r#"{"model":{"model":"x"}"#)]
    #[case(r#"{"model":null,"#)]
    #[case(r#"["model","x"]"#)]
    #[case("x")]
    fn there_is_none(#[case] text: &str) {
        assert_eq!(found(text), Some(Found::None));
    }

    #[rstest]
    #[case("")]
    #[case(r#"{"messages":[{"model":"x"}]"#)]
    #[case(r#"{"model":"gpt"#)]
    #[case(r#"{"model""#)]
    fn more_is_needed(#[case] text: &str) {
        assert_eq!(found(text), None);
    }

    proptest! {
        #[test]
        fn as_the_whole_document_says(
            body in prop::collection::btree_map("[a-m\"\\\\ü]{0,3}|model", "[\\PC\"\\\\]{0,6}", 0..6),
            cut in 1usize..7,
        ) {
            let json = serde_json::to_string(&body).unwrap();
            let mut member = EarlyMember::new("model");
            json.as_bytes().chunks(cut).for_each(|piece| member.feed(piece));
            let told = member.found().and_then(Found::text).map(str::to_owned);
            prop_assert_eq!(told.as_ref(), body.get("model"));
        }
    }
}
