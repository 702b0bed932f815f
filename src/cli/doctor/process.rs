//! The process that listens on a port of this machine, and the settings it was started with: what Linux tells
//! about processes of the same user. Elsewhere nothing is found.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use crate::config::file_in;

/// A listening socket's state in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A process that listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Listener {
    /// Its environment, and below it the `.env` of its folder.
    settings: HashMap<String, String>,
    /// Its working directory.
    pub dir: Option<PathBuf>,
    /// Whether it listens on more than the loopback address.
    pub open: bool,
}

impl Listener {
    /// Who listens on `port`, as far as it can be seen.
    pub(super) fn on(port: u16) -> Option<Self> {
        let sockets = sockets(port);
        let open = sockets.iter().any(|socket| !socket.loopback);
        let process = holder(&sockets)?;
        let environment = fs::read(process.join("environ")).ok()?;
        let dir = fs::read_link(process.join("cwd")).ok();
        let mut settings = dir.as_deref().and_then(|dir| file_in(dir).ok()).unwrap_or_default();
        for pair in environment.split(|byte| *byte == 0) {
            let pair = String::from_utf8_lossy(pair);
            if let Some((name, value)) = pair.split_once('=') {
                settings.insert(name.to_owned(), value.to_owned());
            }
        }
        Some(Self { settings, dir, open })
    }

    /// A setting; `None` when it is not set at all.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

struct Socket {
    inode: String,
    loopback: bool,
}

fn sockets(port: u16) -> Vec<Socket> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let text: String = tables.iter().filter_map(|table| fs::read_to_string(table).ok()).collect();
    listening(&text, port)
}

/// Listening sockets on a port in lines of `/proc/net/tcp` and `tcp6`.
fn listening(table: &str, port: u16) -> Vec<Socket> {
    let sockets = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, at) = fields.get(1)?.rsplit_once(':')?;
        if fields.get(3) != Some(&LISTEN) || u16::from_str_radix(at, 16) != Ok(port) {
            return None;
        }
        // Words of the machine's byte order: 127.x.x.x, ::1, and 127.x.x.x as IPv6.
        let loopback = address.len() == 8 && address.ends_with("7F")
            || address == "00000000000000000000000001000000"
            || address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F");
        Some(Socket { inode: (*fields.get(9)?).to_owned(), loopback })
    });
    sockets.collect()
}

/// The folder below `/proc` of the process that holds one of the sockets.
fn holder(sockets: &[Socket]) -> Option<PathBuf> {
    if sockets.is_empty() {
        return None;
    }
    let wanted: Vec<PathBuf> =
        sockets.iter().map(|socket| format!("socket:[{}]", socket.inode).into()).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let mut processes = processes.filter(|path| is_process(path));
    processes.find(|process| {
        let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| wanted.contains(&link))
    })
}

fn is_process(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_in_the_tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1\n\
            1: 00000000:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 42 1\n\
            2: 0100007F:0BB9 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1000        0 43 1\n\
            3: 00000000000000000000000001000000:0BB9 0:0 0A 0:0 00:0 0  1000        0 44 1\n\
            4: 0100007F:0BBA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 45 1\n";
        let found: Vec<(String, bool)> = listening(table, 3001)
            .into_iter()
            .map(|socket| (socket.inode, socket.loopback))
            .collect();
        let expected = [("41", true), ("42", false), ("44", true)];
        assert_eq!(found, expected.map(|(inode, loopback)| (inode.to_owned(), loopback)));
    }

    #[test]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if Path::new("/proc/net/tcp").exists() {
            let found = Listener::on(port).unwrap();
            assert!(!found.open);
            assert_eq!(found.dir, std::env::current_dir().ok());
            assert_eq!(found.get("CARGO_MANIFEST_DIR"), Some(env!("CARGO_MANIFEST_DIR")));
        }
    }
}
