//! Record, replay, live: which services run the scenarios and what their observations meet.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::harness::{
    compare::{self, Accepted},
    normal::Rules,
    redis::Address,
    report::{self, Outcome},
    run,
    scenario::{self, Source},
    service::{ENCRYPTION_KEY, Launch},
    world::World,
};

/// Command line.
#[derive(Default)]
struct Options {
    mode: String,
    filter: Vec<String>,
    legacy: Option<PathBuf>,
    legacy_url: Option<String>,
    legacy_redis: Option<String>,
    legacy_key: Option<String>,
    crs: Option<PathBuf>,
    standin_port: u16,
    /// How many services run at once, when that was said.
    jobs: Option<usize>,
    json: bool,
    strict: bool,
}

struct Project {
    root: PathBuf,
    rules: Rules,
    known: Vec<Accepted>,
    sources: Vec<Source>,
}

/// Runs the mode; `false` when something disagrees.
pub async fn main(arguments: &[String]) -> Result<bool> {
    let options = options(arguments)?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let rules = Rules::read(&root.join("tests/conform/rules.json"))?;
    let known = compare::accepted(&root.join("tests/conform/accepted.json"))?;
    let mut sources = scenario::load(&root.join("tests/scenarios"))?;
    for source in &sources {
        run::validate(source)?;
    }
    if !options.filter.is_empty() {
        sources.retain(|source| options.filter.iter().any(|text| source.name.contains(text)));
    }
    if sources.is_empty() {
        bail!("no scenario has that name");
    }
    let project = Project { root, rules, known, sources };
    match options.mode.as_str() {
        "record" => record(&project, &options).await,
        "verify" => verify(&project, &options).await,
        "live" => live(&project, &options).await,
        "show" => show(&project, &options).await,
        _ => replay(&project, &options).await,
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options { standin_port: 9640, ..Options::default() };
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    options.legacy = environment("LEGACY_DIR").map(Into::into);
    options.legacy_url = environment("LEGACY_URL");
    options.legacy_redis = environment("LEGACY_REDIS");
    options.legacy_key = environment("LEGACY_ENCRYPTION_KEY");
    options.crs = environment("CRS_BIN").map(Into::into);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value =
            || rest.next().cloned().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "record" | "verify" | "live" | "replay" | "show" => options.mode.clone_from(argument),
            "--filter" => options.filter.push(value()?),
            "--legacy" => options.legacy = Some(value()?.into()),
            "--legacy-url" => options.legacy_url = Some(value()?),
            "--legacy-redis" => options.legacy_redis = Some(value()?),
            "--crs" => options.crs = Some(value()?.into()),
            "--standin-port" => options.standin_port = value()?.parse()?,
            "--jobs" => options.jobs = Some(value()?.parse()?),
            "--json" => options.json = true,
            "--strict" => options.strict = true,
            // Flags of the usual test runner.
            other if other.starts_with("--") => {}
            "replay: test" => {}
            other => options.filter.push(other.to_owned()),
        }
    }
    Ok(options)
}

fn launch_legacy(project: &Project, options: &Options) -> Result<Launch> {
    let folder = options.legacy.clone().context(
        "where is the legacy service? --legacy DIR (its installed folder) or LEGACY_DIR",
    )?;
    Ok(Launch::Legacy { folder, preload: project.root.join("tests/conform/redirect.cjs") })
}

fn launch_crs(options: &Options) -> Launch {
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_crs"));
    Launch::Crs { binary: options.crs.clone().unwrap_or_else(built) }
}

/// Scenarios that can share one process, in order of name. The large groups are parted, so that every job
/// has some and the last ones do not run alone; the largest start first.
fn groups(sources: &[Source], jobs: usize) -> Vec<Vec<&Source>> {
    let mut groups: BTreeMap<String, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        groups.entry(source.scenario.group()).or_default().push(source);
    }
    let most = (sources.len() / (4 * jobs)).max(FEWEST);
    let mut split = Vec::new();
    for group in groups.into_values() {
        split.extend(group.chunks(most).map(<[&Source]>::to_vec));
    }
    split.sort_by_key(|group| std::cmp::Reverse(group.len()));
    split
}

/// Fewer scenarios than this are not worth a process of their own.
const FEWEST: usize = 24;

type Observed = (String, Result<Value>, f64);

/// Runs every scenario of the project on processes of its own making.
async fn observe_all(project: &Project, launch: &Launch, jobs: Option<usize>) -> Vec<Observed> {
    // Scenarios mostly wait; the legacy service takes a core while it starts.
    let usual = if matches!(launch, Launch::Crs { .. }) { 8 } else { 4 };
    let jobs = jobs.unwrap_or(usual).max(1);
    let groups = groups(&project.sources, jobs);
    let runs = groups.into_iter().map(|group| observe_group(project, launch, group));
    let mut observed: Vec<Observed> = stream::iter(runs).buffer_unordered(jobs).concat().await;
    observed.sort_by(|a, b| a.0.cmp(&b.0));
    observed
}

async fn observe_group(project: &Project, launch: &Launch, group: Vec<&Source>) -> Vec<Observed> {
    let mut out = Vec::new();
    let mut world = None;
    for source in group {
        let started = Instant::now();
        let observation = observe(project, launch, source, &mut world).await;
        out.push((source.name.clone(), observation, started.elapsed().as_secs_f64()));
    }
    if let Some(world) = world {
        world.stop().await;
    }
    out
}

async fn observe(
    project: &Project,
    launch: &Launch,
    source: &Source,
    world: &mut Option<World>,
) -> Result<Value> {
    if let Some(alive) = world.as_mut()
        && !alive.alive()
    {
        *world = None;
    }
    if world.is_none() {
        let scenario = &source.scenario;
        let (jobs, instances) = (scenario.runs_jobs(), scenario.instances());
        *world =
            Some(World::launch(launch, &scenario.env, &scenario.hosts, jobs, instances).await?);
    }
    let world = world.as_mut().context("no service")?;
    run::run(world, source, &project.rules).await.with_context(|| world.log_tail())
}

fn golden_path(project: &Project, name: &str) -> PathBuf {
    project.root.join("compat/http").join(format!("{name}.json"))
}

async fn record(project: &Project, options: &Options) -> Result<bool> {
    let observed = match &options.legacy_url {
        Some(_) => attached(project, options).await?,
        None => observe_all(project, &launch_legacy(project, options)?, options.jobs).await,
    };
    let mut fine = true;
    for (name, observation, seconds) in observed {
        match observation {
            Ok(observation) => {
                let path = golden_path(project, &name);
                fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                let golden = json!({ "scenario": name, "observation": observation });
                fs::write(&path, compact(&golden, 0) + "\n")?;
                println!("recorded {name} ({seconds:.1} s)");
            }
            Err(error) => {
                fine = false;
                println!("FAILED {name}: {error:#}");
            }
        }
    }
    Ok(fine)
}

/// Runs the scenarios on a legacy service that runs already. Those that need another environment
/// or other settings than the running one's are left out by name.
async fn attached(project: &Project, options: &Options) -> Result<Vec<Observed>> {
    let url = url::Url::parse(options.legacy_url.as_deref().unwrap_or_default())?;
    let port = url.port_or_known_default().context("LEGACY_URL needs a port")?;
    let redis = options.legacy_redis.as_deref().context("LEGACY_URL needs LEGACY_REDIS")?;
    let key = options.legacy_key.as_deref().unwrap_or(ENCRYPTION_KEY);
    let address = Address::parse(redis)?;
    let mut world = World::attach(port, &address, key, options.standin_port).await?;
    println!(
        "legacy service on port {port}; its UPSTREAM_HOST_MAP must be {}",
        world.outside.host_map(&BTreeMap::new())
    );
    let mut observed = Vec::new();
    for source in &project.sources {
        let scenario = &source.scenario;
        if !scenario.env.is_empty()
            || !scenario.hosts.is_empty()
            || scenario.settings.is_some()
            || scenario.service_rates.is_some()
            || scenario.runs_jobs()
            || scenario.instances() > 1
        {
            println!("left out {} (needs a process of its own: use --legacy DIR)", source.name);
            continue;
        }
        let started = Instant::now();
        let observation = run::run(&mut world, source, &project.rules).await;
        observed.push((source.name.clone(), observation, started.elapsed().as_secs_f64()));
    }
    world.baseline.put(&mut world.redis).await?;
    Ok(observed)
}

/// Replays all goldens. What differs is run once more by itself, because a busy machine can upset
/// the timing of a scenario; only what differs both times counts.
async fn replay(project: &Project, options: &Options) -> Result<bool> {
    let launch = launch_crs(options);
    let mut outcomes = compared(project, observe_all(project, &launch, options.jobs).await);
    for outcome in outcomes.iter_mut().filter(|outcome| outcome.failed(options.strict)) {
        let again = project.sources.iter().filter(|source| source.name == outcome.name);
        let again: Vec<&Source> = again.collect();
        let observed = observe_group(project, &launch, again).await;
        if let Some(second) = compared(project, observed).pop()
            && !second.failed(options.strict)
        {
            eprintln!("note: {} agreed at the second try", outcome.name);
            *outcome = second;
        }
    }
    Ok(conclude(project, outcomes, options))
}

/// Observations against their goldens.
fn compared(project: &Project, observed: Vec<Observed>) -> Vec<Outcome> {
    observed
        .into_iter()
        .map(|(name, observation, seconds)| {
            let golden = golden(project, &name);
            outcome(project, name, golden, observation, seconds)
        })
        .collect()
}

/// Compares the legacy service with its own goldens: what shows up is noise without a rule, or
/// another version of the service.
async fn verify(project: &Project, options: &Options) -> Result<bool> {
    let observed = observe_all(project, &launch_legacy(project, options)?, options.jobs).await;
    Ok(conclude(project, compared(project, observed), options))
}

fn golden(project: &Project, name: &str) -> Result<Value> {
    let path = golden_path(project, name);
    let text =
        fs::read_to_string(&path).with_context(|| format!("no golden {}", path.display()))?;
    let golden: Value = serde_json::from_str(&text)?;
    golden.get("observation").cloned().context("golden without an observation")
}

async fn live(project: &Project, options: &Options) -> Result<bool> {
    let legacy = match &options.legacy_url {
        Some(_) => attached(project, options).await?,
        None => observe_all(project, &launch_legacy(project, options)?, options.jobs).await,
    };
    let mut crs: BTreeMap<String, Observed> =
        observe_all(project, &launch_crs(options), options.jobs)
            .await
            .into_iter()
            .map(|observed| (observed.0.clone(), observed))
            .collect();
    let outcomes = legacy
        .into_iter()
        .filter_map(|(name, legacy, _)| {
            let (_, observation, seconds) = crs.remove(&name)?;
            Some(outcome(project, name, legacy, observation, seconds))
        })
        .collect();
    Ok(conclude(project, outcomes, options))
}

/// Prints one side's observation: the legacy service's with `--legacy`, else that of `crs`.
async fn show(project: &Project, options: &Options) -> Result<bool> {
    let launch = match options.legacy {
        Some(_) => launch_legacy(project, options)?,
        None => launch_crs(options),
    };
    for (name, observation, _) in observe_all(project, &launch, Some(1)).await {
        println!("{name}\n{}", compact(&observation?, 0));
    }
    Ok(true)
}

fn outcome(
    project: &Project,
    name: String,
    legacy: Result<Value>,
    crs: Result<Value>,
    seconds: f64,
) -> Outcome {
    let (differences, trouble) = match (legacy, crs) {
        (Ok(legacy), Ok(crs)) => (compare::compare(&name, &legacy, &crs, &project.known), None),
        (Err(error), _) => (Vec::new(), Some(format!("legacy: {error:#}"))),
        (_, Err(error)) => (Vec::new(), Some(format!("crs: {error:#}"))),
    };
    let why = project.sources.iter().find(|source| source.name == name);
    let why = why.map(|source| source.scenario.why.clone()).unwrap_or_default();
    Outcome { name, why, differences, trouble, seconds }
}

fn conclude(project: &Project, outcomes: Vec<Outcome>, options: &Options) -> bool {
    if options.json {
        println!("{}", report::json(&outcomes, options.strict));
    } else {
        println!("{}", report::text(&outcomes, options.strict));
    }
    if options.filter.is_empty() {
        for entry in &project.known {
            let used = outcomes.iter().any(|outcome| {
                outcome.differences.iter().any(|d| d.accepted.as_ref() == Some(&entry.migration))
            });
            if !used {
                eprintln!("note: nothing needed {} ({})", entry.migration, entry.why);
            }
        }
    }
    !outcomes.iter().any(|outcome| outcome.failed(options.strict))
}

/// JSON text with short values on one line, so that a golden reads like a table.
fn compact(value: &Value, depth: usize) -> String {
    let line = value.to_string();
    let within = match value {
        Value::Object(members) if line.len() + 2 * depth > 96 => members
            .iter()
            .map(|(name, item)| format!("{}: {}", json!(name), compact(item, depth + 1)))
            .collect::<Vec<_>>(),
        Value::Array(items) if line.len() + 2 * depth > 96 => {
            items.iter().map(|item| compact(item, depth + 1)).collect()
        }
        _ => return line,
    };
    let pad = "  ".repeat(depth + 1);
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    let inner = within.join(&format!(",\n{pad}"));
    format!("{open}\n{pad}{inner}\n{}{close}", "  ".repeat(depth))
}
