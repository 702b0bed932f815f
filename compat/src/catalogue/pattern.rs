//! Matching keys against patterns with named placeholders.

/// A pattern cut into parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    Placeholder(&'static str, Shape),
}

/// What a placeholder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One word without a colon.
    Word,
    /// Anything, colons included.
    Text,
    /// Fixed form: `9` stands for a digit, other characters for themselves.
    Form(&'static str),
    /// Digits.
    Digits,
}

impl Shape {
    /// The shape of a placeholder, by its name.
    fn of(placeholder: &str) -> Self {
        match placeholder {
            "date" => Self::Form("9999-99-99"),
            "month" => Self::Form("9999-99"),
            "hour" => Self::Form("99"),
            "period" | "utc_hour" => Self::Form("9999-99-99T99"),
            "week" => Self::Form("9999-W99"),
            "minute" | "epoch_ms" => Self::Digits,
            "model" | "tag" | "ip" | "code" | "username" | "session_id" | "request_id" => {
                Self::Text
            }
            _ => Self::Word,
        }
    }

    /// Lengths of the start of `text` that may be this placeholder, longest first.
    fn lengths(self, text: &str) -> Vec<usize> {
        match self {
            Self::Word => match text.find(':').unwrap_or(text.len()) {
                0 => Vec::new(),
                length => vec![length],
            },
            Self::Digits => {
                let length = text.bytes().take_while(u8::is_ascii_digit).count();
                if length == 0 { Vec::new() } else { vec![length] }
            }
            Self::Form(form) => {
                let fits = text.len() >= form.len()
                    && form.bytes().zip(text.bytes()).all(|(want, have)| match want {
                        b'9' => have.is_ascii_digit(),
                        _ => have == want,
                    });
                if fits { vec![form.len()] } else { Vec::new() }
            }
            Self::Text => {
                let mut ends: Vec<_> = text.match_indices(':').map(|(at, _)| at).collect();
                ends.push(text.len());
                ends.into_iter().rev().filter(|end| *end > 0).collect()
            }
        }
    }
}

impl Pattern {
    /// Cuts a pattern; text in braces names a placeholder.
    pub(super) fn parse(pattern: &'static str) -> Self {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some((literal, tail)) = rest.split_once('{') {
            if !literal.is_empty() {
                parts.push(Part::Literal(literal));
            }
            let (name, tail) = tail.split_once('}').unwrap_or((tail, ""));
            parts.push(Part::Placeholder(name, Shape::of(name)));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest));
        }
        Self(parts)
    }

    /// How specific the pattern is: fixed text counts most, then fixed forms, then few placeholders.
    pub(super) fn weight(&self) -> (usize, usize, usize) {
        let mut weight = (0, 0, usize::MAX);
        for part in &self.0 {
            match part {
                Part::Literal(text) => weight.0 += text.len(),
                Part::Placeholder(_, Shape::Form(_) | Shape::Digits) => weight.1 += 1,
                Part::Placeholder(_, Shape::Word | Shape::Text) => weight.2 -= 1,
            }
        }
        weight
    }

    /// Whether a key has this pattern.
    pub(super) fn matches(&self, key: &str) -> bool {
        find(&self.0, key, "").is_some()
    }

    /// The value of a placeholder in a key of this pattern.
    pub(super) fn value<'key>(&self, key: &'key str, placeholder: &str) -> Option<&'key str> {
        find(&self.0, key, placeholder)?
    }
}

/// `None` when the key does not match; else the value of the wanted placeholder, if there is one.
fn find<'key>(parts: &[Part], key: &'key str, wanted: &str) -> Option<Option<&'key str>> {
    let Some((part, parts)) = parts.split_first() else {
        return key.is_empty().then_some(None);
    };
    match part {
        Part::Literal(text) => find(parts, key.strip_prefix(text)?, wanted),
        Part::Placeholder(name, shape) => shape.lengths(key).into_iter().find_map(|length| {
            let (value, rest) = key.split_at_checked(length)?;
            let deeper = find(parts, rest, wanted)?;
            Some(if *name == wanted { Some(value) } else { deeper })
        }),
    }
}
