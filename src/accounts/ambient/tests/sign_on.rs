//! Single sign-on and second factors, against what AWS's client library for Node did with the same files and
//! answers (`fixtures/sign_on.json`). `kept` is what it wrote into the token's file.

use super::*;

/// Plays the services as a case scripts them.
struct Scripted {
    answers: Value,
    asked: Mutex<Vec<String>>,
}

impl Sender for Scripted {
    fn send(&self, request: UpstreamRequest) -> BoxFuture<'_, Result<UpstreamResponse, SendError>> {
        let url = Url::parse(&request.url).unwrap();
        assert!(request.url.starts_with(BASE), "{}", request.url);
        let path = url.query().map_or(url.path().to_owned(), |q| format!("{}?{q}", url.path()));
        let mut line = format!("{} {path}", request.method);
        if let Some(token) = request.headers.get("x-amz-sso_bearer_token") {
            line.push_str(&format!(" with {token}"));
        }
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        if body.starts_with('{') {
            assert_eq!(request.headers.get("content-type"), Some("application/json"));
            line.push_str(&format!(" {body}"));
        } else if !body.is_empty() {
            let mut form: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
            form.sort();
            let form: Vec<_> = form.iter().map(|(name, text)| format!("{name}={text}")).collect();
            line.push_str(&format!(" {}", form.join("&")));
        }
        self.asked.lock().push(line);
        let answer = &self.answers[url.path()];
        let text = match &answer[1] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let status = u16::try_from(answer[0].as_u64().unwrap()).unwrap();
        let body = stream::iter([Ok(Bytes::from(text))]).boxed();
        async move { Ok(UpstreamResponse { status, headers: HeaderList::new(), body }) }.boxed()
    }
}

/// `${in:SECONDS}` from now.
fn dated(value: &Value) -> Value {
    let text = value.as_str().and_then(|text| text.strip_prefix("${in:")?.strip_suffix('}'));
    match (text, value) {
        (Some(seconds), _) => {
            json!(compat::clock::iso(NOW_MS + seconds.parse::<i64>().unwrap() * 1000))
        }
        (None, Value::Object(members)) => {
            members.iter().map(|(name, value)| (name.clone(), dated(value))).collect()
        }
        _ => value.clone(),
    }
}

fn own_cases() -> Vec<Value> {
    serde_json::from_str(include_str!("../fixtures/sign_on.json")).unwrap()
}

fn scripted(dir: &Path, case: &Value) -> (Ambient, Arc<Scripted>) {
    let services = Arc::new(Scripted { answers: case["answers"].clone(), asked: Mutex::default() });
    fs::create_dir_all(dir.join(".aws/sso/cache")).unwrap();
    let filled = |value: &Value| value.as_str().unwrap().replace("${base}", BASE);
    fs::write(dir.join(".aws/config"), filled(&case["config"])).unwrap();
    for (name, stored) in case["files"].as_object().unwrap() {
        let text = stored.as_str().map_or_else(|| dated(stored).to_string(), str::to_owned);
        fs::write(dir.join(name), text).unwrap();
    }
    let mut env: HashMap<String, String> = HashMap::from([
        ("HOME".to_owned(), dir.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
    ]);
    for (name, text) in case["env"].as_object().unwrap() {
        env.insert(name.clone(), filled(text));
    }
    if let Some(code) = case["code"].as_str().filter(|code| !code.is_empty()) {
        let program = format!("printf '{code}%s\\n' \"$AWS_MFA_SERIAL\"");
        env.insert("CRS_AWS_MFA_PROGRAM".to_owned(), program);
    }
    let from = Config::load(&env, Path::new("/nonexistent")).unwrap().bedrock.surroundings;
    let sender = Arc::clone(&services) as Arc<dyn Sender>;
    (Ambient::new(from, sender, Clock::manual(NOW_MS)), services)
}

/// The one file of a case, as it is now.
fn stored(dir: &Path, case: &Value) -> Option<Value> {
    let (name, _) = case["files"].as_object().unwrap().iter().next()?;
    serde_json::from_str(&fs::read_to_string(dir.join(name)).unwrap()).ok()
}

#[tokio::test]
async fn the_library_is_followed() {
    for case in own_cases() {
        let (name, dir) = (case["name"].as_str().unwrap(), Home::new());
        let (ambient, services) = scripted(&dir.0, &case);
        let before = stored(&dir.0, &case);
        let found = ambient.look().await;
        let shown = found.as_ref().ok().map(|found| {
            let token = found.key.session_token.as_ref().map(crate::domain::Secret::expose);
            let ends = found.ends_ms.map(compat::clock::iso);
            json!({ "id": found.key.id, "token": token, "ends": ends })
        });

        assert_eq!(shown.unwrap_or_default(), case["found"], "{name}: {:?}", found.err());
        assert_eq!(json!(*services.asked.lock()), case["asked"], "{name}");
        let mut kept = dated(&case["kept"]);
        if name == "sso-ended-no-refresh-answer" {
            // The library forgets the refresh token then, so that nothing can be renewed any more.
            kept["refreshToken"] = json!("R1");
        }
        let after = stored(&dir.0, &case);
        assert_eq!(after, if kept.is_null() { before } else { Some(kept) }, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_is_not_tried_at_once_again() {
    let case = own_cases().into_iter().find(|case| case["name"] == "sso-near-refused").unwrap();
    let dir = Home::new();
    let (ambient, services) = scripted(&dir.0, &case);
    let renewals = || services.asked.lock().iter().filter(|line| line.contains("/token")).count();
    assert!(ambient.look().await.is_ok());
    assert!(ambient.look().await.is_ok());
    assert_eq!(renewals(), 1);
    ambient.clock.advance_ms(30_000);
    assert!(ambient.look().await.is_ok());
    assert_eq!(renewals(), 2);
    ambient.clock.advance_ms(200_000);
    let error = ambient.look().await.map(|_| ()).unwrap_err().to_string();
    assert!(error.ends_with("has ended; run `aws sso login`"), "{error}");
}

#[tokio::test]
async fn a_code_that_nobody_prints_is_asked_for() {
    let told = |program: Option<&'static str>| async move {
        let mut case = own_cases().into_iter().find(|case| case["name"] == "mfa-code").unwrap();
        case["code"] = Value::Null;
        if let Some(program) = program {
            case["env"]["CRS_AWS_MFA_PROGRAM"] = json!(program);
        }
        let dir = Home::new();
        let (ambient, services) = scripted(&dir.0, &case);
        let error = ambient.look().await.map(|_| ()).unwrap_err().to_string();
        assert!(services.asked.lock().is_empty());
        error
    };
    let unset = told(None).await;
    assert!(unset.contains("arn:aws:iam::1:mfa/me; set CRS_AWS_MFA_PROGRAM"), "{unset}");
    assert!(told(Some("true")).await.ends_with("CRS_AWS_MFA_PROGRAM printed no code"));
    assert!(told(Some("exit 3")).await.contains("CRS_AWS_MFA_PROGRAM ended with exit status: 3"));
}
