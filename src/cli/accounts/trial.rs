//! `crs accounts test`: shows a test as it goes on.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    super::{Output, output::Stopped},
    Which,
};
use crate::{
    accounts::lifecycle::{AccountAdmin, default_model},
    domain::Declined,
};

/// Tries the account; declined when the vendor did not answer as it should.
pub(super) async fn run(
    accounts: &AccountAdmin,
    which: &Which,
    model: Option<&str>,
    output: &Output,
) -> Result<Value, Stopped> {
    let (kind, id) = which.find(accounts).await?;
    let start = Instant::now();
    let mut trial = Trial::default();
    accounts.probe(kind, &id, model, &mut |event| trial.take(event)).await;
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = trial.text.trim().to_owned();
    match trial.fault() {
        None => {
            output.line(&format!("The account works ({millis} ms): {text}"));
            Ok(json!({
                "success": true,
                "message": text,
                "latencyMs": millis,
                "model": model.or(default_model(kind)),
                "events": trial.events,
            }))
        }
        Some(fault) => {
            let mut declined = Declined::new(502, fault);
            declined.body.insert("latencyMs".to_owned(), millis.into());
            declined.body.insert("events".to_owned(), trial.events.into());
            Err(declined.into())
        }
    }
}

/// What a test has told so far.
#[derive(Default)]
struct Trial {
    events: Vec<Value>,
    text: String,
    fault: Option<String>,
    complete: bool,
}

impl Trial {
    fn take(&mut self, event: Value) {
        match event["type"].as_str() {
            Some("content") => self.text.push_str(event["text"].as_str().unwrap_or_default()),
            Some("test_complete") if event["success"] == true => self.complete = true,
            _ => {}
        }
        if let Some(fault) = event.get("error") {
            let fault = fault.as_str().map_or_else(|| fault.to_string(), str::to_owned);
            self.fault.get_or_insert(fault);
        }
        self.events.push(event);
    }

    fn fault(&self) -> Option<String> {
        let unfinished = || "the answer broke off".to_owned();
        self.fault.clone().or_else(|| (!self.complete).then(unfinished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_does_not_complete_has_failed() {
        let mut trial = Trial::default();
        trial.take(json!({ "type": "content", "text": "Hel" }));
        assert!(trial.fault().is_some());
        trial.take(json!({ "type": "test_complete", "success": true }));
        assert_eq!(trial.fault(), None);
        trial.take(json!({ "type": "error", "error": "late" }));
        assert_eq!(trial.fault().as_deref(), Some("late"));
    }
}
