//! Runs commands on the keyspace: words, scripts, transactions. No I/O: whoever calls brings the keys.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    cmd::Command,
    keyspace::Keyspace,
    resp::{Answer, Fail, Resp},
    script::{Scripts, operands},
};

/// What must be loaded before commands can run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) keys: BTreeSet<Bytes>,
    /// Patterns of walks over all keys.
    pub(super) patterns: BTreeSet<Bytes>,
}

impl Needs {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.patterns.is_empty()
    }
}

/// The state of one run.
pub(super) struct Engine {
    pub(super) keys: Keyspace,
    scripts: Scripts,
    /// Commands after `MULTI`, and whether one was refused.
    queue: Option<(Vec<Vec<Bytes>>, bool)>,
    /// Commands that are not known here, and how often they came.
    pub(super) unsupported: BTreeMap<String, u64>,
}

impl Engine {
    pub(super) fn new(keys: Keyspace) -> Self {
        Self { keys, scripts: Scripts::default(), queue: None, unsupported: BTreeMap::new() }
    }

    /// What these commands name and is not loaded. Scripts may ask for more while they run.
    pub(super) fn needs(&self, commands: &[Vec<Bytes>]) -> Needs {
        let mut needs = Needs::default();
        for args in commands {
            self.add_needs(args, &mut needs);
        }
        needs
    }

    fn add_needs(&self, args: &[Bytes], needs: &mut Needs) {
        let Some(name) = args.first() else { return };
        if is(name, "EXEC") {
            for queued in self.queue.iter().flat_map(|(queued, _)| queued) {
                self.add_needs(queued, needs);
            }
        } else if is_script(name) && args.len() > 2 {
            let keys = operands(args).map(|(keys, _)| keys).unwrap_or_default();
            needs.keys.extend(keys.iter().filter(|key| !self.keys.knows(key)).cloned());
        } else if let Some(command) = Command::find(name) {
            let keys = command.keys(args).into_iter();
            needs.keys.extend(keys.filter(|key| !self.keys.knows(key)).cloned());
            let pattern = command.pattern(args);
            needs.patterns.extend(pattern.filter(|pattern| !self.keys.listed(pattern)));
        }
    }

    /// Runs the commands, or changes nothing and says what was missing.
    pub(super) fn attempt(
        &mut self,
        commands: &[Vec<Bytes>],
        atomic: bool,
    ) -> Result<Vec<Resp>, Needs> {
        // Everything else names its keys, which were loaded before.
        let surprising = |args: &Vec<Bytes>| {
            args.first().is_some_and(|name| {
                is_script(name)
                    || is(name, "EXEC")
                    || Command::find(name).is_some_and(|command| command.pattern(args).is_some())
            })
        };
        let before =
            commands.iter().any(surprising).then(|| (self.keys.snapshot(), self.queue.clone()));
        self.keys.take_missing();
        if atomic {
            self.keys.freeze(true);
        }
        let replies = commands.iter().map(|args| self.run(args)).collect();
        self.keys.freeze(false);
        let missing = self.keys.take_missing();
        match before {
            Some((slots, queue)) if !missing.is_empty() => {
                self.keys.restore(slots);
                self.queue = queue;
                Err(Needs { keys: missing.into_iter().collect(), patterns: BTreeSet::new() })
            }
            _ => Ok(replies),
        }
    }

    fn run(&mut self, args: &[Bytes]) -> Resp {
        let Some(name) = args.first() else {
            return Resp::Error("ERR unknown command ''".into());
        };
        let name = name.to_ascii_uppercase();
        match (name.as_slice(), &mut self.queue) {
            (b"MULTI", Some(_)) => Resp::Error("ERR MULTI calls can not be nested".into()),
            (b"MULTI", queue) => {
                *queue = Some((Vec::new(), false));
                Resp::ok()
            }
            (b"EXEC", None) => Resp::Error("ERR EXEC without MULTI".into()),
            (b"DISCARD", None) => Resp::Error("ERR DISCARD without MULTI".into()),
            (b"DISCARD", queue) => {
                *queue = None;
                Resp::ok()
            }
            (b"EXEC", _) => self.exec(),
            // Nothing else writes to this keyspace, so nothing can have changed.
            (b"WATCH" | b"UNWATCH", _) => Resp::ok(),
            (_, Some(_)) => self.enqueue(args),
            (_, None) => self.execute(&name, args).into(),
        }
    }

    fn exec(&mut self) -> Resp {
        let (queued, refused) = self.queue.take().unwrap_or_default();
        if refused {
            return Resp::Error(
                "EXECABORT Transaction discarded because of previous errors.".into(),
            );
        }
        self.keys.freeze(true);
        let replies = queued
            .iter()
            .map(|args| {
                let name = args.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
                self.execute(&name, args).into()
            })
            .collect();
        self.keys.freeze(false);
        Resp::Array(replies)
    }

    fn enqueue(&mut self, args: &[Bytes]) -> Resp {
        let refusal = match Command::find(&args[0]) {
            Some(command) if command.accepts(args.len()) => None,
            Some(command) => Some(Fail::arity(command.name)),
            None if is_script(&args[0]) || is(&args[0], "SCRIPT") => None,
            None => Some(self.unknown(args)),
        };
        if let Some((queued, refused)) = &mut self.queue {
            if refusal.is_none() {
                queued.push(args.to_vec());
            }
            *refused |= refusal.is_some();
        }
        match refusal {
            Some(Fail(message)) => Resp::Error(message),
            None => Resp::Status(Bytes::from_static(b"QUEUED")),
        }
    }

    fn execute(&mut self, name: &[u8], args: &[Bytes]) -> Answer {
        match name {
            b"EVAL" | b"EVAL_RO" => self.eval(args, false),
            b"EVALSHA" | b"EVALSHA_RO" => self.eval(args, true),
            b"SCRIPT" => self.script(args),
            _ => match Command::find(name) {
                Some(command) => command.run(&mut self.keys, args),
                None => Err(self.unknown(args)),
            },
        }
    }

    fn unknown(&mut self, args: &[Bytes]) -> Fail {
        let name = String::from_utf8_lossy(&args[0]);
        note(&mut self.unsupported, &args[0]);
        let words = args[1..].iter().map(|word| format!("'{}' ", String::from_utf8_lossy(word)));
        let words: String = words.collect();
        let words = words.chars().take(128).collect::<String>();
        Fail(format!("ERR unknown command '{name}', with args beginning with: {words}"))
    }

    fn eval(&mut self, args: &[Bytes], by_hash: bool) -> Answer {
        if args.len() < 3 {
            return Err(Fail::arity(if by_hash { "evalsha" } else { "eval" }));
        }
        let (keys, argv) = operands(args)?;
        let source = if by_hash {
            match self.scripts.by_hash(&args[1]) {
                Some(source) => source,
                None => {
                    // The real server may know it from earlier: this run cannot.
                    note(&mut self.unsupported, b"EVALSHA of an unknown script");
                    return Err("NOSCRIPT No matching script. Please use EVAL.".into());
                }
            }
        } else {
            self.scripts.add(&args[1]);
            args[1].clone()
        };
        let already_frozen = self.keys.is_frozen();
        if !already_frozen {
            self.keys.freeze(true);
        }
        let unsupported = &mut self.unsupported;
        let resp = self
            .scripts
            .run(&mut self.keys, &source, keys, argv, &mut |name| note(unsupported, name));
        if !already_frozen {
            self.keys.freeze(false);
        }
        Ok(resp)
    }

    fn script(&mut self, args: &[Bytes]) -> Answer {
        match args.get(1).map(|word| word.to_ascii_uppercase()).as_deref() {
            Some(b"LOAD") if args.len() == 3 => Ok(Resp::text(self.scripts.add(&args[2]))),
            Some(b"EXISTS") => Ok(Resp::Array(
                args[2..]
                    .iter()
                    .map(|hash| Resp::flag(self.scripts.by_hash(hash).is_some()))
                    .collect(),
            )),
            Some(b"FLUSH") => Ok(Resp::ok()),
            _ => Err("ERR unknown subcommand or wrong number of arguments for 'script'".into()),
        }
    }
}

/// At most so many different names are kept; more say nothing new.
const MAX_UNSUPPORTED: usize = 64;

fn note(unsupported: &mut BTreeMap<String, u64>, name: &[u8]) {
    let name: String = String::from_utf8_lossy(name).chars().take(64).collect();
    if unsupported.len() < MAX_UNSUPPORTED || unsupported.contains_key(&name) {
        *unsupported.entry(name).or_default() += 1;
    }
}

fn is(name: &[u8], other: &str) -> bool {
    name.eq_ignore_ascii_case(other.as_bytes())
}

fn is_script(name: &[u8]) -> bool {
    ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"].iter().any(|script| is(name, script))
}
