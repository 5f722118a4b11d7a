//! `[[mailbox]]`: an address, who keeps it, and the local logins that lead there.

mod device;
mod identity;
mod password;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use super::document::{Section, Words, unknown_word};
use super::problem::Report;
use super::secret::{Forms, Inline};
use super::submission::{self, Idle};
use crate::mailbox::{Device, Directory, Mailbox, Password, Provider, UserTaken, Via, fold};
use crate::oauth::{Owner, Seed};
use crate::proto::smtp::submission::Mode;
use crate::sasl::is_fit;
use crate::secret::Secret;
use identity::Wishes;
use password::{Costs, password};

pub(super) use device::networks;

const VIAS: &Words<Via> = &[("smtp", Via::Smtp), ("graph", Via::Graph)];

/// The providers by name; `None` for one that has problems of its own.
pub(super) type Providers = BTreeMap<String, Option<Arc<Provider>>>;

/// The mailboxes as they come in.
pub(super) struct Mailboxes<'p> {
    providers: &'p Providers,
    directory: Directory,
    drafts: Vec<Draft>,
    costs: Costs,
    /// How SMTP listeners serve a mailbox that doesn't say it.
    usual: Mode,
    idle: Vec<Idle>,
}

/// A mailbox that is good by itself, before it is seen beside the others.
struct Draft {
    mailbox: Mailbox,
    /// Where its address stands.
    address: Range<usize>,
    user: Spanned<String>,
    password: Password,
    wishes: Wishes,
    devices: Vec<Spanned<Device>>,
}

impl<'p> Mailboxes<'p> {
    pub(super) fn new(providers: &'p Providers, directory: Directory, usual: Mode) -> Self {
        let costs = Costs::default();
        Self { providers, directory, drafts: Vec::new(), costs, usual, idle: Vec::new() }
    }

    pub(super) fn read(&mut self, mut section: Section<'_>, report: &Report<'_>) {
        let address = address(&mut section, report);
        let whole_domain = address.as_ref().is_some_and(|text| text.get_ref().starts_with("*@"));
        let provider = self.provider(&mut section, report);
        let user = user(&mut section, report);
        let policy = if whole_domain { password::DOMAIN } else { password::SINGLE };
        let password = password(&mut section, policy, &mut self.costs, report);
        let wishes = Wishes::read(&mut section, report);
        let seed = Forms::take(&mut section, "refresh_token", report);
        let smtp_via = smtp_via(provider.as_deref(), &mut section, report);
        let way = (provider.as_deref(), smtp_via);
        let (submission, idle) = submission::read(&mut section, way, self.usual, report);
        self.idle.extend(idle);
        let password_there = Forms::take(&mut section, "provider_password", report);
        let signed_in_as = signed_in_as(&mut section, provider.as_deref(), report);
        let devices = section.sections("device", report);
        let owner = address.as_ref().map_or("", |address| address.get_ref());
        let devices = devices
            .into_iter()
            .filter_map(|section| device::read(owner, section, &mut self.costs, report))
            .collect();
        let span = section.span();
        section.finish(report);
        // Another's token opens it: it needs nothing that tokens come from.
        let borrows = |forms: &Forms| wishes.token_of.is_some() && forms.is_empty();
        let refresh_token = provider
            .as_ref()
            .filter(|_| !borrows(&seed))
            .and_then(|provider| seed_token(provider, seed, &span, report));
        let provider_password = provider
            .as_ref()
            .filter(|_| !borrows(&password_there))
            .and_then(|provider| provider_password(provider, password_there, &span, report));
        let (Some(address), Some(provider), Some(password)) = (address, provider, password) else {
            return;
        };
        let user = user.unwrap_or_else(|| address.clone());
        let mailbox = Mailbox {
            refresh_token,
            provider_password,
            signed_in_as,
            smtp_via,
            submission,
            ..Mailbox::new(address.get_ref(), provider)
        };
        let address = address.span();
        let draft = Draft { mailbox, address, user, password, wishes, devices };
        if whole_domain {
            check_domain(&draft, report);
        }
        self.drafts.push(draft);
    }

    /// The finished directory, and the keys that may be in vain.
    pub(super) fn close(mut self, report: &Report<'_>) -> (Directory, Vec<Idle>) {
        self.costs.close(report);
        check_sign_ins(&self.drafts, report);
        let known = self
            .drafts
            .iter()
            .rev()
            .map(|draft| (fold(&draft.mailbox.address), Arc::new(draft.mailbox.clone())));
        let known: HashMap<_, _> = known.collect();
        for draft in std::mem::take(&mut self.drafts) {
            let Draft { mut mailbox, address: _, user, password, wishes, devices } = draft;
            wishes.fulfil(&mut mailbox, &known, report);
            devices.into_iter().for_each(|device| self.insert_device(device, report));
            self.admit(&user, password, mailbox, report);
        }
        (self.directory, self.idle)
    }

    fn insert_device(&mut self, device: Spanned<Device>, report: &Report<'_>) {
        let span = device.span();
        let device = device.into_inner();
        if self.directory.devices().named(&device.mailbox, device.name.as_str()).is_some() {
            let title = format!("{} has two devices called {}", device.mailbox, device.name);
            report.problem(span, title, "give each a name of its own");
            return;
        }
        self.directory.insert_device(device);
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
}

/// What can't be said of all mailboxes of a domain at once.
fn check_domain(draft: &Draft, report: &Report<'_>) {
    let problem = |span: Range<usize>, title: &str, label: &str| report.problem(span, title, label);
    if draft.user.span() != draft.address {
        let label = "leave it out: each address of the domain is its own user";
        problem(draft.user.span(), "a user name for a whole domain", label);
    }
    if let Some(device) = draft.devices.first() {
        let label = "use `gatepost password add ADDRESS NAME`";
        problem(device.span(), "a device password for a whole domain", label);
    }
    let personal = draft.mailbox.provider.grant.owner == Owner::Mailbox;
    if personal && draft.wishes.token_of.is_none() {
        let label = "needs a provider with grant = \"client_credentials\", or token_of";
        problem(
            draft.address.clone(),
            "a whole domain, each of which would have to sign in",
            label,
        );
    }
}

/// The store keeps one sign-in an address: those of two applications would undo each other.
fn check_sign_ins(drafts: &[Draft], report: &Report<'_>) {
    let mut first: HashMap<String, &Provider> = HashMap::new();
    for Draft { mailbox, address, wishes, .. } in drafts {
        let provider = &*mailbox.provider;
        if provider.grant.owner != Owner::Mailbox || wishes.token_of.is_some() {
            continue;
        }
        let other = *first.entry(fold(&mailbox.address)).or_insert(provider);
        if !provider.application.shares_sign_ins(&other.application) {
            report.problem_with_help(
                address.clone(),
                format!("{} would sign in to two applications", mailbox.address),
                format!("its sign-in with {} would replace that with {}", provider.name, other.name),
                "give both providers the same client_id and authority: one sign-in serves all services",
            );
        }
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

/// The account that signs in, where the grant is one that people sign in for.
fn signed_in_as(
    section: &mut Section<'_>,
    provider: Option<&Provider>,
    report: &Report<'_>,
) -> Option<String> {
    let account = section.text("signed_in_as", report)?;
    let text = account.get_ref();
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        report.problem(account.span(), format!("{text:?} is no account"), "as its owner signs in");
        return None;
    }
    if let Some(grant) = provider.map(|provider| provider.grant)
        && grant.owner != Owner::Mailbox
    {
        let title = format!("nobody signs in for the grant {}", grant.name);
        report.problem(account.span(), title, "leave it out, or give the provider another grant");
        return None;
    }
    Some(account.into_inner())
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
    if parts.is_some_and(|(_, domain)| !domain.is_ascii()) {
        // Two spellings of a domain would be two domains here, and one where the mail is.
        let title = format!("the domain of {text:?} isn't in ASCII");
        report.problem(address.span(), title, "write its labels as the DNS has them, xn--...");
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
    fit_user(&user, report).then_some(user)
}

fn fit_user(user: &Spanned<String>, report: &Report<'_>) -> bool {
    let text = user.get_ref();
    let fit = !text.is_empty() && is_fit(text);
    if !fit {
        let title = format!("{text:?} is no user name");
        report.problem(
            user.span(),
            title,
            "1 to 255 octets without control characters, line separators and marks of direction",
        );
    }
    fit
}
