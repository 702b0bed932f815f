//! Mail addresses as people write them: names, quotes, comments, groups, commas or semicolons between them.
//! What is no address is passed over, so that one slip does not keep the others from their mail.

use lettre::{Address, message::Mailbox};
use url::Host;

/// The addresses in a text, each once.
pub(super) fn read(text: &str) -> Vec<Mailbox> {
    let mut found: Vec<Mailbox> = Vec::new();
    for mailbox in parts(text).into_iter().filter_map(Part::mailbox) {
        if !found.iter().any(|known| known.email == mailbox.email) {
            found.push(mailbox);
        }
    }
    found
}

/// What stands between two separators.
#[derive(Default)]
struct Part {
    /// Outside of brackets and quotes.
    plain: String,
    /// In quotes.
    quoted: String,
    /// In angle brackets.
    angle: Option<String>,
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Quotes,
    Angle,
    /// Further angle brackets.
    Spare,
    Comment,
}

fn parts(text: &str) -> Vec<Part> {
    let (mut parts, mut part, mut inside) = (Vec::new(), Part::default(), Inside::Nothing);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        inside = match (inside, letter) {
            (Inside::Quotes, '\\') => {
                part.quoted.extend(letters.next());
                inside
            }
            (Inside::Quotes, '"')
            | (Inside::Angle | Inside::Spare, '>')
            | (Inside::Comment, ')') => Inside::Nothing,
            (Inside::Quotes, _) => {
                part.quoted.push(letter);
                inside
            }
            (Inside::Angle, _) => {
                part.angle.get_or_insert_default().push(letter);
                inside
            }
            (Inside::Comment | Inside::Spare, _) => inside,
            (Inside::Nothing, '"') => Inside::Quotes,
            // The first counts.
            (Inside::Nothing, '<') if part.angle.is_some() => Inside::Spare,
            (Inside::Nothing, '<') => {
                part.angle = Some(String::new());
                Inside::Angle
            }
            (Inside::Nothing, '(') => Inside::Comment,
            (Inside::Nothing, ',' | ';') => {
                parts.push(std::mem::take(&mut part));
                inside
            }
            // The name of a group.
            (Inside::Nothing, ':') => {
                part = Part::default();
                inside
            }
            (Inside::Nothing, _) => {
                part.plain.push(letter);
                inside
            }
        };
    }
    parts.push(part);
    parts
}

impl Part {
    fn mailbox(self) -> Option<Mailbox> {
        let is_address = |word: &&str| word.contains('@');
        let (address, name) = match &self.angle {
            Some(angle) => (angle.trim(), self.plain.trim().to_owned()),
            None => {
                let address = self.plain.split_whitespace().find(is_address)?;
                let words = self.plain.split_whitespace().filter(|word| *word != address);
                (address, words.collect::<Vec<_>>().join(" "))
            }
        };
        let name = [self.quoted.trim(), &name].join(" ").trim().to_owned();
        Some(Mailbox::new(Some(name).filter(|name| !name.is_empty()), normal(address)?))
    }
}

/// The name of the host in small letters of ASCII.
fn normal(address: &str) -> Option<Address> {
    let (user, host) = address.rsplit_once('@')?;
    let host = match Host::parse(host) {
        Ok(Host::Domain(domain)) => domain,
        _ => host.to_lowercase(),
    };
    Address::new(user, host).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::read;

    /// What the real service's mail library makes of the same texts (`compat/vectors/notify/addresses.json`).
    #[test]
    fn addresses_are_those_that_node_finds() {
        let recorded = include_str!("../../../compat/vectors/notify/addresses.json");
        let recorded: Vec<(String, Vec<String>)> = serde_json::from_str(recorded).unwrap();
        assert!(recorded.len() > 100);
        for (text, expected) in recorded {
            let found: Vec<String> =
                read(&text).iter().map(|mailbox| mailbox.email.to_string()).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn names_are_kept() {
        let shown = |text: &str| {
            let name =
                |mailbox: &lettre::message::Mailbox| mailbox.name.clone().unwrap_or_default();
            read(text).iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(shown("A B <a@b.test>, \"C, D\" <c@d.test>; e@f.test"), ["A B", "C, D", ""]);
        assert_eq!(shown("Team: Ü <a@b.test>, x (y) c@d.test;"), ["Ü", "x"]);
        let nobody: [Value; 0] = [];
        assert_eq!(read("nobody, , <>, \"a@b.test\"").len(), nobody.len());
    }
}
