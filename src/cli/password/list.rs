//! `gatepost password list`.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::table::columns;
use crate::cli::{Exit, Failure};
use crate::config::Config;
use crate::mailbox::Day;
use crate::store::{DeviceRecord, DeviceStore, Uses};

/// Prints the devices of one mailbox or of all.
pub(super) fn list(config: &Config, mailbox: Option<&str>) -> Result<(), Failure> {
    let unknown =
        |name| Failure::new(Exit::Data, format!("the configuration has no mailbox {name:?}"));
    let address = |name| config.directory.address(name).ok_or_else(|| unknown(name));
    let wanted = mailbox.map(address).transpose()?;
    let store = DeviceStore::at(&config.state_directory);
    let (found, uses) = (store.load()?, store.uses());
    for trouble in &found.troubles {
        eprintln!("warning: {trouble}");
    }
    let is_wanted = |mailbox: &str| wanted.as_deref().is_none_or(|wanted| wanted == mailbox);
    let stored = found.records.iter().map(|record| row(record, &uses));
    let configured = config.directory.devices().iter().map(|device| {
        let used = last_use(&uses, &device.mailbox, device.name.as_str());
        let scope = device.scope.to_string();
        [&device.mailbox, device.name.as_str(), &scope, "in the configuration", &used]
            .map(str::to_owned)
    });
    let mut rows: Vec<_> = stored.chain(configured).filter(|row| is_wanted(&row[0])).collect();
    rows.sort();
    let head = ["MAILBOX", "DEVICE", "GOOD", "SINCE", "LAST USE"].map(str::to_owned);
    rows.insert(0, head);
    // A closed pipe, as of `… | head`, is nobody's problem.
    let _ = io::stdout().write_all(columns(&rows).as_bytes());
    Ok(())
}

fn row(record: &DeviceRecord, uses: &Uses) -> [String; 5] {
    let expired = record.scope.expires.is_some_and(|last| Day::of(SystemTime::now()) > last);
    let good = match record.revoked {
        Some(day) => format!("revoked {day}"),
        None if expired => format!("expired: {}", record.scope),
        None => record.scope.to_string(),
    };
    let used = last_use(uses, &record.mailbox, record.name.as_str());
    [record.mailbox.clone(), record.name.to_string(), good, record.created.to_string(), used]
}

fn last_use(uses: &Uses, mailbox: &str, device: &str) -> String {
    let Some(seconds) = uses.get(mailbox).and_then(|devices| devices.get(device)) else {
        return "never".to_owned();
    };
    let day = Day::of(UNIX_EPOCH + Duration::from_secs(*seconds));
    let minutes = seconds / 60 % (24 * 60);
    format!("{day} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}
