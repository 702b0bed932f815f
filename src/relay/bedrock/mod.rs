//! The Bedrock relay: Claude models behind AWS (contract/anthropic.md §5.3).
//!
//! A request is tried as often as the vendor's client library tries it, on the same account; nothing
//! here fails over. Unlike the legacy service, credentials are read anew for each request.

mod client;
mod plain;
mod stream;

use std::sync::Arc;

use compat::js;
use rand::Rng;
use uuid::Uuid;

pub(super) use client::ClientStates;

use super::{Call, Relay, choose::Chosen, official::sent, plain::read_all};
use crate::{
    accounts::BedrockReady,
    platform::bedrock::{self, Again, Attempt, Fault, Plan},
    upstream::{SendError, SendErrorKind, UpstreamRequest, UpstreamResponse},
};

/// Told for an account whose record or credentials cannot be read.
const NO_DETAILS: &str = "Failed to get Bedrock account details";
/// Longest pause between two attempts, milliseconds.
const LONGEST_PAUSE_MS: f64 = 20_000.0;

impl Relay {
    fn bedrock_plan(&self, call: &Call, ready: &BedrockReady, stream: bool) -> Result<Plan, Fault> {
        let settings = &self.settings.bedrock;
        let plan = bedrock::plan(&call.incoming.body, stream, &ready.account, settings)?;
        call.trail.note("build", format!("{} in {}", plan.model, plan.region));
        Ok(plan)
    }

    /// Exchanges with the vendor until one attempt succeeds or none is left; gives the answer's head.
    async fn ask_bedrock(
        &self,
        call: &Call,
        plan: &Plan,
        account_id: &Arc<str>,
    ) -> Result<UpstreamResponse, Fault> {
        let invocation_id = Uuid::new_v4().to_string();
        let client = self.aws_state.of(&plan.region, account_id);
        let of = self.settings.bedrock.max_attempts;
        let mut number = 1;
        // What the last repetition took from the client's patience.
        let mut paid = None;
        loop {
            let now_ms = self.clock.now_ms() + client.clock_offset_ms();
            let attempt = Attempt { invocation_id: &invocation_id, number, of, now_ms };
            let answered = self.try_bedrock(call, plan, &attempt).await;
            let (mut fault, headers) = match answered {
                Ok(response) if response.status < 300 => {
                    client.follow_clock(self.clock.now_ms(), date_of(&response));
                    client.succeeded(paid);
                    return Ok(response);
                }
                Ok(response) => {
                    let date = date_of(&response);
                    let (status, headers) = (response.status, response.headers);
                    let body = read_all(response.body).await.unwrap_or_default();
                    let mut fault = Fault::of_answer(status, &headers, &body);
                    let moved = client.follow_clock(self.clock.now_ms(), date);
                    if moved && fault.again == Again::No {
                        fault.again = Again::Transient;
                    }
                    (fault, Some(headers))
                }
                Err(fault) => (fault, None),
            };
            if i64::from(number) >= of {
                fault.again = Again::No;
            }
            paid = client.pays(fault.again);
            let Some(_) = paid else {
                tracing::warn!(
                    request_id = %call.incoming.request_id,
                    account = %account_id,
                    class = %fault.name,
                    status = fault.status,
                    attempts = number,
                    "Bedrock refused"
                );
                return Err(fault);
            };
            let asked = headers.as_ref().and_then(|headers| headers.get("retry-after"));
            tokio::time::sleep(self.pause(fault.again, number, asked)).await;
            number += 1;
        }
    }

    async fn try_bedrock(
        &self,
        call: &Call,
        plan: &Plan,
        attempt: &Attempt<'_>,
    ) -> Result<UpstreamResponse, Fault> {
        let request = bedrock::sign_attempt(plan, attempt)?;
        let answered = self
            .sender
            .send_past(UpstreamRequest {
                method: http::Method::POST,
                url: request.url,
                headers: request.headers,
                body: request.body,
                proxy: None,
                idle_timeout: self.settings.request_timeout,
                decode_body: false,
            })
            .await;
        call.trail.note("send", sent(&answered));
        answered.map_err(|error| self.broken(error))
    }

    /// A pause that grows with the attempts; a date in `Retry-After` lengthens it. Seconds there do
    /// not: the client library takes them for a moment long past.
    fn pause(&self, again: Again, number: u32, asked: Option<&str>) -> std::time::Duration {
        let base = if again == Again::Throttled { 500.0 } else { 100.0 };
        let grown = base * 2_f64.powi(i32::try_from(number).unwrap_or(1) - 1);
        let random: f64 = rand::rng().random();
        let until = asked.filter(|text| text.trim().parse::<f64>().is_err());
        let until = until.and_then(js::date_ms).map_or(0, |at| at - self.clock.now_ms());
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let ms = (random * grown).max(until as f64).clamp(0.0, LONGEST_PAUSE_MS);
        std::time::Duration::from_secs_f64(ms.floor() / 1000.0)
    }

    /// An exchange without an answer, as the legacy service's HTTP/2 client words it.
    fn broken(&self, error: SendError) -> Fault {
        use SendErrorKind::{
            ConnectTimeout, Dns, IdleTimeout, Invalid, Network, Refused, Reset, Tls,
        };
        const NO_ANSWER: &str = "Unexpected error: http2 request did not get a response";
        let canceled =
            |text: &str| format!("The pending stream has been canceled (caused by: {text})");
        match error.kind {
            IdleTimeout => {
                let ms = self.settings.request_timeout.as_millis();
                let text = format!("Stream timed out because of no activity for {ms} ms");
                Fault { name: "TimeoutError".to_owned(), ..Fault::transient(text) }
            }
            Refused | Dns | ConnectTimeout | Network => Fault::transient(canceled(&error.message)),
            Reset if error.message == "socket hang up" => Fault::local(NO_ANSWER),
            Reset => Fault::transient(NO_ANSWER),
            Tls => Fault::local(canceled(&error.message)),
            Invalid if error.code == Some("ERR_INVALID_CHAR") => {
                Fault::local("Stream closed with error code NGHTTP2_PROTOCOL_ERROR")
            }
            Invalid => Fault::local("Invalid URL"),
            _ => Fault::local(error.message),
        }
    }

    /// Puts an account aside after what went wrong with it.
    async fn settle_bedrock(&self, call: &Call, chosen: &Chosen, fault: &Fault) {
        call.trail.note("answer", format!("failed: {}", fault.name));
        if let Some(status) = fault.mark() {
            self.accounts.settle_bedrock(chosen.entry(), status).await;
        }
    }
}

/// The vendor's clock, epoch milliseconds.
fn date_of(response: &UpstreamResponse) -> Option<i64> {
    js::date_ms(response.headers.get("date")?)
}
