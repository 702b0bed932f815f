//! Commands of the legacy service, played again.

use bytes::Bytes;

use super::{Memory, resp::Resp};
use crate::store::{Reply, StoreError};

/// Most divergences kept of one run; the count goes on.
const MAX_DIVERGENCES: usize = 100;

/// One command as it was seen on the wire.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Its words.
    pub args: Vec<Vec<u8>>,
    /// What the real Redis answered, if it was seen.
    pub reply: Option<Reply>,
}

/// A command that was answered differently in the replay: a sign that the base is not what the legacy
/// service found.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// Place among the commands played.
    pub at: usize,
    /// Command and first argument.
    pub command: String,
    /// What Redis had answered.
    pub expected: Reply,
    /// What the replay answered.
    pub got: Reply,
}

impl Memory {
    /// Plays one foreign command. `MULTI` and `EXEC` come as the commands they are.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub async fn command(&self, args: &[Vec<u8>]) -> Result<Reply, StoreError> {
        Ok(self.play(std::slice::from_ref(&args.to_vec())).await?.pop().unwrap_or(Reply::Nil))
    }

    /// Plays foreign commands in order and notes where a reply is not what Redis had answered. All keys
    /// that they name are loaded at once.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub async fn replay(&self, commands: &[Foreign]) -> Result<Vec<Reply>, StoreError> {
        let args: Vec<Vec<Vec<u8>>> = commands.iter().map(|command| command.args.clone()).collect();
        let replies = self.play(&args).await?;
        let mut divergences = self.divergences.lock();
        for (at, (command, got)) in commands.iter().zip(&replies).enumerate() {
            if let Some(expected) = &command.reply
                && divergences.len() < MAX_DIVERGENCES
                && !alike(&command.args, expected, got)
            {
                let words = command.args.iter().take(2).map(|word| String::from_utf8_lossy(word));
                divergences.push(Divergence {
                    at,
                    command: words.collect::<Vec<_>>().join(" "),
                    expected: expected.clone(),
                    got: got.clone(),
                });
            }
        }
        Ok(replies)
    }

    /// Replies that differed in [`Memory::replay`], at most a hundred.
    pub fn divergences(&self) -> Vec<Divergence> {
        self.divergences.lock().clone()
    }

    async fn play(&self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Reply>, StoreError> {
        let words = |args: &Vec<Vec<u8>>| {
            args.iter().map(|word| Bytes::copy_from_slice(word)).collect::<Vec<Bytes>>()
        };
        let commands: Vec<Vec<Bytes>> = commands.iter().map(words).collect();
        // One load for all; after that each command stands alone, so that a script which lacks a key is
        // undone without those before it.
        let needs = self.engine.lock().needs(&commands);
        self.load(needs).await?;
        let mut replies: Vec<Resp> = Vec::with_capacity(commands.len());
        for command in &commands {
            replies.extend(self.execute(std::slice::from_ref(command), false).await?);
        }
        Ok(replies.into_iter().map(Reply::from).collect())
    }
}

/// Equal but for what cannot be: clocks, ids made by Redis, the order of sets, where a script failed.
fn alike(args: &[Vec<u8>], expected: &Reply, got: &Reply) -> bool {
    let name = args.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    match (name.as_slice(), expected, got) {
        (b"TIME" | b"INFO" | b"HELLO" | b"CLIENT" | b"SCRIPT" | b"SCAN" | b"DBSIZE", _, _) => true,
        (b"XADD" | b"SRANDMEMBER" | b"SPOP", Reply::Data(_), Reply::Data(_)) => true,
        // Time passes between reading a lifetime and playing it.
        (b"TTL", Reply::Int(a @ 0..), Reply::Int(b @ 0..)) => (a - b).abs() <= 2,
        (b"PTTL", Reply::Int(a @ 0..), Reply::Int(b @ 0..)) => (a - b).abs() <= 2000,
        (
            b"SMEMBERS" | b"SUNION" | b"SINTER" | b"SDIFF" | b"HKEYS" | b"HVALS" | b"KEYS"
            | b"SSCAN",
            Reply::Array(a),
            Reply::Array(b),
        ) => sorted(a.iter()) == sorted(b.iter()),
        (b"HGETALL" | b"HSCAN", Reply::Array(a), Reply::Array(b)) => {
            sorted(a.chunks(2)) == sorted(b.chunks(2))
        }
        (_, Reply::Error(a), Reply::Error(b)) => cause(a) == cause(b),
        _ => expected == got,
    }
}

fn sorted<T: std::fmt::Debug>(items: impl Iterator<Item = T>) -> Vec<String> {
    let mut items: Vec<String> = items.map(|item| format!("{item:?}")).collect();
    items.sort();
    items
}

fn cause(message: &str) -> &str {
    message.split(" script: ").next().unwrap_or(message)
}
