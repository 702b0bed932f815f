//! The figures, for people, machines and `docs/benchmarks.md`.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    load::Outcome,
    options::{Kind, Options},
    system::{self, Resident},
};

/// Everything measured.
pub struct Report {
    /// Machine.
    machine: String,
    body_bytes: usize,
    streams: usize,
    /// Load measurements.
    pub cells: Vec<Cell>,
    /// Memory by target.
    pub memory: Vec<Memory>,
    /// Sequential Redis round trips before the upstream request, by target.
    pub round_trips: Vec<(&'static str, f64)>,
}

/// One load measurement.
pub struct Cell {
    /// Target.
    pub target: String,
    /// Kind of answer.
    pub kind: Kind,
    /// Clients at once.
    pub clients: usize,
    /// Latencies and failures.
    pub outcome: Outcome,
    /// Processor time per request in microseconds.
    pub cpu: Option<f64>,
    /// The same of its Redis.
    pub redis_cpu: Option<f64>,
    /// Redis commands per request.
    pub commands: Vec<(String, f64)>,
    /// Requests per second and processor time per request of every round, lowest and highest.
    pub spread: Option<[(f64, f64); 2]>,
}

/// Memory of a target.
pub struct Memory {
    /// Target.
    pub target: String,
    /// Before the first request.
    pub idle: Option<Resident>,
    /// With open streams.
    pub open: Option<Resident>,
}

impl Cell {
    /// The round with the middle rate, knowing how far the others were from it.
    pub fn median(mut rounds: Vec<Self>) -> Option<Self> {
        let spread = (rounds.len() > 1).then(|| {
            let ends = |of: &dyn Fn(&Self) -> f64| {
                let ends = rounds.iter().map(of);
                (ends.clone().fold(f64::INFINITY, f64::min), ends.fold(0.0, f64::max))
            };
            [ends(&|cell| cell.outcome.rate()), ends(&|cell| cell.cpu.unwrap_or_default())]
        });
        rounds.sort_by(|one, other| one.outcome.rate().total_cmp(&other.outcome.rate()));
        let failures = rounds.iter().map(|cell| cell.outcome.failures).sum();
        let middle = rounds.len() / 2;
        let mut cell = rounds.into_iter().nth(middle)?;
        cell.outcome.failures = failures;
        Some(Self { spread, ..cell })
    }

    /// One line for the terminal while measuring.
    pub fn line(&self) -> String {
        let number =
            |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.0}"));
        format!(
            "{:<9} {:>3} clients  {:<6} {:>8.0}/s  p50 {:>8.3} ms  p99 {:>8.3} ms  cpu {:>5} µs  \
             redis {:>5} µs {:>5} commands",
            self.kind.name(),
            self.clients,
            self.target,
            self.outcome.rate(),
            self.outcome.quantile(0.5),
            self.outcome.quantile(0.99),
            number(self.cpu),
            number(self.redis_cpu),
            number(self.commands()),
        )
    }

    fn commands(&self) -> Option<f64> {
        (!self.commands.is_empty()).then(|| self.commands.iter().map(|(_, calls)| calls).sum())
    }
}

impl Report {
    /// An empty report.
    pub fn new(options: &Options) -> Self {
        Self {
            machine: system::machine(),
            body_bytes: options.body_bytes,
            streams: options.streams,
            cells: Vec::new(),
            memory: Vec::new(),
            round_trips: Vec::new(),
        }
    }

    /// Failed requests.
    pub fn failures(&self) -> u64 {
        self.cells.iter().map(|cell| cell.outcome.failures).sum()
    }

    /// Prints, and writes the file that was asked for.
    pub fn publish(&self, options: &Options) -> Result<()> {
        if options.json {
            println!("{}", serde_json::to_string_pretty(&self.json())?);
        } else {
            println!("{}", self.markdown());
        }
        if let Some(path) = &options.write {
            std::fs::write(path, format!("{PREFACE}\n{}", self.markdown()))?;
        }
        Ok(())
    }

    fn find(&self, target: &str, kind: Kind, clients: usize) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.target == target && cell.kind == kind && cell.clients == clients)
    }

    fn added(&self, cell: &Cell) -> Option<f64> {
        let direct = self.find("direct", cell.kind, cell.clients)?;
        Some(cell.outcome.quantile(0.5) - direct.outcome.quantile(0.5))
    }

    fn ratio(&self, cell: &Cell, other: &str) -> Option<f64> {
        Some(cell.outcome.rate() / self.find(other, cell.kind, cell.clients)?.outcome.rate())
    }

    fn json(&self) -> Value {
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|cell| {
                json!({
                    "target": cell.target,
                    "kind": cell.kind.name(),
                    "clients": cell.clients,
                    "requests_per_second": cell.outcome.rate(),
                    "p50_ms": cell.outcome.quantile(0.5),
                    "p99_ms": cell.outcome.quantile(0.99),
                    "added_p50_ms": self.added(cell),
                    "ratio_to_node": self.ratio(cell, "node"),
                    "ratio_to_nginx": self.ratio(cell, "nginx"),
                    "spread_of_rounds": cell.spread.map(|[rate, cpu]| json!({
                        "requests_per_second": [rate.0, rate.1],
                        "cpu_us_per_request": [cpu.0, cpu.1],
                    })),
                    "failures": cell.outcome.failures,
                    "cpu_us_per_request": cell.cpu,
                    "redis_cpu_us_per_request": cell.redis_cpu,
                    "redis_commands_per_request": cell.commands(),
                    "redis_commands":
                        cell.commands.iter().map(|(n, c)| (n.clone(), json!(c))).collect::<serde_json::Map<_, _>>(),
                })
            })
            .collect();
        let memory: Vec<Value> = self
            .memory
            .iter()
            .map(|m| {
                json!({
                    "target": m.target,
                    "idle_mb": m.idle.map(|memory| memory.all),
                    "idle_own_mb": m.idle.map(|memory| memory.own),
                    "open_streams_mb": m.open.map(|memory| memory.all),
                    "open_streams_own_mb": m.open.map(|memory| memory.own),
                })
            })
            .collect();
        let trips: serde_json::Map<String, Value> = self
            .round_trips
            .iter()
            .map(|(name, trips)| ((*name).to_owned(), json!(trips)))
            .collect();
        json!({
            "machine": self.machine,
            "body_bytes": self.body_bytes,
            "open_streams": self.streams,
            "load": cells,
            "memory": memory,
            "redis_round_trips_before_upstream": trips,
        })
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "Machine: {}, shared by load generator, upstream, Redis and the service. Request bodies \
             of {} bytes; streams of eight deltas.\n\n",
            self.machine, self.body_bytes
        );
        text.push_str(
            "| answer | clients | target | requests/s | p50 ms | p99 ms | added p50 ms | × nginx | \
             × Node | Redis commands | cpu µs | Redis cpu µs |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        let show = |value: Option<f64>, digits: usize| {
            value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
        };
        for cell in &self.cells {
            let other =
                |name: &str| if cell.target == name { None } else { self.ratio(cell, name) };
            let added = if cell.target == "direct" { None } else { self.added(cell) };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} | {:.2} | {:.2} | {} | {} | {} | {} | {} | {} |",
                cell.kind.name(),
                cell.clients,
                cell.target,
                cell.outcome.rate(),
                cell.outcome.quantile(0.5),
                cell.outcome.quantile(0.99),
                show(added, 2),
                show(other("nginx"), 2),
                show(other("node"), 1),
                show(cell.commands(), 1),
                show(cell.cpu, 0),
                show(cell.redis_cpu, 0),
            );
        }
        self.rounds(&mut text);
        if !self.memory.is_empty() {
            let _ = write!(
                text,
                "\n| target | resident idle MB | of it own | with {} open streams and 100 KB bodies MB | of it own |\n\
                 |---|---|---|---|---|\n",
                self.streams
            );
            for memory in &self.memory {
                let show = |memory: Option<Resident>| {
                    let of = |part: fn(&Resident) -> f64| show(memory.as_ref().map(part), 1);
                    format!("{} | {}", of(|memory| memory.all), of(|memory| memory.own))
                };
                let (idle, open) = (show(memory.idle), show(memory.open));
                let _ = writeln!(text, "| {} | {idle} | {open} |", memory.target);
            }
        }
        for (target, trips) in &self.round_trips {
            let _ = write!(
                text,
                "\nSequential Redis round trips of {target} before the upstream request: {trips:.1}\n"
            );
        }
        text
    }
}

impl Report {
    /// How far the rounds lay apart, when there were several.
    fn rounds(&self, text: &mut String) {
        let spread: Vec<_> =
            self.cells.iter().filter_map(|cell| Some((cell, cell.spread?))).collect();
        if spread.is_empty() {
            return;
        }
        text.push_str(
            "\nMedians of several rounds; the lowest and the highest of them:\n\n\
             | answer | clients | target | requests/s | cpu µs |\n|---|---|---|---|---|\n",
        );
        for (cell, [rate, cpu]) in spread {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.0} to {:.0} | {:.0} to {:.0} |",
                cell.kind.name(),
                cell.clients,
                cell.target,
                rate.0,
                rate.1,
                cpu.0,
                cpu.1
            );
        }
    }
}

const PREFACE: &str = "# Benchmarks

Written by `make bench ARGS='--write docs/benchmarks.md'`. Load generator and upstream are part of
the bench, Redis and nginx its children; `crs` runs as in production, with full accounting. A round
trip is counted by delaying every answer of Redis by 20 ms and looking how much later the upstream
request arrives. `cpu µs` is processor time of the service per request.

Memory is what is resident; the part that is not the process's own are pages of its executable and libraries.

Rows: `direct` asks the upstream itself, `nginx` is a bare proxy, `crs` the relay. `observe` is `crs` only
forwarding, to the upstream. `node` is the Node service, `node-observe` the same behind `crs` in phase
`observe`, `node-shadow` behind `crs` in phase `shadow` with the tap loaded and every request traced and done a
second time (`CRS_SHADOW_DUTY_PERCENT=100`; ordinary is 10). All of it shares the machine's cores, so what the
second runs take, Node lacks.

Answers: `JSON` and `SSE` are messages of Claude, `Codex SSE` streams of the Responses API from an account that
logged in with ChatGPT.

`--against NAME=PATH` measures another build of `crs` beside this one, each with a Redis of its own, and
`--rounds N` measures every load N times, the targets in turn: so two builds are compared.

To compare with the Node service, either let the bench start it in a copy of its folder
(`LEGACY_DIR=/path/to/copy`), or start it yourself with
`UPSTREAM_HOST_MAP='api.anthropic.com=http://127.0.0.1:9600,chatgpt.com=http://127.0.0.1:9600' node --require tests/conform/redirect.cjs src/app.js` and pass
`BENCH_UPSTREAM_PORT=9600 LEGACY_URL=http://127.0.0.1:3000 LEGACY_KEY=cr_…` (or `LEGACY_REDIS=redis://…` and
`LEGACY_ENCRYPTION_KEY=…`, and the bench writes a key and an account there itself).
";
