//! Plain calls to Bedrock accounts.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use serde_json::json;

use super::{NO_DETAILS, Relay};
use crate::{
    accounts::BedrockReady,
    platform::bedrock::{
        Fault,
        reply::{error_body, message},
    },
    relay::{
        Call, Reply, chat,
        choose::{ChoiceError, Chosen},
        plain::{PlainReply, served_by},
    },
    upstream::SendError,
};

impl Relay {
    /// `/v1/messages` without streaming.
    pub(in crate::relay) async fn bedrock_plain(
        &self,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        let Some(ready) = self.accounts.bedrock_ready(chosen.entry()).await else {
            return Ok(failed(&call, NO_DETAILS));
        };
        let turn = match self.turn(&call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => {
                tracing::warn!(%error, account = %chosen.entry().id, "no turn at a Bedrock account");
                return Ok(match &call.chat {
                    Some(_) => chat::vendor_error(error.status(), &error.to_string()),
                    None => Reply::json(500, &json!({})),
                });
            }
        };
        let asked = self
            .for_client(&call, async { Ok(self.bedrock_message(&call, &chosen, &ready).await) });
        let outcome = match asked.await {
            Ok(outcome) => outcome,
            Err(failure) => return Err((call, failure.into())),
        };
        drop(turn);
        match outcome {
            Ok(body) => {
                let headers = [("Content-Type", "application/json")].into_iter().collect();
                let plain = PlainReply { status: 200, headers, body: body.into() };
                let (id, kind) = served_by(&chosen);
                Ok(self.hand_on(&call, &id, kind, plain).await)
            }
            Err(fault) => {
                self.settle_bedrock(&call, &chosen, &fault).await;
                Ok(failed(&call, &fault.told()))
            }
        }
    }

    async fn bedrock_message(
        &self,
        call: &Call,
        chosen: &Chosen,
        ready: &BedrockReady,
    ) -> Result<Vec<u8>, Fault> {
        let plan = self.bedrock_plan(call, ready, false)?;
        let response = self.ask_bedrock(call, &plan, &chosen.entry().id).await?;
        let body = what_came(response.body).await;
        let default_model = &self.settings.bedrock.default_model;
        message(body, default_model, || format!("msg_{}_bedrock", self.clock.now_ms()))
    }
}

/// A failed request, whatever failed.
fn failed(call: &Call, told: &str) -> Reply {
    if call.chat.is_some() {
        return chat::vendor_error(500, told);
    }
    let mut reply = Reply::json(500, &error_body(told));
    reply.headers.set("Content-Type", "application/json");
    reply
}

/// A body up to where it broke off: the legacy service's client takes that for the whole, and then
/// cannot read it.
async fn what_came(mut body: BoxStream<'static, Result<Bytes, SendError>>) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        whole.extend_from_slice(&chunk);
    }
    whole.freeze()
}
