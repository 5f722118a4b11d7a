//! The two ways out of a mailbox, which a message can't tell apart.

use super::line::Turn;
use super::post::Post;
use super::way::{Verdict, Way};
use crate::mailbox::{Mailbox, Via};
use crate::proto::smtp::grammar::Reply;
use crate::proto::smtp::submission::{Chunk, Framing, Mail, Recipient};
use crate::relay::Relay;

/// A message's way out: its envelope, its content, one verdict.
pub(super) enum Outlet<'r> {
    Smtp(Box<Way<'r>>),
    Graph(Box<Post<'r>>),
}

impl<'r> Outlet<'r> {
    /// The way out of `mailbox`, for whoever has `turn`.
    pub(super) fn new(relay: &'r Relay, mailbox: Mailbox, turn: Turn) -> Self {
        match mailbox.smtp_via {
            Via::Smtp => Self::Smtp(Box::new(Way::new(relay, mailbox, turn))),
            Via::Graph => Self::Graph(Box::new(Post::new(relay, mailbox, turn))),
        }
    }

    /// How [`send`](Self::send) takes a message.
    pub(super) fn framing(&self) -> Framing {
        match self {
            Self::Smtp(way) => way.framing(),
            Self::Graph(_) => Framing::Plain,
        }
    }

    /// Begins the envelope.
    pub(super) async fn mail(&mut self, mail: &Mail) -> Reply {
        match self {
            Self::Smtp(way) => way.mail(mail).await,
            Self::Graph(post) => post.mail(mail),
        }
    }

    /// Adds to the envelope.
    pub(super) async fn recipient(&mut self, recipient: &Recipient) -> Reply {
        match self {
            Self::Smtp(way) => way.recipient(recipient).await,
            Self::Graph(post) => post.recipient(recipient),
        }
    }

    /// Asks for the content to come: 354 where it may.
    pub(super) async fn data(&mut self) -> Reply {
        match self {
            Self::Smtp(way) => way.data().await,
            Self::Graph(post) => post.data().await,
        }
    }

    /// Whether the content may come in chunks.
    pub(super) fn takes_chunks(&self) -> bool {
        match self {
            Self::Smtp(way) => way.takes_chunks(),
            Self::Graph(_) => true,
        }
    }

    /// Announces a chunk of the content. Its octets follow by [`send`](Self::send).
    pub(super) async fn chunk(&mut self, chunk: Chunk) {
        match self {
            Self::Smtp(way) => way.chunk(chunk).await,
            Self::Graph(post) => post.chunk().await,
        }
    }

    /// Passes on octets of the content. Where no more are taken, the verdict will tell.
    pub(super) async fn send(&mut self, octets: &[u8]) {
        match self {
            Self::Smtp(way) => way.send(octets).await,
            Self::Graph(post) => post.send(octets).await,
        }
    }

    /// The verdict on a message that came by DATA.
    pub(super) async fn finish(&mut self) -> Verdict {
        match self {
            Self::Smtp(way) => way.finish().await,
            Self::Graph(post) => post.finish().await,
        }
    }

    /// The verdict on a chunk, and with the last one on the message.
    pub(super) async fn finish_chunk(&mut self, chunk: Chunk) -> Verdict {
        match self {
            Self::Smtp(way) => way.finish_chunk(chunk).await,
            Self::Graph(post) => post.finish_chunk(chunk).await,
        }
    }

    /// The end of the way.
    pub(super) fn end(self) {
        if let Self::Smtp(way) = self {
            way.end();
        }
    }

    /// The end of the way with part of the content on it: nothing will be delivered.
    pub(super) fn break_off(self) {
        if let Self::Smtp(way) = self {
            way.break_off();
        }
    }
}
