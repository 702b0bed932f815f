//! What operators read, held against what there is: links lead somewhere, commands and their options exist,
//! metrics are written by some code, and both languages say the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::container::{checkout, text_of};

/// Pages whose commands are tried.
const PAGES: [&str; 6] = [
    "README.md",
    "README.zh-CN.md",
    "MIGRATION.md",
    "MIGRATION.zh-CN.md",
    "docs/rollout.md",
    "docs/sidecar.md",
];

fn all_pages() -> Vec<String> {
    let mut pages: Vec<String> = PAGES[..4].iter().map(|page| (*page).to_owned()).collect();
    for entry in fs::read_dir(checkout("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            pages.push(format!("docs/{name}"));
        }
    }
    pages.extend(["legacy-node/README.md", "legacy-node/standin/README.md"].map(String::from));
    pages
}

/// The part of a link behind `#`, as code hosts make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let mut code = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        if !code && line.starts_with('#') {
            found.insert(anchor(line.trim_start_matches('#')));
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in all_pages() {
        let text = text_of(&page);
        let home: PathBuf = checkout(&page).parent().unwrap().into();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { checkout(&page) } else { home.join(path) };
            let exists = target.exists() && (place.is_empty() || anchors(&target).contains(place));
            if !exists {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// Commands of `crs` in code, each as its words up to a comment or the next command.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut code = false;
    let mut pieces: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if code {
            pieces.push(line.split(" #").next().unwrap());
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2));
        }
    }
    let mut found = Vec::new();
    for piece in pieces {
        for command in piece.split([';', '|', '&']) {
            let words: Vec<&str> = command.split_whitespace().collect();
            let settings = words.iter().take_while(|word| word.contains('=')).count();
            if words.get(settings) == Some(&"crs") {
                found.push(words[settings + 1..].iter().map(|word| (*word).to_owned()).collect());
            }
        }
    }
    found
}

/// What `--help` says of a command; `None` when there is none such.
fn help(words: &[String]) -> Option<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_crs")).args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
}

#[test]
fn commands_and_options_exist() {
    let mut known: BTreeMap<Vec<String>, Option<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for page in PAGES {
        for words in commands(&text_of(page)) {
            let mut path: Vec<String> = words.iter().take(1).cloned().collect();
            if words.first().is_some_and(|word| matches!(word.as_str(), "rollout" | "shadow")) {
                path.extend(words.get(1).filter(|word| is_name(word)).cloned());
            }
            if !path.first().is_some_and(|word| is_name(word)) || path[0] == "help" {
                continue;
            }
            let said = known.entry(path.clone()).or_insert_with(|| help(&path)).as_deref();
            let shown = words.join(" ");
            let Some(said) = said else {
                wrong.push(format!("{page}: crs {shown}"));
                continue;
            };
            for option in words.iter().filter(|word| word.starts_with("--")) {
                if !said.contains(option.as_str()) {
                    wrong.push(format!("{page}: crs {shown}: {option}"));
                }
            }
        }
    }
    assert!(known.len() >= 15, "commands were found: {:?}", known.keys());
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn metrics_are_counted_by_some_code() {
    let mut code = String::new();
    let mut folders = vec![checkout("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                code += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let of_name = |c: char| !(c.is_ascii_lowercase() || c == '_');
    for page in ["MIGRATION.md", "MIGRATION.zh-CN.md"] {
        let text = text_of(page);
        let names: BTreeSet<&str> = text
            .split(of_name)
            .filter(|word| word.starts_with("crs_") && word.len() > 12)
            .collect();
        let whole = names.iter().filter(|name| !name.ends_with('_'));
        let counted = whole.filter(|name| code.contains(&format!("\"{name}"))).count();
        let listed = names.iter().filter(|name| !name.ends_with('_')).count();
        assert!(listed >= 12, "{names:?}");
        assert_eq!(counted, listed, "{page}: {names:?}");
    }
}

/// Lines of code without what is said beside them.
fn code_of(page: &str) -> Vec<String> {
    let text = text_of(page);
    let mut code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if code {
            let line = line.split(" #").next().unwrap().trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push(line.to_owned());
            }
        }
    }
    lines
}

#[test]
fn both_languages_say_the_same() {
    for (english, chinese) in
        [("README.md", "README.zh-CN.md"), ("MIGRATION.md", "MIGRATION.zh-CN.md")]
    {
        assert_eq!(code_of(english), code_of(chinese), "commands of {chinese}");
        let headings = |page| {
            let text = text_of(page);
            text.lines().filter(|line| line.starts_with("## ") || line.starts_with("# ")).count()
        };
        assert_eq!(headings(english), headings(chinese), "headings of {chinese}");
    }
    let numbers = |page| -> Vec<u32> {
        let text = text_of(page);
        text.lines().filter_map(|line| line.split_once(". **")?.0.parse().ok()).collect()
    };
    let deviations = numbers("MIGRATION.md");
    assert!(
        deviations.iter().copied().zip(1..).all(|(number, expected)| number == expected),
        "numbered in order, without gaps or doubles: {deviations:?}"
    );
    assert_eq!(
        deviations,
        numbers("MIGRATION.zh-CN.md"),
        "every deviation is told in Chinese, too"
    );
}
