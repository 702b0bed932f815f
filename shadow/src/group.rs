//! Normalised paths: what the same difference of many requests is counted under.
//!
//! Ids, dates, hours, hashes and list indexes become placeholders. Redis keys of known shape follow
//! the table in [`crate::keys`]; everything else goes by the look of each word.

use crate::{difference::Plane, keys};

/// Longest group name; longer ones are cut at the end, so they may fall together.
const LONGEST: usize = 240;

/// The name a difference is counted under.
pub fn group(plane: Plane, path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for (index, segment) in path.split('/').skip(1).enumerate() {
        out.push('/');
        if plane == Plane::Effects && index == 0 {
            out.push_str(&escape(&keys::normalise(&unescape(segment))));
        } else if let Some(event) = event_label(segment) {
            out.push_str(event);
        } else {
            out.push_str(&words(segment, plane == Plane::Effects));
        }
    }
    if out.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(end);
    }
    out
}

/// `3:message_stop` of an event list without its place.
fn event_label(segment: &str) -> Option<&str> {
    let (index, label) = segment.split_once(':')?;
    let counted = !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
    (counted && !label.is_empty() && !label.bytes().next()?.is_ascii_digit()).then_some(label)
}

/// Each `:`-separated word of a segment by its look.
pub(crate) fn words(segment: &str, dated: bool) -> String {
    let mut previous = "";
    let mut out: Vec<String> = Vec::new();
    for word in segment.split(':') {
        let shown = match word {
            _ if is_number(word) && word.len() == 2 && dated && previous == "{date}" => "{hour}",
            _ if previous == "model" && !keys::is_period(word) && !word.is_empty() => "{model}",
            _ => placeholder(word).unwrap_or(word),
        };
        previous = if shown == "{date}" { shown } else { word };
        out.push(shown.to_owned());
    }
    out.join(":")
}

/// The placeholder a word stands for by its look alone.
pub(crate) fn placeholder(word: &str) -> Option<&'static str> {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_number(word) {
        return Some("{n}");
    }
    if word.len() == 36 && uuid::looks_like(word) {
        return Some("{id}");
    }
    if word.len() >= 24 && hex(word) {
        return Some("{hash}");
    }
    date(word).or_else(|| made_up(word).then_some("{id}"))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// `2026-07-24`, `2026-07`, `2026-07-24T15`, `2026-W05`, and whole moments.
fn date(word: &str) -> Option<&'static str> {
    let shape: String =
        word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).take(12).collect();
    match shape.as_str() {
        "9999-99-99" => Some("{date}"),
        "9999-99" => Some("{month}"),
        "9999-W99" => Some("{week}"),
        _ if shape.starts_with("9999-99-99T") => {
            Some(if word.len() == 13 { "{period}" } else { "{moment}" })
        }
        _ => None,
    }
}

/// `msg_…`, `toolu_…`, `chatcmpl-…`: a short word, then a long random one.
fn made_up(word: &str) -> bool {
    let Some(at) = word.find(['_', '-']) else { return false };
    let (head, tail) = (&word[..at], &word[at + 1..]);
    let digits = tail.bytes().filter(u8::is_ascii_digit).count();
    (2..=10).contains(&head.len())
        && head.bytes().all(|b| b.is_ascii_lowercase())
        && tail.len() >= 16
        && digits >= 3
        && tail.bytes().all(|b| b.is_ascii_alphanumeric())
}

mod uuid {
    /// 8-4-4-4-12 hexadecimal digits.
    pub(super) fn looks_like(word: &str) -> bool {
        word.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
    }
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn escape(segment: &str) -> String {
    crate::json::escape(segment)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "/usage:daily:3f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f:2026-07-24/fields/tokens",
        "/usage:daily:{id}:{date}/fields/tokens"
    )]
    #[case(
        "/usage:key-1:model:daily:claude-x:2026-07-24/ttl",
        "/usage:{id}:model:daily:{model}:{date}/ttl"
    )]
    #[case(
        "/account_usage:hourly:acc-a:2026-07-24:09/fields/model:claude-x:allTokens",
        "/account_usage:hourly:{id}:{date}:{hour}/fields/model:{model}:allTokens"
    )]
    #[case(
        "/system:metrics:minute:29000000/fields/requests",
        "/system:metrics:minute:{minute}/fields/requests"
    )]
    #[case("/usage:opus:weekly:k:2026-07-20T00", "/usage:opus:weekly:{id}:{period}")]
    #[case("/request_detail:item:m1abc2defg", "/request_detail:item:{request}")]
    #[case("/unknown:3f0e2a40-4c2b-4d1e-9d0e-0a1b2c3d4e5f:77", "/unknown:{id}:{n}")]
    #[case("/usage:daily:index:2026-07-24/members/k1", "/usage:daily:index:{date}/members/k1")]
    fn redis_keys(#[case] raw: &str, #[case] grouped: &str) {
        assert_eq!(group(Plane::Effects, raw), grouped);
    }

    #[rstest]
    #[case("/0/body/messages/12/content/3/text", "/{n}/body/messages/{n}/content/{n}/text")]
    #[case("/events/3:content_block_delta/delta/text", "/events/content_block_delta/delta/text")]
    #[case("/headers/x-request-id", "/headers/x-request-id")]
    #[case("/usage/ephemeral_5m_input_tokens", "/usage/ephemeral_5m_input_tokens")]
    #[case("/x/msg_01ABCdefGHIjklMNOpqr3", "/x/{id}")]
    #[case("/x/msg_01abcdefghijk2lmnop", "/x/{id}")]
    #[case("/x/0123456789abcdef01234567", "/x/{hash}")]
    fn other_paths(#[case] raw: &str, #[case] grouped: &str) {
        assert_eq!(group(Plane::ResponseBody, raw), grouped);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = format!("/{}", "é".repeat(400));
        assert!(group(Plane::ResponseBody, &long).len() <= LONGEST);
    }
}
