//! What it takes to send with an Azure account, and what its state becomes after an answer
//! (`contract/openai-azure-droid.md §7`).

use std::sync::Arc;

use compat::{
    clock::iso,
    pool::{Entry, Patch},
    store::Cmd,
};

use super::{Accounts, proxy};
use crate::{
    domain::{HeaderList, ProxyConfig},
    platform::azure_openai,
};

/// Status that an exchange without an answer counts as.
const NO_ANSWER: u16 = 503;

/// An Azure account, ready to send with.
#[derive(Clone, Debug)]
pub struct AzureReady {
    /// What the request is built from, key included.
    pub account: azure_openai::Account,
    /// Outbound proxy.
    pub proxy: Option<ProxyConfig>,
}

impl Accounts {
    /// Endpoint, key and proxy of an account. A key that does not decrypt is empty, as in the legacy
    /// service.
    pub fn azure_ready(&self, entry: &Arc<Entry>) -> AzureReady {
        let text = |field: &str| entry.get(field).to_owned();
        AzureReady {
            account: azure_openai::Account {
                endpoint: text("azureEndpoint"),
                deployment: text("deploymentName"),
                api_version: text("apiVersion"),
                api_key: entry.fields.contains_key("apiKey").then(|| self.open(entry, "apiKey")),
            },
            proxy: proxy::of(entry),
        }
    }

    /// Carries an answer's status over to the account: it cools down where the vendor refused or failed.
    pub async fn azure_answered(&self, entry: &Arc<Entry>, status: u16, headers: &HeaderList) {
        if !matches!(status, 401 | 403 | 429 | 500..) || entry.is("disableAutoProtection") {
            return;
        }
        let hint = if status == 429 { self.hint(headers) } else { None };
        self.write_now(self.cool_down(entry, status, hint)).await;
    }

    /// No answer came of the exchange; also when no request could be made of what the client sent.
    pub async fn azure_broken(&self, entry: &Arc<Entry>) {
        if !entry.is("disableAutoProtection") {
            let cmds = self.cool_down(entry, NO_ANSWER, None);
            self.write_now(cmds).await;
        }
    }

    /// The account served this many tokens.
    pub async fn azure_used(&self, entry: &Arc<Entry>, tokens: u64) {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        let record = entry.kind.record_key(&entry.id);
        let total = Cmd::new("HINCRBY").arg(record).arg("totalTokensUsed").arg(tokens);
        let mut cmds = vec![total];
        cmds.extend(self.patch(entry, &Patch::new().set("lastUsedAt", iso(self.now_ms()))));
        self.0.ports.writes.send(cmds).await;
    }
}
