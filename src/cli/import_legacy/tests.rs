//! Imports from made-up installations.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    Arguments, import,
    report::{Report, Setting, State},
};
use crate::{cli::Output, config::codex_instructions};

const PRICES: &str = r#"{"a":{"input_cost_per_token":1e-6},"b":{"input_cost_per_token":2e-6}}"#;

/// A folder of a made-up Node service beside one of crs.
struct Ground(PathBuf);

impl Ground {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("crs-import-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(path.join("crs")).unwrap();
        Self(path)
    }

    /// The same with everything that an installation may hold.
    fn whole() -> Self {
        let ground = Self::new();
        ground.put("node/VERSION", "1.1.314\n");
        ground.put("node/.env", "PORT=3000\nENCRYPTION_KEY=theirs\n");
        ground.put("node/config/config.js", "module.exports = {}");
        let init = r#"{"initializedAt":"2026-01-01T00:00:00.000Z","adminUsername":"root","adminPassword":"p","version":"1.0.0"}"#;
        ground.put("node/data/init.json", init);
        ground.put("node/data/model_pricing.json", PRICES);
        ground.put("node/data/model_pricing.sha256", "abc\n");
        ground.put("node/data/other.json", "{}");
        ground.put("node/src/routes/openaiRoutes.js", &source(&text()));
        ground
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn here(&self) -> PathBuf {
        self.0.join("crs")
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.here().join(name)).ok()
    }

    fn run(&self, dry_run: bool, force: bool) -> Report {
        let folder = self.0.join("node");
        let report = import(&self.here(), &Arguments { folder, dry_run, force }).unwrap();
        report.show(&Output::new(true));
        report
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text() -> String {
    "Answer in verse. \"Rhyme\" is\tneeded.\n".repeat(10)
}

fn source(text: &str) -> String {
    format!(
        "// the CODEX_CLI_INSTRUCTIONS of this service\nconst CODEX_CLI_INSTRUCTIONS =\n  {}\n\n\
         body.instructions = CODEX_CLI_INSTRUCTIONS\n",
        serde_json::to_string(text).unwrap()
    )
}

fn states(report: &Report) -> Vec<State> {
    report.items.iter().map(|item| item.state.clone()).collect()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
}

#[test]
fn everything_is_taken_once() {
    let ground = Ground::whole();
    let report = ground.run(true, false);
    assert_eq!(states(&report), vec![State::Taken; 4]);
    assert!(report.is_done());
    assert!(fs::read_dir(ground.here()).unwrap().next().is_none(), "a dry run wrote");

    let report = ground.run(false, false);
    assert_eq!(states(&report), vec![State::Taken; 4]);
    assert_eq!(report.version.as_deref(), Some("1.1.314"));
    assert_eq!(report.left, ["config/config.js", "data/other.json"]);
    assert_eq!(ground.read(".env").unwrap(), "PORT=3000\nENCRYPTION_KEY=theirs\n");
    assert_eq!(ground.read("data/model_pricing.json").unwrap(), PRICES);
    assert_eq!(ground.read("data/model_pricing.sha256").unwrap(), "abc\n");
    assert!(ground.read("data/init.json").unwrap().contains("\"root\""));
    let instructions = codex_instructions(&ground.here().join("data"));
    assert_eq!(fs::read_to_string(&instructions).unwrap(), text());
    #[cfg(unix)]
    for path in [".env", "data/init.json", "data/crs/codex_instructions.txt"] {
        assert_eq!(mode(&ground.here().join(path)), 0o600, "{path}");
    }

    assert_eq!(states(&ground.run(false, false)), vec![State::Current; 4]);
}

#[test]
fn what_differs_stays_unless_forced() {
    let ground = Ground::whole();
    ground.put("crs/.env", "ENCRYPTION_KEY=ours\nCRS_LEGACY_URL=http://127.0.0.1:3001\n");
    let report = ground.run(false, false);
    assert_eq!(states(&report)[0], State::Differs);
    assert!(!report.is_done());
    let changes = [("CRS_LEGACY_URL", "removed"), ("ENCRYPTION_KEY", "changed"), ("PORT", "added")];
    let changes = changes.map(|(name, change)| Setting { name: name.to_owned(), change });
    assert_eq!(report.items[0].settings, changes);
    assert!(ground.read(".env").unwrap().contains("ours"));

    // What the dry run says is what is done.
    assert_eq!(states(&ground.run(true, true))[0], State::Replaced(None));
    assert!(ground.read(".env").unwrap().contains("ours"));
    let report = ground.run(false, true);
    let kept = ground.here().join(".env.before-import");
    assert_eq!(states(&report)[0], State::Replaced(Some(kept.clone())));
    assert!(report.is_done());
    assert_eq!(report.items[0].settings, changes);
    assert!(ground.read(".env").unwrap().contains("theirs"));
    assert!(fs::read_to_string(&kept).unwrap().contains("ours"));
    #[cfg(unix)]
    assert_eq!(mode(&kept), 0o600);

    // A second copy does not replace the first.
    ground.put("crs/.env", "ENCRYPTION_KEY=third\n");
    ground.run(false, true);
    assert!(fs::read_to_string(&kept).unwrap().contains("ours"));
    assert_eq!(ground.read(".env.before-import.1").unwrap(), "ENCRYPTION_KEY=third\n");
}

#[test]
fn settings_that_say_the_same_do_not_differ() {
    let ground = Ground::whole();
    ground.put("crs/.env", "# ours\nENCRYPTION_KEY=\"theirs\"\nPORT=3000\n");
    assert_eq!(states(&ground.run(false, false))[0], State::Current);
    assert!(ground.read(".env").unwrap().starts_with("# ours"));
}

#[test]
fn values_of_settings_are_never_shown() {
    let ground = Ground::whole();
    ground.put("crs/.env", "ENCRYPTION_KEY=ours\n");
    let output = Output::new(true).of_part();
    ground.run(false, false).show(&output);
    let shown = output.last_kept().to_string();
    assert!(shown.contains("ENCRYPTION_KEY"));
    assert!(!shown.contains("theirs") && !shown.contains("ours"), "{shown}");
    assert!(!shown.contains("Rhyme"), "{shown}");
}

#[test]
fn the_newer_price_list_wins() {
    let ground = Ground::whole();
    ground.put("crs/data/model_pricing.json", r#"{"a":{},"c":{}}"#);
    assert_eq!(states(&ground.run(false, false))[2], State::Newer);
    assert!(ground.read("data/model_pricing.json").unwrap().contains("\"c\""));

    let theirs = ground.0.join("node/data/model_pricing.json");
    let later = SystemTime::now() + Duration::from_secs(60);
    fs::File::options().write(true).open(&theirs).unwrap().set_modified(later).unwrap();
    assert_eq!(states(&ground.run(false, false))[2], State::Replaced(None));
    assert_eq!(ground.read("data/model_pricing.json").unwrap(), PRICES);
    let ours = fs::metadata(ground.here().join("data/model_pricing.json")).unwrap();
    assert_eq!(ours.modified().unwrap(), fs::metadata(&theirs).unwrap().modified().unwrap());
    assert_eq!(states(&ground.run(false, false))[2], State::Current);
}

#[test]
fn what_cannot_be_used_is_named() {
    let ground = Ground::whole();
    ground.put("node/data/init.json", "{broken");
    ground.put("node/data/model_pricing.json", "[]");
    ground.put("node/src/routes/openaiRoutes.js", "const A = 1");
    let report = ground.run(false, false);
    assert!(!report.is_done());
    assert!(matches!(states(&report)[1], State::Unusable(_)));
    assert!(matches!(states(&report)[2], State::Unusable(_)));
    assert_eq!(ground.read("data/init.json"), None);
    assert_eq!(ground.read("data/model_pricing.json"), None);

    for odd in [source("short"), source(&format!("{}\u{7}", text())), "const A = 1".to_owned()] {
        ground.put("node/src/routes/openaiRoutes.js", &odd);
        assert!(matches!(states(&ground.run(false, false))[3], State::Unusable(_)), "{odd}");
    }
    assert_eq!(ground.read("data/crs/codex_instructions.txt"), None);
}

#[test]
fn new_instructions_need_force() {
    let ground = Ground::whole();
    ground.run(false, false);
    ground.put("node/src/routes/openaiRoutes.js", &source(&text().replace("verse", "prose")));
    let report = ground.run(false, false);
    assert_eq!(states(&report)[3], State::Differs);
    assert!(!report.is_done());
    assert!(matches!(states(&ground.run(false, true))[3], State::Replaced(Some(_))));
    assert!(ground.read("data/crs/codex_instructions.txt").unwrap().contains("prose"));
}

#[test]
fn an_installation_may_lack_everything_but_one_file() {
    let ground = Ground::new();
    ground.put("node/data/init.json", r#"{"adminUsername":"root","adminPassword":"p"}"#);
    ground.put("node/package.json", r#"{"version":"1.1.300"}"#);
    let report = ground.run(false, false);
    let absent = State::Absent;
    assert_eq!(states(&report), [absent.clone(), State::Taken, absent.clone(), absent]);
    assert!(report.is_done());
    assert_eq!(report.version.as_deref(), Some("1.1.300"));
    assert!(report.items[0].note.is_some());
}

#[test]
fn crs_may_run_in_the_folder_itself() {
    let ground = Ground::whole();
    let folder = ground.0.join("node");
    let arguments = Arguments { folder: folder.clone(), dry_run: false, force: true };
    let report = import(&folder, &arguments).unwrap();
    let current = State::Current;
    assert_eq!(states(&report), [current.clone(), current.clone(), current, State::Taken]);
    assert!(codex_instructions(&folder.join("data")).is_file());
}

#[test]
fn another_folder_is_refused() {
    let ground = Ground::new();
    ground.put("node/readme.txt", "x");
    let arguments = Arguments { folder: ground.0.join("node"), dry_run: false, force: false };
    let error = import(&ground.here(), &arguments).err().unwrap();
    assert!(error.to_string().contains("no folder of the Node service"), "{error:#}");
    let arguments = Arguments { folder: ground.0.join("nothing"), ..arguments };
    assert!(import(&ground.here(), &arguments).is_err());
}
