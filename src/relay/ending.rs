//! The end of a connection whose mailbox was open, in the journal.

use std::time::Duration;

use tracing::info;

use crate::wire::{End, Traffic};

/// One line for the operator.
pub(super) fn journal(traffic: Traffic, end: &End, time: Duration) {
    let Traffic { sent, received } = traffic;
    let seconds = time.as_secs();
    match end {
        End::Finished => info!(sent, received, seconds, "ended"),
        End::Idle => info!(sent, received, seconds, "ended: nothing moved for too long"),
        End::DownstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the client's side broke");
        }
        End::UpstreamBroke(error) => {
            info!(sent, received, seconds, %error, "ended: the service's side broke");
        }
    }
}
