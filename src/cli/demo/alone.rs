//! Act one: crs alone, with one account and one key, and requests to try.

use std::{io::BufRead, path::Path};

use compat::clock::{Clock, iso};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    super::{Output, status},
    check,
    database::Database,
    place::Place,
    seed::Seed,
    service::{self, ENCRYPTION_KEY, Service},
    upstream::StandIn,
};

/// Models of the printed requests; they have prices.
pub(super) const MODEL: &str = "claude-sonnet-4-20250514";
pub(super) const CODEX_MODEL: &str = "gpt-5-codex";
/// What Codex CLI says of itself.
pub(super) const CODEX_AGENT: &str = "codex_cli_rs/0.46.0";

/// How the act goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staging {
    pub port: Option<u16>,
    /// Make the printed requests, show the status, and end.
    pub check: bool,
    /// Whether act two may follow on Enter.
    pub next: bool,
}

/// Plays the act until `stop`, the end of the check, or Enter. Returns what there is to tell to machines;
/// null when that was told at the beginning.
///
/// # Errors
/// When a part does not start or ends early, or the check fails.
pub(super) async fn act(
    place: &Place,
    staging: Staging,
    stop: &CancellationToken,
    output: &Output,
) -> anyhow::Result<Value> {
    let database = Database::start(place.dir()).await?;
    let upstream = StandIn::bind(("127.0.0.1", 0)).await?;
    let upstream_url = format!("http://{}", upstream.address()?);
    let port = service::listen_port(staging.port)?;
    let settings = service::settings(port, &database, place.dir(), &upstream_url);
    let config = place.publish(settings)?;
    let now_ms = Clock::system().now_ms();
    let seed = Seed::new(ENCRYPTION_KEY, now_ms, &iso(now_ms));
    let (key, key_id) = (seed.api_key.clone(), seed.key_id.clone());
    service::plant(&database, seed.batch).await?;
    let mut service = Service::start(config, vec![upstream]).await?;
    let base = service.base().to_owned();
    let outcome = tokio::select! {
        error = service.broken() => Err(error),
        outcome = async {
            print_lines(&base, &key, output);
            if staging.check {
                check::requests(&base, &key, output).await?;
                check::codex(&base, &key, &key_id, &database, output).await?;
            }
            show(&base, &key, staging, place.dir(), stop, output).await
        } => outcome,
    };
    service.end().await;
    outcome
}

async fn show(
    base: &str,
    key: &str,
    staging: Staging,
    dir: &Path,
    stop: &CancellationToken,
    output: &Output,
) -> anyhow::Result<Value> {
    let mut told = json!({ "act": 1, "baseUrl": format!("{base}/api"), "apiKey": key });
    if staging.check {
        let (dir, part) = (dir.to_owned(), output.of_part());
        let shown = status::Options { limit: 20 };
        let status = tokio::task::spawn_blocking(move || {
            status::run(&dir, shown, &part).map(|()| part.last_kept())
        });
        told["status"] = status.await??;
        return Ok(told);
    }
    output.value(&told);
    if staging.next && !output.is_json() && service::is_in_foreground() {
        output.line("Enter goes on to act two, the way from Node to crs. Ctrl-C ends everything.");
        let mut entered = enter()?;
        tokio::select! {
            Ok(()) = &mut entered => {}
            () = stop.cancelled() => {}
        }
    } else {
        if staging.next {
            output.line(&format!(
                "Act two, the way from Node to crs: {} demo --act 2",
                service::program()
            ));
        }
        output.line("Ctrl-C ends everything.");
        stop.cancelled().await;
    }
    Ok(Value::Null)
}

/// Resolves at Enter, never at the end of the input.
fn enter() -> anyhow::Result<tokio::sync::oneshot::Receiver<()>> {
    let (entered, receiver) = tokio::sync::oneshot::channel();
    // A thread that the process does not wait for: nothing else can be told to stop reading.
    std::thread::Builder::new().name("enter".to_owned()).spawn(move || {
        let read = std::io::stdin().lock().read_line(&mut String::new());
        if read.is_ok_and(|bytes| bytes > 0) {
            let _ = entered.send(());
        }
    })?;
    Ok(receiver)
}

fn print_lines(base: &str, key: &str, output: &Output) {
    let body = |stream: &str| {
        format!(
            r#"{{"model":"{MODEL}","max_tokens":256{stream},"messages":[{{"role":"user","content":"Hello"}}]}}"#
        )
    };
    let codex = format!(r#"{{"model":"{CODEX_MODEL}","stream":true,"input":"Hello"}}"#);
    let json = body("");
    let sse = body(r#","stream":true"#);
    for line in [
        "The demo runs: own Redis, a stand-in for the vendors, two accounts, one key.".to_owned(),
        String::new(),
        "An answer as JSON:".to_owned(),
        format!(
            "  curl -s {base}/api/v1/messages -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{json}'"
        ),
        String::new(),
        "The same as a stream of events:".to_owned(),
        format!(
            "  curl -sN {base}/api/v1/messages -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{sse}'"
        ),
        String::new(),
        "A request as Codex sends it, to the account with ChatGPT:".to_owned(),
        format!(
            "  curl -sN {base}/openai/responses -A {CODEX_AGENT} -H 'authorization: Bearer {key}' -H 'content-type: application/json' -d '{codex}'"
        ),
        String::new(),
        "For Claude Code:".to_owned(),
        format!("  export ANTHROPIC_BASE_URL={base}/api"),
        format!("  export ANTHROPIC_AUTH_TOKEN={key}"),
        String::new(),
        "For Codex CLI, with CRS_KEY set to the key:".to_owned(),
        format!(
            "  codex -c model_provider=crs -c 'model_providers.crs={{name=\"crs\",base_url=\"{base}/openai\",wire_api=\"responses\",env_key=\"CRS_KEY\"}}'"
        ),
        String::new(),
        "Usage and cost so far, in another terminal in this folder:".to_owned(),
        format!("  {} status", service::program()),
        String::new(),
    ] {
        output.line(&line);
    }
}
