//! Bedrock accounts without credentials of their own: what the surroundings give signs their requests.

use std::{fs, path::Path};

use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::{
    harness::{aws, service::scratch},
    place::{Home, Place},
};

/// How the account's request was signed, if one went out at all.
async fn signed(env: &[(&str, &str)]) -> (u16, Option<String>) {
    let (status, requests) = asked(env, None).await;
    (status, requests.first().map(|(_, signed)| signed.clone()))
}

/// What was asked for in the vendor's places, and how each request was signed.
async fn asked(env: &[(&str, &str)], script: Option<Value>) -> (u16, Vec<(String, String)>) {
    let place = Place::seeded(json!({ "accounts": { "b": { "type": "bedrock" } } })).await;
    // No machine is asked for credentials.
    let alone = ("AWS_EC2_METADATA_DISABLED", "true");
    let env: Vec<_> = env.iter().copied().chain([alone]).collect();
    let home = Home::new(&place, place.redis_addr().port(), &env);
    let crs = home.start().await;
    if let Some(script) = script {
        place.script(script);
    }
    let answer = crs.send(&place, json!({})).await;
    let received = place.outside.standin.received();
    let shown = received.iter().map(|one| {
        let host = one.head.get("host").unwrap_or_default();
        let target = one.head.first_line.split(' ').nth(1).unwrap_or_default();
        let body = String::from_utf8_lossy(&one.body);
        let told = format!("{host}{target} {body}");
        (told, aws::authorization(&one.head, &one.body))
    });
    (answer.status, shown.collect())
}

/// A home with shared files, and the settings that lead there.
fn home(config: &str) -> std::path::PathBuf {
    let home = scratch("aws").unwrap();
    fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    fs::write(home.join(".aws/config"), config).unwrap();
    home
}

fn token_file(home: &Path, session: &str) -> std::path::PathBuf {
    home.join(format!(".aws/sso/cache/{}.json", hex::encode(Sha1::digest(session))))
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

#[tokio::test(flavor = "multi_thread")]
async fn single_sign_on_signs_and_its_token_is_renewed() {
    let home = home(
        "[default]\nsso_session = work\nsso_account_id = 123\nsso_role_name = dev\n\
         [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://x.test/start\n",
    );
    let file = token_file(&home, "work");
    let token = json!({
        "accessToken": "OLD", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "s",
        "refreshToken": "R1", "startUrl": "https://x.test/start",
    });
    fs::write(&file, token.to_string()).unwrap();
    let keys = json!({
        "accessKeyId": "AKIASSO", "secretAccessKey": aws::secret_of("AKIASSO"),
        "sessionToken": "T", "expiration": 4_070_908_800_000_i64,
    });
    let script = json!([
        { "host": "oidc.eu-west-1.amazonaws.com", "path": "/token",
          "json": { "accessToken": "NEW", "expiresIn": 3600, "refreshToken": "R2" } },
        { "host": "portal.sso.eu-west-1.amazonaws.com", "json": { "roleCredentials": keys } },
        { "host": "bedrock-runtime.", "message": {} },
    ]);
    let path = home.to_str().unwrap();
    let (status, asked) = asked(&[("HOME", path)], Some(script)).await;
    let kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    fs::remove_dir_all(home).unwrap();
    let told: Vec<&str> = asked.iter().map(|(told, _)| told.as_str()).collect();
    assert_eq!(
        told[..2],
        [
            r#"oidc.eu-west-1.amazonaws.com/token {"clientId":"c","clientSecret":"s","grantType":"refresh_token","refreshToken":"R1"}"#,
            "portal.sso.eu-west-1.amazonaws.com/federation/credentials?account_id=123&role_name=dev ",
        ]
    );
    assert!(
        is_good(&(status, asked.last().map(|(_, signed)| signed.clone())), "AKIASSO"),
        "{asked:?}"
    );
    assert_eq!((&kept["accessToken"], &kept["refreshToken"]), (&json!("NEW"), &json!("R2")));
    assert_eq!(kept["startUrl"], "https://x.test/start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_on_with_a_second_factor() {
    let secret = aws::secret_of("AKIASRC");
    let home = home(&format!(
        "[profile base]\naws_access_key_id = AKIASRC\naws_secret_access_key = {secret}\n\
         [default]\nrole_arn = arn:aws:iam::1:role/dev\nrole_session_name = n\nsource_profile = base\n\
         mfa_serial = arn:aws:iam::1:mfa/me\n",
    ));
    let own = format!(
        "<AccessKeyId>AKIAROLE</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>T</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>",
        aws::secret_of("AKIAROLE")
    );
    let script = json!([
        { "host": "sts.", "text": format!("<R><Credentials>{own}</Credentials></R>") },
        { "host": "bedrock-runtime.", "message": {} },
    ]);
    let path = home.to_str().unwrap();
    let env = [("HOME", path), ("CRS_AWS_MFA_PROGRAM", "echo 123456")];
    let (status, asked) = asked(&env, Some(script)).await;
    fs::remove_dir_all(home).unwrap();
    let (told, signed) = &asked[0];
    assert!(
        told.contains("SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme&TokenCode=123456"),
        "{told}"
    );
    assert!(is_good(&(200, Some(signed.clone())), "AKIASRC"), "{signed}");
    assert!(signed.contains(" us-east-1/sts "), "{signed}");
    assert!(
        is_good(&(status, asked.last().map(|(_, signed)| signed.clone())), "AKIAROLE"),
        "{asked:?}"
    );
}
