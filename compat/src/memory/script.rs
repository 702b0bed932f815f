//! Scripts, run by Lua 5.1 as in Redis, with a bound on instructions and memory.
//!
//! Errors of scripts come without Redis' ` script: <sha>, on @user_script:<line>.` at the end. There is
//! no `cjson`, `cmsgpack`, `struct` or `bit`; a script that names one fails.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use mlua::{
    Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value as LuaValue, VmState,
};
use sha1::{Digest, Sha1};

use super::{
    cmd::Command,
    keyspace::Keyspace,
    number::{print_double, truncate},
    resp::{Fail, Resp},
};

/// Instructions between two looks at the budget.
const STEP: u32 = 10_000;
/// Steps that a script may take.
const BUDGET: u64 = 500;
/// Most memory of all scripts of one run.
const MEMORY: usize = 64 << 20;
/// Deepest table that becomes a reply.
const DEPTH: usize = 32;

/// Lua and the scripts seen so far.
#[derive(Default)]
pub(super) struct Scripts {
    lua: Option<State>,
    compiled: HashMap<Bytes, Function>,
    by_hash: HashMap<String, Bytes>,
}

struct State {
    lua: Lua,
    run: Function,
    steps: Arc<AtomicU64>,
}

impl State {
    fn new() -> mlua::Result<Self> {
        let lua =
            Lua::new_with(StdLib::TABLE | StdLib::STRING | StdLib::MATH, LuaOptions::default())?;
        lua.set_memory_limit(MEMORY)?;
        let steps = Arc::new(AtomicU64::new(0));
        let taken = Arc::clone(&steps);
        lua.set_hook(HookTriggers::new().every_nth_instruction(STEP), move |_, _| {
            if taken.fetch_add(1, Ordering::Relaxed) >= BUDGET {
                return Err(mlua::Error::runtime("instruction budget spent"));
            }
            Ok(VmState::Continue)
        })?;
        let taken = Arc::clone(&steps);
        let exhausted =
            lua.create_function(move |_, ()| Ok(taken.load(Ordering::Relaxed) > BUDGET))?;
        let sha1hex = lua.create_function(|_, text: mlua::LuaString| {
            Ok(hex::encode(Sha1::digest(&text.as_bytes()[..])))
        })?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let run = prelude.call((exhausted, sha1hex))?;
        Ok(Self { lua, run, steps })
    }
}

impl Scripts {
    /// Notes a script's text and gives its hash.
    pub(super) fn add(&mut self, source: &Bytes) -> String {
        let hash = hex::encode(Sha1::digest(source));
        self.by_hash.insert(hash.clone(), source.clone());
        hash
    }

    /// The text with that hash.
    pub(super) fn by_hash(&self, hash: &[u8]) -> Option<Bytes> {
        let hash = String::from_utf8_lossy(hash).to_ascii_lowercase();
        self.by_hash.get(&hash).cloned()
    }

    /// Runs a script; `note` hears the names of commands that are not known.
    pub(super) fn run(
        &mut self,
        keyspace: &mut Keyspace,
        source: &Bytes,
        keys: &[Bytes],
        argv: &[Bytes],
        note: &mut dyn FnMut(&[u8]),
    ) -> Resp {
        let resp = self
            .attempt(keyspace, source, keys, argv, note)
            .unwrap_or_else(|error| Resp::Error(format!("ERR {}", first_line(&error.to_string()))));
        // Lua without memory is good for nothing more.
        let full = self.lua.as_ref().is_some_and(|state| state.lua.used_memory() > MEMORY / 2);
        if full {
            self.lua = None;
            self.compiled.clear();
        }
        resp
    }

    fn attempt(
        &mut self,
        keyspace: &mut Keyspace,
        source: &Bytes,
        keys: &[Bytes],
        argv: &[Bytes],
        note: &mut dyn FnMut(&[u8]),
    ) -> mlua::Result<Resp> {
        let state = match &self.lua {
            Some(state) => state,
            None => self.lua.insert(State::new()?),
        };
        let script = match self.compiled.get(source) {
            Some(script) => script.clone(),
            None => match state.lua.load(&source[..]).set_name("@user_script").into_function() {
                Ok(script) => {
                    self.compiled.insert(source.clone(), script.clone());
                    script
                }
                Err(error) => {
                    let text = error.to_string();
                    let text = text.trim_start_matches("syntax error: ");
                    let text = format!("ERR Error compiling script (new function): {text}");
                    return Ok(Resp::Error(text));
                }
            },
        };
        state.steps.store(0, Ordering::Relaxed);
        let lua = &state.lua;
        let (keys, argv) = (table(lua, keys)?, table(lua, argv)?);
        let (ok, value) = lua.scope(|scope| {
            let native = scope.create_function_mut(|lua, args: MultiValue| {
                let resp = call(keyspace, args, note);
                to_lua(lua, resp)
            })?;
            state.run.call::<(bool, LuaValue)>((native, script, keys, argv))
        })?;
        Ok(if ok { from_lua(&value, 0) } else { failure(&value) })
    }
}

fn table(lua: &Lua, items: &[Bytes]) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(items.len(), 0)?;
    for item in items {
        table.raw_push(lua.create_string(item)?)?;
    }
    Ok(table)
}

/// `redis.call` and `redis.pcall`.
fn call(keyspace: &mut Keyspace, args: MultiValue, note: &mut dyn FnMut(&[u8])) -> Resp {
    let mut words = Vec::with_capacity(args.len());
    for arg in args {
        words.push(match arg {
            LuaValue::String(text) => Bytes::copy_from_slice(&text.as_bytes()),
            LuaValue::Integer(number) => Bytes::from(number.to_string()),
            LuaValue::Number(number) => Bytes::from(print_double(number)),
            _ => {
                return Resp::Error(
                    "ERR Lua redis lib command arguments must be strings or integers".into(),
                );
            }
        });
    }
    let Some(name) = words.first() else {
        return Resp::Error(
            "ERR Please specify at least one argument for this redis.call() call".into(),
        );
    };
    let Some(command) = Command::find(name) else {
        note(name);
        return Resp::Error("ERR Unknown Redis command called from script".into());
    };
    if !command.accepts(words.len()) {
        return Resp::Error("ERR Wrong number of args calling Redis command from script".into());
    }
    command.run(keyspace, &words).into()
}

fn to_lua(lua: &Lua, resp: Resp) -> mlua::Result<LuaValue> {
    Ok(match resp {
        Resp::Nil => LuaValue::Boolean(false),
        #[expect(clippy::cast_precision_loss, reason = "numbers of scripts are doubles")]
        Resp::Int(number) => LuaValue::Number(number as f64),
        Resp::Data(data) => LuaValue::String(lua.create_string(&data)?),
        Resp::Status(text) => {
            let table = lua.create_table()?;
            table.raw_set("ok", lua.create_string(&text)?)?;
            LuaValue::Table(table)
        }
        Resp::Error(message) => {
            let table = lua.create_table()?;
            table.raw_set("err", message)?;
            LuaValue::Table(table)
        }
        Resp::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.into_iter().enumerate() {
                table.raw_set(at + 1, to_lua(lua, item)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

fn from_lua(value: &LuaValue, depth: usize) -> Resp {
    match value {
        LuaValue::Boolean(true) => Resp::Int(1),
        LuaValue::Integer(number) => Resp::Int(*number),
        LuaValue::Number(number) => Resp::Int(truncate(*number)),
        LuaValue::String(text) => Resp::Data(Bytes::copy_from_slice(&text.as_bytes())),
        LuaValue::Table(table) => from_table(table, depth),
        _ => Resp::Nil,
    }
}

fn from_table(table: &Table, depth: usize) -> Resp {
    if depth > DEPTH {
        return Resp::Error("ERR reached lua stack limit".into());
    }
    if let Ok(LuaValue::String(error)) = table.raw_get::<LuaValue>("err") {
        return Resp::Error(error.to_string_lossy());
    }
    if let Ok(LuaValue::String(status)) = table.raw_get::<LuaValue>("ok") {
        return Resp::Status(Bytes::copy_from_slice(&status.as_bytes()));
    }
    let items = (1..).map_while(|at: i64| {
        table.raw_get::<LuaValue>(at).ok().filter(|item| !matches!(item, LuaValue::Nil))
    });
    Resp::Array(items.map(|item| from_lua(&item, depth + 1)).collect())
}

/// The error a script ended with.
fn failure(value: &LuaValue) -> Resp {
    match value {
        LuaValue::Table(table) => match from_table(table, 0) {
            error @ Resp::Error(_) => error,
            _ => Resp::Error("ERR unknown error".into()),
        },
        LuaValue::String(text) => Resp::Error(format!("ERR {}", text.to_string_lossy())),
        LuaValue::Error(error) => Resp::Error(format!("ERR {}", first_line(&error.to_string()))),
        _ => Resp::Error("ERR unknown error".into()),
    }
}

fn first_line(text: &str) -> &str {
    text.trim_start_matches("runtime error: ").lines().next().unwrap_or_default()
}

/// The keys and arguments of `EVAL source n key.. arg..`.
pub(super) fn operands(args: &[Bytes]) -> Result<(&[Bytes], &[Bytes]), Fail> {
    let count = super::number::int_arg(&args[2])?;
    let rest = &args[3..];
    match usize::try_from(count) {
        Err(_) => Err("ERR Number of keys can't be negative".into()),
        Ok(count) if count > rest.len() => {
            Err("ERR Number of keys can't be greater than number of args".into())
        }
        Ok(count) => Ok(rest.split_at(count)),
    }
}
