//! The device passwords of the state directory, as they are at this moment, and when each was used.

use std::collections::HashMap;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::mailbox::{Device, Devices};
use crate::store::{DeviceRecord, DeviceStore, Found, Trouble, Uses};

/// The device passwords that may change while the service runs. Every login looks at the directory's
/// time of modification, a microsecond's work: so a password that is revoked ends at the next login,
/// and a new one works at the first.
#[derive(Default)]
pub struct LiveDevices {
    store: Option<DeviceStore>,
    current: watch::Sender<Arc<Devices>>,
    read: tokio::sync::Mutex<Read>,
    uses: Mutex<Ledger>,
}

/// A device's password that opened a session, and when.
pub(super) struct Badge {
    pub(super) device: Arc<Device>,
    pub(super) since: SystemTime,
}

/// What was read, and when.
#[derive(Default)]
struct Read {
    records: Vec<(DeviceRecord, Arc<Device>)>,
    modified: Option<SystemTime>,
    /// Whether the directory's time was old enough to tell a later change from this one.
    settled: bool,
    troubles: Vec<String>,
}

#[derive(Default)]
struct Ledger {
    uses: Uses,
    unsaved: bool,
}

/// How often to look for changes without a login: sessions that were told to end do so this soon.
const LOOK: Duration = Duration::from_secs(1);

/// How often to write down when passwords were used: a crash loses a minute of it, a busy service
/// writes once a minute.
const WRITE_DOWN: Duration = Duration::from_secs(60);

/// The coarsest time of modification that a file system keeps (FAT: 2 s). A change this soon after
/// another may not show.
const GRANULARITY: Duration = Duration::from_secs(2);

impl LiveDevices {
    /// The device passwords kept in `state_directory`, none of them read yet.
    pub fn kept_in(state_directory: &Path) -> Self {
        let store = DeviceStore::at(state_directory);
        let ledger = Ledger { uses: store.uses(), unsaved: false };
        Self { store: Some(store), uses: Mutex::new(ledger), ..Self::default() }
    }

    /// All device passwords as of now, or as they were when they could last be read.
    pub async fn now(&self) -> Arc<Devices> {
        let Some(store) = &self.store else {
            return Arc::clone(&self.current.borrow());
        };
        let mut read = self.read.lock().await;
        let modified = store.modified();
        if !matches!(&modified, Ok(modified) if read.settled && *modified == read.modified) {
            self.read(store.clone(), modified, &mut read).await;
        }
        Arc::clone(&self.current.borrow())
    }

    /// Looks for changes and writes down what was used, for ever.
    pub async fn follow(&self) {
        let mut written = Instant::now();
        loop {
            sleep(LOOK).await;
            self.now().await;
            if written.elapsed() >= WRITE_DOWN {
                self.write_down();
                written = Instant::now();
            }
        }
    }

    /// Notes that a device's password was used.
    pub(super) fn used(&self, device: &Device, now: SystemTime) {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut ledger = self.ledger();
        let devices = ledger.uses.entry(device.mailbox.clone()).or_default();
        devices.insert(device.name.to_string(), seconds);
        ledger.unsaved = true;
    }

    /// Waits until the session that `badge` opened may not go on.
    pub(super) async fn cut(&self, badge: Option<&Badge>) {
        let Some(Badge { device, since }) = badge.filter(|_| self.store.is_some()) else {
            return pending().await;
        };
        let mut changes = self.current.subscribe();
        // The sender lives as long as the relay, so this ends by a cut alone.
        let _ = changes.wait_for(|devices| !devices.lets_go_on(device, *since)).await;
        info!("ended: its device password was withdrawn");
    }

    /// Writes down when passwords were used, where that isn't on disk yet.
    pub fn write_down(&self) {
        let uses = {
            let mut ledger = self.ledger();
            if !std::mem::take(&mut ledger.unsaved) {
                return;
            }
            ledger.uses.clone()
        };
        let saved = self.store.as_ref().map_or(Ok(()), |store| store.save_uses(&uses));
        if let Err(trouble) = saved {
            warn!("when device passwords were used isn't recorded: {trouble}");
        }
    }

    async fn read(
        &self,
        store: DeviceStore,
        modified: Result<Option<SystemTime>, Trouble>,
        read: &mut Read,
    ) {
        let loaded = match modified {
            Err(trouble) => Err(trouble),
            Ok(modified) => {
                read.modified = modified;
                read.settled = modified.is_none_or(is_settled);
                let load = tokio::task::spawn_blocking(move || store.load());
                load.await.unwrap_or_else(|_| Ok(Found::default()))
            }
        };
        let found = match loaded {
            Ok(found) => found,
            // What others may write to isn't believed, nor what was read there before.
            Err(trouble @ Trouble::Exposed { .. }) => {
                Found { troubles: vec![trouble], ..Found::default() }
            }
            Err(trouble) => {
                read.settled = false;
                return warn!("the device passwords stay as they were: {trouble}");
            }
        };
        let records = found.records;
        let troubles: Vec<_> = found.troubles.iter().map(ToString::to_string).collect();
        complain(&troubles, &read.troubles);
        read.troubles = troubles;
        let unchanged = records.iter().eq(read.records.iter().map(|(record, _)| record));
        if !unchanged {
            read.take(records);
            let devices = read.records.iter().map(|(_, device)| Arc::clone(device)).collect();
            self.current.send_replace(Arc::new(devices));
            info!(count = read.records.len(), "read the device passwords");
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// Takes these records. What one that stayed the same remembers of its password stays too.
    fn take(&mut self, records: Vec<DeviceRecord>) {
        let mut known: HashMap<_, _> = std::mem::take(&mut self.records)
            .into_iter()
            .map(|(record, device)| {
                ((record.mailbox.clone(), record.name.clone()), (record, device))
            })
            .collect();
        for record in records {
            let former = known.remove(&(record.mailbox.clone(), record.name.clone()));
            match (former, record.device()) {
                (Some((same, device)), _) if same == record => self.records.push((same, device)),
                (_, Ok(device)) => self.records.push((record, Arc::new(device))),
                // Decoding has tried it before.
                (_, Err(_)) => {}
            }
        }
    }
}

fn is_settled(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age > GRANULARITY)
}

fn complain(troubles: &[String], known: &[String]) {
    for trouble in troubles.iter().filter(|trouble| !known.contains(trouble)) {
        warn!("a device password is of no use: {trouble}");
    }
}
