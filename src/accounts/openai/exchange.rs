//! Exchange of a ChatGPT account's tokens, under the lock.

use std::sync::Arc;

use compat::{
    clock::iso,
    crypto::Service,
    pool::{Entry, Patch},
};

use super::oauth::{self, Tokens};
use crate::{
    accounts::{Accounts, RefreshError, proxy, refresh::Refused},
    domain::Secret,
};

fn refused(refused: Refused) -> RefreshError {
    RefreshError::Refused(Arc::new(refused))
}

impl Accounts {
    pub(in crate::accounts) async fn openai_exchange(
        &self,
        entry: &Entry,
        refresh_token: &Secret,
    ) -> Result<Secret, RefreshError> {
        let proxy = proxy::of(entry);
        let timeout = self.0.rules.request_timeout;
        let request = oauth::token_request(refresh_token, proxy.clone(), timeout);
        let (status, body) = self.ask(request).await.map_err(|error| {
            let text = oauth::unreachable(&error, proxy.as_ref());
            refused(Refused { text, status: None, details: None, code: error.code })
        })?;
        let text = match status {
            200 if body.is_empty() => oauth::no_tokens(status),
            200 => {
                // The legacy service stores an answer without a token, and with that loses the old ones.
                let tokens = oauth::read_tokens(&body).ok_or_else(|| {
                    RefreshError::Upstream("Token refresh gave no access token".into())
                })?;
                let patch = self.rotated(entry, refresh_token, &tokens);
                self.store_rotation(entry, &patch).await;
                return Ok(tokens.access_token);
            }
            201..300 => oauth::no_tokens(status),
            _ => {
                let text = oauth::refusal(status, &body);
                let details = Some(oauth::parsed(&body));
                return Err(refused(Refused { text, status: Some(status), details, code: None }));
            }
        };
        Err(RefreshError::Upstream(text))
    }

    /// What new tokens change in the record. Who the account belongs to is only taken from the first id
    /// token that it gets.
    fn rotated(&self, entry: &Entry, used: &Secret, tokens: &Tokens) -> Patch {
        let now_ms = self.now_ms();
        let seal = |text: &str| self.0.ports.vault.encrypt(Service::OpenAi, text);
        #[expect(clippy::cast_possible_truncation, reason = "saturates; whole milliseconds")]
        let expires_ms = now_ms.saturating_add((tokens.expires_in * 1000.0) as i64);
        let mut patch = Patch::new()
            .set("accessToken", seal(tokens.access_token.expose()))
            .set("expiresAt", iso(expires_ms))
            .set("updatedAt", iso(now_ms));
        if let Some(id_token) = &tokens.id_token {
            patch = patch.set("idToken", seal(id_token.expose()));
            if self.decrypt(entry, "idToken").is_empty() {
                for (field, text) in oauth::claims(id_token.expose()) {
                    let text = if field == "email" { seal(&text) } else { text };
                    patch = patch.set(field, text);
                }
            }
        }
        if let Some(rotated) = &tokens.refresh_token
            && rotated.expose() != used.expose()
        {
            patch = patch.set("refreshToken", seal(rotated.expose()));
        }
        patch
    }
}
