//! Where credentials are found, against what AWS's client library for Node found with the same files and
//! variables (`fixtures/searches.json`), and how long they are held.

mod sign_on;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;

use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::*;
use crate::{
    config::Config,
    domain::HeaderList,
    upstream::{SendError, SendErrorKind, UpstreamRequest, UpstreamResponse},
};

const BASE: &str = "http://127.0.0.1:9";
const NOW_MS: i64 = 1_795_628_540_000;
const FAR: &str = "2099-01-01T00:00:00Z";

/// A folder that is gone afterwards.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("crs-ambient-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plays the token service, the container's agent and the machine.
#[derive(Default)]
struct Services {
    asked: Mutex<Vec<String>>,
    /// End of the next lease, epoch milliseconds; 0 for [`FAR`].
    ends_ms: AtomicI64,
    broken: Mutex<bool>,
}

impl Services {
    fn answer(&self, request: &UpstreamRequest) -> (u16, String) {
        let url = Url::parse(&request.url).unwrap();
        let head = |name: &str| request.headers.get(name);
        let path = url.query().map_or(url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        let with = |word: &str, name: &str| head(name).map(|value| format!(" {word} {value}"));
        let ends = match self.ends_ms.load(Ordering::SeqCst) {
            0 => FAR.to_owned(),
            ms => jiff::Timestamp::from_millisecond(ms).unwrap().to_string(),
        };
        if request.method != http::Method::POST {
            let told = with("with", "authorization").or(with("token", "x-aws-ec2-metadata-token"));
            self.asked.lock().push(format!(
                "{} {path}{}",
                request.method,
                told.unwrap_or_default()
            ));
            let keys = |id: &str| {
                let own = json!({ "AccessKeyId": id, "SecretAccessKey": "s", "Token": "T", "Expiration": ends });
                (200, own.to_string())
            };
            return match url.path() {
                "/latest/api/token" => (200, "imds".to_owned()),
                "/ecs" => keys("ECS"),
                path if path.ends_with("/security-credentials/") => (200, "the-role\n".to_owned()),
                path if path.ends_with("/the-role") => keys("IMDS"),
                _ => (404, "no".to_owned()),
            };
        }
        let mut form: Vec<(String, String)> =
            form_urlencoded::parse(&request.body).into_owned().collect();
        for (name, value) in &mut form {
            if name == "RoleSessionName" && value.chars().filter(char::is_ascii_digit).count() > 9 {
                *value = "<session>".to_owned();
            }
        }
        form.sort();
        let of =
            |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let scope = head("authorization").and_then(|text| text.split("Credential=").nth(1));
        let scope: Vec<&str> = scope.map_or_else(Vec::new, |text| text.split('/').collect());
        let by = scope.first().map(|id| format!(" by {id} {}/{}", scope[2], scope[3]));
        let with = with("with", "x-amz-security-token").unwrap_or_default();
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        self.asked.lock().push(format!("POST {path} {form}{}{with}", by.unwrap_or_default()));
        let role = of("RoleArn").unwrap();
        if role.contains("denied") {
            let code = "<Code>AccessDenied</Code><Message>not &lt;you&gt;</Message>";
            return (
                403,
                format!("<ErrorResponse><Error><Type>Sender</Type>{code}</Error></ErrorResponse>"),
            );
        }
        let by =
            scope.first().map_or_else(|| of("WebIdentityToken").unwrap(), |id| (*id).to_owned());
        let id = format!("{}-BY-{by}", role.rsplit('/').next().unwrap());
        let own = format!(
            "<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
             <SessionToken>ST</SessionToken><Expiration>{ends}</Expiration>"
        );
        (200, format!("<R><Arn>a</Arn><Credentials>{own}</Credentials></R>"))
    }
}

impl Sender for Services {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        let gone = *self.broken.lock() || !request.url.starts_with(BASE);
        let answered = if gone {
            Err(SendError::new(SendErrorKind::Refused, "connect ECONNREFUSED"))
        } else {
            let (status, body) = self.answer(&request);
            let body = stream::iter([Ok(Bytes::from(body))]).boxed();
            Ok(UpstreamResponse { status, headers: HeaderList::new(), body })
        };
        async { answered }.boxed()
    }
}

fn ambient(dir: &Path, case: &Value, services: &Arc<Services>) -> Ambient {
    let filled =
        |text: &str| text.replace("${base}", BASE).replace("${dir}", &dir.display().to_string());
    fs::create_dir_all(dir.join(".aws")).unwrap();
    fs::write(dir.join(".aws/config"), filled(case["config"].as_str().unwrap())).unwrap();
    fs::write(dir.join(".aws/credentials"), filled(case["credentials"].as_str().unwrap())).unwrap();
    for (name, text) in case["files"].as_object().unwrap() {
        fs::write(dir.join(name), text.as_str().unwrap()).unwrap();
    }
    let mut env: HashMap<String, String> = HashMap::from([
        ("HOME".to_owned(), dir.display().to_string()),
        ("AWS_ENDPOINT_URL_STS".to_owned(), BASE.to_owned()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned()),
    ]);
    for (name, text) in case["env"].as_object().unwrap() {
        env.insert(name.clone(), filled(text.as_str().unwrap()));
    }
    let from = Config::load(&env, Path::new("/nonexistent")).unwrap().bedrock.surroundings;
    Ambient::new(from, Arc::clone(services) as Arc<dyn Sender>, Clock::manual(NOW_MS))
}

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/searches.json")).unwrap()
}

fn key(found: Credentials) -> AccessKey {
    match found {
        Credentials::AccessKey(key) => key,
        Credentials::Bearer(_) => panic!("a bearer token"),
    }
}

#[tokio::test]
async fn credentials_are_found_where_the_library_finds_them() {
    for case in cases() {
        let (name, dir) = (&case["name"], Home::new());
        let services = Arc::new(Services::default());
        let found = ambient(&dir.0, &case, &services).look().await;
        let shown = found.as_ref().ok().map(|found| {
            let token = found.key.session_token.as_ref().map(crate::domain::Secret::expose);
            let ends = found.ends_ms.map(compat::clock::iso);
            json!({ "id": found.key.id, "token": token, "ends": ends })
        });
        assert_eq!(shown.unwrap_or_default(), case["found"], "{name}: {:?}", found.err());
        // How often a broken service is asked again is another matter.
        let mut asked: Vec<Value> = case["asked"].as_array().unwrap().clone();
        asked.dedup();
        let mut own = services.asked.lock().clone();
        own.dedup();
        assert_eq!(Value::from(own), Value::from(asked), "{name}");
    }
}

#[tokio::test]
async fn failures_say_what_was_tried() {
    let told = |name: &'static str| async move {
        let case = cases().into_iter().find(|case| case["name"] == name).unwrap();
        let dir = Home::new();
        let services = Arc::new(Services::default());
        let error = ambient(&dir.0, &case, &services).credentials().await.unwrap_err();
        error.to_string().replace(&dir.0.display().to_string(), "DIR")
    };
    assert_eq!(
        told("metadata-disabled").await,
        "AWS credentials were found nowhere: environment: AWS_ACCESS_KEY_ID is not set; shared files: \
         profile \"default\" stands in neither file; role by token: AWS_WEB_IDENTITY_TOKEN_FILE and \
         AWS_ROLE_ARN are not both set; container: neither AWS_CONTAINER_CREDENTIALS_FULL_URI nor \
         AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set; machine: AWS_EC2_METADATA_DISABLED is set"
    );
    let denied = told("role-denied").await;
    assert!(
        denied.ends_with("role arn:aws:iam::1:role/denied: AccessDenied: not <you>"),
        "{denied}"
    );
    let ended = told("process-ended").await;
    assert!(
        ended.contains("credential_process: it printed credentials that have ended"),
        "{ended}"
    );
    let gone = told("sso-no-token").await;
    assert!(gone.ends_with(".json; run `aws sso login`"), "{gone}");
}

#[tokio::test]
async fn leases_are_renewed_before_they_end() {
    let case = cases().into_iter().find(|case| case["name"] == "metadata").unwrap();
    let (dir, services) = (Home::new(), Arc::new(Services::default()));
    let ambient = ambient(&dir.0, &case, &services);
    let searches = || services.asked.lock().iter().filter(|line| line.starts_with("PUT")).count();
    services.ends_ms.store(NOW_MS + 3_600_000, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(key(ambient.credentials().await.unwrap()).id, "IMDS");
    }
    assert_eq!(searches(), 1);
    ambient.clock.advance_ms(3_600_000 - BEFORE_END_MS);
    services.ends_ms.store(NOW_MS + 7_200_000, Ordering::SeqCst);
    assert!(ambient.credentials().await.is_ok());
    assert_eq!(searches(), 2);

    // While the old ones are good, a service that is down is no failure, nor is it asked each time.
    *services.broken.lock() = true;
    ambient.clock.advance_ms(3_600_000);
    assert_eq!(key(ambient.credentials().await.unwrap()).id, "IMDS");
    assert!(ambient.known().is_some());
    ambient.clock.advance_ms(BEFORE_END_MS);
    assert!(ambient.credentials().await.is_err());
    *services.broken.lock() = false;
    assert!(ambient.credentials().await.is_err(), "the failure is believed for a while");
    ambient.clock.advance_ms(FAILURE_MS);
    services.ends_ms.store(0, Ordering::SeqCst);
    assert!(ambient.credentials().await.is_ok());
}

#[tokio::test]
async fn changed_files_are_read_again() {
    let case = cases().into_iter().find(|case| case["name"] == "default-in-credentials").unwrap();
    let (dir, services) = (Home::new(), Arc::new(Services::default()));
    let ambient = ambient(&dir.0, &case, &services);
    assert_eq!(key(ambient.credentials().await.unwrap()).id, "FILE");
    let text = "[default]\naws_access_key_id = NEW\naws_secret_access_key = s\n";
    fs::write(dir.0.join(".aws/credentials"), text).unwrap();
    assert_eq!(key(ambient.credentials().await.unwrap()).id, "FILE");
    ambient.clock.advance_ms(FILE_MS);
    assert_eq!(key(ambient.credentials().await.unwrap()).id, "NEW");
}
