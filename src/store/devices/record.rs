//! A device password in writing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::mailbox::{Day, Device, DeviceName, Proof, Scope};
use crate::proto::Protocol;

/// The version of the form written. Another one is refused rather than guessed at.
const VERSION: u32 = 1;

/// A device password: what it is known by, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The address of its mailbox, in lower case.
    pub mailbox: String,
    /// The device.
    pub name: DeviceName,
    /// What the password is known by, as [`Proof::parse`] reads it; `None` once it is revoked.
    pub password: Option<String>,
    /// Where it is good.
    pub scope: Scope,
    /// When the password was made.
    pub created: Day,
    /// When it was revoked.
    pub revoked: Option<Day>,
    /// Sessions that began before are over. Kept to the millisecond.
    pub cut: Option<SystemTime>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    version: u32,
    mailbox: String,
    name: String,
    password: Option<String>,
    protocols: Vec<String>,
    networks: Vec<String>,
    expires: Option<String>,
    created: String,
    revoked: Option<String>,
    /// Milliseconds since 1970.
    cut: Option<u64>,
}

impl DeviceRecord {
    /// The device as logins know it.
    ///
    /// # Errors
    /// What is wrong with the password's digest or hash.
    pub fn device(&self) -> Result<Device, String> {
        let proof = self.password.as_deref().map(Proof::parse).transpose();
        let proof = proof.map_err(|error| error.to_string())?;
        let mut device = Device::new(&self.mailbox, self.name.clone(), proof, self.scope.clone());
        device.cut = self.cut;
        Ok(device)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
        serde_json::to_vec_pretty(&Form {
            version: VERSION,
            mailbox: self.mailbox.clone(),
            name: self.name.to_string(),
            password: self.password.clone(),
            protocols: self.scope.protocols.iter().map(ToString::to_string).collect(),
            networks: self.scope.networks.iter().map(ToString::to_string).collect(),
            expires: self.scope.expires.map(|day| day.to_string()),
            created: self.created.to_string(),
            revoked: self.revoked.map(|day| day.to_string()),
            cut: self.cut.map(|time| u64::try_from(since(time).as_millis()).unwrap_or(u64::MAX)),
        })
    }

    /// Reads what [`encode`](Self::encode) wrote. What isn't understood is refused: a scope read by
    /// half would let in too much.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        // serde_json's own words would quote from the file.
        let unreadable = |error: serde_json::Error| {
            format!("no device password, as of line {} column {}", error.line(), error.column())
        };
        let form: Form = serde_json::from_slice(bytes).map_err(unreadable)?;
        if form.version != VERSION {
            return Err(format!("version {}, not {VERSION}", form.version));
        }
        let day = |text: Option<String>| text.map(|text| text.parse::<Day>()).transpose();
        let said = |error: &dyn std::error::Error| error.to_string();
        let networks = form.networks.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        let protocols = form.protocols.iter().map(|name| {
            Protocol::named(name).map(|row| row.name).ok_or_else(|| format!("no protocol {name:?}"))
        });
        let record = Self {
            mailbox: form.mailbox,
            name: form.name.parse().map_err(|error| said(&error))?,
            password: form.password,
            scope: Scope {
                protocols: protocols.collect::<Result<_, _>>()?,
                networks: networks.map_err(|error: crate::mailbox::InvalidNetwork| said(&error))?,
                expires: day(form.expires).map_err(|error| said(&error))?,
            },
            created: form.created.parse().map_err(|error: crate::mailbox::NoDay| said(&error))?,
            revoked: day(form.revoked).map_err(|error| said(&error))?,
            cut: form.cut.and_then(|cut| UNIX_EPOCH.checked_add(Duration::from_millis(cut))),
        };
        record.device().map(|_| record)
    }
}
