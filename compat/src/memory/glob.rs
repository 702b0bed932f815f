//! Patterns of `KEYS` and `MATCH`: `*`, `?`, `[a-c]`, `[^x]`, `\`.

/// Whether the whole text fits the pattern.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows the last star did not fit.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, seen));
            continue;
        }
        match one(&pattern[at..], text[seen]) {
            Some(width) => {
                at += width;
                seen += 1;
            }
            None => match star {
                Some((after, from)) => {
                    at = after;
                    seen = from + 1;
                    star = Some((after, seen));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

/// How many bytes of the pattern fit this one byte.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', class @ ..] => {
            let end =
                class.iter().skip(1).position(|at| *at == b']').map_or(class.len(), |at| at + 1);
            let (negated, members) = match &class[..end] {
                [b'^', rest @ ..] => (true, rest),
                rest => (false, rest),
            };
            let mut found = false;
            let mut rest = members;
            while let [first, more @ ..] = rest {
                if let [b'-', last, after @ ..] = more {
                    found |= (*first.min(last)..=*first.max(last)).contains(&byte);
                    rest = after;
                } else {
                    found |= *first == byte;
                    rest = more;
                }
            }
            (found != negated).then_some((end + 2).min(pattern.len()))
        }
        [plain, ..] => (*plain == byte).then_some(1),
    }
}
