//! `crs setup`: folders, `.env` and `data/init.json`, as the legacy setup script makes them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use anyhow::Context;
use jiff::Timestamp;
use rand::{Rng, distr::Alphanumeric};
use serde_json::json;

use super::Output;
use crate::config::{Environment, InitFile, Reader};

/// What the legacy example file has in place of secrets.
const PLACEHOLDERS: [(&str, usize); 2] =
    [("your-jwt-secret-here", 64), ("your-encryption-key-here", 32)];

/// Used when there is no `.env.example` to start from.
const NEW_ENV: &str = "\
PORT=3000
HOST=0.0.0.0
NODE_ENV=production
JWT_SECRET=your-jwt-secret-here
ENCRYPTION_KEY=your-encryption-key-here
REDIS_HOST=127.0.0.1
REDIS_PORT=6379
REDIS_PASSWORD=
REDIS_DB=0
LOG_LEVEL=info
TIMEZONE_OFFSET=8
";

/// Makes what is missing in `dir`; an existing administrator is left alone.
pub(super) fn run(dir: &Path, output: &Output) -> anyhow::Result<()> {
    let init_path = dir.join("data/init.json");
    if let Some(existing) = InitFile::read(&init_path)? {
        output.line("Setup has run before; nothing was changed.");
        output.line(&format!(
            "  since:         {}",
            existing.initialized_at.as_deref().unwrap_or("?")
        ));
        output.line(&format!("  administrator: {}", existing.admin_username));
        output
            .line("To make a new administrator, delete data/init.json and run `crs setup` again.");
        output.value(&json!({ "changed": false, "adminUsername": existing.admin_username }));
        return Ok(());
    }
    // As in the legacy script, settings are read before a new .env is written.
    let environment = Environment::read(dir)?;
    let reader = Reader::new(&environment);
    let username =
        reader.optional("ADMIN_USERNAME").unwrap_or_else(|| format!("cr_admin_{}", random_hex(4)));
    let password = reader.optional("ADMIN_PASSWORD").unwrap_or_else(random_password);

    for folder in ["logs", "data", "temp"] {
        fs::create_dir_all(dir.join(folder)).with_context(|| format!("cannot make {folder}/"))?;
    }
    let env_path = dir.join(".env");
    let env_written = !env_path.exists();
    if env_written {
        let template =
            fs::read_to_string(dir.join(".env.example")).unwrap_or_else(|_| NEW_ENV.into());
        let text = PLACEHOLDERS.iter().fold(template, |text, (placeholder, bytes)| {
            text.replacen(placeholder, &random_hex(*bytes), 1)
        });
        write_private(&env_path, &text)?;
    }
    let init = InitFile {
        admin_username: username.clone(),
        admin_password: password.as_str().into(),
        initialized_at: Some(format!("{:.3}", Timestamp::now())),
        updated_at: None,
    };
    write_private(&init_path, &init.to_json())?;

    output.line("Setup is done.");
    output.line(&format!("  administrator: {username}"));
    output.line(&format!("  password:      {password}"));
    output.line("Keep them: the password is shown once and stands in data/init.json.");
    if env_written {
        output.line(
            "A new .env with fresh secrets was written. Keep a copy of ENCRYPTION_KEY: without it",
        );
        output.line("nothing that is stored can be read.");
    }
    output.line("Next: set REDIS_* in .env if Redis is elsewhere, then run `crs serve`.");
    output.value(&json!({
        "changed": true,
        "envWritten": env_written,
        "adminUsername": username,
        "adminPassword": password,
    }));
    Ok(())
}

fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0_u8; bytes];
    rand::rng().fill(buffer.as_mut_slice());
    hex::encode(buffer)
}

fn random_password() -> String {
    rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect()
}

/// Writes a new file that only its owner can read: it holds secrets.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config::Source;

    #[test]
    fn writes_what_the_legacy_script_writes_and_only_once() {
        let dir = std::env::temp_dir().join(format!("crs-setup-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join(".env.example"),
            "A=1\nJWT_SECRET=your-jwt-secret-here\nENCRYPTION_KEY=your-encryption-key-here\n",
        )
        .unwrap();
        run(&dir, &Output::new(true)).unwrap();

        let environment = Environment::read(&dir).unwrap();
        assert_eq!(environment.get("ENCRYPTION_KEY").unwrap().len(), 64);
        assert_eq!(environment.get("JWT_SECRET").unwrap().len(), 128);
        let text = fs::read_to_string(dir.join("data/init.json")).unwrap();
        let keys: Vec<String> =
            serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text)
                .unwrap()
                .keys()
                .cloned()
                .collect();
        assert_eq!(keys, ["initializedAt", "adminUsername", "adminPassword", "version"]);
        assert!(text.starts_with("{\n  \"initializedAt\": \"20"), "{text}");

        run(&dir, &Output::new(true)).unwrap();
        assert_eq!(fs::read_to_string(dir.join("data/init.json")).unwrap(), text);
        fs::remove_dir_all(&dir).unwrap();
    }
}
