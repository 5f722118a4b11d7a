//! The way out through Microsoft Graph.

use super::Patient;
use super::login::{judge, token};
use super::report::{Check, Report};
use super::route::Routes;
use crate::cli::facts::Facts;
use crate::graph;
use crate::mailbox::{Mailbox, Via};
use crate::oauth::claims::{Claims, GRAPH, Severity};

/// Tries what can be tried of it. Nothing but a message would show more: to send needs no permission to
/// read.
pub(super) async fn try_sending(
    patient: &Patient<'_>,
    routes: &mut Routes,
    mailbox: &Mailbox,
    report: &mut Report,
) {
    if mailbox.smtp_via != Via::Graph || !patient.listens("smtp") {
        return;
    }
    let Some(service) = &mailbox.provider.graph else {
        return;
    };
    if !routes.leads_to_authority(&mailbox.provider) {
        return;
    }
    let reached = routes.lead_to_url(patient, &service.endpoint, report).await;
    let Some(bearer) = token(patient, mailbox, (&service.scope, graph::MARGIN), report).await
    else {
        return;
    };
    let claims = Claims::read(&bearer.token);
    let host = service.endpoint.host_str().unwrap_or_default();
    let mut facts = Facts::of(mailbox);
    let found = judge(claims.as_ref(), mailbox, (GRAPH, host), &mut facts, report);
    let check = if !reached {
        Check::skip(GRAPH, format!("{host} can't be reached"))
    } else if found.is_some_and(|finding| finding.severity == Severity::Fail) {
        Check::skip(GRAPH, format!("{host} will refuse the token"))
    } else {
        Check::pass(GRAPH, format!("{host} has all that it asks for; no message was sent"))
    };
    report.add(check);
}
