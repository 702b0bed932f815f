//! What to measure.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

/// Choices of one run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Print JSON instead of the table.
    pub json: bool,
    /// Markdown file to write.
    pub write: Option<PathBuf>,
    /// Names of targets; empty for all there are.
    pub only: Vec<String>,
    /// `json`, `sse`, `codex`, or several.
    pub kinds: Vec<Kind>,
    /// Numbers of clients.
    pub clients: Vec<usize>,
    /// Measured time per cell.
    pub span: Duration,
    /// Time before it.
    pub warm_up: Duration,
    /// Size of request bodies.
    pub body_bytes: usize,
    /// Open streams of the memory measurement; 0 to leave it out.
    pub streams: usize,
    /// Port of the upstream; 0 for any. A Node service of yours needs a known one.
    pub upstream_port: u16,
    /// Other builds of `crs` to measure beside this one, with their names.
    pub against: Vec<(String, PathBuf)>,
    /// How often every load is measured; the figures are medians.
    pub rounds: usize,
    /// Keep `crs` and the upstream running under load and do nothing else, for a profiler.
    pub hold: Option<Duration>,
}

/// Kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One JSON message.
    Json,
    /// Eight deltas.
    Sse,
    /// Eight deltas of a response, as Codex asks for them.
    Responses,
}

impl Kind {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Sse => "SSE",
            Self::Responses => "Codex SSE",
        }
    }
}

impl Options {
    /// Reads the command line.
    pub fn read(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            json: false,
            write: None,
            only: Vec::new(),
            kinds: vec![Kind::Json, Kind::Sse, Kind::Responses],
            clients: vec![1, 16, 64],
            span: Duration::from_secs(5),
            warm_up: Duration::from_secs(2),
            body_bytes: 2_048,
            streams: 1_000,
            upstream_port: std::env::var("BENCH_UPSTREAM_PORT")
                .ok()
                .map_or(Ok(0), |port| port.parse())
                .context("BENCH_UPSTREAM_PORT")?,
            against: Vec::new(),
            rounds: 1,
            hold: None,
        };
        let mut rest = arguments.iter().map(String::as_str);
        while let Some(name) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{name} needs a value"));
            match name {
                // Cargo adds it to every bench target.
                "--bench" => {}
                "--json" => options.json = true,
                "--quick" => {
                    options.span = Duration::from_secs(1);
                    options.warm_up = Duration::from_millis(500);
                }
                "--write" => options.write = Some(value()?.into()),
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--kinds" => options.kinds = kinds(value()?)?,
                "--clients" => {
                    options.clients = value()?
                        .split(',')
                        .map(str::parse)
                        .collect::<Result<_, _>>()
                        .context("--clients")?;
                }
                "--seconds" => options.span = Duration::from_secs_f64(value()?.parse()?),
                "--body-bytes" => options.body_bytes = value()?.parse()?,
                "--streams" => options.streams = value()?.parse()?,
                "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
                "--against" => {
                    let (name, path) =
                        value()?.split_once('=').context("--against needs NAME=PATH")?;
                    options.against.push((name.to_owned(), path.into()));
                }
                "--hold" => options.hold = Some(Duration::from_secs_f64(value()?.parse()?)),
                other => bail!("unknown option {other}"),
            }
        }
        Ok(options)
    }

    /// Whether a target is wanted.
    pub fn wants(&self, target: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == target)
    }
}

fn kinds(text: &str) -> Result<Vec<Kind>> {
    text.split(',')
        .map(|name| match name {
            "json" => Ok(Kind::Json),
            "sse" => Ok(Kind::Sse),
            "codex" => Ok(Kind::Responses),
            other => bail!("--kinds knows json, sse and codex, not {other}"),
        })
        .collect()
}
