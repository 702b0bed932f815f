//! Requests of the OpenAI family: the account and its credentials.

#[expect(dead_code, reason = "the routes that choose here follow")]
mod choose;
