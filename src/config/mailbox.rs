//! `[[mailbox]]`: an address, who keeps it, and the local login that leads there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::document::{Section, Words, unknown_word};
use super::problem::Report;
use super::secret::{Forms, Inline};
use super::submission;
use crate::mailbox::password::{Hash, InvalidHash, Parameters};
use crate::mailbox::{Directory, Mailbox, Password, Provider, UserTaken, Via};
use crate::oauth::Seed;
use crate::secret::Secret;

const VIAS: &Words<Via> = &[("smtp", Via::Smtp), ("graph", Via::Graph)];

/// The providers by name; `None` for one that has problems of its own.
pub(super) type Providers = BTreeMap<String, Option<Arc<Provider>>>;

/// The mailboxes as they come in.
pub(super) struct Mailboxes<'p> {
    providers: &'p Providers,
    directory: Directory,
    /// What a check of the first hash costs.
    cost: Option<Cost>,
    /// Where the first hash of another cost stands.
    odd_cost: Option<Range<usize>>,
}

impl<'p> Mailboxes<'p> {
    pub(super) fn new(providers: &'p Providers, directory: Directory) -> Self {
        Self { providers, directory, cost: None, odd_cost: None }
    }

    pub(super) fn read(&mut self, mut section: Section<'_>, report: &Report<'_>) {
        let address = address(&mut section, report);
        let provider = self.provider(&mut section, report);
        let user = user(&mut section, report);
        let password = self.password(&mut section, report);
        let seed = Forms::take(&mut section, "refresh_token", report);
        let password_there = Forms::take(&mut section, "provider_password", report);
        let smtp_via = smtp_via(provider.as_deref(), &mut section, report);
        let submission = submission::read(&mut section, provider.as_deref(), report);
        let span = section.span();
        section.finish(report);
        let refresh_token =
            provider.as_ref().and_then(|provider| seed_token(provider, seed, &span, report));
        let provider_password = provider
            .as_ref()
            .and_then(|provider| provider_password(provider, password_there, &span, report));
        let (Some(address), Some(provider), Some(password)) = (address, provider, password) else {
            return;
        };
        let user = user.unwrap_or_else(|| address.clone());
        let submission = Arc::new(submission);
        let address = address.into_inner();
        let mailbox =
            Mailbox { address, provider, refresh_token, provider_password, smtp_via, submission };
        self.admit(&user, password, mailbox, report);
    }

    /// The finished directory.
    pub(super) fn close(self, report: &Report<'_>) -> Directory {
        if let Some(span) = self.odd_cost {
            let text = "password hashes differ in cost, so the time of a failed login tells who exists; \
                        make them all with `gatepost password hash`";
            report.warn(&span, text);
        }
        self.directory
    }

    fn admit(
        &mut self,
        user: &Spanned<String>,
        password: Password,
        mailbox: Mailbox,
        report: &Report<'_>,
    ) {
        let name = user.get_ref();
        if let Err(UserTaken { by }) = self.directory.insert(name, password, Arc::new(mailbox)) {
            report.problem_with_help(
                user.span(),
                format!("the user {name:?} is there twice"),
                format!("it leads to {} already (case doesn't count)", by.address),
                "give each mailbox a user of its own",
            );
        }
    }

    fn provider(&self, section: &mut Section<'_>, report: &Report<'_>) -> Option<Arc<Provider>> {
        let name = section.required_text("provider", report)?;
        match self.providers.get(name.get_ref()) {
            Some(provider) => provider.clone(),
            None => {
                let names: Vec<&str> = self.providers.keys().map(String::as_str).collect();
                unknown_word("provider", &name, &names, report);
                None
            }
        }
    }

    fn password(&mut self, section: &mut Section<'_>, report: &Report<'_>) -> Option<Password> {
        let hash = Forms::take(section, "password_hash", report);
        let plain = Forms::take(section, "password", report);
        match (hash.span(), plain.span()) {
            (Some(_), Some(second)) => {
                report.problem(second, "a password and a hash of one", "one of them is enough");
                None
            }
            (Some(_), None) => self.hash(hash, report).map(Password::Hash),
            (None, Some(_)) => {
                let password = plain.resolve("password", Inline::Discouraged, report)?;
                Some(Password::Plain(password.into_inner()))
            }
            (None, None) => {
                report.problem_with_help(
                    section.span(),
                    "a mailbox without a local password",
                    "needs password_hash",
                    "`gatepost password hash` makes one",
                );
                None
            }
        }
    }

    fn compare(&mut self, cost: Cost, span: Range<usize>) {
        if *self.cost.get_or_insert(cost) != cost {
            self.odd_cost.get_or_insert(span);
        }
    }

    fn hash(&mut self, forms: Forms, report: &Report<'_>) -> Option<Hash> {
        let text = forms.resolve("password_hash", Inline::Welcome, report)?;
        match Hash::parse(text.get_ref().reveal()) {
            Ok(hash) => {
                self.compare(Cost::of(hash.parameters()), text.span());
                Some(hash)
            }
            Err(error) => {
                report.problem_with_help(
                    text.span(),
                    error.to_string(),
                    "password_hash",
                    remedy(&error),
                );
                None
            }
        }
    }
}

/// What a check takes: memory, passes, lanes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cost(u32, u32, u32);

impl Cost {
    fn of(parameters: &Parameters) -> Self {
        Self(parameters.m_cost(), parameters.t_cost(), parameters.p_cost())
    }
}

fn remedy(error: &InvalidHash) -> &'static str {
    match error {
        InvalidHash::TooCostly => {
            "`gatepost password hash` makes one that is safe and takes a tenth of a second"
        }
        _ => "`gatepost password hash` makes one from a password; it begins with $argon2id$v=19$",
    }
}

/// The refresh token to start from. Without one, somebody has to sign in, unless the state directory
/// has one already.
fn seed_token(
    provider: &Provider,
    seed: Forms,
    span: &Range<usize>,
    report: &Report<'_>,
) -> Option<Secret<String>> {
    let grant = provider.grant;
    if grant.seed != Seed::RefreshToken {
        if let Some(unused) = seed.span() {
            let title = format!("the grant {} has no use for a refresh token", grant.name);
            report.problem(unused, title, "leave it out, or give the provider another grant");
        }
        return None;
    }
    if seed.is_empty() {
        if grant.sign_in.is_none() {
            let text = "no refresh_token here: sign-in needed, unless the state directory holds a token already";
            report.warn(span, text);
        }
        return None;
    }
    seed.resolve("refresh_token", Inline::Discouraged, report).map(Spanned::into_inner)
}

/// The mailbox's password at its provider, where the grant is of that kind.
fn provider_password(
    provider: &Provider,
    forms: Forms,
    span: &Range<usize>,
    report: &Report<'_>,
) -> Option<Secret<String>> {
    let grant = provider.grant;
    if grant.seed != Seed::Password {
        if let Some(unused) = forms.span() {
            let title =
                format!("the grant {} has no use for a password at the provider", grant.name);
            report.problem(unused, title, "leave it out, or give the provider another grant");
        }
        return None;
    }
    if forms.is_empty() {
        let title =
            format!("the grant {} needs the mailbox's password at its provider", grant.name);
        report.problem(span.clone(), title, "needs provider_password_file");
        return None;
    }
    forms.resolve("provider_password", Inline::Discouraged, report).map(Spanned::into_inner)
}

fn address(section: &mut Section<'_>, report: &Report<'_>) -> Option<Spanned<String>> {
    let address = section.required_text("address", report)?;
    let text = address.get_ref();
    let parts = text.rsplit_once('@');
    let good = parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && text.len() <= 254
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if !good {
        let title = format!("{text:?} is no mail address");
        report.problem(address.span(), title, "such as scanner@contoso.example");
        return None;
    }
    Some(address)
}

/// Where the mailbox's mail goes out.
fn smtp_via(provider: Option<&Provider>, section: &mut Section<'_>, report: &Report<'_>) -> Via {
    let Some(via) = section.word("smtp_via", VIAS, report) else {
        return Via::default();
    };
    if let (Via::Graph, Some(Provider { name, graph: None, .. })) = (via.get_ref(), provider) {
        let title = format!("the provider {name} has no Graph to send by");
        report.problem(via.span(), title, format!("needs endpoint in [provider.{name}.graph]"));
    }
    via.into_inner()
}

/// A user name as clients can send it (RFC 4616 section 2).
fn user(section: &mut Section<'_>, report: &Report<'_>) -> Option<Spanned<String>> {
    let user = section.text("user", report)?;
    let text = user.get_ref();
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        let title = format!("{text:?} is no user name");
        report.problem(user.span(), title, "1 to 255 octets without control characters");
        return None;
    }
    Some(user)
}
