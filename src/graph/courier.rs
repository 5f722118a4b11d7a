//! What is asked of Graph for one message: with a token, in its turn, and again where Graph says when.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

use super::answer::Answer;
use super::post::{Errand, post};
use super::refusals::{no_token, unanswered};
use super::verdict::Verdict;
use super::{Graph, LONGEST_QUEUE};
use crate::mailbox::{GraphService, Mailbox};
use crate::oauth::Owner;
use crate::tokens::{Again, Bearer};

/// Who asks.
pub(super) struct Courier<'g> {
    pub(super) graph: &'g Graph,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) service: GraphService,
    /// How long Graph may have a request wait.
    pub(super) patience: Duration,
}

impl Courier<'_> {
    /// Does an errand; once more with another token where Graph refuses one that was at hand, and
    /// again after the time that Graph asks for. Nothing else is tried again, for of nothing else it
    /// is certain that it did nothing.
    pub(super) async fn ask(&self, errand: &mut Errand<'_>) -> Result<(Answer, Vec<u8>), Verdict> {
        let deadline = Instant::now() + self.patience;
        let (mut renewed, mut waits) = (false, 0..LONGEST_QUEUE);
        loop {
            self.pass(deadline).await?;
            let bearer = self.bearer().await?;
            let answered = post(&self.graph.http, &bearer.token, errand).await;
            let (answer, body) = answered.map_err(|broken| unanswered(broken, &self.service))?;
            if let Some(wait) = answer.retry_after {
                self.graph.throttle.note(&self.mailbox.address, wait);
            }
            let again = match answer.status {
                401 if !mem::replace(&mut renewed, true) => {
                    self.graph.tokens.refused(&bearer) == Again::Worthwhile
                }
                429 => answer.retry_after.is_some() && waits.next().is_some(),
                _ => false,
            };
            if !again {
                return Ok((answer, body));
            }
            tracing::debug!(status = answer.status, "Graph said no; trying again");
        }
    }

    pub(super) async fn bearer(&self) -> Result<Bearer, Verdict> {
        let bearer = self.graph.bearer(&self.mailbox, &self.service).await;
        bearer.map_err(|refusal| no_token(&refusal))
    }

    /// Where something of the mailbox's is. An application names the mailbox; a person's token may
    /// stand for a mailbox whose address isn't the person's name, and `me` is right for all.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.service.endpoint.clone();
        let mailbox = &self.mailbox;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1.0");
            match mailbox.provider.grant.owner {
                Owner::Application => path.extend(["users", &mailbox.address]),
                // A shared mailbox, by its delegate's token.
                _ if mailbox.token_owner.is_some() => path.extend(["users", &mailbox.address]),
                Owner::Mailbox | Owner::Unattended => path.push("me"),
            };
            path.extend(segments);
        }
        url
    }

    async fn pass(&self, deadline: Instant) -> Result<(), Verdict> {
        let passed = self.graph.throttle.pass(&self.mailbox.address, deadline).await;
        passed.map_err(|_| Answer { status: 429, ..Answer::default() }.verdict())
    }
}
