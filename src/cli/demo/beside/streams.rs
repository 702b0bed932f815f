//! Streams that stay open while phases change.

use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;

use super::{
    super::client::Answer,
    people::People,
    traffic::{Books, Kind, Turn, of_kind},
};

/// Open streams.
#[derive(Default)]
pub(super) struct Streams {
    open: JoinSet<anyhow::Result<(Turn, Answer)>>,
}

impl Streams {
    /// Opens so many more, of one key after the other.
    pub(super) fn open(&mut self, base: &str, people: &Arc<People>, count: usize) {
        for turn in of_kind(Kind::Held, count) {
            let (base, people) = (base.to_owned(), Arc::clone(people));
            self.open.spawn(async move { Ok((turn, turn.send(&base, &people).await?)) });
        }
    }

    /// Waits for their ends and books them; returns how many events came while they were held.
    ///
    /// # Errors
    /// When one breaks, or an event is missing.
    pub(super) async fn finish(mut self, books: &mut Books) -> anyhow::Result<usize> {
        let mut events = 0;
        while let Some(ended) = self.open.join_next().await {
            let (turn, answer) = ended?.context("a stream broke")?;
            events += ticks(&answer.body)?;
            books.note(turn);
        }
        Ok(events)
    }
}

/// Numbered events of a held stream, all there and in order.
fn ticks(body: &str) -> anyhow::Result<usize> {
    let numbers = body.split("\"text\":\"t").skip(1);
    let mut count = 0;
    for number in numbers.filter_map(|rest| rest.split_once(';')?.0.parse::<usize>().ok()) {
        count += 1;
        anyhow::ensure!(number == count, "event {count} of a stream is missing");
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_event_is_noticed() {
        let event = |n| format!("data: {{\"delta\":{{\"text\":\"t{n};\"}}}}\n\n");
        let whole = event(1) + &event(2) + &event(3) + "data: {\"text\":\"the end\"}";
        assert_eq!(ticks(&whole).unwrap(), 3);
        assert!(ticks(&(event(1) + &event(3))).is_err());
        assert_eq!(ticks("").unwrap(), 0);
    }
}
