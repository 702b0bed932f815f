//! Where settings come from: a trait, so that tests need no process environment.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{ConfigError, env_file};

/// Looks up one setting by its variable name.
pub trait Source {
    /// The value, empty text included; `None` when the name is not set at all.
    fn get(&self, name: &str) -> Option<String>;
}

/// The operator's settings: the process environment, then the `.env` file. A variable that exists in
/// the environment wins even when it is empty.
#[derive(Debug, Default)]
pub struct Environment {
    file: HashMap<String, String>,
}

impl Environment {
    /// Reads `.env` in `dir`; a missing file is no settings.
    ///
    /// # Errors
    /// When the file exists and cannot be read. Going on with defaults would serve with the wrong
    /// encryption key.
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        Ok(Self { file: file_in(dir)? })
    }
}

/// What `.env` in `dir` says, whatever the environment says; a missing file says nothing.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn file_in(dir: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let path: PathBuf = dir.join(".env");
    match fs::read(&path) {
        Ok(bytes) => Ok(env_file::parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(ConfigError::Unreadable { path: path.display().to_string(), error }),
    }
}

impl Source for Environment {
    fn get(&self, name: &str) -> Option<String> {
        match std::env::var_os(name) {
            Some(value) => Some(value.to_string_lossy().into_owned()),
            None => self.file.get(name).cloned(),
        }
    }
}

impl Source for HashMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        HashMap::get(self, name).cloned()
    }
}

impl<const N: usize> Source for [(&str, &str); N] {
    fn get(&self, name: &str) -> Option<String> {
        self.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }
}
