//! What Node did for one request, as its tap told it.

use std::collections::HashMap;

use bytes::Bytes;
use compat::{clock::Clock, store::Reply};
use tokio::time::Instant;

use super::frame::{Closed, ExchangeEnd, Note, RequestHead, ResponseHead};

/// Exchanges of one request that are kept; more make the trace incomplete.
const EXCHANGES: usize = 64;
/// Commands of one request that are kept.
const COMMANDS: usize = 20_000;

/// What Node did for one request.
#[derive(Clone, Debug, Default)]
pub struct NodeTrace {
    /// When Node got the request, epoch milliseconds.
    pub began_ms: f64,
    /// Redis commands in the order they were sent.
    pub commands: Vec<Command>,
    /// Exchanges with vendors in the order they began.
    pub exchanges: Vec<Exchange>,
    /// The end of the answer to the client.
    pub closed: Option<Closed>,
    /// Why something is missing here, if anything is.
    pub incomplete: Option<String>,
}

/// One Redis command.
#[derive(Clone, Debug)]
pub struct Command {
    /// When it was sent, epoch milliseconds.
    pub ms: f64,
    /// Name and arguments.
    pub words: Vec<Bytes>,
    /// Its reply, when there was one before the trace ended.
    pub reply: Option<Reply>,
}

/// One exchange with a vendor.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The request's head.
    pub request: RequestHead,
    /// Its body, in the pieces that were written.
    pub request_body: Vec<Bytes>,
    /// The answer's head.
    pub response: Option<ResponseHead>,
    /// Its body as it came.
    pub response_body: Vec<Bytes>,
    /// How it ended.
    pub end: Option<ExchangeEnd>,
    /// When the answer's head was reported, epoch milliseconds; 0: never.
    pub answered_ms: i64,
    /// When its end was.
    pub ended_ms: i64,
}

/// A trace in the making.
#[derive(Debug, Default)]
pub(super) struct Growing {
    trace: NodeTrace,
    /// Places of commands and exchanges by their number on the wire.
    commands: HashMap<u32, usize>,
    exchanges: HashMap<u32, usize>,
    /// Bytes kept.
    pub bytes: usize,
    /// Nothing was pending after the client's answer.
    pub quiet: bool,
    /// When something was last told.
    pub last: Option<Instant>,
}

impl Growing {
    /// Takes a note in; `room` is how many more bytes may be kept.
    pub fn add(&mut self, note: Note, room: usize) {
        let size = note_size(&note);
        if size > room {
            self.spoil("too large");
            return;
        }
        self.bytes += size;
        self.quiet = matches!(note, Note::Quiet);
        self.last = Some(Instant::now());
        match note {
            Note::Begin { ms, .. } => self.trace.began_ms = ms,
            Note::Command { number, ms, resp } => self.command(number, ms, &resp),
            Note::Reply { number, resp } => {
                let reply = Reply::decode(&resp);
                let command = self.commands.get(&number).copied();
                match (command.and_then(|at| self.trace.commands.get_mut(at)), reply) {
                    (Some(command), Ok(reply)) => command.reply = Some(reply),
                    _ => self.spoil("a reply without its command"),
                }
            }
            Note::Request { exchange, head } => {
                if self.trace.exchanges.len() >= EXCHANGES {
                    return self.spoil("too many exchanges");
                }
                self.exchanges.insert(exchange, self.trace.exchanges.len());
                self.trace.exchanges.push(Exchange { request: head, ..Exchange::default() });
            }
            Note::RequestBody { exchange, data } => {
                self.exchange(exchange, |exchange| exchange.request_body.push(data));
            }
            Note::Response { exchange, head } => {
                self.exchange(exchange, |exchange| {
                    exchange.response = Some(head);
                    exchange.answered_ms = now_ms();
                });
            }
            Note::ResponseBody { exchange, data } => {
                self.exchange(exchange, |exchange| exchange.response_body.push(data));
            }
            Note::End { exchange, end } => {
                self.exchange(exchange, |exchange| {
                    exchange.end = Some(end);
                    exchange.ended_ms = now_ms();
                });
            }
            Note::Closed(closed) => self.trace.closed = Some(closed),
            Note::Incomplete(why) => self.spoil(&why),
            Note::RequestEnd { .. } | Note::Quiet | Note::Unknown => {}
        }
    }

    /// Notes that something is missing.
    pub fn spoil(&mut self, why: &str) {
        self.trace.incomplete.get_or_insert_with(|| why.to_owned());
    }

    /// Whether the answer to the client has ended.
    pub fn is_closed(&self) -> bool {
        self.trace.closed.is_some()
    }

    /// The trace as it stands.
    pub fn finish(self) -> NodeTrace {
        self.trace
    }

    fn command(&mut self, number: u32, ms: f64, resp: &[u8]) {
        if self.trace.commands.len() >= COMMANDS {
            return self.spoil("too many commands");
        }
        let Ok(Reply::Array(words)) = Reply::decode(resp) else {
            return self.spoil("a command that cannot be read");
        };
        let words = words.into_iter().map(|word| match word {
            Reply::Data(data) => data,
            Reply::Int(number) => Bytes::from(number.to_string()),
            _ => Bytes::new(),
        });
        self.commands.insert(number, self.trace.commands.len());
        self.trace.commands.push(Command { ms, words: words.collect(), reply: None });
    }

    fn exchange(&mut self, number: u32, change: impl FnOnce(&mut Exchange)) {
        let place = self.exchanges.get(&number).copied();
        match place.and_then(|at| self.trace.exchanges.get_mut(at)) {
            Some(exchange) => change(exchange),
            None => self.spoil("a part of an unknown exchange"),
        }
    }
}

impl Exchange {
    /// The whole request body.
    pub fn request_bytes(&self) -> Bytes {
        join(&self.request_body)
    }

    /// The whole answer body as it came.
    pub fn response_bytes(&self) -> Bytes {
        join(&self.response_body)
    }
}

/// Joins pieces; one piece is not copied.
fn join(pieces: &[Bytes]) -> Bytes {
    match pieces {
        [one] => one.clone(),
        pieces => pieces.concat().into(),
    }
}

fn now_ms() -> i64 {
    Clock::system().now_ms()
}

fn note_size(note: &Note) -> usize {
    const HEAD: usize = 512;
    match note {
        Note::Command { resp, .. } | Note::Reply { resp, .. } => resp.len() + 64,
        Note::RequestBody { data, .. } | Note::ResponseBody { data, .. } => data.len() + 32,
        Note::Request { head, .. } => {
            HEAD + head.headers.iter().map(|(n, v)| n.len() + v.len() + 48).sum::<usize>()
        }
        Note::Response { head, .. } => {
            HEAD + head.headers.iter().map(|(n, v)| n.len() + v.len() + 48).sum::<usize>()
        }
        _ => 64,
    }
}
