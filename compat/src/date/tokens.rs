//! The pieces of a date: numbers, words, signs. Nothing here knows what they make up together.

/// Digits beyond these are read over.
const SIGNIFICANT: usize = 9;
/// So many letters tell a word from others.
const PREFIX: usize = 3;

/// One piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The text is over.
    End,
    /// Digits, and how many.
    Number(i64, usize),
    /// `:`, `-`, `+`, `.` or `)`.
    Sign(char),
    /// Letters, and how many.
    Word(Meaning, usize),
    /// One character of white space.
    Space,
    /// A remark in parentheses, or anything else.
    Other,
}

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Month, from 1.
    Month(i64),
    /// `am` and `pm`: hours that are added.
    Half(i64),
    /// Name of a time zone: hours east of Greenwich.
    Zone(i64),
    /// The `T` between date and time.
    Time,
    /// Nothing.
    Nothing,
}

impl Token {
    /// The number, if it has exactly so many digits and lies within the bounds.
    pub(super) fn digits(self, length: usize, least: i64, most: i64) -> Option<i64> {
        match self {
            Self::Number(number, own) if own == length && (least..=most).contains(&number) => {
                Some(number)
            }
            _ => None,
        }
    }

    /// -1 or 1 for a sign before a number.
    pub(super) fn direction(self) -> Option<i64> {
        match self {
            Self::Sign('-') => Some(-1),
            Self::Sign('+') => Some(1),
            _ => None,
        }
    }

    /// `Z`, or any other one-letter name of a zone.
    pub(super) fn is_z(self) -> bool {
        matches!(self, Self::Word(Meaning::Zone(_), 1))
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Number(..))
    }
}

/// The pieces of a text, one after the other.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    ahead: Token,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut tokens = Self { rest: text, ahead: Token::End };
        tokens.ahead = tokens.scan();
        tokens
    }

    /// The next piece, which stays.
    pub(super) fn peek(&self) -> Token {
        self.ahead
    }

    /// The next piece.
    pub(super) fn take(&mut self) -> Token {
        let after = self.scan();
        std::mem::replace(&mut self.ahead, after)
    }

    /// Takes the next piece if it is this sign.
    pub(super) fn skip(&mut self, sign: char) -> bool {
        let there = self.ahead == Token::Sign(sign);
        if there {
            self.take();
        }
        there
    }

    fn scan(&mut self) -> Token {
        let Some(first) = self.rest.chars().next() else { return Token::End };
        if first.is_ascii_digit() {
            let (digits, rest) = split(self.rest, |c| c.is_ascii_digit());
            self.rest = rest;
            let significant = digits.trim_start_matches('0');
            let significant = significant.get(..SIGNIFICANT).unwrap_or(significant);
            return Token::Number(significant.parse().unwrap_or(0), digits.len());
        }
        if first >= 'A' && !js::is_space(first) {
            let (word, rest) = split(self.rest, |c| c >= 'A' && !js::is_space(c));
            self.rest = rest;
            let length = word.chars().count();
            return Token::Word(meaning(word, length), length);
        }
        if first == '(' {
            self.skip_remark();
            return Token::Other;
        }
        self.rest = self.rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            ':' | '-' | '+' | '.' | ')' => Token::Sign(first),
            space if js::is_space(space) => Token::Space,
            _ => Token::Other,
        }
    }

    fn skip_remark(&mut self) {
        let mut depth = 0_usize;
        for (at, c) in self.rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                self.rest = self.rest.get(at + 1..).unwrap_or_default();
                return;
            }
        }
        self.rest = "";
    }
}

fn split(text: &str, own: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !own(c)).unwrap_or(text.len()))
}

/// Words longer than their three letters are only read for months.
fn meaning(word: &str, length: usize) -> Meaning {
    let prefix: String = word.chars().take(PREFIX).map(|c| c.to_ascii_lowercase()).collect();
    let months =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    if let Some(month) = months.iter().zip(1..).find(|(name, _)| **name == prefix) {
        return Meaning::Month(month.1);
    }
    if length > PREFIX {
        return Meaning::Nothing;
    }
    match prefix.as_str() {
        "am" => Meaning::Half(0),
        "pm" => Meaning::Half(12),
        "ut" | "utc" | "z" | "gmt" => Meaning::Zone(0),
        "edt" => Meaning::Zone(-4),
        "cdt" | "est" => Meaning::Zone(-5),
        "mdt" | "cst" => Meaning::Zone(-6),
        "pdt" | "mst" => Meaning::Zone(-7),
        "pst" => Meaning::Zone(-8),
        "t" => Meaning::Time,
        _ => Meaning::Nothing,
    }
}
