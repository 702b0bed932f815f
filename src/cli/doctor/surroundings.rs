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
