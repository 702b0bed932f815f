//! Bedrock accounts without credentials of their own: what the surroundings give signs their requests.

use std::fs;

use serde_json::json;

use crate::{
    harness::{aws, service::scratch},
    place::{Home, Place},
};

/// How the account's request was signed, if one went out at all.
async fn signed(env: &[(&str, &str)]) -> (u16, Option<String>) {
    let place = Place::seeded(json!({ "accounts": { "b": { "type": "bedrock" } } })).await;
    // No machine is asked for credentials.
    let alone = ("AWS_EC2_METADATA_DISABLED", "true");
    let env: Vec<_> = env.iter().copied().chain([alone]).collect();
    let home = Home::new(&place, place.redis_addr().port(), &env);
    let crs = home.start().await;
    let answer = crs.send(&place, json!({})).await;
    let received = place.outside.standin.received();
    let signed = received.first().map(|one| aws::authorization(&one.head, &one.body));
    (answer.status, signed)
}

fn is_good(signed: &(u16, Option<String>), id: &str) -> bool {
    let (status, text) = signed;
    let begins = format!("AWS4 {id} ");
    *status == 200 && text.as_ref().is_some_and(|t| t.starts_with(&begins) && t.ends_with(": good"))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_environment_sign() {
    let secret = aws::secret_of("AKIAENV");
    let env = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", secret.as_str())];
    let found = signed(&env).await;
    assert!(is_good(&found, "AKIAENV"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_profile_sign() {
    let folder = scratch("aws").unwrap();
    let file = folder.join("credentials");
    let secret = aws::secret_of("AKIAFILE");
    let text = format!("[work]\naws_access_key_id = AKIAFILE\naws_secret_access_key = {secret}\n");
    fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let env = [("AWS_PROFILE", "work"), ("AWS_SHARED_CREDENTIALS_FILE", path)];
    let found = signed(&env).await;
    fs::remove_dir_all(folder).unwrap();
    assert!(is_good(&found, "AKIAFILE"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_without_credentials() {
    let (status, signed) = signed(&[]).await;
    assert!(status >= 500, "{status}");
    assert_eq!(signed, None);
}
