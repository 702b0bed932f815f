//! Looks at the environment's proxies, which few know are heeded.

use super::{check::Check, report::Findings};
use crate::{app::surrounding_proxies, config::Config};

/// Tells which variables are set, and which of them cannot work. Their values may hold passwords.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let proxies = surrounding_proxies(config);
    if let Some(broken) = proxies.unusable() {
        findings.add(Check::ProxyUnusable, broken.0, "the environment");
    }
    for name in proxies.names() {
        findings.add(Check::ProxyVariables, name, "the environment");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn told<const N: usize>(settings: [(&str, &str); N]) -> Vec<(Check, String)> {
        let config = Config::load(&settings, Path::new("/nonexistent")).unwrap();
        let mut findings = Findings::new(1);
        check(&config, &mut findings);
        let told = findings.into_sorted().into_iter();
        told.map(|finding| (finding.check, finding.subject)).collect()
    }

    #[test]
    fn variables_are_told_without_their_values() {
        assert!(told([("NO_PROXY", "x.test")]).is_empty());
        assert_eq!(
            told([("https_proxy", "http://u:secret@p:1"), ("ALL_PROXY", "ftp://u:secret@p")]),
            [
                (Check::ProxyUnusable, "ALL_PROXY".to_owned()),
                (Check::ProxyVariables, "ALL_PROXY".to_owned()),
                (Check::ProxyVariables, "HTTPS_PROXY".to_owned()),
            ]
        );
    }
}
