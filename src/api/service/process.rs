//! What the operating system says about this process.

use std::fs;

/// Memory in bytes; 0 where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub resident: u64,
    /// Resident and private: heap and stacks, without mapped files.
    pub private: u64,
}

/// Memory of this process (Linux: `/proc/self/status`).
pub fn memory() -> Memory {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB"))
            .and_then(|kib| kib.trim().parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024)
    };
    Memory { resident: field("VmRSS:"), private: field("RssAnon:") }
}
