//! New accounts.

use compat::{
    pool::Kind,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{
    AccountAdmin,
    form::{Body, Grouping, Record, bedrock, claude, console, console::Flavour},
    label, members, shared_set,
};
use crate::{
    accounts::proxy,
    domain::{Declined, Failure, Secret},
};

impl AccountAdmin {
    /// Makes an account. The answer's `data` is the account as the admin API shows it.
    ///
    /// # Errors
    /// What is wrong with the body (400), or what failed (500): a group that cannot be joined fails
    /// after the record was written, as in the legacy service.
    pub async fn create(&self, kind: Kind, body: &Value) -> Result<Value, Declined> {
        let sent = body;
        let body = members(body);
        match kind {
            Kind::Official => claude::check_new(&body)?,
            Kind::Console => console::check_new(&body, Flavour::Console)?,
            Kind::Ccr => console::check_new(&body, Flavour::Ccr)?,
            Kind::Bedrock => bedrock::check_new(&body)?,
            Kind::OpenAi => return self.create_chatgpt(sent).await,
            Kind::OpenAiResponses => return self.create_responses(sent).await,
            Kind::Azure => return self.create_azure(sent).await,
        }
        let made = self.make(kind, &body).await;
        let made = made
            .map_err(|error| error.under(&format!("Failed to create {} account", label(kind))))?;
        Ok(json!({ "success": true, "data": made }))
    }

    async fn make(&self, kind: Kind, body: &Body) -> Result<Value, Failure> {
        let id = uuid::Uuid::new_v4().to_string();
        let now_ms = self.now_ms();
        let today = self.0.calendar.date(now_ms);
        let made = self.made(&id, &today, now_ms);
        match kind {
            Kind::Official => {
                let record = claude::record(&made, body)?;
                self.store_new(kind, &id, pairs(&record), is_shared(&record)).await?;
                self.first_profile(&id, &record, body).await;
                self.join(&id, Grouping::of_new(body, true), platform_of(&record)).await?;
                Ok(claude::shown(&record, body))
            }
            Kind::Console | Kind::Ccr => {
                let flavour = if kind == Kind::Ccr { Flavour::Ccr } else { Flavour::Console };
                console::check_secret(body, flavour)?;
                let record = console::record(&made, body, flavour);
                self.store_new(kind, &id, pairs(&record), is_shared(&record)).await?;
                // The legacy service does not say which platform a new CCR account is of, so that it
                // fits no group.
                let platform = if kind == Kind::Ccr { "" } else { "claude" };
                self.join(&id, Grouping::of_new(body, false), platform).await?;
                Ok(console::shown(&record, body, flavour))
            }
            Kind::Bedrock => {
                let record = bedrock::record(&made, body);
                let shown = bedrock::shown(&record);
                let text = Value::Object(record).to_string();
                let mut batch = Batch::atomic();
                batch.push(Cmd::new("SET").arg(kind.record_key(&id)).arg(text));
                batch.cmds.extend(Self::index_again(kind, &id));
                self.run(batch).await?;
                Ok(shown)
            }
            Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure => Err(elsewhere()),
        }
    }

    pub(super) async fn store_new<'a>(
        &self,
        kind: Kind,
        id: &str,
        record: impl IntoIterator<Item = (&'a str, &'a str)>,
        shared: bool,
    ) -> Result<(), Failure> {
        let mut hset = Cmd::new("HSET").arg(kind.record_key(id));
        for (field, value) in record {
            hset = hset.arg(field).arg(value);
        }
        let mut batch = Batch::atomic();
        batch.push(hset);
        batch.cmds.extend(Self::index_again(kind, id));
        if let Some(set) = shared_set(kind).filter(|_| shared) {
            batch.push(Cmd::new("SADD").arg(set).arg(id));
        }
        self.run(batch).await?;
        Ok(())
    }

    /// The plan of a new login, when its tokens may ask for it; a failure is logged and goes unnoticed.
    async fn first_profile(&self, id: &str, record: &Record, body: &Body) {
        let token = body.get("claudeAiOauth").and_then(|tokens| tokens.get("accessToken"));
        let token = token.and_then(Value::as_str).filter(|token| !token.is_empty());
        let scopes = record.iter().find(|(field, _)| *field == "scopes");
        let may_ask =
            scopes.is_some_and(|(_, scopes)| scopes.split(' ').any(|own| own == "user:profile"));
        let Some(token) = token.filter(|_| may_ask).map(Secret::from) else { return };
        let fields = record.iter().map(|(field, value)| ((*field).to_owned(), value.clone()));
        let entry = Self::entry(Kind::Official, id, fields.collect());
        let proxy = proxy::of(&entry);
        if let Err(error) = self.0.accounts.profile(&entry, &token, proxy).await {
            tracing::warn!(account = id, error, "profile could not be fetched");
        }
    }
}

fn is_shared(record: &Record) -> bool {
    record.iter().any(|field| *field == ("accountType", "shared".to_owned()))
}

/// The fields of a record.
pub(super) fn pairs<N: AsRef<str>>(record: &[(N, String)]) -> impl Iterator<Item = (&str, &str)> {
    record.iter().map(|(field, value)| (field.as_ref(), value.as_str()))
}

/// Kinds of the `OpenAI` family never come here.
fn elsewhere() -> Failure {
    Failure::fault("not one of the Claude kinds")
}

fn platform_of(record: &Record) -> &str {
    record.iter().find(|(field, _)| *field == "platform").map_or("", |(_, own)| own.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_is_the_records_own() {
        let record: Record = vec![("id", "a".into()), ("platform", "claude".into())];
        assert_eq!(platform_of(&record), "claude");
    }
}
