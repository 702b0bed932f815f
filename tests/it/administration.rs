//! Commands that change what is stored, run as an operator runs them.

use std::{fs, path::PathBuf};

use crate::{
    harness::service::{ENCRYPTION_KEY, scratch},
    place::Place,
    rollout::crs,
};

/// A folder whose `.env` names the place's Redis and this key.
fn folder(place: &Place, encryption_key: &str) -> PathBuf {
    let folder = scratch("administration").unwrap();
    let port = place.redis_addr().port();
    let env = format!(
        "REDIS_HOST=127.0.0.1\nREDIS_PORT={port}\nENCRYPTION_KEY={encryption_key}\nCRS_LOG_DIR=off\n"
    );
    fs::write(folder.join(".env"), env).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_under_a_wrong_encryption_key_is_refused() {
    let place = Place::usual().await;
    let wrong = folder(&place, "another-key-0123456789abcdefghij");
    let account = r#"{"name":"c","apiUrl":"https://a.test","apiKey":"sk-of-c"}"#;
    fs::write(wrong.join("account.json"), account).unwrap();
    let before = place.ask(["DBSIZE"]).await;
    for words in [
        ["keys", "add", "team"].as_slice(),
        &["keys", "regenerate", "main"],
        &["accounts", "add", "console", "--body", "account.json"],
    ] {
        let said = crs(&wrong, words).await;
        assert_ne!(said.code, 0, "{words:?}: {}", said.text);
        assert!(said.text.contains("ENCRYPTION_KEY"), "{words:?}: {}", said.text);
        assert!(!said.text.contains("another-key"), "{words:?}: {}", said.text);
    }
    assert_eq!(place.ask(["DBSIZE"]).await, before);
    let right = folder(&place, ENCRYPTION_KEY);
    fs::write(right.join("account.json"), account).unwrap();
    for words in [
        ["keys", "add", "team"].as_slice(),
        &["accounts", "add", "console", "--body", "account.json"],
    ] {
        let said = crs(&right, words).await;
        assert_eq!(said.code, 0, "{words:?}: {}", said.text);
        assert!(!said.text.contains("sk-of-c"), "{}", said.text);
    }
    for folder in [wrong, right] {
        fs::remove_dir_all(folder).unwrap();
    }
}
