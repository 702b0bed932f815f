//! Plain calls to official accounts (contract/anthropic.md §4).

use super::{Ending, Prepared, Relay, is_serial, queue_refusal};
use crate::{
    platform::claude_official::{Endpoint, outcome},
    relay::{
        Call, Reply,
        choose::{ChoiceError, Chosen},
        failure::Failure,
        plain::{PlainReply, read_all, served_by},
    },
    upstream::{SendError, SendErrorKind},
};

/// An exchange that broke off.
struct Broken {
    error: SendError,
    /// Within the answer's body.
    begun: bool,
}

impl Relay {
    /// `/v1/messages` without streaming.
    pub(in crate::relay) async fn official_plain(
        &self,
        call: Call,
        chosen: Chosen,
    ) -> Result<Reply, (Call, ChoiceError)> {
        match self.official_reply(&call, &chosen, Endpoint::Messages).await {
            Ok(plain) => {
                let (id, kind) = served_by(&chosen);
                Ok(self.hand_on(&call, &id, kind, plain).await)
            }
            Err(failure) => Err((call, failure.into())),
        }
    }

    /// The vendor's reply, after everything that follows from it for the account.
    pub(in crate::relay) async fn official_reply(
        &self,
        call: &Call,
        chosen: &Chosen,
        endpoint: Endpoint,
    ) -> Result<PlainReply, Failure> {
        let serial = is_serial(chosen);
        let turn = match self.turn(call, &chosen.entry().id, serial).await {
            Ok(turn) => turn,
            Err(error) => return Ok(queue_refusal(error)),
        };
        let prepared = self.prepare(call, chosen).await?;
        let exchange = async { Ok(self.official_exchange(call, &prepared, endpoint).await) };
        let plain = match self.for_client(call, exchange).await? {
            Ok(plain) => plain,
            Err(broken) => return Err(self.official_broken(chosen, broken).await),
        };
        drop(turn);
        let instead = self.settle_official(call, chosen, &prepared, &plain, Ending::Plain).await;
        Ok(instead.map_or(plain, |refusal| PlainReply::json(refusal.status, &refusal.body)))
    }

    async fn official_exchange(
        &self,
        call: &Call,
        prepared: &Prepared,
        endpoint: Endpoint,
    ) -> Result<PlainReply, Broken> {
        let mut suffixed = false;
        loop {
            let built = self.build(call, prepared, endpoint, suffixed);
            self.note_fingerprint(prepared, &built).await;
            let asked = self.exchange_with_retries(call, prepared, &built, &mut 0).await;
            let response = asked.map_err(|error| Broken { error, begun: false })?;
            let (status, headers) = (response.status, response.headers);
            let read = read_all(response.body).await;
            let mut body = read.map_err(|error| Broken { error, begun: true })?;
            if let Some(names) = &built.tool_names {
                body = names.restore_body(body);
            }
            if !suffixed && outcome::refuses_tool_names(&body) {
                suffixed = true;
                continue;
            }
            return Ok(PlainReply { status, headers, body });
        }
    }

    /// What a broken exchange means for the account and for the client.
    async fn official_broken(&self, chosen: &Chosen, broken: Broken) -> Failure {
        let Broken { mut error, begun } = broken;
        if matches!(error.kind, SendErrorKind::IdleTimeout | SendErrorKind::ConnectTimeout) {
            self.accounts.settle_official_timeout(chosen.entry()).await;
        }
        if error.kind == SendErrorKind::IdleTimeout {
            // The idle connection is torn down, and clients of the legacy service hear of that, unless the
            // answer had begun.
            if begun {
                return Failure::verbatim(error);
            }
            error.kind = SendErrorKind::Reset;
        }
        Failure::official(&error)
    }
}
