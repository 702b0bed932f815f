//! Bedrock accounts at work: their credentials, and the marks that failures leave.

use std::sync::Arc;

use compat::{
    js,
    pool::Entry,
    record::account::{Bedrock, BedrockCredentials},
};
use serde_json::Value;

use super::{
    Accounts,
    ambient::{Ambient, AmbientError},
};
use crate::platform::bedrock::{AccessKey, Account, BuildError, Credentials};

/// A Bedrock account, ready to send with.
#[derive(Clone, Debug)]
pub struct BedrockReady {
    /// What the request is built from, credentials included.
    pub account: Account,
}

impl Accounts {
    /// Region, model and credentials of a Bedrock account as they are stored now; `None` when the record
    /// is gone, or its credentials cannot be read, or neither it nor the surroundings have any. A use is
    /// not noted, as in the legacy service.
    pub async fn bedrock_ready(&self, entry: &Arc<Entry>) -> Option<BedrockReady> {
        let entry = self.current(entry);
        let record = Bedrock::from_document(&entry.id, entry.document.as_ref()?)?;
        let stored = match record.credentials(&self.0.ports.vault) {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(account = %entry.id, %error, "Bedrock credentials");
                return None;
            }
        };
        let mut odd = None;
        let credentials = match stored {
            None => Some(self.surroundings().await.ok()?),
            Some(BedrockCredentials::AccessKey { id, secret, session_token }) => {
                Some(Credentials::AccessKey(AccessKey {
                    id,
                    secret: secret.into(),
                    session_token: session_token.map(Into::into),
                }))
            }
            Some(BedrockCredentials::OddToken) => {
                odd = Some(BuildError::SessionToken);
                None
            }
            // An empty API key leaves it to the keys of the environment first.
            Some(BedrockCredentials::Bearer(token)) if token.is_empty() => {
                match self.0.ambient.as_ref().is_some_and(Ambient::has_keys) {
                    true => None,
                    false => self.surroundings().await.ok(),
                }
            }
            Some(BedrockCredentials::Bearer(token)) => Some(Credentials::Bearer(token.into())),
        };
        let default_model = Some(record.default_model()).filter(|model| !model.is_empty());
        // What is there, but is no text, fails requests; the first that the legacy service comes to does.
        let is_odd = |name| js::or(record.json.get(name)).is_some_and(|own| !own.is_string());
        if is_odd("region") {
            odd = Some(BuildError::Region);
        }
        if is_odd("defaultModel") {
            odd = Some(BuildError::Model);
        }
        Some(BedrockReady {
            account: Account {
                region: record.region().to_owned(),
                default_model: default_model.map(str::to_owned),
                credentials,
                odd,
            },
        })
    }

    /// Credentials for an account that has none of its own.
    ///
    /// # Errors
    /// What was tried.
    pub(super) async fn surroundings(&self) -> Result<Credentials, Arc<AmbientError>> {
        match &self.0.ambient {
            Some(ambient) => ambient.credentials().await,
            None => Err(Arc::default()),
        }
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
            self.write_now(self.cool_down(&entry, status, None)).await;
        }
    }
}
