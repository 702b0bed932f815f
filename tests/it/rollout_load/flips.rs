//! Two hundred open streams while phases flip back and forth.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use futures_util::{StreamExt, future, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    Scene, alias, keys, node_is_installed, sums,
    vendor::{HOLD, ticks},
};
use crate::place::{Crs, PATIENCE, until};

const KEYS: usize = 20;
const HELD: usize = 200;
/// Requests that come and go meanwhile, at once.
const PASSING: usize = 8;

/// The way to and fro.
const PHASES: [(&[&str], &str); 5] = [
    (&["set", "shadow", "--force", "--reason", "load"], "shadow"),
    (&["set", "canary", "--percent", "50", "--force", "--reason", "load"], "canary"),
    (&["set", "primary", "--force", "--reason", "load"], "primary"),
    (&["set", "canary", "--percent", "50", "--force", "--reason", "load"], "canary"),
    (&["rollback", "--to", "observe", "--reason", "load"], "observe"),
];

struct Traffic<'a> {
    scene: &'a Scene,
    crs: &'a Crs,
    /// Requests that were answered, by key.
    served: [AtomicUsize; KEYS],
    over: AtomicBool,
}

impl Traffic<'_> {
    /// A stream that ends when the vendor lets it go.
    async fn held(&self, number: usize) {
        let key = number % KEYS;
        let hold = json!([{ "role": "user", "content": HOLD }]);
        let request = json!({
            "key": alias(key), "stream": true, "body": { "messages": hold },
            "patience_ms": 120_000
        });
        let body = self.scene.serve(self.crs, request).await;
        assert!(body.contains("event: message_stop"), "{body}");
        assert!(ticks(&body) > 3, "it went on while it was held: {body}");
        self.served[key].fetch_add(1, SeqCst);
    }

    /// Short requests, one after the other, until it is over.
    async fn passing(&self, number: usize) {
        let mut turn = number;
        while !self.over.load(SeqCst) {
            let key = turn % KEYS;
            let request = json!({ "key": alias(key), "stream": turn.is_multiple_of(3) });
            self.scene.serve(self.crs, request).await;
            self.served[key].fetch_add(1, SeqCst);
            turn += PASSING;
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// Phases flip; in each, more streams open, until all are; then phases flip once more.
    async fn flips(&self, open: &(impl Fn(usize) + Sync)) {
        let vendor = &self.scene.vendor;
        for (round, (words, phase)) in PHASES.iter().chain(&PHASES).enumerate() {
            let took = self.scene.to_phase(words, phase).await;
            assert!(took < Duration::from_secs(3), "{phase} after {took:?}");
            if round < PHASES.len() {
                let due = (round + 1) * HELD / PHASES.len();
                open(due);
                let before = vendor.calls();
                until("the streams to open", async || vendor.open() == due).await;
                assert!(vendor.calls()[0] + vendor.calls()[1] > before[0] + before[1]);
            } else {
                sleep(Duration::from_millis(300)).await;
                assert_eq!(vendor.open(), HELD, "a stream has ended in {phase}");
            }
        }
        vendor.let_go();
        self.over.store(true, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stream_breaks_and_nothing_is_counted_twice() {
    if !node_is_installed() {
        return;
    }
    let scene = Scene::new(keys(KEYS), None, &[]).await;
    let crs = scene.home.start().await;
    let served = std::array::from_fn(|_| AtomicUsize::new(0));
    let traffic = Traffic { scene: &scene, crs: &crs, served, over: AtomicBool::new(false) };
    let (opening, wanted) = tokio::sync::watch::channel(0);
    let held = stream::iter(0..HELD).map(|number| {
        let (mut wanted, traffic) = (wanted.clone(), &traffic);
        async move {
            wanted.wait_for(|wanted| number < *wanted).await.unwrap();
            traffic.held(number).await;
        }
    });
    let open = |due| {
        opening.send_replace(due);
    };
    tokio::join!(
        held.buffer_unordered(HELD).collect::<()>(),
        future::join_all((0..PASSING).map(|number| traffic.passing(number))),
        traffic.flips(&open),
    );
    books(&traffic).await;
}

/// Every request once: at the vendor, for its key, for the account, in all.
async fn books(traffic: &Traffic<'_>) {
    let Scene { place, vendor, .. } = traffic.scene;
    let served: Vec<usize> = traffic.served.iter().map(|served| served.load(SeqCst)).collect();
    let total: usize = served.iter().sum();
    let [by_node, by_crs] = vendor.calls();
    assert!(by_node > 50 && by_crs > 50, "both served: {by_node}, {by_crs}");
    assert_eq!(by_node + by_crs, total, "each request reached the vendor once");
    let global = async || -> usize {
        place.ask(["HGET", "usage:global:total", "requests"]).await.parse().unwrap_or(0)
    };
    let deadline = Instant::now() + PATIENCE;
    while global().await < total {
        assert!(Instant::now() < deadline, "{} of {total} were counted", global().await);
        sleep(Duration::from_millis(50)).await;
    }
    sums::no_slots(place).await;
    let sums = sums::all(place).await;
    let counted: Value = json!({
        "requests": total, "input": total * 11, "output": total * 7, "all": total * 18,
    });
    for prefix in ["usage:<id>", "account_usage:<id>"] {
        let of = |field: &str| sums[&format!("{prefix} total{field}")];
        let found = json!({
            "requests": of("Requests") as usize, "input": of("InputTokens") as usize,
            "output": of("OutputTokens") as usize, "all": of("AllTokens") as usize,
        });
        assert_eq!(found, counted, "{prefix}");
    }
    assert_eq!(sums["usage:global:total requests"], total as f64);
    assert_eq!(sums["usage:global:total allTokens"], (total * 18) as f64);
    for (number, served) in served.iter().enumerate() {
        let (requests, input, output, all, cost) = place.counted(&alias(number)).await;
        let n = i64::try_from(*served).unwrap();
        assert_eq!((requests, input, output, all), (n, n * 11, n * 7, n * 18), "{number}");
        let due = (11.0 * 3e-6 + 7.0 * 15e-6) * n as f64;
        assert!((cost - due).abs() < 1e-9, "{number}: {cost}, not {due}");
    }
}
