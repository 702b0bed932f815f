//! A folder of the Node service: which files it has, and where.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::Value;

use super::place::read;

/// Files of `data/` that are taken.
const TAKEN: [&str; 3] = ["init.json", "model_pricing.json", "model_pricing.sha256"];

/// The folder.
pub(super) struct Installation(PathBuf);

impl Installation {
    /// The installation in a folder; `None` when nothing there says that it is one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn find(folder: &Path) -> anyhow::Result<Option<Self>> {
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let found = Self(folder.to_owned());
        let signs = [found.settings(), found.data("init.json"), found.codex_source()];
        Ok(signs.iter().any(|path| path.is_file()).then_some(found))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.0.join(".env")
    }

    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.0.join("data").join(name)
    }

    /// Source file that holds the instructions of Codex clients.
    pub(super) fn codex_source(&self) -> PathBuf {
        self.0.join("src/routes/openaiRoutes.js")
    }

    /// Its version, where it says so.
    pub(super) fn version(&self) -> Option<String> {
        let text = |name: &str| read(&self.0.join(name)).ok()?.map(String::from_utf8)?.ok();
        let plain = text("VERSION").map(|text| text.trim().to_owned());
        plain.filter(|text| !text.is_empty() && text.len() < 40).or_else(|| {
            let package: Value = serde_json::from_str(&text("package.json")?).ok()?;
            package.get("version")?.as_str().map(str::to_owned)
        })
    }

    /// Files that may matter to the operator and are not taken.
    ///
    /// # Errors
    /// When `data/` is there and cannot be read.
    pub(super) fn left(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        match fs::read_dir(self.0.join("data")) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    // What crs itself keeps there belongs to whoever runs there.
                    if !TAKEN.contains(&name.as_str()) && name != "crs" {
                        left.push(format!("data/{name}"));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("cannot read data/"),
        }
        left.extend(Some("config/config.js".to_owned()).filter(|own| self.0.join(own).is_file()));
        left.sort_unstable();
        Ok(left)
    }
}
