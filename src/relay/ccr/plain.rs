//! Plain calls to CCR accounts.

use super::Relay;
use crate::{
    accounts::ProviderReply,
    platform::ccr,
    relay::{
        Call, Reply,
        choose::{ChoiceError, Chosen},
        failure::Failure,
        official::queue_refusal,
        plain::{PlainReply, served_by},
        provider::plain_failure,
    },
    upstream::SendErrorKind,
};

impl Relay {
    /// `/v1/messages` without streaming.
    pub(in crate::relay) async fn ccr_plain(
        &self,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        match self.ccr_reply(&call, &chosen).await {
            Ok(plain) => {
                let (id, kind) = served_by(&chosen);
                Ok(self.hand_on(&call, &id, kind, plain).await)
            }
            Err(failure) => Err((call, failure.into())),
        }
    }

    /// The provider's reply, whatever its status.
    pub(in crate::relay) async fn ccr_reply(
        &self,
        call: &Call,
        chosen: &Chosen,
    ) -> Result<PlainReply, Failure> {
        let turn = match self.turn(call, &chosen.entry().id, false).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal(error)),
        };
        let mut held = self.hold(chosen, turn).await?;
        let asked = self
            .for_client(call, async { Ok(self.ask_whole(call, &held, ccr::build, None).await) });
        let plain = match asked.await? {
            Ok(plain) => plain,
            Err(error) => {
                if error.kind != SendErrorKind::IdleTimeout {
                    self.accounts.ccr_broken(chosen.entry()).await;
                }
                return Err(plain_failure(error));
            }
        };
        held.turn = None;
        let answer = ProviderReply {
            status: plain.status,
            headers: &plain.headers,
            error_body: &[],
            stream: false,
        };
        self.accounts.settle_provider(chosen.entry(), &answer).await;
        Ok(plain)
    }
}
