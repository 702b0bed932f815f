//! Mail, as the real Node service sent it (`compat/vectors/notify/mails.json`), at a server that notes what
//! is said to it.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{
        Locale, Moment, Notice, Retries,
        message::{Parcel, compose},
    },
    bench::{platform, postman},
};
use crate::upstream::SenderSettings;

const ONCE: Retries = Retries { attempts: 1, pause_ms: 0.0 };

/// What a server is like.
#[derive(Clone, Copy, Default)]
struct Manners {
    login: &'static str,
    /// What logins are answered.
    refuses_login: Option<&'static str>,
    utf8: bool,
    refuses: &'static str,
    wrong_password: bool,
    unfriendly: bool,
    /// `offered` by STARTTLS, or `from the start`.
    tls: Option<&'static str>,
}

struct Server {
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
    message: Arc<Mutex<String>>,
}

impl Server {
    async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, said: Arc::default(), message: Arc::default() };
        let (said, message) = (server.said.clone(), server.message.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let talk = Talk { manners, said: said.clone(), message: message.clone() };
                tokio::spawn(async move {
                    if manners.tls == Some("from the start") {
                        if let Ok(stream) = acceptor().accept(stream).await {
                            talk.listen(stream, true, true).await;
                        }
                        return;
                    }
                    let Some(stream) = talk.listen(stream, true, false).await else { return };
                    if let Ok(stream) = acceptor().accept(stream).await {
                        talk.listen(stream, false, true).await;
                    }
                });
            }
        });
        server
    }
}

/// One connection.
struct Talk {
    manners: Manners,
    said: Arc<Mutex<Vec<String>>>,
    message: Arc<Mutex<String>>,
}

impl Talk {
    /// Returns the stream when it is to be encrypted.
    async fn listen<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        greets: bool,
        encrypted: bool,
    ) -> Option<S> {
        let manners = self.manners;
        let mut stream = BufReader::new(stream);
        if greets {
            let hello = if manners.unfriendly { "554 go away" } else { "220 standin ESMTP" };
            stream.write_all(format!("{hello}\r\n").as_bytes()).await.unwrap();
        }
        let (mut in_message, mut passwords, mut proves) = (false, 0, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']).to_owned();
            if in_message && line != "." {
                self.message.lock().push_str(&format!("{line}\r\n"));
                continue;
            }
            if !in_message {
                self.said.lock().push(line.clone());
            }
            let answer = match line.split(' ').next().unwrap() {
                "." => "250 taken".to_owned(),
                "EHLO" => {
                    let login = Some(manners.login).filter(|login| !login.is_empty());
                    let login = login.map_or(String::new(), |l| format!("250-AUTH {l}\r\n"));
                    let utf8 = if manners.utf8 { "250-SMTPUTF8\r\n" } else { "" };
                    let offers = manners.tls == Some("offered") && !encrypted;
                    let tls = if offers { "250-STARTTLS\r\n" } else { "" };
                    format!("250-standin\r\n{tls}{login}{utf8}250 HELP")
                }
                "AUTH" if line == "AUTH LOGIN" => {
                    passwords = 2;
                    "334 VXNlcm5hbWU6".to_owned()
                }
                _ if passwords == 2 => {
                    passwords = 1;
                    "334 UGFzc3dvcmQ6".to_owned()
                }
                _ if passwords == 1 => {
                    passwords = 0;
                    "235 fine".to_owned()
                }
                "AUTH" if line == "AUTH CRAM-MD5" => {
                    proves = true;
                    "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+".to_owned()
                }
                _ if std::mem::take(&mut proves) => {
                    manners.refuses_login.unwrap_or("235 fine").to_owned()
                }
                "AUTH" if manners.refuses_login.is_some() => {
                    manners.refuses_login.unwrap_or_default().to_owned()
                }
                "AUTH" if manners.wrong_password => "535 5.7.8 bad credentials".to_owned(),
                "AUTH" => "235 fine".to_owned(),
                "RCPT" if !manners.refuses.is_empty() && line.contains(manners.refuses) => {
                    "550 no such user".to_owned()
                }
                "DATA" => "354 go".to_owned(),
                "QUIT" => "221 bye".to_owned(),
                _ => "250 fine".to_owned(),
            };
            in_message = line == "DATA";
            let answer = format!("{answer}\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            if line == "STARTTLS" {
                return Some(stream.into_inner());
            }
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// Whoever trusts `root.pem` trusts this `localhost`.
fn acceptor() -> TlsAcceptor {
    let read = |name: &str| std::io::BufReader::new(std::fs::File::open(fixture(name)).unwrap());
    let chain = rustls_pemfile::certs(&mut read("localhost.pem")).map(Result::unwrap).collect();
    let key = rustls_pemfile::private_key(&mut read("localhost.key")).unwrap().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn recordings() -> Value {
    serde_json::from_str(include_str!("../../../compat/vectors/notify/mails.json")).unwrap()
}

fn notice(recorded: &Value) -> Notice {
    let data = recorded["data"].as_object().unwrap().clone();
    Notice::new(recorded["type"].as_str().unwrap(), data)
}

/// The dialogue and what people read are Node's. Where it uses TLS, that is left out here.
#[tokio::test]
async fn servers_hear_what_node_says() {
    let recorded = recordings();
    let postman = postman(SenderSettings::default());
    let mut compared = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let manners = match name {
            "plain" => Manners { login: "PLAIN LOGIN", ..Manners::default() },
            "login" => Manners { login: "LOGIN", ..Manners::default() },
            "cramplain" => Manners { login: "CRAM-MD5 PLAIN LOGIN", ..Manners::default() },
            "noauth" => Manners::default(),
            "list" | "comma" => Manners { login: "PLAIN", ..Manners::default() },
            "badrcpt" => Manners { login: "PLAIN", refuses: "x@", ..Manners::default() },
            "badauth" => Manners { login: "PLAIN", wrong_password: true, ..Manners::default() },
            "greet" => Manners { unfriendly: true, ..Manners::default() },
            "utf8" => Manners { login: "PLAIN", utf8: true, ..Manners::default() },
            _ => continue,
        };
        compared += 1;
        let server = Server::start(manners).await;
        let mut setup = case["platform"].clone();
        setup["port"] = json!(server.port);
        let sent = postman.send(&platform(setup), &notice(&recorded), ONCE).await;
        let expected = case["error"].as_str();
        assert_eq!(sent.is_err(), expected.is_some(), "{name}: {sent:?}");
        if name == "badauth" {
            let told = sent.unwrap_err().to_string();
            assert!(told.starts_with("Invalid login: 535"), "{told}");
            continue;
        }
        if name == "greet" {
            continue;
        }
        let mut said = server.said.lock().clone();
        // Where no login is offered that the library knows, the server is asked twice what it offers.
        said.dedup();
        assert_eq!(said.pop().as_deref(), Some("QUIT"), "{name}");
        assert_eq!(json!(said), case["says"], "{name}");
        // Names may stand in quotes.
        let message = server.message.lock().replace('"', "");
        for (header, field) in [("From", "from"), ("To", "to")] {
            let wanted = case["mail"][field].as_str().unwrap();
            if wanted.is_ascii() {
                let line = format!("{header}: {wanted}\r\n");
                assert!(message.contains(&line), "{name}: {line} in {message}");
            }
        }
        assert!(message.contains("Date: Thu, 05 Mar 2026 16:07:09 +0000"), "{message}");
        assert!(message.contains("multipart/alternative"), "{message}");
    }
    assert_eq!(compared, 10);
}

/// Ways to log in that are not the usual ones, as Node's mailer goes them (`logins.json`).
#[tokio::test]
async fn logins_go_the_way_that_node_goes() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../compat/vectors/notify/logins.json")).unwrap();
    let (recorded, postman) = (recordings(), postman(SenderSettings::default()));
    for case in cases {
        let text = |name: &str| case[name].as_str().map(|text| &*text.to_owned().leak());
        let name = text("name").unwrap();
        let login = text("offers").unwrap();
        let manners = Manners { login, refuses_login: text("refuses"), ..Manners::default() };
        let server = Server::start(manners).await;
        let mut setup = recorded["cases"][0]["platform"].clone();
        setup["port"] = json!(server.port);
        let sent = postman.send(&platform(setup), &notice(&recorded), ONCE).await;
        let told = sent.err().map(|error| error.to_string());
        assert_eq!(told.is_some(), text("error").is_some(), "{name}: {told:?}");
        if let (Some(told), Some(refusal)) = (told, text("refuses")) {
            assert_eq!(told, format!("Invalid login: {refusal}"), "{name}");
        }
        let mut said = server.said.lock().clone();
        said.dedup();
        said.retain(|line| line != "QUIT");
        assert_eq!(json!(said), case["says"], "{name}");
    }
}

#[test]
fn people_read_what_node_writes() {
    let recorded = recordings();
    let locale = Locale::new(8, "Asia/Shanghai");
    let moment = Moment { at_ms: recorded["at"].as_i64().unwrap(), locale: &locale };
    let case = &recorded["cases"][0];
    let Parcel::Mail(mail) =
        compose(&platform(case["platform"].clone()), &notice(&recorded), moment).unwrap()
    else {
        panic!("no mail")
    };
    let message = String::from_utf8(mail.message).unwrap();
    let parts: Vec<&str> = message.split("\r\n\r\n").collect();
    let text = decoded(parts[2]).replace("\r\n", "\n");
    assert_eq!(text, case["mail"]["text"].as_str().unwrap());
    let html = parts[3].replace("=\r\n", "").replace('%', "%25").replace('=', "%");
    let html = percent_encoding::percent_decode_str(&html).decode_utf8().unwrap();
    assert!(html.contains("Team &lt;A&gt;") && !html.contains("<A>"), "{html}");
    for part in ["账号", "claude-oauth", "r 原因", "2026/3/6 00:07:09"] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!((mail.host.as_str(), mail.port, mail.secure), ("127.0.0.1", 587, false));
}

/// A base64 part up to the next boundary.
fn decoded(part: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let lines = part.lines().take_while(|line| !line.starts_with("--"));
    let text: String = lines.collect();
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

#[test]
fn a_mail_that_cannot_be_written_says_why() {
    let locale = Locale::new(8, "UTC");
    let moment = Moment { at_ms: 0, locale: &locale };
    let recorded = recordings();
    for (setup, why) in [
        (
            json!({ "type": "smtp", "host": "h", "user": "u@h.de", "pass": "p" }),
            "No recipients defined",
        ),
        (
            json!({ "type": "smtp", "host": "h", "user": "u@h.de", "to": "nobody" }),
            "No recipients defined",
        ),
        (
            json!({ "type": "smtp", "host": "h", "user": "u@h.de", "to": "a@b.de", "port": "x" }),
            "the port is no port",
        ),
    ] {
        let fault = compose(&platform(setup), &notice(&recorded), moment).unwrap_err();
        assert_eq!(fault.to_string(), why);
    }
    let key = json!({ "type": "smtp", "host": "smtp.h.de", "user": "apikey", "to": "a@b.de" });
    let Parcel::Mail(mail) = compose(&platform(key), &notice(&recorded), moment).unwrap() else {
        panic!("no mail")
    };
    assert_eq!(mail.from.unwrap().to_string(), "apikey@smtp.h.de");
}

#[tokio::test]
async fn certificates_are_checked_unless_told_otherwise() {
    let recorded = recordings();
    let trusting =
        SenderSettings { extra_roots: vec![fixture("root.pem")], ..SenderSettings::default() };
    let (strange, trusting) = (postman(SenderSettings::default()), postman(trusting));
    for (mode, secure) in [("offered", false), ("from the start", true)] {
        for (postman, ignore, sent) in
            [(&strange, false, false), (&strange, true, true), (&trusting, false, true)]
        {
            let manners = Manners { login: "PLAIN", tls: Some(mode), ..Manners::default() };
            let server = Server::start(manners).await;
            let setup = platform(json!({
                "type": "smtp", "host": "localhost", "port": server.port, "secure": secure,
                "ignoreTLS": ignore, "user": "u@example.com", "pass": "p", "to": "ops@example.com",
            }));
            let outcome = postman.send(&setup, &notice(&recorded), ONCE).await;
            assert_eq!(outcome.is_ok(), sent, "{mode} {ignore}: {outcome:?}");
            let said = server.said.lock().clone();
            let password = said.iter().any(|line| line.starts_with("AUTH"));
            assert_eq!(password, sent, "no password before the certificate is checked: {said:?}");
        }
    }
}
