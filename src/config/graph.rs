//! `[provider.NAME.graph]`: the provider's Microsoft Graph. A preset's own is known without it.

use toml::Spanned;
use url::Url;

use super::document::Section;
use super::endpoints::check_url;
use super::preset::Cloud;
use super::problem::Report;
use crate::mailbox::{GraphService, Sending};
use crate::oauth::Owner;

/// The Graph of `cloud` for tokens of `owner`'s, with what `section` says instead.
pub(super) fn read(
    cloud: &Cloud,
    owner: Owner,
    mut section: Section<'_>,
    report: &Report<'_>,
) -> Option<GraphService> {
    let written = section.text("endpoint", report);
    let scope = section.text("scope", report);
    let large = section.switch("large", report).is_some_and(Spanned::into_inner);
    let sending = if large { Sending::Drafts } else { Sending::AtOnce };
    if scope.is_some() && written.is_none() && cloud.graph.is_empty() {
        section.missing("endpoint", report);
    }
    section.finish(report);
    let endpoint = match &written {
        Some(written) => check_url(written, "endpoint", report)?,
        None => cloud.graph.to_owned(),
    };
    let resource =
        if cloud.graph.is_empty() { endpoint.trim_end_matches('/') } else { cloud.graph };
    let scope = scope.map_or_else(|| usual_scope(resource, owner, sending), Spanned::into_inner);
    let scope = scope.split_whitespace().collect::<Vec<_>>().join(" ");
    // A preset without a Graph leaves nothing to parse.
    Some(GraphService { endpoint: Url::parse(&endpoint).ok()?, scope, sending })
}

fn usual_scope(resource: &str, owner: Owner, sending: Sending) -> String {
    let drafts = match sending {
        Sending::AtOnce => String::new(),
        Sending::Drafts => format!(" {resource}/Mail.ReadWrite"),
    };
    match owner {
        Owner::Application => format!("{resource}/.default"),
        Owner::Mailbox => format!("{resource}/Mail.Send{drafts} offline_access"),
        Owner::Unattended => format!("{resource}/Mail.Send{drafts}"),
    }
}
