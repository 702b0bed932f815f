//! The house rules that the compiler does not know: who may use whom, what a file may hold.
//!
//! Rooms are the top-level modules of `src/`. A room may name only the rooms listed for it in
//! [`ALLOWED`]; tests may name any. Paths are read from the syntax tree, so comments and strings do not
//! count.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::visit::Visit;

/// Rooms that every room may name.
const FOUNDATIONS: [&str; 2] = ["domain", "error"];

/// Rooms that may name every other: they put the house together.
const ASSEMBLY: [&str; 3] = ["main", "cli", "app"];

/// What each other room may name besides [`FOUNDATIONS`]; compat is a package.
const ALLOWED: [(&str, &[&str]); 18] = [
    (
        "api",
        &[
            "app", "relay", "keys", "accounts", "billing", "identity", "notify", "rollout",
            "config", "logs",
        ],
    ),
    (
        "relay",
        &[
            "schedule", "keys", "billing", "accounts", "platform", "upstream", "wire", "config",
            "compat",
        ],
    ),
    ("accounts", &["platform", "upstream", "wire", "compat", "config"]),
    ("schedule", &["compat", "config"]),
    ("keys", &["compat", "config"]),
    ("billing", &["compat", "config"]),
    ("identity", &["compat", "config"]),
    ("notify", &["upstream", "compat", "config"]),
    ("rollout", &["compat", "config", "shadow"]),
    ("upstream", &["config"]),
    ("platform", &["wire"]),
    ("sidecar", &["api", "relay", "shadow", "upstream", "compat", "config"]),
    (
        "tasks",
        &[
            "relay", "schedule", "keys", "billing", "accounts", "notify", "upstream", "compat",
            "config",
        ],
    ),
    ("logs", &["config"]),
    ("config", &[]),
    ("wire", &[]),
    ("domain", &[]),
    ("error", &[]),
];

/// Crates that only one place may name.
const OWNED_CRATES: [(&str, &[&str]); 4] = [
    ("axum", &["src/api/"]),
    ("redis", &["compat/src/"]),
    ("mlua", &["compat/src/memory/"]),
    ("shadow", &["src/sidecar/", "src/rollout/", "src/app", "src/cli/"]),
];

/// One source file.
struct Source {
    /// Path from the repository's top.
    path: String,
    text: String,
    tree: syn::File,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Module path inside its crate: `src/api/server/mod.rs` is `api::server`.
    fn module(&self) -> Vec<String> {
        let inner = self.path.split_once("src/").map_or("", |(_, inner)| inner);
        let mut parts: Vec<String> =
            inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
            parts.pop();
        }
        parts
    }

    fn room(&self) -> Option<String> {
        self.path.starts_with("src/").then(|| self.module().first().cloned()).flatten()
    }
}

/// Every path that code outside tests names, in full: `crate::keys::Keys`.
#[derive(Default)]
struct Paths {
    module: Vec<String>,
    found: Vec<Vec<String>>,
    async_functions: usize,
    statics: Vec<String>,
}

impl Paths {
    fn of(source: &Source) -> Self {
        let mut paths = Self { module: source.module(), ..Self::default() };
        paths.visit_file(&source.tree);
        paths
    }

    fn add(&mut self, mut path: Vec<String>) {
        match path.first().map(String::as_str) {
            Some("crate") => {}
            Some("self") => return,
            Some("super") => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let keep = self.module.len().saturating_sub(ups);
                let mut full = vec!["crate".to_owned()];
                full.extend_from_slice(&self.module[..keep]);
                full.extend(path.drain(ups..));
                path = full;
            }
            _ => {}
        }
        self.found.push(path);
    }

    fn flatten(&mut self, tree: &syn::UseTree, mut prefix: Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.flatten(&path.tree, prefix);
            }
            syn::UseTree::Name(name) => {
                prefix.push(name.ident.to_string());
                self.add(prefix);
            }
            syn::UseTree::Rename(rename) => {
                prefix.push(rename.ident.to_string());
                self.add(prefix);
            }
            syn::UseTree::Glob(_) => self.add(prefix),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.flatten(item, prefix.clone());
                }
            }
        }
    }
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.flatten(&item.tree, Vec::new());
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test_only(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test_only(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.async_functions += usize::from(signature.asyncness.is_some());
        syn::visit::visit_signature(self, signature);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.statics.push(item.ident.to_string());
        syn::visit::visit_item_static(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(parts);
        }
        syn::visit::visit_path(self, path);
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folders`.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let tree = syn::parse_file(&text).unwrap();
            let path = path.strip_prefix(top()).unwrap().to_string_lossy().replace('\\', "/");
            sources.push(Source { path, text, tree });
        }
    }
    assert!(!sources.is_empty(), "no sources below {folders:?}");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn refuse(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn rooms_name_only_the_rooms_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut findings = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        let Some(room) = source.room().filter(|room| !ASSEMBLY.contains(&room.as_str())) else {
            continue;
        };
        let Some(below) = allowed.get(room.as_str()) else {
            findings.push(format!("{}: room `{room}` is not in ALLOWED", source.path));
            continue;
        };
        for path in Paths::of(source).found {
            let named = match path.as_slice() {
                [first, named, ..] if first == "crate" => named.as_str(),
                [first, ..] if first == "compat" || first == "shadow" => first.as_str(),
                _ => continue,
            };
            let fine = named == room
                || FOUNDATIONS.contains(&named)
                || below.contains(&named)
                // A macro or item of the crate's root, not a room.
                || !(allowed.contains_key(named) || ASSEMBLY.contains(&named) || named == "compat");
            if !fine {
                findings.push(format!("{}: {}", source.path, path.join("::")));
            }
        }
    }
    refuse(findings);
}

#[test]
fn a_platform_never_names_another() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let module = source.module();
        let [room, own, ..] = module.as_slice() else { continue };
        if room != "platform" || source.is_test() {
            continue;
        }
        let others: Vec<String> = fs::read_dir(top().join("src/platform"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|other| other != own)
            .collect();
        for path in Paths::of(&source).found {
            if let [first, second, named, ..] = path.as_slice()
                && first == "crate"
                && second == "platform"
                && others.contains(named)
            {
                findings.push(format!("{}: {}", source.path, path.join("::")));
            }
        }
    }
    refuse(findings);
}

#[test]
fn crates_with_an_owner_are_named_by_it_alone() {
    let mut findings = Vec::new();
    for source in sources(&["src", "compat/src", "js/src", "shadow/src"]) {
        if source.is_test() {
            continue;
        }
        for path in Paths::of(&source).found {
            for (name, owners) in OWNED_CRATES {
                let owned = owners.iter().any(|owner| source.path.starts_with(owner));
                if path.first().is_some_and(|first| first == name) && !owned {
                    findings.push(format!("{}: {}", source.path, path.join("::")));
                }
            }
            let ours = ["crs", "compat", "shadow"];
            let first = path.first().map(String::as_str).unwrap_or_default();
            if !source.path.starts_with("src/") && ours.contains(&first) {
                findings.push(format!("{}: {}", source.path, path.join("::")));
            }
        }
    }
    refuse(findings);
}

#[test]
fn pure_rooms_do_not_wait() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let pure = source
            .room()
            .is_some_and(|room| ["wire", "platform", "domain"].contains(&room.as_str()));
        if !pure || source.is_test() {
            continue;
        }
        let paths = Paths::of(&source);
        if paths.async_functions > 0 {
            findings.push(format!("{}: async", source.path));
        }
        let io = ["tokio", "hyper", "compat"];
        for path in paths.found {
            if path.first().is_some_and(|first| io.contains(&first.as_str())) {
                findings.push(format!("{}: {}", source.path, path.join("::")));
            }
        }
    }
    refuse(findings);
}

#[test]
fn only_the_assembly_sees_the_settings_whole() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let outside = source
            .room()
            .is_some_and(|room| room != "config" && !ASSEMBLY.contains(&room.as_str()));
        if outside && !source.is_test() {
            for path in Paths::of(&source).found {
                if path.starts_with(&["crate".into(), "config".into(), "Config".into()]) {
                    findings.push(source.path.clone());
                }
            }
        }
    }
    refuse(findings);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut findings = Vec::new();
    for source in sources(&["src", "compat/src", "js/src", "shadow/src", "tests"]) {
        let lines = source.text.lines().count();
        let most = if source.path == "src/main.rs" { 79 } else { 500 };
        if lines > most {
            findings.push(format!("{}: {lines} lines, at most {most}", source.path));
        }
        if !source.is_test() && !source.text.starts_with("//!") {
            findings.push(format!("{}: does not open with //!", source.path));
        }
    }
    refuse(findings);
}

#[test]
fn names_come_from_the_domain() {
    let vague = ["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"];
    let findings = sources(&["src", "compat/src", "js/src", "shadow/src", "tests"])
        .iter()
        .filter(|source| {
            source.path.trim_end_matches(".rs").split('/').any(|part| vague.contains(&part))
        })
        .map(|source| source.path.clone())
        .collect();
    refuse(findings);
}

/// Where a task is started by hand, and who sees to its end.
const SPAWNS: [(&str, &str); 1] =
    [("src/cli/serve.rs", "the signal listener, aborted when serving ends")];

#[test]
fn background_work_is_supervised() {
    let bare = [["tokio", "spawn"].as_slice(), &["tokio", "task", "spawn"], &["task", "spawn"]];
    let mut findings = Vec::new();
    for source in sources(&["src", "compat/src"]) {
        let known = SPAWNS.iter().any(|(path, _)| *path == source.path);
        if source.is_test() || known || source.path.starts_with("compat/src/testing/") {
            continue;
        }
        for path in Paths::of(&source).found {
            if bare.iter().any(|bare| path == **bare) {
                findings.push(format!(
                    "{}: {} (use a TaskTracker or JoinSet)",
                    source.path,
                    path.join("::")
                ));
            }
        }
    }
    refuse(findings);
}

#[test]
fn nothing_is_static_but_the_allocator() {
    let mut findings = Vec::new();
    for source in sources(&["src", "compat/src", "js/src", "shadow/src"]) {
        if source.is_test() {
            continue;
        }
        for name in Paths::of(&source).statics {
            // Scripts are constants with an address: they are compared and named by reference.
            let script = source.path.starts_with("compat/src/");
            if name != "ALLOCATOR" && !script {
                findings.push(format!("{}: static {name}", source.path));
            }
        }
    }
    refuse(findings);
}
