//! A receiver on a port of its own, and a postman.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use compat::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::super::{Locale, Notice, Platform, Postman};
use crate::upstream::{HttpSender, SenderSettings};

/// Everything that Node posted.
pub(super) fn recordings() -> Value {
    let text = include_str!("../../../compat/vectors/notify/posts.json");
    serde_json::from_str(text).unwrap()
}

/// Answers with what it is told, in order, then 200, and notes requests as they came.
pub(super) struct Receiver {
    pub address: String,
    pub heard: Arc<Mutex<Vec<String>>>,
}

/// What the receiver does instead of answering.
pub(super) const SILENCE: &str = "";

impl Receiver {
    pub(super) async fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers: VecDeque<String> =
            answers.iter().map(|answer| answer.replace("{me}", &address)).collect();
        let (answers, heard) =
            (Arc::new(Mutex::new(answers)), Arc::<Mutex<Vec<String>>>::default());
        let notes = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), notes.clone()));
            }
        });
        Self { address, heard }
    }

    pub(super) fn count(&self) -> usize {
        self.heard.lock().len()
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Mutex<VecDeque<String>>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut part).await {
        text.extend_from_slice(&part[..read]);
        let request = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        if body.len() < length.map_or(0, |length| length.parse().unwrap()) {
            continue;
        }
        heard.lock().push(request);
        text.clear();
        let answer = answers.lock().pop_front().unwrap_or_else(|| ok("{}"));
        if answer == SILENCE {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// An answer.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An answer without a body.
pub(super) fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n")
}

pub(super) fn postman(settings: SenderSettings) -> Postman {
    let refused = settings.refused;
    let sender = Arc::new(HttpSender::new(settings).unwrap());
    Postman {
        refused,
        mailer: sender.clone(),
        sender,
        clock: Clock::manual(1_772_726_829_123),
        locale: Locale::new(8, "Asia/Shanghai"),
    }
}

pub(super) fn platform(value: Value) -> Platform {
    Platform::new(value.as_object().unwrap().clone())
}

pub(super) fn notice() -> Notice {
    Notice::new("test", Map::from_iter([("message".to_owned(), "hello".into())]))
}
