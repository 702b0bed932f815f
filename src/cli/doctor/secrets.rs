//! Whether stored secrets open with the operator's `ENCRYPTION_KEY`.

use std::collections::BTreeMap;

use compat::{
    crypto::{Decrypted, Outcome, Vault},
    keys::AccountKind,
    record::{Sealed, account::Bedrock},
};

use super::{
    check::Check,
    report::{Findings, SecretCount},
};

/// Opens secrets and counts how they read. What they hold is thrown away.
pub(super) struct Secrets<'a> {
    vault: &'a Vault,
    counts: BTreeMap<&'static str, SecretCount>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(vault: &'a Vault) -> Self {
        Self { vault, counts: BTreeMap::new() }
    }

    /// Tries one field of an account.
    pub(super) fn try_field(
        &mut self,
        kind: AccountKind,
        key: &str,
        field: &str,
        stored: &Sealed,
        findings: &mut Findings,
    ) {
        let Some(service) = kind.service() else { return };
        if stored.is_empty() {
            return;
        }
        let opened = stored.open(self.vault, service);
        self.count(kind, verdict(stored.as_stored(), &opened), key, field, findings);
    }

    /// Tries the credentials of a Bedrock account.
    pub(super) fn try_bedrock(&mut self, account: &Bedrock, key: &str, findings: &mut Findings) {
        for (field, stored) in account.secrets() {
            let verdict = match self.vault.open_bedrock(stored) {
                Err(_) => Verdict::Unreadable,
                Ok(plain) if plain == *stored => Verdict::Unencrypted,
                Ok(_) => Verdict::Readable,
            };
            self.count(AccountKind::Bedrock, verdict, key, field, findings);
        }
    }

    /// The counts, after reporting when nothing at all was readable.
    pub(super) fn finish(self, findings: &mut Findings) -> BTreeMap<&'static str, SecretCount> {
        let readable: u64 = self.counts.values().map(|count| count.readable).sum();
        let unreadable: u64 = self.counts.values().map(|count| count.unreadable).sum();
        if readable == 0 && unreadable > 0 {
            findings.add(Check::EncryptionKey, "ENCRYPTION_KEY", format!("{unreadable} secrets"));
        }
        self.counts
    }

    fn count(
        &mut self,
        kind: AccountKind,
        verdict: Verdict,
        key: &str,
        field: &str,
        findings: &mut Findings,
    ) {
        let count = self.counts.entry(kind.as_str()).or_default();
        let check = match verdict {
            Verdict::Readable => {
                count.readable += 1;
                return;
            }
            Verdict::Unencrypted => {
                count.unencrypted += 1;
                Check::Unencrypted
            }
            Verdict::Unreadable => {
                count.unreadable += 1;
                Check::Undecryptable
            }
        };
        findings.add(check, format!("{} {field}", kind.as_str()), key);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Readable,
    Unencrypted,
    Unreadable,
}

fn verdict(stored: &str, opened: &Decrypted) -> Verdict {
    match opened.outcome {
        // Under a wrong key the padding is right by chance once in 256; text then is not.
        Outcome::Opened | Outcome::OpenedOld if opened.text.contains('\u{fffd}') => {
            Verdict::Unreadable
        }
        Outcome::Empty | Outcome::Opened | Outcome::OpenedOld => Verdict::Readable,
        Outcome::AsStored if !is_ciphertext(stored) => Verdict::Unencrypted,
        Outcome::AsStored | Outcome::Lost => Verdict::Unreadable,
    }
}

/// Whether a text has the form of a ciphertext, new (`iv:body`) or old (`body`).
fn is_ciphertext(stored: &str) -> bool {
    let blocks = |text: &str| {
        !text.is_empty()
            && text.len().is_multiple_of(32)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match stored.split_once(':') {
        Some((iv, body)) => iv.len() == 32 && blocks(iv) && blocks(body),
        None => blocks(stored),
    }
}
