//! Plain calls to console accounts.

use super::Relay;
use crate::{
    accounts::ProviderReply,
    platform::claude_console as console,
    relay::{
        Call, Reply,
        choose::{ChoiceError, Chosen},
        failure::Failure,
        official::queue_refusal,
        plain::{PlainReply, served_by},
        provider::plain_failure,
    },
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
        let mut held = self.hold(chosen, turn).await?;
        let asked = self.for_client(call, async {
            self.ask_whole(call, &held, console::build, path).await.map_err(plain_failure)
        });
        let mut plain = asked.await?;
        held.turn = None;
        let answer = ProviderReply {
            status: plain.status,
            headers: &plain.headers,
            error_body: &plain.body,
            stream: false,
        };
        self.accounts.settle_provider(chosen.entry(), &answer).await;
        if !(200..300).contains(&plain.status) {
            plain.body = sanitize::sanitize_body(&plain.body, false).into();
        }
        Ok(plain)
    }
}
