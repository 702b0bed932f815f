//! Plain calls to console accounts.

use super::Relay;
use crate::{
    accounts::ConsoleReply,
    relay::{
        Call, Reply,
        choose::{ChoiceError, Chosen},
        failure::Failure,
        official::queue_refusal,
        plain::{PlainReply, read_all, served_by},
    },
    upstream::{SendError, SendErrorKind},
    wire::anthropic::sanitize,
};

impl Relay {
    /// `/v1/messages` without streaming.
    pub(in crate::relay) async fn console_plain(
        &self,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        match self.console_reply(&call, &chosen, None).await {
            Ok(plain) => {
                let (id, kind) = served_by(&chosen);
                Ok(self.hand_on(&call, &id, kind, plain).await)
            }
            Err(failure) => Err((call, failure.into())),
        }
    }

    /// The provider's reply, its errors freed of the provider's words.
    pub(in crate::relay) async fn console_reply(
        &self,
        call: &Call,
        chosen: &Chosen,
        path: Option<&str>,
    ) -> Result<PlainReply, Failure> {
        let turn = match self.turn(call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal(error)),
        };
        let mut held = self.hold_console(chosen, turn).await?;
        let asked = self.for_client(call, async {
            let reply = async {
                let response = self.ask_console(call, &held, path).await?;
                let body = read_all(response.body).await.map_err(half_read)?;
                Ok(PlainReply { status: response.status, headers: response.headers, body })
            };
            reply.await.map_err(console_failure)
        });
        let mut plain = asked.await?;
        held.turn = None;
        let answer = ConsoleReply {
            status: plain.status,
            headers: &plain.headers,
            error_body: &plain.body,
            stream: false,
        };
        self.accounts.settle_console(chosen.entry(), &answer).await;
        if !(200..300).contains(&plain.status) {
            plain.body = sanitize::sanitize_body(&plain.body, false).into();
        }
        Ok(plain)
    }
}

/// A timeout is reported as the client's leaving, as the legacy service does.
fn console_failure(error: SendError) -> Failure {
    match error.kind {
        SendErrorKind::IdleTimeout => Failure::ClientGone,
        _ => Failure::verbatim(error),
    }
}

/// A connection lost inside a plain answer, as the legacy client library words it.
fn half_read(error: SendError) -> SendError {
    match error.kind {
        SendErrorKind::Reset | SendErrorKind::Network => {
            SendError::new(error.kind, "stream has been aborted")
        }
        _ => error,
    }
}
