//! `[hooks]`: who is told what needs a person.

use toml::Spanned;
use url::Url;

use super::document::Section;
use super::problem::Report;
use crate::mailbox::Provider;
use crate::notice::expiry::{Date, Expiry, Proof};
use crate::notice::{Hook, Hooks};
use crate::oauth::Credential;
use crate::secret::Secret;

/// Reads the table.
pub(super) fn read(mut section: Section<'_>, report: &Report<'_>) -> Hooks {
    let hooks = Hooks {
        on_sign_in_needed: hook("on_sign_in_needed", &mut section, report),
        on_secret_expiring: hook("on_secret_expiring", &mut section, report),
    };
    section.finish(report);
    hooks
}

/// Reads when the client secret of `provider` ends, which its table may say.
pub(super) fn expiry(
    provider: &str,
    section: &mut Section<'_>,
    report: &Report<'_>,
) -> Option<Expiry> {
    let toml::value::Date { year, month, day } =
        section.date("client_secret_expires", report)?.into_inner();
    let date = Date { year, month, day };
    Some(Expiry { provider: provider.to_owned(), proof: Proof::Secret, date })
}

/// When the client certificate of `provider` ends, which it says itself.
pub(super) fn certificate_expiry(provider: &Provider) -> Option<Expiry> {
    let Credential::Certificate(certificate) = &provider.application.credential else {
        return None;
    };
    let (year, month, day) = certificate.ends?;
    let date = Date { year, month, day };
    Some(Expiry { provider: provider.name.clone(), proof: Proof::Certificate, date })
}

/// A URL is a webhook; anything else is a program, alone or with its arguments in an array.
fn hook(key: &str, section: &mut Section<'_>, report: &Report<'_>) -> Option<Hook> {
    let words = section.texts(key, report)?;
    let Some(first) = words.first().filter(|word| !word.get_ref().is_empty()) else {
        let label = "[\"program\", \"argument\", …], or \"https://…\"";
        report.problem(section.span(), format!("{key:?} names nothing to tell"), label);
        return None;
    };
    if !first.get_ref().contains("://") {
        return Some(Hook::Run(words.into_iter().map(Spanned::into_inner).collect()));
    }
    let url = Url::parse(first.get_ref()).ok();
    let good = url.is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    if !good || words.len() > 1 {
        // Without the value: webhooks carry their passwords in their URLs.
        report.problem(first.span(), format!("{key:?} has no URL that fits"), "one https://… URL");
        return None;
    }
    Some(Hook::Post(Secret::new(first.get_ref().clone())))
}
