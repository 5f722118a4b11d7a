//! Submission mode: a client's mail transactions, each on its own way out.
//!
//! The client's commands are answered one after the other. A message waits at MAIL FROM for its turn
//! in its mailbox's line; its octets are passed on as they come; its verdict is the service's.

mod lane;
mod line;
mod outlet;
mod post;
mod record;
mod replies;
mod transfer;
mod way;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::client::report;
use super::{Badge, LAST_WORD, LiveDevices, Relay, no_service};
use crate::mailbox::{Mailbox, Via};
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::headers::{Author, Edits};
use crate::proto::smtp::submission::{
    BareLf, Content, Event, Identity, LogonFailure, Mail, Policy, Recipient, Repair, Ruling,
    Sender, Talk, date_time,
};
use crate::proto::smtp::{self, verdict};
use crate::proto::{Protocol, Refusal};
use crate::wire::{Halt, Wire};
use lane::Lane;
pub(super) use line::Lines;
use line::{Full, Purpose};
use outlet::Outlet;
use record::Record;
use replies::{crowded, not_permitted, out_of_order};

/// How long a client may keep a message's place without sending anything (RFC 5321 section
/// 4.5.3.2.7).
const CLIENT_PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How long a message waits for its turn: less than the five minutes that clients give MAIL (RFC
/// 5321 section 4.5.3.2.2), so that they hear why.
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 60);

impl Relay {
    /// Whether a login to `mailbox` may be told that it is good: its upstream opens, or did the last
    /// time.
    pub(super) async fn foresee(
        &self,
        protocol: &'static Protocol,
        mailbox: &Mailbox,
    ) -> Result<(), Refusal> {
        if mailbox.smtp_via == Via::Graph {
            return self.graph()?.reach(mailbox).await;
        }
        let service =
            mailbox.provider.service(protocol.name).ok_or_else(|| no_service(protocol, mailbox))?;
        let policy = &mailbox.submission;
        if policy.identity == Identity::Follow || self.memory.is_open(mailbox, service) {
            return Ok(());
        }
        let line = self.lines.of(&mailbox.address, policy);
        let turn = line.enter(Purpose::Login).await.map_err(|Full| crowded())?;
        // Perhaps somebody before in the line has opened it.
        if !self.memory.is_open(mailbox, service) {
            let lane = self.open_lane(mailbox).await?;
            turn.keep(lane);
        }
        Ok(())
    }

    /// Serves a client that has logged in to `mailbox` until it leaves, or its password is withdrawn.
    pub(super) async fn submit(
        &self,
        wire: Wire,
        (mailbox, badge): (Arc<Mailbox>, Option<Badge>),
        stop: &CancellationToken,
    ) {
        let extensions = self.extensions(&mailbox);
        let talk = Talk::new(self.name.clone(), &extensions, self.limits.session);
        let mut visit = Visit { relay: self, mailbox, badge, wire, talk, message: None, sent: 0 };
        let start = Instant::now();
        let parting = visit.run(stop).await;
        if let Some(message) = visit.message.take() {
            message.record.abandoned();
            message.way.break_off();
        }
        info!(messages = visit.sent, seconds = start.elapsed().as_secs(), "ended");
        match parting {
            Ok(words) => visit.wire.farewell(&words, LAST_WORD).await,
            Err(halt) => debug!(?halt, "the client left"),
        }
    }

    async fn open_lane(&self, mailbox: &Mailbox) -> Result<Lane, Refusal> {
        let protocol = &smtp::PROTOCOL;
        let service =
            mailbox.provider.service(protocol.name).ok_or_else(|| no_service(protocol, mailbox))?;
        let (wire, ready) = self
            .reach(protocol, mailbox, service)
            .await
            .map_err(|refusal| refusal.about(&mailbox.address))?;
        Ok(Lane::new(wire, &ready, self.limits.session))
    }
}

/// A client that sends.
struct Visit<'r> {
    relay: &'r Relay,
    mailbox: Arc<Mailbox>,
    badge: Option<Badge>,
    wire: Wire,
    talk: Talk,
    message: Option<Message<'r>>,
    sent: u64,
}

/// A message under way.
struct Message<'r> {
    way: Outlet<'r>,
    record: Record,
    content: Content,
}

impl<'r> Visit<'r> {
    /// Answers commands until the client leaves, or is to leave with a last word.
    async fn run(&mut self, stop: &CancellationToken) -> Result<Vec<u8>, Halt> {
        let welcome = self.talk.welcome();
        self.say(&welcome).await?;
        loop {
            let event = self.talk.next(self.wire.inbox());
            match &event {
                Event::Read => {
                    if let Some(words) = self.listen(stop).await? {
                        return Ok(words);
                    }
                }
                Event::Answer(words) => self.say(words).await?,
                Event::Close(words) => {
                    self.put_off();
                    return Ok(words.clone());
                }
                Event::Reset(words) => {
                    self.put_off();
                    self.say(words).await?;
                }
                Event::Skip { octets, answer } => {
                    self.skip(*octets).await?;
                    self.say(answer).await?;
                }
                Event::Mail(mail) => {
                    let reply = self.mail(mail.clone()).await?;
                    self.answer(&event, &reply).await?;
                }
                Event::Recipient(recipient) => {
                    let reply = self.recipient(recipient).await?;
                    self.answer(&event, &reply).await?;
                }
                Event::Data => self.data(&event).await?,
                Event::Chunk(chunk) => {
                    let reply = self.chunk(*chunk).await?;
                    self.answer(&event, &reply).await?;
                }
            }
        }
    }

    /// Waits for more of the client. The last word where it is to leave.
    async fn listen(&mut self, stop: &CancellationToken) -> Result<Option<Vec<u8>>, Halt> {
        let sending = self.message.is_some();
        let patience = match sending {
            true => CLIENT_PATIENCE.min(self.relay.timeouts.session_idle),
            false => self.relay.timeouts.session_idle,
        };
        tokio::select! {
            received = timeout(patience, self.wire.receive()) => match received {
                Ok(received) => received.map(|()| None),
                Err(_) => Ok(Some(b"421 4.4.2 Timed out\r\n".to_vec())),
            },
            () = self.relay.devices.cut(self.badge.as_ref()) => {
                Ok(Some(b"421 4.7.0 Password withdrawn\r\n".to_vec()))
            }
            () = stop.cancelled(), if !sending => {
                Ok(Some(b"421 4.3.2 Service is stopping\r\n".to_vec()))
            }
        }
    }

    /// MAIL: judges the sender, then waits for the message's turn.
    async fn mail(&mut self, mut mail: Mail) -> Result<Reply, Halt> {
        let policy = &self.mailbox.submission;
        let sender = mail.0.address.clone();
        let record = Record {
            mail_from: sender.clone(),
            recipients: Vec::new(),
            named: policy.recipients,
            octets: 0,
            changes: Vec::new(),
            start: Instant::now(),
        };
        match policy.rule(&sender, &self.mailbox.address) {
            Ruling::Pass => {}
            Ruling::Replace(address) => mail.0.address = address.to_owned(),
            Ruling::Refuse => {
                let reply = not_permitted(&sender, &self.mailbox.address);
                record.refused(&reply);
                return Ok(reply);
            }
        }
        let mut message = match self.begin(record, &mail).await? {
            Ok(message) => message,
            Err(reply) => return Ok(reply),
        };
        let reply = tokio::select! {
            reply = message.way.mail(&mail) => reply,
            () = gone(&mut self.wire, &self.relay.devices, self.badge.as_ref()) => {
                message.record.abandoned();
                return Err(Halt::Closed);
            }
        };
        if reply.is_positive() {
            self.message = Some(message);
            return Ok(reply);
        }
        message.record.refused(&reply);
        message.way.end();
        Ok(self.for_client(reply))
    }

    /// Waits for a turn in the line of whoever sends.
    async fn begin(
        &mut self,
        record: Record,
        mail: &Mail,
    ) -> Result<Result<Message<'r>, Reply>, Halt> {
        let policy = &self.mailbox.submission;
        let identity = policy.identity(&mail.0.address, &self.mailbox.address);
        let line = self.relay.lines.of(identity, policy);
        debug!(identity, "the message waits for its turn");
        let entered = tokio::select! {
            entered = timeout(LONGEST_WAIT, line.enter(Purpose::Message)) => entered,
            () = gone(&mut self.wire, &self.relay.devices, self.badge.as_ref()) => {
                record.abandoned();
                return Err(Halt::Closed);
            }
        };
        let Ok(Ok(turn)) = entered else {
            let reply = Reply::of(451, "4.3.2 Too many messages wait for this mailbox");
            record.refused(&reply);
            return Ok(Err(reply));
        };
        let way = Outlet::new(self.relay, self.mailbox.known_as(identity), turn);
        let bare_lf = if policy.mends(Repair::BareLf) { BareLf::Mend } else { BareLf::Keep };
        let edits = edits(policy, &self.mailbox.address, &self.relay.name);
        let content = Content::new(way.framing(), bare_lf, edits);
        Ok(Ok(Message { way, record, content }))
    }

    /// RCPT.
    async fn recipient(&mut self, recipient: &Recipient) -> Result<Reply, Halt> {
        let Some(message) = &mut self.message else {
            return Ok(out_of_order());
        };
        let reply = tokio::select! {
            reply = message.way.recipient(recipient) => reply,
            () = gone(&mut self.wire, &self.relay.devices, self.badge.as_ref()) => return Err(Halt::Closed),
        };
        match reply.is_positive() {
            true => message.record.recipients.push(recipient.0.address.clone()),
            false => {
                let address = &recipient.0.address;
                info!(recipient = address, reply = reply.text(), "recipient refused");
            }
        }
        Ok(reply)
    }

    /// Ends a transaction without its message.
    fn put_off(&mut self) {
        if let Some(message) = self.message.take() {
            message.way.end();
        }
    }

    /// What the client hears of the service's reply.
    fn for_client(&self, reply: Reply) -> Reply {
        let permanent = self.mailbox.submission.logon_failure == LogonFailure::Permanent;
        match permanent && verdict::is_logon_failure(&reply) {
            true => Reply::of(
                550,
                "5.7.1 The mailbox may not be opened for sending; ask its administrator",
            ),
            false => reply,
        }
    }

    async fn answer(&mut self, event: &Event, reply: &Reply) -> Result<(), Halt> {
        self.talk.answered(event, reply);
        let words = reply.render();
        self.say(words.as_bytes()).await
    }

    async fn say(&mut self, words: &[u8]) -> Result<(), Halt> {
        let patience = CLIENT_PATIENCE;
        timeout(patience, self.wire.write(words)).await.unwrap_or(Err(Halt::TimedOut))
    }
}

/// Waits until nobody is to be answered: the client has left, or its password is withdrawn.
async fn gone(wire: &mut Wire, devices: &LiveDevices, badge: Option<&Badge>) {
    tokio::select! {
        () = wire.gone() => {}
        () = devices.cut(badge) => {}
    }
}

/// What to change in a message's header. Time and randomness come in here.
fn edits(policy: &Policy, mailbox: &str, name: &str) -> Edits {
    let author = (policy.sender == Sender::Rewrite)
        .then(|| Author { mailbox: mailbox.to_owned(), permitted: policy.permitted.clone() });
    let date = policy.mends(Repair::Date).then(|| date_time(SystemTime::now()));
    let message_id = policy.mends(Repair::MessageId).then(|| message_id(name)).flatten();
    Edits { author, date, message_id }
}

/// `msg-id = "<" id-left "@" id-right ">"` (RFC 5322 section 3.6.4); none without randomness.
fn message_id(name: &str) -> Option<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(format!("<{:032x}@{name}>", u128::from_be_bytes(random)))
}
