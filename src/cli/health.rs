//! `crs health`: does the crs that listens here answer? For health checks where there is no curl.
//!
//! Only its own silence counts as a failure: restarting it would not bring back Node or Redis.

use std::path::Path;

use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo, status};

/// Asks `/crs/health` on HOST and PORT and prints one line.
///
/// # Errors
/// When nobody answers there, or somebody who is not crs.
pub(super) fn run(dir: &Path, output: &Output) -> anyhow::Result<()> {
    let config = demo::config(dir)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let asked = runtime.block_on(status::ask(host, port, "/crs/health"));
    let answer = asked.up.and_then(|answer| match answer.get("crs") {
        Some(_) => Ok(answer),
        None => Err("who answers is not crs".to_owned()),
    });
    match answer {
        Ok(answer) => {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("?");
            output.line(&format!("{}, phase {}, {}", text("status"), text("phase"), asked.url));
            output.value(&json!({ "url": asked.url, "up": true, "health": answer }));
            Ok(())
        }
        Err(error) => {
            output.value(&json!({ "url": asked.url, "up": false, "error": error }));
            Err(anyhow::anyhow!("{}: {error}", asked.url))
        }
    }
}
