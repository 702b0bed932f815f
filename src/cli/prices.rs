//! `crs prices`: where prices come from, what a model costs and why, and fetching them now.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo};
use crate::{
    app,
    billing::{Price, PriceBook, Told, table_text},
    config::Config,
};

const PER_MILLION: f64 = 1e6;

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show which prices are in force: the downloaded file or the built-in table, its age and checksum.
    Status,
    /// Fetch the prices from the mirror now, if its checksum differs from ours.
    ///
    /// The running service takes a changed file into use within seconds. Nothing changes when the mirror
    /// cannot be reached.
    Refresh,
    /// Make the built-in table out of a price list in the LiteLLM layout; for whoever maintains crs.
    ///
    /// Takes the models that clients ask for, in the order of the list; the same list gives the same table.
    Table {
        /// File or address of the list.
        list: String,
        /// Where to write the table; the terminal when left out.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Show which entry a model is priced by, and its prices per million tokens.
    Explain {
        /// Name of a model, as clients or vendors spell it.
        model: String,
    },
}

/// Runs the command.
///
/// # Errors
/// When settings cannot be used or the mirror cannot be read.
pub(super) fn run(dir: &Path, action: &Action, output: &Output) -> anyhow::Result<()> {
    let mut config = demo::config(dir)?;
    config.service.data_dir = dir.join(&config.service.data_dir);
    let book = Arc::new(PriceBook::open(&config.service.data_dir));
    match action {
        Action::Status => status(&config, &book, output),
        Action::Refresh => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let changed = runtime.block_on(app::refresh_prices(&config, &book));
            let changed =
                changed.context("prices were not fetched; those at hand stay in force")?;
            let told = if changed { "new prices are in place" } else { "the prices are current" };
            output.line(told);
            output.value(&json!({ "changed": changed, "models": book.current().len() }));
        }
        Action::Table { list, output: to } => {
            let text = if list.starts_with("http://") || list.starts_with("https://") {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(app::fetch_price_list(&config, list))?
            } else {
                fs::read_to_string(dir.join(list)).with_context(|| format!("cannot read {list}"))?
            };
            let table = table_text(&text)?;
            let models = table.lines().count() - 1;
            match to {
                Some(file) => {
                    fs::write(dir.join(file), &table)
                        .with_context(|| format!("cannot write {}", file.display()))?;
                    output.line(&format!("{models} models are in {}", file.display()));
                }
                None => output.line(table.trim_end()),
            }
            output.value(&json!({ "models": models, "file": to }));
        }
        Action::Explain { model } => explain(model, &book, output),
    }
    Ok(())
}

fn status(config: &Config, book: &PriceBook, output: &Output) {
    let file = book.file();
    let from_file = file.exists();
    let age = book.age().map(|age| age.as_secs());
    let models = book.current().len();
    let source = if from_file { "downloaded file" } else { "built-in table" };
    output.line(&format!("source    {source}, {models} models"));
    if from_file {
        output.line(&format!("file      {}", file.display()));
        output.line(&format!("age       {} h", age.unwrap_or_default() / 3600));
        output.line(&format!("checksum  {}", book.checksum().unwrap_or_default()));
    }
    let download = config.prices.download;
    let how = if download { "" } else { " (CRS_PRICES_DOWNLOAD=false: never asked)" };
    output.line(&format!("mirror    {}{how}", config.prices.json_url));
    output.value(&json!({
        "source": if from_file { "file" } else { "built-in" },
        "file": file, "ageSeconds": age, "checksum": book.checksum(), "models": models,
        "mirror": config.prices.json_url, "download": download,
    }));
}

fn explain(model: &str, book: &PriceBook, output: &Output) {
    let table = book.current();
    let Some((name, price)) = table.matched_name(model).zip(table.find(model)) else {
        output.line(&format!(
            "{model}: no entry fits. The calculators use prices of last resort: 3 in, 15 out, 3.75 cache \
             write, 0.3 cache read per million tokens, but for a few well-known Claude models."
        ));
        output.value(&json!({ "model": model, "entry": null }));
        return;
    };
    output.line(&format!("{model}: priced as {name}, USD per million tokens"));
    for (what, usd) in rows(price) {
        if let Some(usd) = usd {
            output.line(&format!("  {what:<28} {}", compat::number::js(rounded(usd))));
        }
    }
    let fast = price.fast.map(Told::amount);
    if let Some(fast) = fast {
        output.line(&format!("  {:<28} times {fast}", "fast mode"));
    }
    let prices: serde_json::Map<String, Value> = rows(price)
        .into_iter()
        .filter_map(|(what, usd)| Some((what.to_owned(), json!(rounded(usd?)))))
        .collect();
    output.value(&json!({
        "model": model, "entry": name, "provider": price.provider, "usdPerMillion": prices,
        "fast": fast, "priorityTier": price.priority_tier,
    }));
}

/// To the billionth of a dollar: what the multiplication adds behind is no price.
fn rounded(usd: f64) -> f64 {
    (usd * PER_MILLION * 1e9).round() / 1e9
}

fn rows(price: &Price) -> [(&'static str, Option<f64>); 13] {
    let rows = [
        ("input", price.input),
        ("output", price.output),
        ("cache write, 5 minutes", price.cache_write),
        ("cache write, 1 hour", price.cache_write_1h),
        ("cache read", price.cache_read),
        ("long context: input", price.input_200k),
        ("long context: output", price.output_200k),
        ("long context: write, 5 min", price.cache_write_200k),
        ("long context: write, 1 h", price.cache_write_1h_200k),
        ("long context: cache read", price.cache_read_200k),
        ("priority tier: input", price.input_priority),
        ("priority tier: output", price.output_priority),
        ("priority tier: cache read", price.cache_read_priority),
    ];
    rows.map(|(what, told)| (what, told.map(Told::amount)))
}
