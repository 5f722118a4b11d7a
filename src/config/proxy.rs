//! `[proxy]`: the way out of a network that has no other.

use toml::Spanned;
use url::Url;

use super::document::Section;
use super::problem::Report;
use super::secret::{Forms, Inline};
use crate::secret::Secret;
use crate::wire::{Exempt, Proxy, Scheme};

/// Reads the table; `None` where it names no proxy.
pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> Option<Proxy> {
    let url = section.text("url", report);
    let user = section.text("user", report).map(Spanned::into_inner);
    let password = Forms::take(&mut section, "password", report);
    let password = password.resolve("password", Inline::Discouraged, report);
    let exempt = exempt(&mut section, report);
    let span = section.span();
    section.finish(report);
    let login = match (user, password) {
        (Some(user), password) => {
            let password = password.map_or_else(|| Secret::from(""), Spanned::into_inner);
            Some((user, password))
        }
        (None, Some(password)) => {
            report.problem(password.span(), "a password of nobody", "needs user beside it");
            None
        }
        (None, None) => None,
    };
    let Some(url) = url else {
        if login.is_some() || !exempt.is_empty() {
            report.problem(span, "a proxy without its place", "needs url");
        }
        return None;
    };
    let (scheme, host, port) = place(&url, report)?;
    Some(Proxy { scheme, host, port, login, exempt })
}

fn place(text: &Spanned<String>, report: &Report<'_>) -> Option<(Scheme, String, u16)> {
    // A password may stand in it, though it shouldn't.
    let fail = |title: &str, label: &str| {
        let help = "such as http://proxy.example.com:3128, with user and password_file beside it";
        report.problem_with_key(text.span(), title, label, help);
        None
    };
    let Ok(url) = Url::parse(text.get_ref()) else {
        return fail("the proxy's url is none", "http://proxy.example.com:3128");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return fail("the proxy's url holds a login", "leave the login out");
    }
    let (scheme, usual) = match url.scheme() {
        "http" => (Scheme::Http, 80),
        "socks5" | "socks5h" => (Scheme::Socks5, 1080),
        _ => return fail("a proxy of an unknown kind", "http://… or socks5://…"),
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return fail("the proxy's url names no host", "http://proxy.example.com:3128");
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((scheme, host, url.port().unwrap_or(usual)))
}

fn exempt(section: &mut Section<'_>, report: &Report<'_>) -> Vec<Exempt> {
    let texts = section.texts("no_proxy", report).unwrap_or_default();
    let read = texts.iter().filter_map(|text| {
        let exempt = Exempt::parse(text.get_ref());
        if exempt.is_none() {
            let title = format!("{:?} is no domain and no network", text.get_ref());
            report.problem(text.span(), title, "such as corp.example or 10.0.0.0/8");
        }
        exempt
    });
    read.collect()
}
