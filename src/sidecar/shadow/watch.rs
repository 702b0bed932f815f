//! Watches one forwarded exchange into bounded memory.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    desk::{Job, Room, Shadow},
    seen::{Headers, Seen, SeenRequest, SeenResponse},
    story::joined,
};
use crate::sidecar::{
    forward::{End, Observer, RequestHead, ResponseHead, Trace},
    tap::Expected,
};

/// Largest answer that is watched, in bytes; more of it passes unwatched and is not compared.
const LARGEST_ANSWER: usize = 32 << 20;

struct Watch {
    shadow: Arc<Shadow>,
    id: String,
    expected: Option<Expected>,
    room: Room,
    started: Instant,
    request: SeenRequest,
    body: Vec<Bytes>,
    head: Option<(u16, Headers, u64)>,
    answer: Vec<Bytes>,
    answered: usize,
    /// The request came whole.
    whole: bool,
    /// Why this will not be compared, once that is sure.
    given_up: Option<&'static str>,
}

impl Shadow {
    /// Begins to watch a request that goes to Node; `None` when it is not to be compared.
    pub fn begin(self: &Arc<Self>, head: &RequestHead, peer: &str) -> Option<Trace> {
        let id = Uuid::new_v4().to_string();
        let request = SeenRequest {
            arrived_ms: self.now_ms(),
            peer: peer.to_owned(),
            method: head.method().to_owned(),
            target: head.target().to_owned(),
            ..SeenRequest::default()
        };
        let route = request.route();
        let length = head
            .header("content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok())
            .unwrap_or(0);
        if !self.wants(&id, head.method(), &route, length) {
            self.passed(&request, &id);
            return None;
        }
        let expected = self.tap().map(|tap| tap.expect(id.clone()));
        let watch = Watch {
            shadow: Arc::clone(self),
            id: id.clone(),
            room: self.room(),
            started: Instant::now(),
            request,
            body: Vec::new(),
            head: None,
            answer: Vec::new(),
            answered: 0,
            whole: false,
            given_up: None,
            expected,
        };
        let named = watch.expected.is_some().then_some(id);
        Some(Trace { id: named, observer: Some(Box::new(watch)) })
    }
}

impl Watch {
    /// Keeps a piece of a body, if there is room.
    fn fits(&mut self, bytes: usize) -> bool {
        if self.given_up.is_some() {
            return false;
        }
        // A piece may be a small part of a large buffer; counting some more keeps the bound honest.
        if !self.room.take(bytes + 256, self.shadow.limit()) {
            self.give_up("memory full");
        }
        self.given_up.is_none()
    }

    fn give_up(&mut self, why: &'static str) {
        self.given_up = Some(why);
        self.body.clear();
        self.answer.clear();
        self.room = self.shadow.room();
        self.expected = None;
    }
}

impl Observer for Watch {
    fn on_request_head(&mut self, head: &RequestHead) {
        self.request.headers = head.headers().map(|(name, value)| pair(name, value)).collect();
        let bytes = head.raw().len();
        self.fits(2 * bytes);
    }

    fn on_request_chunk(&mut self, chunk: Bytes) {
        if self.fits(chunk.len()) {
            self.body.push(chunk);
        }
    }

    fn on_request_end(&mut self) {
        self.whole = true;
    }

    fn on_response_head(&mut self, head: &ResponseHead) {
        let headers = head.headers().map(|(name, value)| pair(name, value)).collect();
        self.head = Some((head.status(), headers, micros(self.started)));
        let bytes = head.raw().len();
        self.fits(2 * bytes);
    }

    fn on_response_chunk(&mut self, chunk: Bytes) {
        self.answered += chunk.len();
        if self.answered > LARGEST_ANSWER && self.given_up.is_none() {
            self.give_up("answer too large");
        }
        if self.fits(chunk.len()) {
            self.answer.push(chunk);
        }
    }

    fn on_end(&mut self, end: End) {
        if let Some(why) = self.given_up {
            return self.shadow.drop_one(why);
        }
        match end {
            End::Complete | End::ClientLeft | End::Cut => {}
            End::Failed => return self.shadow.drop_one("no answer from Node"),
            End::Upgraded => return self.shadow.drop_one("another protocol"),
        }
        if !self.whole {
            return self.shadow.drop_one("request not whole");
        }
        let total_us = micros(self.started);
        let mut request = std::mem::take(&mut self.request);
        request.body = joined(&self.body);
        let response = self.head.take().map(|(status, headers, ttfb_us)| SeenResponse {
            status,
            headers,
            body: joined(&self.answer),
            complete: end == End::Complete,
            ttfb_us,
            total_us,
        });
        let seen = Seen { request, response, client_left: end == End::ClientLeft };
        let room = std::mem::replace(&mut self.room, self.shadow.room());
        let (id, expected) = (std::mem::take(&mut self.id), self.expected.take());
        self.shadow.submit(Job { id, seen, expected, room });
    }
}

fn pair(name: &str, value: &[u8]) -> (String, String) {
    (name.to_owned(), value.iter().map(|byte| char::from(*byte)).collect())
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
