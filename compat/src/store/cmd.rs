//! Commands as data.

use bytes::Bytes;

/// A Lua script known to the crate; the text is sent once per connection and then named by its hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// Name for metrics, traces and the recording store, e.g. `concurrency.acquire`.
    pub name: &'static str,
    /// Lua source.
    pub source: &'static str,
}

/// One Redis command: its words, or a script call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cmd {
    /// Command name and arguments.
    Words(Vec<Bytes>),
    /// Script, number of keys, then keys and arguments.
    Script {
        /// Which script.
        script: &'static Script,
        /// How many of `args` are keys.
        keys: usize,
        /// Keys, then arguments.
        args: Vec<Bytes>,
    },
}

impl Cmd {
    /// A command without arguments yet: `Cmd::new("HGETALL").arg("apikey:1")`.
    pub fn new(name: &'static str) -> Self {
        let mut words = Vec::with_capacity(4);
        words.push(Bytes::from_static(name.as_bytes()));
        Self::Words(words)
    }

    /// A script call with its keys; add arguments with [`Cmd::arg`].
    pub fn script<K: IntoArg>(script: &'static Script, keys: impl IntoIterator<Item = K>) -> Self {
        let mut args = Vec::with_capacity(8);
        args.extend(keys.into_iter().map(IntoArg::into_arg));
        Self::Script { script, keys: args.len(), args }
    }

    /// Appends one argument.
    #[must_use]
    pub fn arg(mut self, value: impl IntoArg) -> Self {
        self.words_mut().push(value.into_arg());
        self
    }

    fn words_mut(&mut self) -> &mut Vec<Bytes> {
        match self {
            Self::Words(words) => words,
            Self::Script { args, .. } => args,
        }
    }

    /// Appends several arguments.
    #[must_use]
    pub fn args<A: IntoArg>(self, values: impl IntoIterator<Item = A>) -> Self {
        let values = values.into_iter();
        let mut cmd = self;
        cmd.words_mut().reserve(values.size_hint().0);
        values.fold(cmd, Self::arg)
    }

    /// The command's name, or the script's.
    pub fn name(&self) -> &str {
        match self {
            Self::Words(words) => {
                words.first().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
            }
            Self::Script { script, .. } => script.name,
        }
    }
}

/// A value that can be an argument of a command.
pub trait IntoArg {
    /// The argument's bytes.
    fn into_arg(self) -> Bytes;
}

impl IntoArg for Bytes {
    fn into_arg(self) -> Bytes {
        self
    }
}

impl IntoArg for String {
    fn into_arg(self) -> Bytes {
        Bytes::from(self)
    }
}

impl IntoArg for &String {
    fn into_arg(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl IntoArg for &str {
    fn into_arg(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

macro_rules! number_arg {
    ($($t:ty),*) => {$(
        impl IntoArg for $t {
            fn into_arg(self) -> Bytes {
                Bytes::from(self.to_string())
            }
        }
    )*};
}
number_arg!(i64, u64, i32, u32, usize);

/// Commands that travel together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Commands in order.
    pub cmds: Vec<Cmd>,
    /// Wrap in `MULTI`/`EXEC`: all or nothing.
    pub atomic: bool,
    /// Running it twice has the same effect as once, so a store may send it again when the connection
    /// broke. A batch of reads need not say so.
    pub repeatable: bool,
}

impl Batch {
    /// An empty pipeline.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty `MULTI`/`EXEC` batch.
    pub fn atomic() -> Self {
        Self { atomic: true, ..Self::default() }
    }

    /// Marks the batch as safe to send twice.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Adds a command and returns its place in the replies.
    pub fn push(&mut self, cmd: Cmd) -> usize {
        self.cmds.push(cmd);
        self.cmds.len() - 1
    }

    /// Whether there is no command.
    pub fn is_empty(&self) -> bool {
        self.cmds.is_empty()
    }
}

impl From<Cmd> for Batch {
    fn from(cmd: Cmd) -> Self {
        Self { cmds: vec![cmd], ..Self::default() }
    }
}

impl FromIterator<Cmd> for Batch {
    fn from_iter<I: IntoIterator<Item = Cmd>>(cmds: I) -> Self {
        Self { cmds: cmds.into_iter().collect(), ..Self::default() }
    }
}
