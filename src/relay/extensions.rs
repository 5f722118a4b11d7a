//! What clients are told that gatepost can do, which is what the ways out can.

use std::sync::Arc;

use super::{Entrance, Relay};
use crate::graph;
use crate::mailbox::{Mailbox, Via};
use crate::proto::smtp::{self, submission::Mode};

impl Relay {
    /// What every upstream behind the entrance honours, once all of them have been asked.
    pub(super) fn honoured(&self, entrance: &Entrance) -> Arc<Vec<String>> {
        let protocol = entrance.protocol.name;
        let lines = match self.directory.ways() {
            [Via::Graph] if protocol == smtp::PROTOCOL.name => {
                // Nobody is known yet: what goes out for everybody.
                let mailboxes = self.directory.mailboxes();
                let services = mailboxes.filter_map(|(_, mailbox)| mailbox.provider.graph.as_ref());
                graph::extensions(services.map(graph::size).min().unwrap_or(graph::SIZE))
            }
            // Beside SMTP: what nearly every service honours, Graph does too.
            ways if protocol == smtp::PROTOCOL.name && ways.contains(&Via::Graph) => Vec::new(),
            _ => self.memory.honoured(self.directory.services(protocol)),
        };
        self.memory.shared(protocol, lines)
    }

    /// What the way out of `mailbox` honours, as far as it is known.
    pub(super) fn extensions(&self, mailbox: &Mailbox) -> Vec<String> {
        if mailbox.smtp_via == Via::Graph {
            let service = mailbox.provider.graph.as_ref();
            return graph::extensions(service.map_or(graph::SIZE, graph::size));
        }
        let service = mailbox.provider.service(smtp::PROTOCOL.name);
        let announced = service.and_then(|service| self.memory.announced(service));
        announced.map(|known| known.after_login).unwrap_or_default()
    }
}

/// How a login to `mailbox` is served at the entrance. Graph knows messages alone.
pub(super) fn mode(entrance: &Entrance, mailbox: &Mailbox) -> Mode {
    match (entrance.protocol.name == smtp::PROTOCOL.name, mailbox.smtp_via) {
        (true, Via::Graph) => Mode::Submission,
        (true, Via::Smtp) => mailbox.submission.mode.unwrap_or(entrance.smtp_mode),
        (false, _) => Mode::Splice,
    }
}
