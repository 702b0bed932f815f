//! Requests at once on one key and few accounts: what Node read is taken from the tap, so that what
//! others write meanwhile makes no difference.

use futures_util::future::join_all;
use serde_json::{Value, json};
use shadow::Source;

use super::Stage;

const AT_ONCE: usize = 50;
const ROUNDS: usize = 3;

fn request(n: usize) -> Value {
    // Some sessions are asked for several times at once, half of the requests are of new ones.
    let session = if n.is_multiple_of(2) { n } else { n % 10 };
    let user =
        format!("user_{}_account__session_00000000-0000-4000-8000-{session:012}", "a".repeat(64));
    json!({ "body": { "metadata": { "user_id": user } }, "stream": n.is_multiple_of(3) })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_make_no_false_differences() {
    let seed = json!({
        "keys": { "main": { "concurrencyLimit": "1000" } },
        "accounts": { "a": {}, "b": {}, "c": {} }
    });
    let stage = Stage::start(seed).await;
    for round in 0..ROUNDS {
        let all = (0..AT_ONCE).map(|n| stage.crs.serve(&stage.place, request(round * 1000 + n)));
        join_all(all).await;
    }
    let sent = (AT_ONCE * ROUNDS) as u64;
    let tally = stage.compared(sent).await;
    assert!(tally.mismatches().is_empty(), "{}", stage.shown());
    assert_eq!((tally.observations, tally.agreeing), (sent, sent), "{:?}", tally.dropped);
    assert_eq!(tally.sources.into_iter().collect::<Vec<_>>(), [(Source::Tap, sent)]);
    // The accounts took turns, or nothing was at stake.
    for alias in ["a", "b", "c"] {
        let key = format!("account_usage:{}", stage.place.run().account_id(alias));
        let served: u64 = stage.place.ask(["HGET", &key, "totalRequests"]).await.parse().unwrap();
        assert!(served > 0, "{alias}");
    }
}
