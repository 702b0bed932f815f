//! The Dockerfile and what is left out of its build.

use std::collections::BTreeMap;

use super::{checkout, is_pinned, settings, text_of};

/// One instruction: its name in capitals and the rest with continued lines joined.
struct Instruction {
    name: String,
    rest: String,
}

/// The stages, each with its instructions from FROM on.
pub struct Dockerfile {
    stages: Vec<Vec<Instruction>>,
}

impl Dockerfile {
    pub fn read() -> Self {
        let text = text_of("Dockerfile");
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut stages: Vec<Vec<Instruction>> = Vec::new();
        while let Some(line) = lines.next() {
            let mut whole = line.trim().to_owned();
            while let Some(begun) = whole.strip_suffix('\\') {
                whole = format!("{} {}", begun.trim_end(), lines.next().unwrap().trim());
            }
            let Some((name, rest)) = whole.split_once(' ') else {
                assert!(whole.is_empty(), "{whole}");
                continue;
            };
            let instruction = Instruction { name: name.to_uppercase(), rest: rest.trim().into() };
            if instruction.name == "FROM" {
                stages.push(Vec::new());
            }
            stages.last_mut().unwrap().push(instruction);
        }
        Self { stages }
    }

    /// What instructions of this name say in the image that results.
    pub fn last(&self, name: &str) -> Vec<&str> {
        let stage = self.stages.last().unwrap();
        stage.iter().filter(|i| i.name == name).map(|i| i.rest.as_str()).collect()
    }

    /// Words of an instruction in its JSON form.
    pub fn words(&self, name: &str) -> Vec<String> {
        let said = self.last(name);
        assert_eq!(said.len(), 1, "{name}");
        let array = &said[0][said[0].find('[').unwrap()..];
        serde_json::from_str(array).unwrap()
    }

    /// Variables of the image.
    pub fn env(&self) -> BTreeMap<String, String> {
        let pairs = self.last("ENV").into_iter().flat_map(str::split_whitespace);
        pairs.map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (n.into(), v.into())).collect()
    }

    /// Numbers of user and group.
    pub fn user(&self) -> (u32, u32) {
        let (user, group) = self.last("USER")[0].split_once(':').unwrap();
        (user.parse().unwrap(), group.parse().unwrap())
    }
}

#[test]
fn images_are_pinned_and_secrets_are_no_build_arguments() {
    let file = Dockerfile::read();
    assert_eq!(file.stages.len(), 2);
    for stage in &file.stages {
        let image = stage[0].rest.split_whitespace().next().unwrap();
        assert!(is_pinned(image), "{image}");
        assert!(stage.iter().all(|i| i.name != "ARG" && i.name != "ADD"));
    }
    let rust = file.stages[0][0].rest.strip_prefix("rust:").unwrap();
    let built_with = rust.split('-').next().unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let manifest = text_of("Cargo.toml");
    let needed = manifest.split_once("rust-version = \"").unwrap().1.split('"').next().unwrap();
    assert!(minor(built_with) >= minor(needed), "{built_with} cannot build {needed}");
}

#[test]
fn everything_copied_exists_and_is_let_into_the_build() {
    let file = Dockerfile::read();
    let ignored = text_of(".dockerignore");
    let let_in: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "all that is not named stays out");
    let copies = file.stages[0].iter().filter(|i| i.name == "COPY");
    let mut copied = Vec::new();
    for copy in copies {
        let words: Vec<&str> = copy.rest.split_whitespace().collect();
        let (_, sources) = words.split_last().unwrap();
        copied.extend(sources.iter().copied());
    }
    for source in &copied {
        assert!(checkout(source).exists(), "{source} is copied and does not exist");
        assert!(let_in.contains(source), "{source} is copied and ignored");
    }
    assert_eq!(copied.len(), let_in.len(), "what is let in is copied");
    for member in ["src", "compat", "shadow", "Cargo.lock"] {
        assert!(copied.contains(&member), "{member}");
    }
    let build = file.stages[0].iter().find(|i| i.name == "RUN").unwrap();
    assert!(build.rest.contains("cargo build --release --locked --bin crs"), "{}", build.rest);
    for copy in file.last("COPY") {
        assert!(copy.starts_with("--from=build "), "{copy}");
    }
}

#[test]
fn the_image_is_small_and_not_root() {
    let file = Dockerfile::read();
    assert!(file.user().0 > 0 && file.user().1 > 0);
    // No shell runs in it: nothing is installed, and nothing needs a shell when it works.
    assert!(file.last("RUN").is_empty());
    assert_eq!(file.words("CMD"), ["crs", "serve"]);
    assert_eq!(file.words("HEALTHCHECK"), ["crs", "health"]);
    assert_eq!(file.last("WORKDIR"), ["/app"]);
    assert_eq!(file.words("VOLUME"), ["/app/data", "/app/logs"]);
    let env = file.env();
    assert_eq!(file.last("EXPOSE"), [env["PORT"].as_str()]);
    let known = settings();
    assert!(env.keys().all(|name| known.contains(name.as_str())), "{env:?}");
    // Folders that the user writes are its own.
    let owner = format!("--chown={}", file.last("USER")[0]);
    for folder in ["/app/data", "/app/logs", "/run/crs"] {
        let copies = file.last("COPY");
        assert!(copies.iter().any(|c| c.ends_with(folder) && c.contains(&owner)), "{folder}");
    }
}
