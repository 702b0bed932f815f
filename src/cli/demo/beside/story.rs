//! What happens in act two, step by step.

use std::{path::Path, time::Duration};

use anyhow::Context;
use compat::store::Cmd;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    super::super::{Output, progress::Progress},
    balance::{self, Prices},
    people::{INSIDE, KEYS},
    stage::Stage,
    streams::Streams,
    tale::Tale,
    traffic::{Books, Kind, Summary, Turn, messages, mixed, of_kind},
};
use crate::sidecar::shadow::records;

/// Streams that are open while phases change.
const STREAMS: usize = 24;
/// What the stand-in for Node is told to get wrong (legacy-node/standin/README.md), with the plane on which
/// a comparison shows it.
const FAULTS: [(&str, &str); 3] = [
    ("beta-wrong", "upstream_request"),
    ("event-dropped", "response_body"),
    ("cost-wrong", "effects"),
];
/// Requests that are sent before it is looked whether their comparison keeps up.
const CHUNK: usize = 40;
/// Requests that may wait for their second run meanwhile.
const WAITING: u64 = 120;
/// When all instances have followed the record.
const FOLLOWED: Duration = Duration::from_secs(2);
/// Requests with each fault.
const FAULTY: usize = 4;
/// Gates of a demo: an operator's are higher (docs/rollout.md).
const GATES: &str = r#"{"min_observations":60,"min_hours":1,"min_per_cell":2}"#;

/// The story with all it needs.
pub(super) struct Story<'a> {
    stage: &'a Stage,
    tale: Tale,
    books: Books,
    progress: Progress,
    /// Requests that are compared before anything else.
    requests: usize,
    /// Requests on owned routes that were made before evidence began; later ones are compared.
    compared: Option<u64>,
}

impl<'a> Story<'a> {
    pub(super) fn new(stage: &'a Stage, output: &Output, dir: &Path, requests: usize) -> Self {
        Self {
            stage,
            tale: Tale::new(output, dir),
            books: Books::default(),
            progress: Progress::new(output.is_terminal()),
            requests,
            compared: None,
        }
    }

    /// Tells all of it.
    ///
    /// # Errors
    /// When something is not as it is claimed.
    pub(super) async fn tell(mut self) -> anyhow::Result<Value> {
        let began = Instant::now();
        let prices = self.observe().await?;
        self.shadow().await?;
        self.misbehave().await?;
        self.gates().await?;
        self.advance().await?;
        self.back().await?;
        self.balance(&prices).await?;
        let seconds = began.elapsed().as_secs_f64();
        self.tale.say(&format!("Act two took {seconds:.0} s."));
        Ok(self.tale.into_value())
    }

    /// Node, crs in front of it, and the prices that Node books alone.
    async fn observe(&mut self) -> anyhow::Result<Prices> {
        let Self { stage, tale, .. } = self;
        tale.step("Node runs, with the tap in it");
        tale.say(&format!(
            "On 127.0.0.1:{}: a small service of our own that stands in for claude-relay-service.",
            stage.node_port
        ));
        tale.say(
            "The tap is one option of its start: NODE_OPTIONS=\"--require legacy-node/tap.cjs\".",
        );
        tale.say("Redis holds three accounts and fourteen keys, as Node stores them.");
        tale.step("crs listens in front of it: phase `observe`");
        tale.say(&format!(
            "On {}, with CRS_LEGACY_URL=http://127.0.0.1:{}. It forwards, byte for byte.",
            stage.base, stage.node_port
        ));
        stage.tapped().await?;
        self.tale.done(&["doctor"]).await?;
        self.tale.say("");
        let mut turns = messages(KEYS);
        turns.extend(of_kind(Kind::OtherModel, KEYS));
        let [node, crs] = self.send(&turns).await?.asked;
        anyhow::ensure!(crs == 0 && node == turns.len() as u64, "Node answers in observe");
        self.tale.say(&format!("{node} messages were sent to crs. Node answered all of them."));
        balance::prices(self.stage, &self.books).await
    }

    /// The same twice, and it agrees.
    async fn shadow(&mut self) -> anyhow::Result<()> {
        self.tale
            .step("Phase `shadow`: crs does each request again, without effects, and compares");
        self.tale.done(&["rollout", "advance", "--reason", "first look"]).await?;
        self.stage.at("shadow").await?;
        self.compared = Some(self.books.owned);
        let sent = self.send(&mixed(self.requests)).await?;
        self.tale.say("");
        let head = format!("{} requests of {KEYS} keys:", self.requests);
        self.tale.list(&head, &sent.summary.kinds());
        self.tale.list("Answered as they should be:", &sent.summary.statuses());
        anyhow::ensure!(sent.asked[1] == 0, "crs called the vendor in shadow");
        self.tale.say("Clients got Node's answers. crs called the vendor 0 times.");
        self.all_compared().await?;
        let report = self.tale.command(&["shadow", "report"]).await?.value;
        let (seen, agree) = (report["observations"].as_u64(), report["agreeing"].as_u64());
        let differs = &report["differs"];
        anyhow::ensure!(seen.is_some() && seen == agree, "crs and Node do not agree: {differs}");
        self.tale.say("");
        self.tale.say(
            "Everything agrees. `not yet`, because a gate wants more of it: 2,000 in 24 hours.",
        );
        Ok(())
    }

    /// Node does a few requests wrong; that is found, and keeps the rollout where it is.
    async fn misbehave(&mut self) -> anyhow::Result<()> {
        self.tale.step("Now Node is told to get a few requests wrong");
        for (fault, _) in FAULTS {
            let turns = of_kind(Kind::Wrong(fault), FAULTY);
            self.send(&turns).await?;
            self.tale.say(&format!("{FAULTY} times {}", explained(fault)));
        }
        self.all_compared().await?;
        let report = self.tale.command(&["shadow", "report"]).await?.value;
        let differs = report["differs"].as_array().cloned().unwrap_or_default();
        for (fault, plane) in FAULTS {
            let found = differs.iter().any(|group| group["plane"] == plane);
            anyhow::ensure!(found, "{fault} is reported on {plane}");
        }
        let example = differs.iter().find(|group| group["plane"] == FAULTS[1].1);
        let example = example.and_then(|group| group["example"].as_str()).context("an example")?;
        self.tale.say("");
        self.tale.say("One of them, what Node did (-) and what crs would have done (+):");
        self.tale.done(&["shadow", "diff", example]).await?;
        self.tale.say("");
        self.tale.say("With that, nobody goes on by mistake:");
        let refused = self.tale.command(&["rollout", "advance"]).await?.code;
        anyhow::ensure!(refused == 2, "the gates are red");
        Ok(())
    }

    /// Node is well again: new evidence, green gates.
    async fn gates(&mut self) -> anyhow::Result<()> {
        self.tale.step("Node is well again: evidence begins anew, and the gates");
        self.tale.done(&["shadow", "reset", "--yes"]).await?;
        let store = &self.stage.store;
        self.stage
            .until("counts to be forgotten", async || {
                let known = store.run(Cmd::new("HLEN").arg("crs:rs:shadow:tally").into()).await?;
                let tally = records::together(&**store).await?;
                Ok(tally.observations == 0 && known.first() == Some(&compat::store::Reply::Int(2)))
            })
            .await?;
        self.compared = Some(self.books.owned);
        let count = (self.requests / 2).max(80);
        self.send(&mixed(count)).await?;
        self.all_compared().await?;
        self.tale.say("");
        self.tale.say(&format!("{count} more requests. Lower gates for a demo, and a short ramp:"));
        let words = ["rollout", "set", "--ramp", "25,100", "--hold-minutes", "0", "--gates", GATES];
        self.tale.done(&words).await?;
        let status = self.tale.done(&["rollout", "status"]).await?;
        let gates = status["gates"].as_array().cloned().unwrap_or_default();
        let red: Vec<_> = gates.iter().filter(|gate| gate["passed"] != true).collect();
        anyhow::ensure!(!gates.is_empty() && red.is_empty(), "gates are not green: {red:?}");
        Ok(())
    }

    /// A quarter of the keys, all keys, everything.
    async fn advance(&mut self) -> anyhow::Result<()> {
        self.compared = None;
        self.tale.step("crs answers: a quarter of the keys, all keys, everything");
        let count = (self.requests / 5).max(KEYS * 4).next_multiple_of(KEYS);
        let mut shares = Vec::new();
        for (position, inside) in
            [("canary 25 %", INSIDE), ("canary 100 %", KEYS), ("primary", KEYS)]
        {
            self.tale.done(&["rollout", "advance", "--reason", "gates are green"]).await?;
            self.stage.at(position).await?;
            let [node, crs] = self.send(&messages(count)).await?.asked;
            let due = (count * inside / KEYS) as u64;
            anyhow::ensure!(
                crs == due && node + crs == count as u64,
                "in {position} crs answered {crs} and Node {node} of {count}"
            );
            shares.push(json!({ "position": position, "node": node, "crs": crs }));
        }
        self.tale.say("");
        self.tale.say("Who answered the messages of 12 keys, as the vendor saw it:");
        for share in &shares {
            let (node, crs) = (share["node"].as_u64(), share["crs"].as_u64());
            self.tale.say(&format!(
                "  {:<14} Node {:>4}   crs {:>4}",
                share["position"].as_str().unwrap_or_default(),
                node.unwrap_or_default(),
                crs.unwrap_or_default()
            ));
        }
        self.tale.figure("shares", json!(shares));
        Ok(())
    }

    /// Back, by the record and by the kill switch, while streams are open.
    async fn back(&mut self) -> anyhow::Result<()> {
        self.tale.step("And back, while streams are open");
        let half = STREAMS / 2;
        let opened = half as u64;
        let mut streams = Streams::default();
        streams.open(&self.stage.base, &self.stage.people, half);
        self.stage.held([0, opened]).await?;
        self.tale.say(&format!("{half} streams are open through crs."));
        let words = ["rollout", "rollback", "--to", "shadow", "--reason", "a rehearsal"];
        let took = self.step_back(&words, "shadow").await?;
        streams.open(&self.stage.base, &self.stage.people, half);
        self.stage.held([opened, opened]).await?;
        self.tale.say(&format!(
            "Node answers again, {took}. {half} more streams are open, through Node; the first go on."
        ));
        self.tale.say("");
        self.tale.say("Forth once more, gates overruled, for the way back that needs no Redis:");
        let words =
            ["rollout", "set", "primary", "--force", "--reason", "rehearse the kill switch"];
        self.tale.done(&words).await?;
        self.stage.at("primary").await?;
        let [node, crs] = self.send(&messages(KEYS)).await?.asked;
        anyhow::ensure!((node, crs) == (0, KEYS as u64), "crs answers in primary");
        let words = ["rollout", "rollback", "--local", "--reason", "rehearse the kill switch"];
        let took = self.step_back(&words, "observe").await?;
        let [node, crs] = self.send(&messages(KEYS)).await?.asked;
        anyhow::ensure!((node, crs) == (KEYS as u64, 0), "Node answers after the kill switch");
        self.tale.say(&format!("Node answers again, {took}."));
        self.stage.held([opened, opened]).await?;
        self.stage.doors.iter().for_each(super::super::upstream::Controls::let_go);
        let events = streams.finish(&mut self.books).await?;
        self.tale.say(&format!(
            "All {STREAMS} streams came to their ends: {events} events while phases changed, none missing."
        ));
        self.tale.figure("streams", json!({ "open": STREAMS, "events": events, "broken": 0 }));
        self.tale
            .done(&["rollout", "rollback", "--to", "shadow", "--reason", "the demo is over"])
            .await?;
        // Or the instance would follow the record before this one for a moment.
        sleep(FOLLOWED).await;
        self.tale.done(&["rollout", "resume", "--local"]).await?;
        self.stage.at("shadow").await?;
        self.tale.done(&["rollout", "history"]).await?;
        Ok(())
    }

    /// The books.
    async fn balance(&mut self, prices: &Prices) -> anyhow::Result<()> {
        self.tale.step("The books: nothing is lost, nothing is counted twice");
        let totals = balance::check(self.stage, &self.books, prices).await?;
        let number = |name: &str| totals[name].as_u64().unwrap_or_default();
        let dollars = number("costMicroDollars") as f64 / 1e6;
        for line in [
            format!(
                "Messages served to clients        {:>9}   counted in Redis {}",
                self.books.served(),
                number("served")
            ),
            format!(
                "The vendor was asked              {:>9}   by Node {}, by crs {} ({} it refused)",
                self.books.asked,
                number("askedByNode"),
                number("askedByCrs"),
                number("refusedByVendor")
            ),
            format!(
                "Tokens in, out, from the cache    {:>9}   {} {}",
                number("inputTokens"),
                number("outputTokens"),
                number("cacheReadTokens")
            ),
            format!(
                "Cost in dollars                   {dollars:>9.4}   {} slots left",
                number("slotsLeft")
            ),
        ] {
            self.tale.say(&line);
        }
        self.tale.say("Checked: each key and model exactly, whoever answered.");
        self.tale.figure("totals", totals);
        Ok(())
    }

    /// A command back, and how long it took until crs stood there, in words.
    async fn step_back(&mut self, words: &[&str], position: &str) -> anyhow::Result<String> {
        let since = Instant::now();
        self.tale.done(words).await?;
        self.stage.at(position).await?;
        let took = since.elapsed();
        self.tale.figure("backAfterMs", json!(u64::try_from(took.as_millis())?));
        Ok(in_words(took))
    }

    /// Sends requests; tells what they were, and how many messages the vendor was asked for by Node and by
    /// crs.
    async fn send(&mut self, turns: &[Turn]) -> anyhow::Result<Sent> {
        let before = self.stage.asked();
        let Stage { base, people, .. } = self.stage;
        let mut summary = Summary::default();
        let bar = self.progress.start("requests", turns.len());
        for (number, chunk) in turns.chunks(CHUNK).enumerate() {
            self.books.send(base, people, chunk, &mut summary).await?;
            bar.at(number * CHUNK + chunk.len());
            if let Some(since) = self.compared {
                // What waits for its second run is bounded, and nothing shall be dropped here.
                let due = (self.books.owned - since).saturating_sub(WAITING);
                self.stage.compared(|seen| seen >= due).await?;
            }
        }
        bar.end();
        let after = self.stage.asked();
        Ok(Sent { summary, asked: [after[0] - before[0], after[1] - before[1]] })
    }

    /// Waits until all requests since evidence began are compared.
    async fn all_compared(&self) -> anyhow::Result<()> {
        let due = self.books.owned - self.compared.unwrap_or_default();
        self.stage.compared(|seen| seen == due).await
    }
}

struct Sent {
    summary: Summary,
    asked: [u64; 2],
}

fn in_words(took: Duration) -> String {
    format!("after {} ms", took.as_millis())
}

fn explained(fault: &str) -> &'static str {
    match fault {
        "beta-wrong" => "the vendor is sent an incomplete anthropic-beta header",
        "event-dropped" => "an event of a stream is not passed on to the client",
        _ => "twice the cost is booked",
    }
}
