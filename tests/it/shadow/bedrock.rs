//! Bedrock in shadow: Node's exchange over HTTP/2 with its binary events is what the second run is given.
//!
//! The stand-in for Node knows API keys and books no streams; what it leaves out is compared with the
//! service itself: `LEGACY_DIR=… cargo test --test it shadow::bedrock`.

use serde_json::{Value, json};

use super::{Stage, real::legacy, series::Series};

fn seed() -> Value {
    json!({
        "accounts": {
            "b": { "type": "bedrock", "awsCredentials": "AKIAB", "priority": 10 },
            "t": {
                "type": "bedrock", "credentialType": "bearer_token", "bearerToken": "api-key",
                "accountType": "dedicated"
            }
        },
        "keys": { "main": {}, "bound": { "bedrockAccountId": "${acc:t}" } }
    })
}

/// Sends requests, each with its vendor's script and the status that it gets, and expects no difference.
async fn compared(stage: Stage, requests: Vec<(u16, Value, Value)>) {
    let mut series = Series::new(stage);
    for (status, script, request) in requests {
        series.stage.place.script(script);
        series.send(status, request).await;
    }
    let tally = series.is_equal().await;
    for (plane, counts) in &tally.planes {
        assert_eq!(counts.differ, 0, "{plane}");
    }
    let cells = tally.cells.into_keys().map(|cell| cell.account).collect::<Vec<_>>();
    assert!(cells.contains(&"bedrock".to_owned()), "{cells:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_over_http2_is_compared() {
    let usual = json!([{ "repeat": true }]);
    let uncounted = json!([{ "repeat": true, "message": { "usage": null } }]);
    let requests = vec![
        (200, usual.clone(), json!({ "key": "bound" })),
        (200, usual, json!({ "key": "bound", "body": { "temperature": 0.5 } })),
        (200, uncounted.clone(), json!({ "key": "bound", "stream": true })),
        (200, uncounted, json!({ "key": "bound", "stream": true, "body": { "top_p": 0.5 } })),
    ];
    compared(Stage::start(seed()).await, requests).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_itself_is_compared() {
    let Some(legacy) = legacy() else { return };
    let usual = json!([{ "repeat": true }]);
    let refused = |status: u16, class: &str| {
        json!([{
            "repeat": true, "status": status, "headers": { "x-amzn-errortype": class },
            "json": { "message": "said the vendor" }
        }])
    };
    let exception = json!([{ "repeat": true, "aws": [
        { "type": "message_start", "message": { "model": "anthropic.claude-x-v1:0" } },
        { "exception": "modelStreamErrorException", "message": "broke" }
    ] }]);
    let thinking = json!({ "thinking": { "type": "adaptive" } });
    let forget = json!({ "body": { "metadata": null, "system": "another" } });
    let requests = vec![
        (200, usual.clone(), json!({})),
        (200, usual.clone(), json!({ "stream": true })),
        (200, usual.clone(), json!({ "key": "bound" })),
        (200, usual.clone(), json!({ "key": "bound", "stream": true })),
        (200, usual.clone(), json!({ "body": thinking, "stream": true })),
        (200, usual, forget),
        (200, exception, json!({ "stream": true })),
        (400, refused(400, "ValidationException"), json!({ "stream": true })),
        (500, refused(400, "ValidationException"), json!({})),
        (429, refused(429, "ThrottlingException"), json!({ "stream": true })),
    ];
    compared(Stage::real(seed(), &legacy).await, requests).await;
}
