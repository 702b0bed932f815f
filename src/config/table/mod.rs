//! The settings table: what operators read, checked by a test against what the code asks for. One file for each
//! standing.

mod convention;
mod dead;
mod legacy;
mod own;

use std::fmt::Write;

use convention::CONVENTION;
use dead::DEAD;
use legacy::LEGACY;
use own::OWN;

/// Standing of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A legacy setting that is honoured.
    Legacy,
    /// A setting of this service alone.
    Own,
    /// Honoured by convention beyond both services (trust roots, time zone).
    Common,
    /// A legacy setting read without effect there or here.
    Dead,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Variable.
    pub name: &'static str,
    /// Default as text; empty for none.
    pub default: &'static str,
    /// What it does, for operators.
    pub meaning: &'static str,
    /// Standing.
    pub standing: Standing,
}

const fn legacy(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Legacy }
}

const fn own(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Own }
}

const fn common(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Common }
}

const fn dead(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Dead }
}

/// Every setting; those of one standing in the order shown to operators.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    [LEGACY, OWN, CONVENTION, DEAD].into_iter().flatten()
}

/// Names read outside [`super::Config`], by the command named in their meaning.
pub const READ_ELSEWHERE: &[&str] = &["ADMIN_USERNAME", "ADMIN_PASSWORD"];

/// The operators' page, docs/configuration.md.
pub fn render_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         `crs` reads the process environment, then `.env` in the working directory; a variable that \
         exists in the environment wins even when it is empty. `.env` is read by the legacy service's \
         rules: `#` starts a comment outside quotes, `$NAME` is never expanded.\n\n\
         Numbers are read as the legacy service reads them: leading digits count, and 0 or no digits \
         mean the default. A value that cannot be used stops the start with one sentence and exit code \
         64.\n\n\
         This page is made from the table in `src/config/table/`; a test keeps the two equal \
         (`CRS_WRITE_DOCS=1 cargo test --lib config::` rewrites it).\n",
    );
    let parts = [
        (
            Standing::Legacy,
            "Settings of the legacy service",
            "Names, defaults and quirks as they were.",
        ),
        (Standing::Own, "Settings of `crs`", "All start with `CRS_`."),
        (Standing::Common, "Common settings", ""),
        (
            Standing::Dead,
            "Settings without effect",
            "The legacy service reads or documents these, and nothing depends on them, there or here.",
        ),
    ];
    for (standing, title, lead) in parts {
        let _ = write!(page, "\n## {title}\n\n");
        if !lead.is_empty() {
            let _ = write!(page, "{lead}\n\n");
        }
        page.push_str("| variable | default | meaning |\n|---|---|---|\n");
        for setting in settings().filter(|s| s.standing == standing) {
            let default = if setting.default.is_empty() { "–" } else { setting.default };
            let _ = writeln!(page, "| `{}` | {default} | {} |", setting.name, setting.meaning);
        }
    }
    page
}
