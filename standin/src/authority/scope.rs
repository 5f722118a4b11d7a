//! Scopes: which audience they select, and what they grant.

use super::aadsts::Refusal;
use crate::token::{GRAPH, OUTLOOK, OUTLOOK_ALIAS};

/// The delegated permissions of the mail protocols.
const MAIL_SCOPES: [&str; 3] = ["IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send"];
/// Scopes about the person, not about a resource.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What a delegated request may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delegated {
    pub(super) audience: String,
    pub(super) permissions: Vec<String>,
    /// The scopes as the answer spells them: bare for Graph, qualified for Exchange.
    pub(super) granted: String,
    /// `offline_access` was among the scopes.
    pub(super) offline: bool,
}

/// The audience of an app-only request, whose scope is a resource and `/.default`.
pub(super) fn app_only(scope: &str) -> Result<&'static str, Refusal> {
    let resource = scope.strip_suffix("/.default").filter(|resource| !resource.contains(' '));
    let resource = resource.ok_or_else(|| {
        let text = format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.");
        Refusal::with_text(70_011, text)
    })?;
    known(resource)
}

/// The audience and the permissions of a request for a person. Without any scope the mail scopes stand, as if they had
/// been the ones that the person consented to.
pub(super) fn delegated(scope: Option<&str>) -> Result<Delegated, Refusal> {
    let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) else {
        return Ok(answer(OUTLOOK, &MAIL_SCOPES, Offline::Granted));
    };
    let offline = scope.split_whitespace().any(|word| word == "offline_access");
    let offline = if offline { Offline::Granted } else { Offline::Unasked };
    let wanted: Vec<_> =
        scope.split_whitespace().filter(|word| !OPENID_SCOPES.contains(word)).collect();
    let (qualified, bare): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|word| word.starts_with("https://"));
    let mut audience = None;
    let mut names = bare.clone();
    for word in &qualified {
        let (resource, name) = word.rsplit_once('/').unwrap_or((word, ""));
        let resource = known(resource)?;
        if audience.is_some_and(|other| other != resource) {
            return Err(Refusal::new(28_000));
        }
        audience = Some(resource);
        names.push(name);
    }
    // A bare name is Graph's, and Graph wins: the trap in which a mail token is silently for Graph.
    let audience = if bare.is_empty() { audience } else { Some(GRAPH) };
    match audience {
        Some(audience) if names == [".default"] => Ok(answer(audience, &MAIL_SCOPES, offline)),
        Some(audience) => Ok(answer(audience, &names, offline)),
        None => Ok(answer(GRAPH, &["User.Read"], offline)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offline {
    Granted,
    Unasked,
}

fn answer(audience: &str, names: &[&str], offline: Offline) -> Delegated {
    let spelled = |name: &&str| {
        if audience == GRAPH { (*name).to_owned() } else { format!("{audience}/{name}") }
    };
    Delegated {
        audience: audience.into(),
        permissions: names.iter().copied().map(String::from).collect(),
        granted: names.iter().map(spelled).collect::<Vec<_>>().join(" "),
        offline: offline == Offline::Granted,
    }
}

/// A resource that the tenant has.
fn known(resource: &str) -> Result<&'static str, Refusal> {
    let resource = resource.trim_end_matches('/');
    let found = [OUTLOOK, OUTLOOK_ALIAS, GRAPH].into_iter().find(|known| *known == resource);
    found.ok_or_else(|| {
        let text = format!("The resource principal named {resource} was not found in the tenant.");
        Refusal::with_text(500_011, text)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn qualified_mail_scopes_are_for_exchange() {
        let scope = "https://outlook.office365.com/IMAP.AccessAsUser.All https://outlook.office365.com/SMTP.Send offline_access";
        let found = delegated(Some(scope)).unwrap();
        assert_eq!(found.audience, OUTLOOK);
        assert_eq!(found.permissions, ["IMAP.AccessAsUser.All", "SMTP.Send"]);
        assert_eq!(found.granted, scope.trim_end_matches(" offline_access"));
        assert!(found.offline);
    }

    #[test]
    fn a_bare_scope_anywhere_makes_a_graph_token() {
        for scope in [
            "IMAP.AccessAsUser.All",
            "https://outlook.office365.com/SMTP.Send Mail.Send",
            "https://graph.microsoft.com/Mail.Send",
        ] {
            assert_eq!(delegated(Some(scope)).unwrap().audience, GRAPH, "{scope}");
        }
        assert_eq!(
            delegated(Some("IMAP.AccessAsUser.All")).unwrap().granted,
            "IMAP.AccessAsUser.All"
        );
    }

    #[test]
    fn no_scope_means_the_mail_scopes() {
        for scope in [None, Some(""), Some("https://outlook.office365.com/.default offline_access")]
        {
            let found = delegated(scope).unwrap();
            assert_eq!((found.audience.as_str(), found.offline), (OUTLOOK, true), "{scope:?}");
            assert_eq!(found.permissions, MAIL_SCOPES, "{scope:?}");
        }
    }

    #[test]
    fn two_resources_are_refused() {
        let scope = "https://outlook.office365.com/SMTP.Send https://graph.microsoft.com/Mail.Send";
        assert_eq!(delegated(Some(scope)), Err(Refusal::new(28_000)));
    }

    #[test]
    fn app_only_scopes_end_in_default() {
        assert_eq!(app_only("https://outlook.office.com/.default").unwrap(), OUTLOOK_ALIAS);
        assert_eq!(app_only("https://graph.microsoft.com/.default").unwrap(), GRAPH);
        assert!(app_only("https://outlook.office365.com/IMAP.AccessAsApp").is_err());
        assert!(app_only("https://outlook.example/.default").is_err());
    }
}
