//! The files for containers, read and tried without a container engine.
//!
//! `docker-compose.yml` is held against the schema of the Compose Specification and against the plan of
//! MIGRATION.md; the `Dockerfile` against the checkout it copies from. What the image does when it starts is
//! done here in a folder laid out like it, as the user that it names.

mod compose;
mod dockerfile;
mod steps;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crs::config::table;

/// A path of the checkout.
pub fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the checkout.
pub fn text_of(path: &str) -> String {
    fs::read_to_string(checkout(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Variables that `crs` reads.
pub fn settings() -> BTreeSet<&'static str> {
    table::settings().map(|setting| setting.name).collect()
}

/// An image with a version that does not move under one's feet.
pub fn is_pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    image.contains("@sha256:") || tag.chars().any(|c| c.is_ascii_digit()) && tag.contains('.')
}
