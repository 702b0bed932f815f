//! What the override file may hold.

use rstest::rstest;

use super::*;

#[rstest]
#[case("primary because", Phase::Primary, "because")]
#[case("  Shadow\tuntil noon\nsecond line\n", Phase::Shadow, "until noon\nsecond line")]
#[case("observe", Phase::Observe, "")]
#[case("", Phase::Observe, "the override file is empty")]
#[case("stop!", Phase::Observe, "the override file does not begin with a phase")]
fn anything_in_it_means_something(#[case] text: &str, #[case] phase: Phase, #[case] reason: &str) {
    assert_eq!(Override::parse(text), Override { phase, reason: reason.into() });
}

#[test]
fn it_is_written_whole_and_holds_from_the_start() {
    let folder = Folder::new();
    let path = override_path(&folder.0);
    let said = Override { phase: Phase::Shadow, reason: "two\nlines".into() };
    write_override(&path, &said).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "shadow two lines\n");
    let redis = RedisConfig { port: 1, ..RedisConfig::default() };
    let store = Arc::new(RedisStore::open(&redis).unwrap());
    let keys = || KeyDirectory::new(store.clone(), Clock::system(), "cr_".into(), SECRET.into());
    let rollout = Rollout::new(&folder.0, true, keys(), None);
    assert_eq!(rollout.phase(), Phase::Shadow, "before anything is polled");
    let alone = Rollout::new(&folder.0, false, keys(), None);
    assert_eq!(alone.phase(), Phase::Standalone, "there is no Node service to go back to");
    assert!(rollout.end_override().unwrap());
    assert_eq!(rollout.phase(), Phase::Observe);
    assert!(!rollout.end_override().unwrap());
}

#[test]
fn a_disk_that_refuses_stops_no_override() {
    let folder = Folder::new();
    // A folder stands where the file should.
    std::fs::create_dir_all(override_path(&folder.0).join("x")).unwrap();
    let redis = RedisConfig { port: 1, ..RedisConfig::default() };
    let store = Arc::new(RedisStore::open(&redis).unwrap());
    let keys = KeyDirectory::new(store, Clock::system(), "cr_".into(), SECRET.into());
    let rollout = Rollout::new(&folder.0, true, keys, None);
    let standing = rollout.standing();
    assert_eq!(standing.plan.phase, Phase::Observe);
    assert!(standing.why.as_deref().unwrap().contains("cannot be read"));
    rollout.override_with(Override { phase: Phase::Shadow, reason: "x".into() });
    assert_eq!(rollout.phase(), Phase::Shadow);
}
