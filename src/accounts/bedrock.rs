//! Bedrock accounts at work: their credentials, and the marks that failures leave.

use std::sync::Arc;

use compat::{
    pool::Entry,
    record::account::{Bedrock, BedrockCredentials},
};
use serde_json::Value;

use super::Accounts;
use crate::platform::bedrock::{AccessKey, Account, Credentials};

/// A Bedrock account, ready to send with.
#[derive(Clone, Debug)]
pub struct BedrockReady {
    /// What the request is built from, credentials included.
    pub account: Account,
}

impl Accounts {
    /// Region, model and credentials of a Bedrock account as they are stored now; `None` when the record
    /// is gone or its credentials cannot be read. A use is not noted, as in the legacy service.
    pub fn bedrock_ready(&self, entry: &Arc<Entry>) -> Option<BedrockReady> {
        let entry = self.current(entry);
        let record = Bedrock::from_document(&entry.id, entry.document.as_ref()?)?;
        let credentials = match record.credentials(&self.0.ports.vault) {
            Ok(credentials) => credentials?,
            Err(error) => {
                tracing::error!(account = %entry.id, %error, "Bedrock credentials");
                return None;
            }
        };
        let credentials = match credentials {
            BedrockCredentials::AccessKey { id, secret, session_token } => {
                Some(Credentials::AccessKey(AccessKey {
                    id,
                    secret: secret.into(),
                    session_token: session_token.map(Into::into),
                }))
            }
            // An empty API key leaves it to the environment.
            BedrockCredentials::Bearer(token) if token.is_empty() => None,
            BedrockCredentials::Bearer(token) => Some(Credentials::Bearer(token.into())),
        };
        let default_model = Some(record.default_model()).filter(|model| !model.is_empty());
        Some(BedrockReady {
            account: Account {
                region: record.region().to_owned(),
                default_model: default_model.map(str::to_owned),
                credentials,
            },
        })
    }

    /// Cools an account down under `status`, unless it is exempt from that.
    pub async fn settle_bedrock(&self, entry: &Arc<Entry>, status: u16) {
        let entry = self.fresh(entry).await;
        let switch = entry.document.as_ref().and_then(|record| record.get("disableAutoProtection"));
        let exempt = match switch {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        if !exempt {
            self.0.ports.writes.send(self.cool_down(&entry, status, None)).await;
        }
    }
}
