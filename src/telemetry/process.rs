//! What the kernel says of this process.

/// Resident memory in bytes, file pages included; `None` where there is no `/proc`.
pub(super) fn resident_bytes() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmRSS:  12345 kB` of `/proc/self/status`; kB are KiB there.
fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident_in("Name:\tringtail\nVmHWM:\t   30000 kB\nVmRSS:\t   12345 kB\n"), Some(12345 * 1024));
        assert_eq!(resident_in("Name:\tringtail\n"), None);
        assert_eq!(resident_in("VmRSS:\tmuch kB\n"), None);
    }
}
