//! What becomes of a message: the limits of a mailbox, its right to send, and delivery.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::envelope::Envelope;
use super::hello::MACHINE;
use super::session::Product;
use crate::bearer::{Access, Admission};
use crate::cloud::Cloud;
use crate::{delivery, entropy};

/// The window of the message rate.
const MINUTE: Duration = Duration::from_secs(60);

/// The submissions of all mailboxes.
#[derive(Debug, Default)]
pub(crate) struct Submissions {
    open: Mutex<HashMap<String, usize>>,
    /// When each mailbox's latest messages were or will be taken, no more than a minute's worth.
    taken: Mutex<HashMap<String, VecDeque<Instant>>>,
}

/// The place of one submission among those that its mailbox has under way.
#[derive(Debug)]
pub(super) struct Slot {
    cloud: Arc<Cloud>,
    mailbox: String,
    /// Counted from 1.
    rank: usize,
}

impl Slot {
    pub(super) fn take(cloud: &Arc<Cloud>, mailbox: &str) -> Self {
        let mut open = cloud.submissions.open();
        let rank = open.entry(mailbox.into()).or_default();
        *rank += 1;
        Self { cloud: Arc::clone(cloud), mailbox: mailbox.into(), rank: *rank }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(count) = self.cloud.submissions.open().get_mut(&self.mailbox) {
            *count -= 1;
        }
    }
}

impl Submissions {
    fn open(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books the next place in the mailbox's rate and answers when it is.
    fn book(&self, mailbox: &str, per_minute: usize, now: Instant) -> Instant {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let times = taken.entry(mailbox.into()).or_default();
        while times.front().is_some_and(|time| *time + MINUTE <= now) {
            times.pop_front();
        }
        let earliest = times.len().checked_sub(per_minute).and_then(|index| times.get(index));
        let place = earliest.map_or(now, |time| *time + MINUTE);
        times.push_back(place);
        place
    }
}

/// The reply to a whole message.
pub(super) async fn submit(
    cloud: &Cloud,
    (product, login): (Product, &Admission),
    envelope: &Envelope,
    message: Vec<u8>,
) -> String {
    let crowded = match product {
        Product::ClientSubmission => mailbox_refusal(cloud, login, envelope),
        Product::HighVolume => None,
    };
    if let Some(refusal) = crowded.or_else(|| sender_refusal(cloud, login, envelope, &message)) {
        return refusal;
    }
    let rate = cloud.knobs().smtp_rate_per_minute;
    if let Some(per_minute) = rate.filter(|_| product == Product::ClientSubmission) {
        let place = cloud.submissions.book(&login.mailbox, per_minute.max(1), Instant::now());
        sleep_until(place).await;
    }
    let message: Arc<[u8]> = message.into();
    delivery::deliver(cloud, &envelope.recipients, &message);
    // High Volume Email submits for accounts that have no mailbox to keep a copy in.
    if product == Product::ClientSubmission {
        cloud.store.deliver(&login.mailbox, "Sent Items", message);
    }
    cloud.counters.messages_accepted.increment();
    format!("250 2.0.0 OK <{}@{MACHINE}> [Hostname={MACHINE}]", entropy::guid())
}

/// What the mailbox's state and its other submissions have against this one.
fn mailbox_refusal(cloud: &Cloud, login: &Admission, envelope: &Envelope) -> Option<String> {
    let (logon_failed, thread_limit) = {
        let knobs = cloud.knobs();
        (knobs.smtp_logon_failed, knobs.smtp_thread_limit)
    };
    if logon_failed || login.access == Access::Missing {
        return Some(LOGON_FAILED.into());
    }
    if envelope.slot.rank > thread_limit {
        return Some("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded".into());
    }
    None
}

fn sender_refusal(
    cloud: &Cloud,
    login: &Admission,
    envelope: &Envelope,
    message: &[u8],
) -> Option<String> {
    let header = delivery::author(message);
    let senders = [Some(envelope.sender.clone()), header].into_iter().flatten();
    let tenant = cloud.tenant();
    let account = tenant.mailbox(&login.mailbox)?;
    let mut foreign = senders.filter(|sender| !sender.is_empty() && !account.may_send_as(sender));
    foreign.next().map(|sender| send_as_denied(&login.mailbox, &sender))
}

const LOGON_FAILED: &str = "430 4.2.0 STOREDRV; mailbox logon failure; \
    STOREDRV.Submission.Exception:ConnectionFailedTransientException.MapiExceptionLogonFailed; Failed to process message \
    due to a transient exception with message [BeginDiagnosticData]Cannot open mailbox. [EndDiagnosticData]";

fn send_as_denied(mailbox: &str, sender: &str) -> String {
    format!(
        "554 5.2.252 SendAsDenied; {mailbox} not allowed to send as {sender}; \
         STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a \
         permanent exception with message [BeginDiagnosticData]Cannot submit message. [EndDiagnosticData] \
         [Hostname={MACHINE}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_lets_a_minute_pass_after_its_last_message() {
        let (submissions, start) = (Submissions::default(), Instant::now());
        let place = |at| submissions.book("a@b.example", 2, start + at) - start;
        let places = [0, 0, 0, 10, 10].map(|at| place(Duration::from_secs(at)));
        assert_eq!(places, [Duration::ZERO, Duration::ZERO, MINUTE, MINUTE, 2 * MINUTE]);
        assert_eq!(place(5 * MINUTE), 5 * MINUTE);
    }
}
