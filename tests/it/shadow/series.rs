//! Requests one after the other, and what comparing them must have shown.

use serde_json::Value;
use shadow::{Source, Tally};

use super::Stage;

/// A stage, and how many requests it was sent.
pub struct Series {
    pub stage: Stage,
    sent: u64,
}

impl Series {
    pub fn new(stage: Stage) -> Self {
        Self { stage, sent: 0 }
    }

    /// Sends a request that gets this status and a complete answer.
    pub async fn ask(&mut self, status: u16, request: Value) {
        let answer = self.stage.send(request.clone()).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert_eq!((answer.status, answer.ended), (status, "complete"), "{request}: {body}");
        self.sent += 1;
    }

    /// The same, and waits until it was compared: marks of one request decide about the next.
    pub async fn send(&mut self, status: u16, request: Value) {
        self.ask(status, request).await;
        self.stage.compared(self.sent).await;
    }

    /// Without a difference that no rule explains, all by what the tap told; none in money.
    pub async fn agrees(&self) -> Tally {
        let tally = self.stage.compared(self.sent).await;
        assert!(tally.mismatches().is_empty(), "{}", self.stage.shown());
        assert_eq!((tally.observations, tally.money), (self.sent, 0), "{}", self.stage.shown());
        let sources = tally.sources.clone().into_iter().collect::<Vec<_>>();
        assert_eq!(sources, [(Source::Tap, self.sent)]);
        tally
    }

    /// The same, without any difference at all.
    pub async fn is_equal(&self) -> Tally {
        let tally = self.agrees().await;
        assert_eq!(tally.agreeing, self.sent, "{}", self.stage.shown());
        tally
    }
}

/// That requests of these kinds were counted: words of the cells.
pub fn covered(tally: &Tally, words: &[&str]) {
    let cells = serde_json::to_value(tally).unwrap().to_string();
    for word in words {
        assert!(cells.contains(word), "{word} is covered: {cells}");
    }
}
