//! The rules by which Entra reads a scope, checked before the wire: it answers some mistakes with a
//! token that no mail host takes.

use std::ops::Range;

use super::problem::Report;
use crate::oauth::Owner;

/// Scopes about the sign-in, not about a resource.
const SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// The names of Exchange's resource in the global cloud, which are one.
const OUTLOOK: [&str; 2] = ["https://outlook.office365.com", "https://outlook.office.com"];

/// Complains about a scope with which Entra gives no token for mail, or another one than is meant.
/// `resource` is what the scopes of mail begin with.
pub(super) fn check_entra(
    words: &[&str],
    (owner, resource): (Owner, &str),
    span: &Range<usize>,
    report: &Report<'_>,
) {
    let complain = |(title, label): (String, String)| report.problem(span.clone(), title, label);
    let found = match owner {
        Owner::Application => app_only(words, resource),
        Owner::Mailbox => delegated(words, resource).or_else(|| offline(words)),
        Owner::Unattended => delegated(words, resource),
    };
    if let Some(problem) = found {
        complain(problem);
    }
}

fn app_only(words: &[&str], resource: &str) -> Option<(String, String)> {
    let [word] = words else {
        let title = "an application gets a token for one resource at a time".to_owned();
        return Some((title, format!("{resource}/.default")));
    };
    if is_graph(word) {
        return Some((graph(word), format!("{resource}/.default")));
    }
    let good = word.contains("://") && word.ends_with("/.default");
    let title =
        || format!("an application can't ask for {word:?}, only for all that it was granted");
    (!good).then(|| (title(), format!("{resource}/.default")))
}

fn delegated(words: &[&str], resource: &str) -> Option<(String, String)> {
    let mail: Vec<&str> = words.iter().copied().filter(|word| !SIGN_IN.contains(word)).collect();
    for word in &mail {
        let (_, name) = word.rsplit_once('/').unwrap_or(("", word));
        let right = format!("{resource}/{name}");
        if !word.contains("://") {
            let title =
                format!("Entra takes {word:?} for a scope of Graph, whose tokens open no mailbox");
            return Some((title, right));
        }
        if is_graph(word) {
            return Some((graph(word), right));
        }
    }
    let first = mail.first()?;
    let other = mail.iter().find(|word| resource_of(word) != resource_of(first))?;
    let title = format!(
        "{first:?} and {other:?} are of two resources, and a token is for one (AADSTS28000)"
    );
    Some((title, "one resource here; a service may have a scope of its own".to_owned()))
}

fn offline(words: &[&str]) -> Option<(String, String)> {
    let missing = !words.contains(&"offline_access");
    let title = "without offline_access there is no refresh token, and a sign-in lasts an hour";
    missing.then(|| (title.to_owned(), format!("{} offline_access", words.join(" "))))
}

fn graph(word: &str) -> String {
    format!("{word:?} is for Graph, whose tokens open no mailbox here")
}

fn is_graph(word: &str) -> bool {
    let host = word.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
    host.ends_with("graph.microsoft.com")
        || host.ends_with("graph.microsoft.us")
        || host == "microsoftgraph.chinacloudapi.cn"
}

fn resource_of(word: &str) -> &str {
    let resource = word.rsplit_once('/').map_or(word, |(resource, _)| resource);
    let resource = resource.trim_end_matches('/');
    if OUTLOOK.contains(&resource) { OUTLOOK[0] } else { resource }
}
