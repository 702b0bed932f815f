//! The report for people.

use std::fmt::Write;

#[cfg(test)]
use super::check::Check;
use super::{
    check::Severity,
    report::{DoctorReport, Finding},
    settings::SettingsReport,
};

/// Area of our own keys.
const OWN: &str = "crs";

/// The whole report as text.
pub(super) fn render(report: &DoctorReport, place: &str) -> String {
    let mut page = String::new();
    let seconds = report.elapsed.as_secs_f64();
    let _ = writeln!(
        page,
        "Redis {} at {place}: {} keys in {seconds:.1} s",
        report.redis_version, report.keys
    );
    // Those that the catalogue knows of our own are among `own_keys`.
    let areas = report.areas.iter().filter(|(area, _)| **area != OWN);
    let areas = areas.map(|(area, count)| format!("{area} {count}"));
    let own = [(OWN, report.own_keys), ("unknown", report.unknown_keys)];
    let own = own.into_iter().filter(|(_, count)| *count > 0);
    let areas: Vec<_> = areas.chain(own.map(|(name, count)| format!("{name} {count}"))).collect();
    wrapped(&mut page, "keys", &areas);
    let secrets = report.secrets.iter().map(|(kind, count)| {
        let mut text = format!("{kind} {} readable", count.readable);
        if count.unencrypted > 0 {
            let _ = write!(text, " {} in the clear", count.unencrypted);
        }
        if count.unreadable > 0 {
            let _ = write!(text, " {} unreadable", count.unreadable);
        }
        text
    });
    wrapped(&mut page, "secrets", &secrets.collect::<Vec<_>>());
    settings(&mut page, &report.settings);
    if let Some(beside) = &report.beside {
        let _ = writeln!(page, "{}", beside.text());
    }
    for (severity, title) in
        [(Severity::Error, "Errors"), (Severity::Warning, "Warnings"), (Severity::Note, "Notes")]
    {
        let of_weight = |finding: &&Finding| finding.check.severity() == severity;
        let findings: Vec<_> = report.findings.iter().filter(of_weight).collect();
        if findings.is_empty() {
            continue;
        }
        let _ = writeln!(page, "\n{title}");
        for group in findings.chunk_by(|a, b| a.check == b.check) {
            check(&mut page, group);
        }
    }
    let _ = match (report.count(Severity::Error), report.count(Severity::Warning)) {
        (0, 0) => writeln!(page, "\nNothing to mend."),
        (errors, warnings) => writeln!(page, "\n{errors} errors, {warnings} warnings."),
    };
    page
}

/// The operators' page, docs/doctor.md.
#[cfg(test)]
pub(super) fn manual() -> String {
    let mut page = String::from(
        "# crs doctor\n\n\
         `crs doctor`, run in the folder of the Node service, audits the Redis that `.env` names and \
         `config/config.js`. It only reads, with cursors and pipelines, and may run beside live \
         traffic. `--json` prints one JSON object.\n\n\
         Exit codes: 0 nothing to mend (notes do not count), 1 errors or warnings, 2 could not run.\n\n\
         Every API key, account, group and user is read in full; of other values (counters, costs, \
         JSON) up to 200 per key pattern, spread over all. Secrets are tried with `ENCRYPTION_KEY` and \
         never shown; login tokens in key names are cut.\n\n\
         `config/config.js` is evaluated by `node`, when that is installed; each value that differs \
         from what crs would use is listed with the line for `.env`, or with the reason why it cannot \
         be carried over.\n\n\
         With `CRS_LEGACY_URL` set, the Node service there is asked for its health, and the running crs \
         whether the tap is connected. Where the Node process can be seen (same machine, same user or root), \
         its environment and `.env` are compared with what crs would use: the same Redis and ENCRYPTION_KEY, \
         TRUST_PROXY, NODE_OPTIONS, HOST.\n\n\
         | check | weight | meaning | remedy |\n|---|---|---|---|\n",
    );
    for check in Check::ALL {
        let remedy = if check.remedy().is_empty() { "–" } else { check.remedy() };
        let (name, weight) = (check.as_str(), check.severity().as_str());
        let _ = writeln!(page, "| `{name}` | {weight} | {} | {remedy} |", check.meaning());
    }
    page
}

/// All findings of one check.
fn check(page: &mut String, findings: &[&Finding]) {
    let Some(first) = findings.first() else { return };
    let _ = writeln!(page, "  {}: {}", first.check.as_str(), first.check.meaning());
    for finding in findings {
        let times =
            if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
        let _ = writeln!(page, "    {}{times}", finding.subject);
        for example in &finding.examples {
            let _ = writeln!(page, "      {example}");
        }
        let more = finding.count.saturating_sub(finding.examples.len() as u64);
        if more > 0 && !finding.examples.is_empty() {
            let _ = writeln!(page, "      … and {more} more");
        }
    }
    if !first.check.remedy().is_empty() {
        let _ = writeln!(page, "    → {}", first.check.remedy());
    }
}

fn settings(page: &mut String, settings: &SettingsReport) {
    let _ = match settings {
        SettingsReport::Absent => Ok(()),
        SettingsReport::NoNode => {
            writeln!(page, "settings: config/config.js not compared, no node")
        }
        SettingsReport::Failed(_) => writeln!(page, "settings: config/config.js not readable"),
        SettingsReport::Compared(differences) => {
            let matter = differences.iter().filter(|difference| difference.matters()).count();
            let _ = writeln!(page, "settings: config/config.js compared, {matter} to carry over");
            for difference in differences.iter().filter(|difference| !difference.matters()) {
                let _ = writeln!(page, "  {}: {}", difference.path, difference.advice());
            }
            Ok(())
        }
    };
}

/// `title: a · b · c`, in lines of readable length.
fn wrapped(page: &mut String, title: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let mut line = format!("{title}: ");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            line.push_str(" · ");
        }
        if line.chars().count() + item.len() > 96 {
            let _ = writeln!(page, "{}", line.trim_end());
            line = "  ".to_owned();
        }
        line.push_str(item);
    }
    let _ = writeln!(page, "{line}");
}
