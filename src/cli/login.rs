//! `gatepost login`: a person signs in for a mailbox, on this machine or another.

mod invitation;
mod loopback;
mod page;
mod way;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::doctor::chosen;
use super::run::runtime;
use super::token::exit_of;
use super::{Arguments, Exit, Failure};
use crate::daemon::engine;
use crate::mailbox::{Mailbox, Margin};
use crate::oauth::claims::Claims;
use crate::oauth::{self, Application, Class, Grant, Owner, Prompt, SignIn, Token};
use crate::secret::Secret;
use crate::tokens::{Tokens, entropy};
use loopback::{Loopback, Visit};
use way::{Circumstances, Way};

pub(super) use way::Way as Choice;

/// How long a person is waited for: what authorities give a device code.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Lets somebody sign in for the mailbox, or for every mailbox whose sign-in is missing or has ended.
///
/// # Errors
/// Why nobody is signed in; with several mailboxes, that of the last one.
pub(super) fn login(
    arguments: &Arguments,
    mailbox: Option<&str>,
    choice: Option<Way>,
) -> Result<(), Failure> {
    let config = arguments.load()?;
    let mailboxes = chosen(&config, mailbox)?;
    let (tokens, _) = engine(&config)?;
    runtime()?.block_on(async {
        let done = match (mailbox, mailboxes.as_slice()) {
            (Some(_), [one]) => attended(&tokens, one.owner(), choice).await,
            (Some(name), several) => Err(ambiguous(name, several)),
            (None, all) => every(&tokens, all, choice).await,
        };
        tokens.finish().await;
        done
    })
}

fn ambiguous(name: &str, mailboxes: &[Arc<Mailbox>]) -> Failure {
    let providers: Vec<&str> =
        mailboxes.iter().map(|mailbox| mailbox.provider.name.as_str()).collect();
    let text = format!(
        "{name} is at several providers ({}); name the mailbox by its user",
        providers.join(", ")
    );
    Failure::new(Exit::Usage, text)
}

async fn every(
    tokens: &Tokens,
    mailboxes: &[Arc<Mailbox>],
    choice: Option<Way>,
) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for mailbox in mailboxes {
        // Whoever opens it by another's token needs no sign-in of its own.
        if mailbox.provider.grant.owner != Owner::Mailbox || mailbox.token_owner.is_some() {
            continue;
        }
        match standing(tokens, mailbox).await {
            Ok(()) => println!("{}: signed in already.\n", mailbox.address),
            Err(failure) if failure.class == Class::SignIn => {
                if let Err(failure) = attended(tokens, mailbox, choice).await {
                    eprintln!("{failure}\n");
                    outcome = Err(failure);
                }
            }
            Err(failure) => {
                let failure =
                    Failure::new(exit_of(failure.class), format!("{}: {failure}", mailbox.address));
                eprintln!("{failure}\n");
                outcome = Err(failure);
            }
        }
    }
    outcome.map_err(|failure| Failure::new(failure.exit, "not every mailbox is signed in"))
}

/// Whether the mailbox's sign-in still gives tokens.
async fn standing(tokens: &Tokens, mailbox: &Mailbox) -> Result<(), oauth::Failure> {
    let (provider, address) = (&mailbox.provider, &mailbox.address);
    let scope = provider.services.first().map_or("", |service| &service.scope);
    let inquiry = tokens.inquire(provider, address, mailbox.seed(), scope, Margin::Half);
    inquiry.await.map(drop)
}

/// One sign-in, from the choice of the way to the refresh token on disk.
async fn attended(tokens: &Tokens, mailbox: &Mailbox, choice: Option<Way>) -> Result<(), Failure> {
    let provider = &mailbox.provider;
    if provider.grant.owner != Owner::Mailbox {
        let text = format!(
            "nobody signs in for {}: its provider {} gets tokens by the grant {}, without a person. `gatepost doctor {}` tells whether that works",
            mailbox.address, provider.name, provider.grant.name, mailbox.address
        );
        return Err(Failure::new(Exit::Usage, text));
    }
    let refused = |failure| refusal(mailbox, &failure);
    let application = tokens.located(&provider.application).await.map_err(refused)?;
    let circumstances = Circumstances::here(provider.grant, &application);
    let (way, reason) = way::choose(choice, &circumstances)
        .map_err(|text| Failure::new(Exit::Config, format!("{}: {text}", mailbox.address)))?;
    println!("Signing in for {} {reason}.", mailbox.address);
    if let Some(account) = &mailbox.signed_in_as {
        println!("The account to sign in with is {account}.");
    }
    let door = match way {
        Way::Browser => {
            Some(Loopback::open(application.redirect_uri.as_deref()).await.map_err(|error| {
                Failure::new(Exit::System, format!("no port for the browser's return: {error}"))
            })?)
        }
        Way::Device | Way::Paste => None,
    };
    let mut counter = Counter { way, door, visit: None, prompted: Prompted::NotYet };
    let outcome = counter.serve(tokens, mailbox, &application).await;
    counter.close(mailbox, &outcome).await;
    outcome.map(|account| println!("{}", signed_in(mailbox, account.as_deref())))
}

fn signed_in(mailbox: &Mailbox, account: Option<&str>) -> String {
    let address = &mailbox.address;
    let hint = "A running gatepost uses it from the next login on";
    match account {
        Some(account) if account.eq_ignore_ascii_case(address) => {
            format!("Signed in for {address}. {hint}.\n")
        }
        Some(account) => format!("Signed in for {address} as {account}. {hint}.\n"),
        None => format!(
            "Signed in for {address}. {hint}. The provider doesn't say whose account it was; `gatepost doctor {address}` tells whether it opens the mailbox.\n"
        ),
    }
}

/// Where a person and an authority are brought together.
struct Counter {
    way: Way,
    door: Option<Loopback>,
    /// A browser that came back and waits for an answer.
    visit: Option<Visit>,
    prompted: Prompted,
}

/// Whether the person has been told what to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prompted {
    NotYet,
    Already,
}

impl Counter {
    /// The account that signed in, whose refresh token is on disk then.
    async fn serve(
        &mut self,
        tokens: &Tokens,
        mailbox: &Mailbox,
        application: &Arc<Application>,
    ) -> Result<Option<String>, Failure> {
        let consent = mailbox.provider.consent();
        let redirect_uri = match (&self.door, &application.redirect_uri) {
            (_, Some(configured)) => configured.clone(),
            (Some(door), None) => door.redirect_uri(),
            (None, None) => "http://localhost".to_owned(),
        };
        let sign_in = SignIn {
            scope: consent.first,
            consent: consent.all,
            mailbox: mailbox.account().to_owned(),
            redirect_uri,
            entropy: entropy().map_err(|failure| refusal(mailbox, &failure))?,
        };
        let Some(grant) = Grant::named(self.way.grant()) else {
            return Err(Failure::new(Exit::Usage, "this way is none of the grants"));
        };
        let attended =
            tokens.sign_in(&mailbox.provider.application, grant, &sign_in, async |prompt| {
                self.show(prompt).await
            });
        let token = timeout(PATIENCE, attended)
            .await
            .map_err(|_| Failure::new(Exit::Denied, "nobody has signed in within 15 minutes"))?
            .map_err(|failure| refusal(mailbox, &failure))?;
        let account = account(&token);
        compare(mailbox, account.as_deref())?;
        let refresh = token.refresh.ok_or_else(|| no_refresh_token(mailbox))?;
        tokens.adopt(mailbox, refresh).await.map_err(|trouble| {
            Failure::new(Exit::System, format!("the sign-in isn't kept: {trouble}"))
        })?;
        Ok(account)
    }

    async fn show(&mut self, prompt: Prompt) -> Result<Option<Secret<String>>, oauth::Failure> {
        let first = self.prompted == Prompted::NotYet;
        self.prompted = Prompted::Already;
        match prompt {
            Prompt::Device { user_code, verification_uri, complete, .. } => {
                print!(
                    "{}",
                    invitation::device(&user_code, &verification_uri, complete.as_deref())
                );
                Ok(None)
            }
            Prompt::Browser { url } => match &mut self.door {
                Some(door) => {
                    if first {
                        print!("{}", invitation::browser(&url));
                        invitation::open(url);
                    }
                    // Another question means that the last visit brought no answer to it.
                    if let Some(stray) = self.visit.take() {
                        stray.answer(page::stray());
                    }
                    let visit = door.visit().await;
                    let place = visit.place.clone();
                    self.visit = Some(visit);
                    Ok(Some(place))
                }
                None => {
                    if first {
                        print!("{}", invitation::paste(&url));
                    } else {
                        println!(
                            "That isn't where this sign-in ends. Once more, all of the address:"
                        );
                    }
                    invitation::pasted().await.map(Some)
                }
            },
        }
    }

    /// Tells the browser that waits how it ended, and closes the door behind it.
    async fn close(self, mailbox: &Mailbox, outcome: &Result<Option<String>, Failure>) {
        if let Some(visit) = self.visit {
            visit.answer(match outcome {
                Ok(account) => page::success(&mailbox.address, account.as_deref()),
                Err(failure) => page::failure(&mailbox.address, &failure.text),
            });
        }
        if let Some(door) = self.door {
            door.close().await;
        }
    }
}

/// Who signed in: by the ID token, else by an access token that isn't opaque.
fn account(token: &Token) -> Option<String> {
    let told = || Claims::read(&token.access)?.account().map(str::to_owned);
    token.account.clone().or_else(told)
}

/// Anyone can sign in at the wrong window of their browser: the mailbox's own account counts, or the
/// one that the configuration names.
fn compare(mailbox: &Mailbox, account: Option<&str>) -> Result<(), Failure> {
    match account {
        Some(account) if !account.eq_ignore_ascii_case(mailbox.account()) => {
            let text = format!(
                "the account that signed in is {account}, and not {}; nothing was kept. Sign in again with that one, in a private window if the browser doesn't ask; or, if {account} may open {}, write signed_in_as = {account:?} into its [[mailbox]]",
                mailbox.account(),
                mailbox.address
            );
            Err(Failure::new(Exit::Denied, text))
        }
        _ => Ok(()),
    }
}

fn refusal(mailbox: &Mailbox, failure: &oauth::Failure) -> Failure {
    Failure::new(exit_of(failure.class), format!("{}: {failure}", mailbox.address))
}

fn no_refresh_token(mailbox: &Mailbox) -> Failure {
    let text = format!(
        "{}: the authority gave no refresh token, so the sign-in would end within the hour. Entra wants offline_access among the scopes",
        mailbox.address
    );
    Failure::new(Exit::Config, text)
}
