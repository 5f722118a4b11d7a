//! What a process has used, by `/proc`.

use std::fs;

use crate::Outcome;

/// `/proc/PID/stat` counts in hundredths of a second whatever the kernel's own clock (USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that the process has kept a processor busy, its own and the kernel's for it.
pub(crate) fn cpu_seconds(pid: u32) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before may hold spaces; it ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// Octets of memory that the process has in use.
pub(crate) fn resident(pid: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<f64>()?;
    Ok(kibibytes * 1024.0)
}
