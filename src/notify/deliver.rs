//! Deliveries: one HTTP exchange per attempt, attempts with growing pauses.
//!
//! On the wire a message looks as the legacy service's does. Every connection goes through the sender it
//! is given, which knows host map and guard; nothing here opens one.

use std::{net::IpAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use compat::clock::Clock;
use futures_util::{StreamExt, future::join_all};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::Host;

use super::{
    Fault, Locale, Moment, Notice, Platform, Retries, Stored,
    message::{self, Parcel, Post},
    redirect::{HOPS, Hop},
    value,
};
use crate::{
    domain::HeaderList,
    upstream::{Mail, MailSender, Sender, UpstreamRequest, UpstreamResponse},
};

/// Longest pause before another attempt. The legacy service knows none, and waits for weeks when told.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Time for a conversation with a mail server, once it is reached.
const CONVERSATION: Duration = Duration::from_secs(30);
/// Most of an answer that is read.
const ANSWER_MAX: usize = 64 * 1024;

/// Delivers messages.
pub struct Postman {
    /// Way to the receivers.
    pub sender: Arc<dyn Sender>,
    /// Way to mail servers.
    pub mailer: Arc<dyn MailSender>,
    /// Time.
    pub clock: Clock,
    /// The operator's clocks.
    pub locale: Locale,
    /// Which addresses are refused.
    pub refused: Option<fn(IpAddr) -> Option<&'static str>>,
}

/// What became of a notice at one platform.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// Which.
    pub platform: Platform,
    /// Whether it was taken.
    pub outcome: Result<(), Fault>,
}

impl Postman {
    /// Sends a notice to all receivers at once. Whether the notice is wanted was asked before.
    pub async fn send_all(&self, stored: &Stored, notice: &Notice) -> Vec<Attempted> {
        let retries = stored.retries();
        let sending = stored.receivers().map(|platform| async move {
            let outcome = self.send(&platform, notice, retries).await;
            Attempted { platform, outcome }
        });
        join_all(sending).await
    }

    /// Sends a notice to one platform.
    ///
    /// # Errors
    /// The fault of the last attempt.
    pub async fn send(
        &self,
        platform: &Platform,
        notice: &Notice,
        retries: Retries,
    ) -> Result<(), Fault> {
        let mut attempt = 1;
        let mut pause_ms = retries.pause_ms;
        let kind = message::label(platform);
        let outcome = loop {
            match self.try_once(platform, notice).await {
                Ok(()) => break Ok(()),
                // Trying again does not mend what is set up wrongly.
                Err(fault @ (Fault::Setup(_) | Fault::Address)) => break Err(fault),
                Err(fault) if attempt >= retries.attempts => break Err(fault),
                Err(fault) => tracing::debug!(%fault, kind, attempt, "notice is tried again"),
            }
            sleep(pause(pause_ms)).await;
            attempt += 1;
            pause_ms *= 2.0;
        };
        let result = outcome.as_ref().map_or_else(Fault::label, |()| "sent");
        metrics::counter!("crs_notifications_total", "platform" => kind, "result" => result)
            .increment(1);
        match &outcome {
            Ok(()) => tracing::debug!(kind, name = platform.name(), "notice sent"),
            Err(fault) => {
                tracing::warn!(%fault, kind, name = platform.name(), "notice was not delivered");
            }
        }
        outcome
    }

    async fn try_once(&self, platform: &Platform, notice: &Notice) -> Result<(), Fault> {
        let moment = Moment { at_ms: self.clock.now_ms(), locale: &self.locale };
        let ms = platform.timeout_ms();
        let limit = Duration::from_millis(ms);
        let post = match message::compose(platform, notice, moment)? {
            Parcel::Post(post) => post,
            Parcel::Mail(mail) => return self.mail(mail, limit + CONVERSATION).await,
        };
        let posting = timeout(limit, self.post(&post, limit));
        let answer = posting.await.map_err(|_| Fault::Slow(ms))??;
        if post.answers_ok { said_ok(&answer) } else { Ok(()) }
    }

    async fn mail(&self, mail: Mail, limit: Duration) -> Result<(), Fault> {
        let sending = timeout(limit, self.mailer.send_mail(mail)).await;
        let sent = sending.map_err(|_| Fault::Network("Timeout".to_owned()))?;
        sent.map_err(|error| Fault::Network(error.message))
    }

    /// The answer's body.
    async fn post(&self, post: &Post, limit: Duration) -> Result<Bytes, Fault> {
        let mut hop = Hop::first(&post.url)?;
        let body = Bytes::from(value::json(&post.body));
        for _ in 0..=HOPS {
            self.check(&hop)?;
            let request = request(&hop, post, &body, limit);
            let answer =
                self.sender.send(request).await.map_err(|error| Fault::Network(error.message))?;
            match hop.after(answer.status, answer.headers.get("location")) {
                Some(next) => hop = next?,
                None if (200..300).contains(&answer.status) => return read(answer).await,
                None => return Err(Fault::Status(answer.status)),
            }
        }
        Err(Fault::Redirects)
    }

    /// Addresses behind names are looked at when they are connected to; a proxy would not look.
    fn check(&self, hop: &Hop) -> Result<(), Fault> {
        let address = match hop.url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        match self.refused.and_then(|refused| refused(address)) {
            Some(why) => Err(Fault::Network(why.to_owned())),
            None => Ok(()),
        }
    }
}

fn request(hop: &Hop, post: &Post, body: &Bytes, limit: Duration) -> UpstreamRequest {
    let body = if hop.posts { body.clone() } else { Bytes::new() };
    let length = body.len().to_string();
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json, text/plain, */*");
    if hop.posts {
        headers.push("Content-Type", "application/json");
    }
    headers.push("User-Agent", "claude-relay-service/2.0");
    if hop.posts {
        headers.push("Content-Length", length);
    }
    headers.push("Accept-Encoding", "gzip, compress, deflate, br");
    headers.push("Host", hop.host());
    if let Some(credentials) = credentials(hop) {
        headers.push("Authorization", credentials);
    }
    headers.push("Connection", "keep-alive");
    UpstreamRequest {
        method: if hop.posts { http::Method::POST } else { http::Method::GET },
        url: hop.target(),
        headers,
        body,
        proxy: post.proxy.clone(),
        // The limit is for the whole exchange and kept outside.
        idle_timeout: limit * 2,
        decode_body: true,
    }
}

/// Name and password of the first address, as they are written there.
fn credentials(hop: &Hop) -> Option<String> {
    let (name, password) = (hop.url.username(), hop.url.password().unwrap_or_default());
    let told = hop.first && !name.is_empty();
    told.then(|| format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

async fn read(mut answer: UpstreamResponse) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    while body.len() < ANSWER_MAX
        && let Some(chunk) = answer.body.next().await
    {
        body.extend_from_slice(&chunk.map_err(|error| Fault::Network(error.message))?);
    }
    Ok(body.freeze())
}

fn said_ok(answer: &[u8]) -> Result<(), Fault> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    if answer.get("ok") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    let why = match value::set(answer.get("description")) {
        Some(why) => value::text(Some(why)),
        None => "未知错误".to_owned(),
    };
    Err(Fault::Refused(format!("Telegram API 错误: {why}")))
}

fn pause(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::ZERO).min(PAUSE_MAX)
}
