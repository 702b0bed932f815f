//! The order of names, as `localeCompare` has it.

use std::{cmp::Ordering, fmt, sync::Arc};

use icu_collator::{CollatorBorrowed, options::CollatorOptions};
use icu_locale_core::Locale;

/// An order of texts by the rules of a language: upper and lower case together, accents beside their
/// letters, punctuation before digits before letters. Cheap to clone.
#[derive(Clone)]
pub struct Collation(Option<Arc<CollatorBorrowed<'static>>>);

impl Collation {
    /// The order of a process with these variables: of `LC_ALL`, `LC_MESSAGES` and `LANG` the first that
    /// is not empty names the language (`zh_CN.UTF-8`). One that is not known has the common order.
    pub fn of_variables(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|text| !text.is_empty()));
        Self::of(&named.unwrap_or_default())
    }

    /// The order of a language, named as in `LANG`.
    pub fn of(named: &str) -> Self {
        let name = named.split(['.', '@']).next().unwrap_or_default().replace('_', "-");
        let language = match name.as_str() {
            "C" | "POSIX" => Locale::UNKNOWN,
            name => Locale::try_from_str(name).unwrap_or(Locale::UNKNOWN),
        };
        let collator = icu_collator::Collator::try_new(language.into(), CollatorOptions::default());
        Self(collator.ok().map(Arc::new))
    }

    /// `a.localeCompare(b)`.
    pub fn compare(&self, a: &str, b: &str) -> Ordering {
        match &self.0 {
            Some(collator) => collator.compare(a, b),
            None => a.cmp(b),
        }
    }
}

impl Default for Collation {
    fn default() -> Self {
        Self::of("")
    }
}

impl fmt::Debug for Collation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collation")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What Node sorts these names to under each `LANG`.
    #[rstest]
    #[case("", COMMON)]
    #[case("C", COMMON)]
    #[case("C.UTF-8", COMMON)]
    #[case("en_US.UTF-8", COMMON)]
    #[case("de_DE@euro", COMMON)]
    #[case("no such language", COMMON)]
    #[case("zh_CN.UTF-8", "10|9|阿|张|中|a|A|ä|a_1|a-1|b|B|é|x|z|Z 1|Z(1)")]
    #[case("zh_TW", "10|9|中|张|阿|a|A|ä|a_1|a-1|b|B|é|x|z|Z 1|Z(1)")]
    #[case("sv_SE.UTF-8", "10|9|a|A|a_1|a-1|b|B|é|x|z|Z 1|Z(1)|ä|中|张|阿")]
    fn names_in_order(#[case] language: &str, #[case] expected: &str) {
        let mut names =
            "a-1|a_1|A|a|b|B|é|z|中|阿|Z 1|Z(1)|10|9|张|ä|x".split('|').collect::<Vec<_>>();
        let order = Collation::of(language);
        names.sort_by(|a, b| order.compare(a, b));
        assert_eq!(names.join("|"), expected);
    }

    const COMMON: &str = "10|9|a|A|ä|a_1|a-1|b|B|é|x|z|Z 1|Z(1)|中|张|阿";

    #[test]
    fn the_first_variable_that_is_not_empty_counts() {
        let variables = |name: &str| match name {
            "LC_ALL" => Some(String::new()),
            "LC_MESSAGES" => Some("zh_CN".into()),
            _ => Some("C".into()),
        };
        assert_eq!(Collation::of_variables(variables).compare("中", "a"), Ordering::Less);
        assert_eq!(Collation::default().compare("中", "a"), Ordering::Greater);
    }
}
