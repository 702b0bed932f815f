//! One request's life in phases: admit, choose, build, send, stream, settle.
//!
//! [`Relay::admit`] answers for keys and limits; [`Relay::messages`] and [`Relay::count_tokens`] are the
//! Claude routes (contract/anthropic.md §1.3, §1.4), [`Relay::chat`] those in OpenAI's chat dialect (§1.5),
//! [`Relay::responses`] and [`Relay::images`] those of the OpenAI family. A relay runs in a task of its own,
//! so settling always happens, also when the client leaves or a phase panics. Nothing here knows an HTTP
//! framework; the world is reached through `upstream::Sender` and the services.

mod admit;
mod azure;
mod bedrock;
mod call;
mod ccr;
mod chat;
mod choose;
mod console;
mod count_tokens;
mod exchange;
mod failure;
mod messages;
mod official;
mod openai;
mod plain;
mod provider;
mod pump;
mod reply;
mod responses;
mod settle;
mod trail;

use std::{ops::Deref, sync::Arc, time::Duration};

use compat::{
    clock::{Clock, LocalCalendar},
    pool::Pools,
    relay_config::RelayConfig,
};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What is asked of Azure.
pub use crate::platform::azure_openai::Endpoint as AzureEndpoint;
/// Names the session of a call.
pub use crate::wire::anthropic::session_hash;
/// The body of a call, which `api` parses and hands over.
pub use crate::wire::body::{BodyError, RequestBody};
pub use admit::Admission;
pub use azure::SESSION_HEADER as AZURE_SESSION_HEADER;
pub use call::{Call, Incoming};
pub use chat::{ChatAsk, ChatClient, ChatRoute, platform_of};
/// Whose accounts a request chooses among.
pub use compat::pool::Family;
pub use openai::{
    Instructions, ResponsesAsk, Shape, ShapedStream, Source as InstructionsSource, image_session,
};
pub use pump::AfterClient;
pub use reply::{Reply, ReplyBody};
pub use trail::{End, Explained, Step, Trail, Trails};

use crate::{
    accounts::Accounts,
    billing::Billing,
    keys::{Keys, MessageQueue},
    platform::bedrock as aws,
    schedule::{Scheduler, SessionBindings},
    upstream::Sender,
};

/// Settings of the relay.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// Longest silence of a vendor (`REQUEST_TIMEOUT`).
    pub request_timeout: Duration,
    /// Whether connections through proxies are kept (`PROXY_KEEP_ALIVE`).
    pub proxy_keep_alive: bool,
    /// `CLAUDE_API_VERSION`.
    pub api_version: String,
    /// Caps on reading a reply whose client has left.
    pub after_client: AfterClient,
    /// Pause before a 403 is tried again.
    pub forbidden_pause: Duration,
    /// AWS Bedrock.
    pub bedrock: aws::Settings,
    /// Azure's cached input is charged once, and events of any size are read (`CRS_AZURE_EXACT_USAGE`).
    pub azure_exact_usage: bool,
}

/// The services that a request passes through.
pub struct RelayParts {
    /// API keys.
    pub keys: Arc<Keys>,
    /// Choice of accounts.
    pub scheduler: Arc<Scheduler>,
    /// State of accounts.
    pub accounts: Accounts,
    /// Snapshots of all accounts.
    pub pools: Arc<Pools>,
    /// The operator's calendar.
    pub calendar: LocalCalendar,
    /// Sessions bound to accounts.
    pub bindings: SessionBindings,
    /// Costs and usage.
    pub billing: Arc<Billing>,
    /// Serialised user messages.
    pub queue: MessageQueue,
    /// Instructions for clients that are not Codex.
    pub instructions: Instructions,
    /// Way to the vendors.
    pub sender: Arc<dyn Sender>,
    /// Time.
    pub clock: Clock,
    /// Settings.
    pub settings: RelaySettings,
    /// Cancelled when open streams must end now.
    pub cut_streams: CancellationToken,
    /// All relay tasks; closed and awaited on shutdown.
    pub tasks: TaskTracker,
}

/// The pipeline.
pub struct Relay {
    parts: RelayParts,
    /// Why the last requests went as they did.
    pub trails: Trails,
    /// The last parsed relay settings and the text they came from.
    config: Mutex<Option<(Option<String>, Arc<RelayConfig>)>>,
    /// What was learned of AWS's clock and patience.
    aws_state: bedrock::ClientStates,
}

impl Relay {
    /// A pipeline of these parts.
    pub fn new(parts: RelayParts) -> Self {
        Self {
            parts,
            trails: Trails::default(),
            config: Mutex::default(),
            aws_state: bedrock::ClientStates::default(),
        }
    }
}

impl Deref for Relay {
    type Target = RelayParts;

    fn deref(&self) -> &RelayParts {
        &self.parts
    }
}
