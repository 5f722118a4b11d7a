//! Where the configuration and the state are, unless someone says.

use std::fmt;
use std::path::{Path, PathBuf};

/// No configuration in any of the usual places.
#[derive(Debug)]
pub struct NotFound {
    tried: Vec<PathBuf>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no configuration found; looked for\n")?;
        for path in &self.tried {
            writeln!(f, "  {}", path.display())?;
        }
        f.write_str(
            "Name one with --config FILE or $GATEPOST_CONFIG, or start from config.example.toml.",
        )
    }
}

impl std::error::Error for NotFound {}

/// The first configuration that is there.
///
/// # Errors
/// [`NotFound`], with the places.
pub fn find() -> Result<PathBuf, NotFound> {
    let tried = places();
    match tried.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(NotFound { tried }),
    }
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if cfg!(windows) {
        places.extend(folder("ProgramData", None));
    } else {
        if !is_root() {
            places.extend(folder("XDG_CONFIG_HOME", Some(".config")));
        }
        places.push(PathBuf::from("/etc/gatepost"));
    }
    places.into_iter().map(|folder| folder.join("config.toml")).collect()
}

/// The state directory: systemd's, the system's for root, else the user's.
pub(super) fn state_directory() -> PathBuf {
    // systemd separates several by colons; the first is the service's main one.
    if let Some(given) = std::env::var("STATE_DIRECTORY").ok().filter(|given| !given.is_empty()) {
        return PathBuf::from(given.split(':').next().unwrap_or(&given));
    }
    if cfg!(windows) {
        return folder("ProgramData", None)
            .map_or_else(|| PathBuf::from("state"), |folder| folder.join("state"));
    }
    let own = if is_root() { None } else { folder("XDG_STATE_HOME", Some(".local/state")) };
    own.unwrap_or_else(|| PathBuf::from("/var/lib/gatepost"))
}

/// gatepost's folder below the one that the variable names, or below `in_home`.
fn folder(variable: &str, in_home: Option<&str>) -> Option<PathBuf> {
    let absolute =
        |value: std::ffi::OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let base = std::env::var_os(variable).and_then(absolute);
    let home = || Some(std::env::var_os("HOME").and_then(absolute)?.join(in_home?));
    Some(base.or_else(home)?.join("gatepost"))
}

/// Whether this is the system's superuser, whose files go to the system's places.
fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
    }
    #[cfg(not(target_os = "linux"))]
    {
        std::env::var_os("USER").is_some_and(|user| user == "root")
    }
}
