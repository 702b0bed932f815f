//! Constant texts in JavaScript source. Reads literals only and runs nothing: what a text is made of by
//! code cannot be told, and is no constant here.

use std::{iter::Peekable, str::Chars};

/// The text that `name` is given: the first assignment to it whose right side is made of literals alone
/// (strings, templates without insertions, sums of them, and lists of them that are joined).
pub(super) fn constant(source: &str, name: &str) -> Option<String> {
    let starts = source.match_indices(name).map(|(at, _)| at);
    starts.filter(|at| is_word(source, *at, name.len())).find_map(|at| {
        let mut reader = Reader::new(source.get(at + name.len()..)?);
        reader.skip()?;
        reader.take('=')?;
        let assigned = !matches!(reader.chars.peek(), Some('=' | '>'));
        let units = assigned.then(|| reader.sum()).flatten()?;
        reader.at_end().then(|| String::from_utf16(&units).ok()).flatten()
    })
}

fn is_word(source: &str, at: usize, length: usize) -> bool {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let before = source.get(..at).and_then(|text| text.chars().next_back());
    let after = source.get(at + length..).and_then(|text| text.chars().next());
    !before.is_some_and(part) && !after.is_some_and(part)
}

/// A place in the source. Texts are UTF-16, as JavaScript's are: an escape may be half a character.
struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str) -> Self {
        Self { chars: source.chars().peekable() }
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.chars.next_if_eq(&wanted).map(|_| ())
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn word(&mut self, wanted: &str) -> Option<()> {
        wanted.chars().try_for_each(|letter| self.take(letter))
    }

    /// Blanks and comments; `None` inside a comment that never ends.
    fn skip(&mut self) -> Option<()> {
        loop {
            while self.chars.next_if(|c| js::is_space(*c)).is_some() {}
            let mut ahead = self.chars.clone();
            match (ahead.next(), ahead.next()) {
                (Some('/'), Some('/')) => while self.chars.next_if(|c| *c != '\n').is_some() {},
                (Some('/'), Some('*')) => {
                    self.chars = ahead;
                    let mut star = false;
                    loop {
                        let next = self.chars.next()?;
                        if star && next == '/' {
                            break;
                        }
                        star = next == '*';
                    }
                }
                _ => return Some(()),
            }
        }
    }

    fn sum(&mut self) -> Option<Vec<u16>> {
        let mut text = self.term()?;
        loop {
            let before = self.chars.clone();
            self.skip()?;
            if !self.takes('+') {
                // The end of the line may be the end of the statement.
                self.chars = before;
                return Some(text);
            }
            text.extend(self.term()?);
        }
    }

    fn term(&mut self) -> Option<Vec<u16>> {
        self.skip()?;
        match self.chars.next()? {
            '(' => {
                let text = self.sum()?;
                self.skip()?;
                self.take(')')?;
                Some(text)
            }
            '[' => self.joined(),
            quote @ ('"' | '\'' | '`') => self.quoted(quote),
            _ => None,
        }
    }

    /// `["a", "b"].join("\n")`, behind the bracket.
    fn joined(&mut self) -> Option<Vec<u16>> {
        let mut parts = Vec::new();
        loop {
            self.skip()?;
            if self.takes(']') {
                break;
            }
            parts.push(self.sum()?);
            self.skip()?;
            if !self.takes(',') {
                self.take(']')?;
                break;
            }
        }
        self.skip()?;
        self.word(".join")?;
        self.skip()?;
        self.take('(')?;
        self.skip()?;
        let between = if self.chars.peek() == Some(&')') { vec![0x2c] } else { self.sum()? };
        self.skip()?;
        self.take(')')?;
        Some(parts.join(between.as_slice()))
    }

    fn quoted(&mut self, quote: char) -> Option<Vec<u16>> {
        let template = quote == '`';
        let mut text = Vec::new();
        let put = |text: &mut Vec<u16>, c: char| {
            text.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        };
        loop {
            match self.chars.next()? {
                end if end == quote => return Some(text),
                '\\' => self.escape(&mut text)?,
                '$' if template && self.chars.peek() == Some(&'{') => return None,
                '\n' | '\r' if !template => return None,
                '\r' => {
                    self.takes('\n');
                    put(&mut text, '\n');
                }
                other => put(&mut text, other),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, text: &mut Vec<u16>) -> Option<()> {
        let unit = match self.chars.next()? {
            'n' => 0x0a,
            't' => 0x09,
            'r' => 0x0d,
            'b' => 0x08,
            'v' => 0x0b,
            'f' => 0x0c,
            '0' if !self.chars.peek().is_some_and(char::is_ascii_digit) => 0,
            // Octal escapes are no part of strict code.
            '0'..='9' => return None,
            'x' => self.hex(2)?,
            'u' if self.takes('{') => {
                let mut code = 0_u32;
                loop {
                    match self.chars.next()? {
                        '}' => break,
                        digit => code = code.checked_mul(16)?.checked_add(digit.to_digit(16)?)?,
                    }
                }
                let c = char::from_u32(code)?;
                text.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                return Some(());
            }
            'u' => self.hex(4)?,
            // The line goes on.
            '\r' => {
                self.takes('\n');
                return Some(());
            }
            '\n' | '\u{2028}' | '\u{2029}' => return Some(()),
            other => {
                text.extend_from_slice(other.encode_utf16(&mut [0; 2]));
                return Some(());
            }
        };
        text.push(unit);
        Some(())
    }

    fn hex(&mut self, digits: usize) -> Option<u16> {
        let mut code = 0_u32;
        for _ in 0..digits {
            code = code * 16 + self.chars.next()?.to_digit(16)?;
        }
        u16::try_from(code).ok()
    }

    /// Whether the statement ends here.
    fn at_end(&mut self) -> bool {
        while self.chars.next_if(|c| c.is_whitespace() && *c != '\n').is_some() {}
        match self.chars.next() {
            None | Some(';' | ',' | '}') => true,
            // A line that goes on with one of these belongs to the statement.
            Some('\n') => {
                self.skip().is_some() && !matches!(self.chars.peek(), Some('.' | '(' | '[' | '`'))
            }
            Some('/') => matches!(self.chars.peek(), Some('/' | '*')),
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"const TEXT = "a\n\"b\" \u00e9 \x41 \u{1F600}";"#, "a\n\"b\" é A 😀")]
    #[case(r#"const TEXT = '\uD83D\uDE00'"#, "😀")]
    #[case("const TEXT =\n  // why\n  'a' + /* b */ \"c\"\nnext()", "ac")]
    #[case("exports.TEXT = `one\r\ntwo \\` $x`;", "one\ntwo ` $x")]
    #[case("const TEXT = ['a', `b`,].join('\\n')", "a\nb")]
    #[case("const TEXT = ('a' +\n 'b')", "ab")]
    #[case("const TEXT = 'a\\\nb';", "ab")]
    #[case("if (TEXT === 'x') {}\nmodule.exports.TEXT = TEXT\nlet TEXT = 'y'", "y")]
    #[case("const MY_TEXT = 'no', TEXT_TOO = 'no';\nvar TEXT='yes'", "yes")]
    #[case("const TEXT = ''", "")]
    fn literals_are_read(#[case] source: &str, #[case] text: &str) {
        assert_eq!(constant(source, "TEXT").as_deref(), Some(text));
    }

    #[rstest]
    #[case("const TEXT = `a ${b}`")]
    #[case("const TEXT = 'a'.repeat(9)")]
    #[case("const TEXT = 'a' + other")]
    #[case("const TEXT = 'a'\n  .trim()")]
    #[case("const TEXT = 'never ends")]
    #[case("const TEXT = '\\uD83D'")]
    #[case("const TEXT = /* never ends")]
    #[case("const TEXT = require('x')")]
    #[case("const TEXT = (x) => 'a'")]
    #[case("")]
    fn what_is_no_literal_is_no_constant(#[case] source: &str) {
        assert_eq!(constant(source, "TEXT"), None);
    }
}
