//! The files that AWS's tools share: `~/.aws/config` and `~/.aws/credentials`, read as AWS's library for
//! Node reads them.
//!
//! Says what stands there; what follows from it is `accounts::ambient`'s business.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The entries of one section, by name. Entries of a nested block are `block.name`.
pub type Section = BTreeMap<String, String>;

/// Profile that is used when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// Kinds of sections that have a name of their own.
const KINDS: [&str; 3] = ["profile", "sso-session", "services"];

/// Where the two files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedFiles {
    /// `AWS_CONFIG_FILE` (`~/.aws/config`).
    pub config: PathBuf,
    /// `AWS_SHARED_CREDENTIALS_FILE` (`~/.aws/credentials`).
    pub credentials: PathBuf,
}

/// What both files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles {
    config: BTreeMap<String, Section>,
    credentials: BTreeMap<String, Section>,
}

impl SharedFiles {
    /// Reads both; a file that cannot be read says nothing.
    pub fn read(&self) -> Profiles {
        Profiles {
            config: of_config(parse(&text(&self.config))),
            credentials: parse(&text(&self.credentials)),
        }
    }
}

impl Profiles {
    /// A profile for credentials: the credentials file goes before the other.
    pub fn for_credentials(&self, name: &str) -> Option<Section> {
        let (first, second) = (self.config.get(name), self.credentials.get(name));
        if first.is_none() && second.is_none() {
            return None;
        }
        let mut merged = first.cloned().unwrap_or_default();
        merged.extend(second.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        Some(merged)
    }

    /// One setting of a profile: the config file goes before the other.
    pub fn setting(&self, profile: &str, name: &str) -> Option<&str> {
        self.config
            .get(profile)
            .and_then(|section| section.get(name))
            .or_else(|| self.credentials.get(profile)?.get(name))
            .map(String::as_str)
    }

    /// A section that is no profile: `sso-session` or `services` with this name.
    pub fn named(&self, kind: &str, name: &str) -> Option<&Section> {
        self.config.get(&format!("{kind}.{name}"))
    }
}

fn text(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// Profiles under their plain names, other named sections as they are; the rest is dropped.
fn of_config(sections: BTreeMap<String, Section>) -> BTreeMap<String, Section> {
    let mut out = BTreeMap::new();
    let mut named = Vec::new();
    for (name, section) in sections {
        match name.split_once('.') {
            Some((kind, own)) if KINDS.contains(&kind) => {
                let name = if kind == "profile" { own.to_owned() } else { name };
                named.push((name, section));
            }
            _ if name == DEFAULT_PROFILE => {
                out.insert(name, section);
            }
            _ => {}
        }
    }
    // `[profile default]` goes before `[default]`.
    out.extend(named);
    out
}

fn parse(text: &str) -> BTreeMap<String, Section> {
    let mut out: BTreeMap<String, Section> = BTreeMap::new();
    let (mut section, mut block): (Option<String>, Option<String>) = (None, None);
    for line in text.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let words = without_comment(line).trim();
        if let Some(name) = words.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            (section, block) = (section_name(name), None);
            continue;
        }
        let (Some(section), Some((name, value))) = (&section, words.split_once('=')) else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            continue;
        }
        if value.is_empty() {
            block = Some(name.to_owned());
            continue;
        }
        if !line.starts_with(char::is_whitespace) {
            block = None;
        }
        let name = block.as_ref().map_or(name.to_owned(), |block| format!("{block}.{name}"));
        out.entry(section.clone()).or_default().insert(name, value.to_owned());
    }
    out
}

/// A comment begins with `;` or `#` at the beginning of a line or after white space.
fn without_comment(line: &str) -> &str {
    let mut before = None;
    for (at, c) in line.char_indices() {
        if matches!(c, ';' | '#') && before.is_none_or(char::is_whitespace) {
            return &line[..at];
        }
        before = Some(c);
    }
    line
}

/// `kind.name` for `kind name` with a known kind, else the words as they are; `None` for another kind.
fn section_name(words: &str) -> Option<String> {
    let Some((kind, name)) = words.split_once(char::is_whitespace) else {
        return Some(words.to_owned());
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let bare = ['"', '\''].iter().find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote));
    let name = bare.unwrap_or(name);
    let fine = |c: char| plain(c) || "@+.%:/".contains(c);
    if kind.is_empty() || name.is_empty() || !kind.chars().all(plain) || !name.chars().all(fine) {
        return Some(words.to_owned());
    }
    KINDS.contains(&kind).then(|| format!("{kind}.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(config: &str, credentials: &str) -> Profiles {
        Profiles { config: of_config(parse(config)), credentials: parse(credentials) }
    }

    #[test]
    fn the_files_are_read_as_the_library_reads_them() {
        let config = "\u{20}# nothing\n[default]\nregion = eu-west-1 ; here\r\n[profile a]\nregion=b#c\n\
            s3 =\n  max = 4\n  other = 5\nlast = 1\n[profile \"x y\"]\nq = 1\n[foo]\nq = 2\n\
            [sso-session s]\nsso_region = r\n[other z]\nlost = 1\n[profile default]\nregion = r2\n";
        let read = profiles(config, "[a]\nregion = cred\naws_access_key_id = AK\n[foo]\nz = 3\n");
        let a = read.for_credentials("a").unwrap();
        let entries: Vec<_> = a.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            entries,
            ["aws_access_key_id=AK", "last=1", "region=cred", "s3.max=4", "s3.other=5"]
        );
        assert_eq!(read.setting("a", "region"), Some("b#c"));
        assert_eq!(read.setting("a", "aws_access_key_id"), Some("AK"));
        assert_eq!(read.setting("default", "region"), Some("r2"));
        assert_eq!(read.setting("foo", "z"), Some("3"));
        assert_eq!(read.setting("foo", "q"), None);
        assert_eq!(read.named("sso-session", "s").unwrap()["sso_region"], "r");
        assert_eq!(read.for_credentials("x y"), None);
        assert_eq!(read.for_credentials("nobody"), None);
    }
}
