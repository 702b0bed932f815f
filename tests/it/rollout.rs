//! `crs rollout` and the running service, end to end: every owned route is really served, the command
//! line changes what the service does, kill switches work while Redis is down.

use std::{fs, path::Path, time::Duration};

use compat::testing::{CuttingProxy, Fault};
use crs::rollout::{ROUTES, place as share_place};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

use crate::{
    harness::service::scratch,
    place::{Crs, Home, Place, until},
};

/// What a command said and how it ended.
pub struct Said {
    pub code: i32,
    pub json: Value,
    pub text: String,
}

pub async fn crs(folder: &Path, words: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_crs"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("USER", "alice")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Said { code: output.status.code().unwrap(), json, text }
}

async fn phase(folder: &Path) -> Value {
    crs(folder, &["rollout", "status", "--local", "--json"]).await.json["instance"]["phase"].clone()
}

pub async fn reaches(folder: &Path, wanted: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(4);
    while phase(folder).await != wanted {
        assert!(tokio::time::Instant::now() < deadline, "{wanted} was not reached");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// URL of what stands in for Node: it answers everything alike.
pub async fn node() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 16 * 1024];
                let _ = stream.read(&mut head).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Content-Length: 2\r\nConnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    url
}

/// A folder whose settings name a Node service.
async fn beside_node(place: &Place, name: &str) -> Home {
    let node = node().await;
    let env = [("CRS_LEGACY_URL", node.as_str()), ("CRS_INSTANCE", name)];
    Home::new(place, place.redis_addr().port(), &env)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_owned_route_is_served() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let service = home.start().await;
    for route in ROUTES {
        let path = route.path.replace("{org_id}", "o1").replace("{model}", "m");
        let request = json!({ "method": route.method, "path": path, "body": {} });
        let answer = service.send(&place, request).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            answer.status != 404 || !body.contains("Route "),
            "{} {path}: {body}",
            route.method
        );
    }
    let foreign = json!({ "method": "GET", "path": "/admin/api-keys" });
    let answer = service.send(&place, foreign).await;
    assert!(String::from_utf8_lossy(&answer.body).contains("Route "), "the test can tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_one_platform_takes_the_chat_requests_for_its_models() {
    let place = Place::seeded(json!({ "accounts": { "o": { "type": "openai" } } })).await;
    let home = beside_node(&place, "a").await;
    let service = home.start().await;
    let canary = ["rollout", "set", "canary", "--platforms", "openai", "--force", "--reason", "x"];
    let said = crs(&home.folder, &canary).await;
    assert_eq!(said.code, 0, "{}", said.text);
    reaches(&home.folder, "canary").await;
    let own = async |model: &str, padding: usize, more: Value| {
        let text = "x".repeat(padding);
        // As OpenAI's own client writes it: the model stands behind the messages.
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"{model}","stream":false}}"#
        );
        let path = "/openai/v1/chat/completions";
        let mut request = json!({ "as": "openai", "path": path, "raw": body });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = service.send(&place, request).await;
        assert_eq!(answer.status, 200);
        String::from_utf8_lossy(&answer.body).contains("Hello from the stand-in.")
    };
    assert!(own("gpt-5", 1, json!({})).await);
    assert!(own("gpt-5", 300_000, json!({})).await, "the whole body is looked through");
    assert!(own("gpt-5", 20_000, json!({ "chunked": 1000 })).await);
    assert!(!own("claude-sonnet-4-20250514", 1, json!({})).await);
    assert!(!own("gpt-5", 1, json!({ "encoding": "gzip" })).await, "nobody can see it");
    assert!(own("gpt-5", 1, json!({})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_moves_all_instances() {
    let place = Place::usual().await;
    let homes = [beside_node(&place, "a").await, beside_node(&place, "b").await];
    let _running: [Crs; 2] = [homes[0].start().await, homes[1].start().await];
    let folders = homes.each_ref().map(|home| home.folder.as_path());
    assert_eq!(phase(folders[0]).await, "observe");

    let said = crs(folders[0], &["rollout", "advance", "--reason", "let us see"]).await;
    assert_eq!((said.code, said.text.contains("observe -> shadow")), (0, true), "{}", said.text);
    for folder in folders {
        reaches(folder, "shadow").await;
    }
    let refused = crs(folders[1], &["rollout", "advance"]).await;
    assert_eq!(refused.code, 2, "{}", refused.text);
    assert!(refused.text.contains("RED      hold"), "{}", refused.text);
    let bare = crs(folders[1], &["rollout", "advance", "--force"]).await;
    assert_eq!((bare.code, bare.text.contains("needs a reason")), (2, true), "{}", bare.text);
    let canary = [
        "rollout",
        "set",
        "canary",
        "--percent",
        "2.5",
        "--force",
        "--reason",
        "one key",
        "--json",
    ];
    let forced = crs(folders[1], &canary).await;
    assert_eq!(forced.code, 0, "{}", forced.text);
    assert_eq!(forced.json["record"]["change"]["forced"], true);
    let who = forced.json["record"]["change"]["who"].as_str().unwrap().to_owned();
    assert!(who.starts_with("alice@"), "{who}");
    for folder in folders {
        reaches(folder, "canary").await;
    }
    let status = crs(folders[0], &["rollout", "status"]).await;
    assert_eq!(status.code, 0, "{}", status.text);
    for part in ["canary 2.5 %", "next       canary 5 %", "a on ", "b on ", "one key"] {
        assert!(status.text.contains(part), "{part} in {}", status.text);
    }
    assert_eq!(crs(folders[0], &["rollout", "pause"]).await.code, 0);
    assert_eq!(crs(folders[0], &["rollout", "resume"]).await.code, 0);
    assert_eq!(crs(folders[0], &["rollout", "rollback", "--to", "observe"]).await.code, 0);
    for folder in folders {
        reaches(folder, "observe").await;
    }
    let history = crs(folders[0], &["rollout", "history", "--json"]).await.json;
    let actions: Vec<_> = history["history"].as_array().unwrap().iter().collect();
    let names: Vec<_> =
        actions.iter().map(|record| record["change"]["action"].as_str().unwrap()).collect();
    assert_eq!(names, ["rollback", "resume", "pause", "set", "advance"]);
    let doctor = crs(folders[0], &["doctor", "--json"]).await;
    assert!(!doctor.text.contains("crs:rs"), "{}", doctor.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_phase_decides_who_answers() {
    let place = Place::new(json!({ "main": {}, "other": {} })).await;
    let home = beside_node(&place, "a").await;
    let service = home.start().await;
    let folder = home.folder.as_path();
    // The stand-in for Node says {} to everything.
    let by_node = async |key: &str| {
        let answer = service.send(&place, json!({ "key": key })).await;
        assert_eq!(answer.status, 200);
        answer.body == b"{}"
    };
    assert!(by_node("main").await);
    let id = place.run().key_id("main");
    let words = ["rollout", "set", "canary", "--keys", &id, "--force", "--reason", "mine"];
    assert_eq!(crs(folder, &words).await.code, 0);
    reaches(folder, "canary").await;
    // The first request of a key that the process has not seen goes to Node.
    until("the key to be known", async || !by_node("main").await).await;
    assert!(by_node("other").await && by_node("other").await);
    let words = ["rollout", "set", "primary", "--force", "--reason", "all"];
    assert_eq!(crs(folder, &words).await.code, 0);
    reaches(folder, "primary").await;
    assert!(!by_node("other").await);
    let foreign = json!({ "method": "GET", "path": "/admin/api-keys" });
    assert_eq!(service.send(&place, foreign).await.body, b"{}", "not owned");
    assert_eq!(crs(folder, &["rollout", "rollback", "--local"]).await.code, 0);
    assert!(by_node("main").await && by_node("other").await, "at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_switches_work_while_redis_is_down() {
    let place = Place::usual().await;
    let proxy = CuttingProxy::start(place.redis_addr()).await.unwrap();
    let node = node().await;
    let env = [("CRS_LEGACY_URL", node.as_str()), ("CRS_REDIS_TIMEOUT_MS", "200")];
    let home = Home::new(&place, proxy.addr().port(), &env);
    let service = home.start().await;
    let folder = home.folder.as_path();
    let primary = ["rollout", "set", "primary", "--force", "--reason", "test"];
    let said = crs(folder, &primary).await;
    assert_eq!(said.code, 0, "{}", said.text);
    reaches(folder, "primary").await;

    proxy.set(Fault::Cut);
    let status = crs(folder, &["rollout", "status"]).await;
    assert_eq!(status.code, 1, "{}", status.text);
    assert!(status.text.contains("DOWN") && status.text.contains("primary"), "{}", status.text);
    let said = crs(folder, &["rollout", "rollback", "--reason", "outage"]).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert!(said.text.contains("this instance alone"), "{}", said.text);
    assert_eq!(phase(folder).await, "observe");
    let file = folder.join("data/crs/rollout.override");
    assert!(fs::read_to_string(&file).unwrap().starts_with("observe outage (alice@"));
    assert_eq!(crs(folder, &["rollout", "resume", "--local"]).await.code, 0);
    assert_eq!(phase(folder).await, "primary", "the last that Redis said");

    let pid = Pid::from_raw(i32::try_from(service.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
    until("the signal", async || phase(folder).await == "observe").await;
    assert!(fs::read_to_string(&file).unwrap().contains("SIGUSR1"));
    fs::remove_file(&file).unwrap();
    reaches(folder, "primary").await;
    fs::write(&file, "shadow by hand").unwrap();
    reaches(folder, "shadow").await;
    assert_eq!(crs(folder, &["rollout", "advance"]).await.code, 1, "needs Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_node_there_is_nothing_to_go_back_to() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[]);
    let mut service = home.start().await;
    let folder = home.folder.as_path();
    assert_eq!(phase(folder).await, "standalone");
    for words in [["rollout", "rollback"].as_slice(), &["rollout", "rollback", "--local"]] {
        let said = crs(folder, words).await;
        assert_eq!((said.code, said.text.contains("CRS_LEGACY_URL")), (2, true), "{}", said.text);
    }
    let pid = Pid::from_raw(i32::try_from(service.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
    service.serve(&place, json!({})).await;
    assert_eq!(phase(folder).await, "standalone");
    service.terminate();
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(!folder.join("data/crs/control.sock").exists());
    assert_eq!(place.ask(["ZCARD", "crs:rs:instances"]).await, "0", "it said farewell");
}

#[tokio::test]
async fn gates_can_be_relaxed_by_command() {
    let place = Place::usual().await;
    let home = Home::new(&place, place.redis_addr().port(), &[("CRS_LEGACY_URL", &node().await)]);
    let _service = home.start().await;
    let words = ["rollout", "set", "--gates", r#"{"min_observations": 300}"#, "--json"];
    let said = crs(&home.folder, &words).await;
    assert_eq!(said.code, 0, "{}", said.text);
    assert_eq!(said.json["record"]["plan"]["gates"], json!({ "min_observations": 300 }));
    let report = crs(&home.folder, &["shadow", "report"]).await;
    assert_eq!(report.code, 1, "nothing was compared: {}", report.text);
    let needs = report.text.lines().find(|line| line.contains("observations")).unwrap_or("");
    assert!(needs.contains(">= 300"), "{}", report.text);
}

#[tokio::test]
async fn wrong_arguments_end_with_64() {
    let folder = scratch("rollout").unwrap();
    for words in [
        ["rollout"].as_slice(),
        &["rollout", "set"],
        &["rollout", "set", "later"],
        &["rollout", "set", "canary", "--percent", "101"],
        &["rollout", "set", "--guards", "{"],
        &["rollout", "set", "--gates", "{"],
        &["rollout", "set", "--percent", "5", "--local"],
        &["rollout", "advance", "--local"],
        &["rollout", "history", "--limit", "0"],
    ] {
        let said = crs(&folder, words).await;
        assert_eq!(said.code, 64, "{words:?}: {}", said.text);
    }
    // Nothing runs here, and the settings name no Node service.
    assert_eq!(crs(&folder, &["rollout", "status", "--local"]).await.code, 1);
    assert_eq!(share_place("0f8fad5b-d9cb-469f-a165-70867728950e"), 9952);
    fs::remove_dir_all(folder).unwrap();
}
