//! `crs demo` as a process: both acts, and that nothing stays behind, however it ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    harness::service::{free_port, scratch},
    rollout_load::node_is_installed,
};

/// A build for tests compares slowly, and shares its machine.
const PATIENCE: Duration = Duration::from_secs(400);

struct Demo {
    folder: PathBuf,
}

impl Demo {
    fn new() -> Self {
        // Where settings are looked for, too: a demo must not take them.
        let folder = fs::canonicalize(scratch("demo").unwrap()).unwrap();
        fs::write(folder.join(".env"), "REDIS_PORT=1\nPORT=1\nENCRYPTION_KEY=other\n").unwrap();
        Self { folder }
    }

    async fn start(&self, words: &[&str]) -> Child {
        let legacy = Path::new(env!("CARGO_MANIFEST_DIR")).join("legacy-node");
        Command::new(env!("CARGO_BIN_EXE_crs"))
            .arg("demo")
            .arg("--legacy-node")
            .arg(legacy)
            // Of its own: by default all demos of a machine want the same one.
            .args(["--port", &free_port().await.unwrap().to_string()])
            .args(words)
            .current_dir(&self.folder)
            .env("REDIS_PORT", "1")
            .env("ENCRYPTION_KEY", "of somebody else")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// No folder, and no process that works or keeps its data in it.
    fn left_nothing(&self) {
        assert!(!self.folder.join(".crs-demo").exists());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let process = entry.path();
            let words = fs::read(process.join("cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            let inside =
                fs::read_link(process.join("cwd")).is_ok_and(|dir| dir.starts_with(&self.folder));
            if inside || words.contains(&*self.folder.to_string_lossy()) {
                found.push(words);
            }
        }
        assert_eq!(found, Vec::<String>::new());
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_acts_keep_what_they_promise() {
    if !node_is_installed() {
        return;
    }
    let demo = Demo::new();
    let child = demo.start(&["--check", "--requests", "80", "--json"]).await;
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&said).unwrap();
    let [one, two] = told["acts"].as_array().unwrap().as_slice() else { panic!("{said}") };
    assert_eq!(one["status"]["usage"]["requests"], 3, "{one:#}");
    let steps = two["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8);
    let commands = |step: usize| steps[step]["commands"].as_array().unwrap();
    let report = |step: usize| {
        let ran = commands(step).iter().find(|ran| ran["command"] == "crs shadow report");
        ran.unwrap()["result"].clone()
    };
    let clean = report(2);
    assert_eq!((&clean["agreeing"], &clean["observations"]), (&76.into(), &76.into()));
    assert_eq!(clean["sources"]["tap"], 76);
    let wrong = report(3);
    assert_eq!((&wrong["money"], &wrong["agreeing"]), (&4.into(), &76.into()));
    let refused = commands(3).last().unwrap();
    assert_eq!(
        (&refused["command"], &refused["exitCode"]),
        (&"crs rollout advance".into(), &2.into())
    );
    let crs = |share: usize| steps[5]["shares"][share]["crs"].as_u64().unwrap();
    assert_eq!([crs(0), crs(1), crs(2)], [12, 48, 48]);
    assert_eq!(steps[6]["streams"]["broken"], 0);
    let totals = &steps[7]["totals"];
    let number = |name: &str| totals[name].as_u64().unwrap();
    assert_eq!(
        number("askedByNode") + number("askedByCrs"),
        number("served") + number("refusedByVendor")
    );
    assert_eq!((number("inputTokens"), number("slotsLeft")), (number("served") * 120, 0));
    demo.left_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_in_the_middle_it_leaves_nothing() {
    if !node_is_installed() {
        return;
    }
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let demo = Demo::new();
        let mut child = demo.start(&["--act", "2"]).await;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = child.stderr.take().unwrap();
        let shown = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.starts_with("observe -> shadow") {
                    return;
                }
            }
            let mut why = String::new();
            errors.read_to_string(&mut why).await.unwrap();
            panic!("it ended before its time: {why}");
        };
        timeout(PATIENCE, shown).await.unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let reading = async { while lines.next_line().await.unwrap().is_some() {} };
        let (ended, ()) = tokio::join!(timeout(PATIENCE, child.wait()), reading);
        assert_eq!(ended.unwrap().unwrap().code(), Some(0), "{signal:?}");
        demo.left_nothing();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_stand_in_act_one_is_shown_and_why_there_is_no_more() {
    let demo = Demo::new();
    let nowhere = demo.folder.join("nowhere").display().to_string();
    let run = async |words: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crs"));
        let child = child.args(["demo", "--check", "--legacy-node", &nowhere]).args(words);
        timeout(PATIENCE, child.current_dir(&demo.folder).output()).await.unwrap().unwrap()
    };
    let output = run(&[]).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Checked: the JSON and the SSE request"), "{said}");
    assert!(said.contains("is skipped: the folder legacy-node"), "{said}");
    let output = run(&["--act", "2"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--legacy-node DIR"), "{output:?}");
    demo.left_nothing();
}
