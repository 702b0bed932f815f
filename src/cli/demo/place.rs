//! The demo's folder, by which other commands find a running demo.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::config::{Config, ConfigError, Environment, Source};

/// Below the working directory.
const FOLDER: &str = ".crs-demo";
/// Settings of the running demo.
const SETTINGS: &str = "settings.json";
/// Setting with the demo's process id.
const PROCESS: &str = "CRS_DEMO_PROCESS";

/// The folder of one running demo; removed when dropped.
pub(super) struct Place {
    dir: PathBuf,
}

impl Place {
    /// Makes the folder afresh.
    ///
    /// # Errors
    /// When another demo runs in `dir`, or the folder cannot be made.
    pub(super) fn take(dir: &Path) -> anyhow::Result<Self> {
        let place = dir.join(FOLDER);
        if read(&place).is_some() {
            anyhow::bail!("a demo already runs in this folder; end it with Ctrl-C first");
        }
        // What a killed demo left behind.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
        let dir = fs::canonicalize(&place)?;
        Ok(Self { dir })
    }

    /// The folder, absolute.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Empties it for the next act.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.dir)?;
        Ok(fs::create_dir_all(&self.dir)?)
    }

    /// Makes the demo known to other commands and returns its settings as they are.
    ///
    /// # Errors
    /// When they cannot be written or used.
    pub(super) fn publish(&self, mut settings: HashMap<String, String>) -> anyhow::Result<Config> {
        settings.insert(PROCESS.to_owned(), std::process::id().to_string());
        fs::write(self.dir.join(SETTINGS), serde_json::to_string_pretty(&settings)?)?;
        Ok(Config::load(&settings, &self.dir)?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether the settings of `dir` are those of a running demo: `dir` is a demo's own folder, or one runs in
/// it and it has no `.env`.
pub(in crate::cli) fn is_demo(dir: &Path) -> bool {
    running(dir).is_some()
}

/// The settings of `dir` as they stand, and the folder that they belong to.
///
/// # Errors
/// When the `.env` there cannot be read.
pub(in crate::cli) fn source(dir: &Path) -> Result<(Box<dyn Source>, PathBuf), ConfigError> {
    Ok(match running(dir) {
        Some((settings, place)) => (Box::new(settings), place),
        None => (Box::new(Environment::read(dir)?), dir.to_owned()),
    })
}

/// What commands in `dir` work on.
///
/// # Errors
/// [`ConfigError`] for the first setting that cannot be used.
pub(in crate::cli) fn config(dir: &Path) -> Result<Config, ConfigError> {
    let (source, place) = source(dir)?;
    Config::load(&*source, &place)
}

fn running(dir: &Path) -> Option<(HashMap<String, String>, PathBuf)> {
    if let Some(settings) = read(dir) {
        return Some((settings, dir.to_owned()));
    }
    if dir.join(".env").exists() {
        return None;
    }
    let place = dir.join(FOLDER);
    read(&place).map(|settings| (settings, place))
}

/// Settings in `place` whose process is alive.
fn read(place: &Path) -> Option<HashMap<String, String>> {
    let text = fs::read_to_string(place.join(SETTINGS)).ok()?;
    let settings: HashMap<String, String> = serde_json::from_str(&text).ok()?;
    let process = settings.get(PROCESS)?;
    // Where there is no such folder the demo is believed to run.
    let alive = !Path::new("/proc/self").exists() || Path::new("/proc").join(process).exists();
    alive.then_some(settings)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_running_demo_is_found_until_it_ends() {
        let dir = std::env::temp_dir().join(format!("crs-place-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&dir).unwrap();
        assert!(!is_demo(&dir));
        let place = Place::take(&dir).unwrap();
        place.publish(HashMap::from([("PORT".into(), "4567".into())])).unwrap();
        assert_eq!(config(&dir).unwrap().server.port, 4567);
        assert!(Place::take(&dir).is_err());
        fs::write(dir.join(".env"), "PORT=4568").unwrap();
        assert!(!is_demo(&dir), "a folder's own settings win");
        assert_eq!(config(place.dir()).unwrap().server.port, 4567, "but not in the demo's folder");
        fs::remove_file(dir.join(".env")).unwrap();
        drop(place);
        assert!(!is_demo(&dir));
        fs::remove_dir_all(&dir).unwrap();
    }
}
