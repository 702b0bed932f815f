//! How act two is told: numbered steps, sentences, and commands that are run as they are shown.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::super::super::{Output, typed};

/// Longest line of a list.
const WIDTH: usize = 92;
/// Indentation of what is said.
const INDENT: &str = "   ";

/// The story so far.
pub(super) struct Tale {
    output: Output,
    /// Folder in which commands are run: the demo's own.
    dir: PathBuf,
    steps: Vec<Value>,
}

/// A command that was run.
pub(super) struct Ran {
    /// Its exit code.
    pub code: u8,
    /// What it tells machines.
    pub value: Value,
}

impl Tale {
    pub(super) fn new(output: &Output, dir: &Path) -> Self {
        Self { output: output.clone(), dir: dir.to_owned(), steps: Vec::new() }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.output.line("");
        self.output.line(&format!("{}. {title}", self.steps.len() + 1));
        self.steps.push(json!({ "title": title, "commands": [] }));
    }

    /// Says something.
    pub(super) fn say(&self, text: &str) {
        self.output.line(format!("{INDENT}{text}").trim_end());
    }

    /// Says items, with commas between them, on as many lines as they need.
    pub(super) fn list(&self, head: &str, items: &[String]) {
        let mut line = head.to_owned();
        for (at, item) in items.iter().enumerate() {
            if line.len() + item.len() > WIDTH {
                self.say(&line);
                line = " ".to_owned();
            }
            let end = if at + 1 == items.len() { "." } else { "," };
            line.push_str(&format!(" {item}{end}"));
        }
        self.say(&line);
    }

    /// A result for machines.
    pub(super) fn figure(&mut self, name: &str, value: Value) {
        if let Some(step) = self.steps.last_mut() {
            step[name] = value;
        }
    }

    /// Shows a command and runs it, on the demo's settings.
    ///
    /// # Errors
    /// When there is no such command.
    pub(super) async fn command(&mut self, words: &[&str]) -> anyhow::Result<Ran> {
        let shown = format!("crs {}", shown(words));
        self.output.line("");
        self.output.line(&format!("{INDENT}$ {shown}"));
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (dir, part) = (self.dir.clone(), self.output.of_part());
        let ran = tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            typed(&dir, &words, &part).map(|code| Ran { code, value: part.last_kept() })
        });
        let ran = ran.await?.with_context(|| shown.clone())?;
        let told = json!({ "command": shown, "exitCode": ran.code, "result": ran.value });
        if let Some(Value::Array(commands)) =
            self.steps.last_mut().and_then(|step| step.get_mut("commands"))
        {
            commands.push(told);
        }
        Ok(ran)
    }

    /// The same, for a command that must succeed.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn done(&mut self, words: &[&str]) -> anyhow::Result<Value> {
        let ran = self.command(words).await?;
        anyhow::ensure!(ran.code == 0, "crs {} ended with {}", shown(words), ran.code);
        Ok(ran.value)
    }

    /// All of it for machines.
    pub(super) fn into_value(self) -> Value {
        json!({ "act": 2, "steps": self.steps })
    }
}

/// Words as a shell takes them.
fn shown(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.,/%=".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            (*word).to_owned()
        } else {
            format!("'{word}'")
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
