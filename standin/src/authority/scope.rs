//! Scopes: which audience they select, and what they grant.

use super::aadsts::Refusal;
use crate::tenant::NationalCloud;
use crate::token::{GRAPH, OUTLOOK, OUTLOOK_ALIAS, OUTLOOK_CHINA, OUTLOOK_US};

/// Graph's names in the clouds.
const GRAPHS: [&str; 3] =
    [GRAPH, "https://graph.microsoft.us", "https://microsoftgraph.chinacloudapi.cn"];

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
pub(super) fn app_only(cloud: NationalCloud, scope: &str) -> Result<&'static str, Refusal> {
    let resource = scope.strip_suffix("/.default").filter(|resource| !resource.contains(' '));
    let resource = resource.ok_or_else(|| {
        let text = format!("The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid.");
        Refusal::with_text(70_011, text)
    })?;
    known(cloud, resource)
}

/// Whether a person may be asked to consent to these scopes, of however many resources.
pub(super) fn consentable(cloud: NationalCloud, scope: &str) -> Result<(), Refusal> {
    let qualified = scope.split_whitespace().filter(|word| word.starts_with("https://"));
    for word in qualified {
        let (resource, _) = word.rsplit_once('/').unwrap_or((word, ""));
        known(cloud, resource)?;
    }
    Ok(())
}

/// The audience and the permissions of a request for a person. Without any scope the mail scopes stand, as if they had
/// been the ones that the person consented to.
pub(super) fn delegated(cloud: NationalCloud, scope: Option<&str>) -> Result<Delegated, Refusal> {
    let (outlook, graph) = (resources(cloud)[0], graph(cloud));
    let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) else {
        return Ok(answer(outlook, &MAIL_SCOPES, Offline::Granted));
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
        let resource = known(cloud, resource)?;
        if audience.is_some_and(|other| other != resource) {
            return Err(Refusal::new(28_000));
        }
        audience = Some(resource);
        names.push(name);
    }
    // A bare name is Graph's, and Graph wins: the trap in which a mail token is silently for Graph.
    let audience = if bare.is_empty() { audience } else { Some(graph) };
    match audience {
        Some(audience) if names == [".default"] => Ok(answer(audience, &MAIL_SCOPES, offline)),
        Some(audience) => Ok(answer(audience, &names, offline)),
        None => Ok(answer(graph, &["User.Read"], offline)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Offline {
    Granted,
    Unasked,
}

fn answer(audience: &str, names: &[&str], offline: Offline) -> Delegated {
    let spelled = |name: &&str| {
        if GRAPHS.contains(&audience) { (*name).to_owned() } else { format!("{audience}/{name}") }
    };
    Delegated {
        audience: audience.into(),
        permissions: names.iter().copied().map(String::from).collect(),
        granted: names.iter().map(spelled).collect::<Vec<_>>().join(" "),
        offline: offline == Offline::Granted,
    }
}

/// The resources of a cloud: Exchange's main name first, Graph last.
fn resources(cloud: NationalCloud) -> &'static [&'static str] {
    match cloud {
        NationalCloud::Global => &[OUTLOOK, OUTLOOK_ALIAS, GRAPH],
        NationalCloud::UsGovernment => &[OUTLOOK_US, GRAPHS[1]],
        NationalCloud::China => &[OUTLOOK_CHINA, GRAPHS[2]],
    }
}

fn graph(cloud: NationalCloud) -> &'static str {
    match cloud {
        NationalCloud::Global => GRAPHS[0],
        NationalCloud::UsGovernment => GRAPHS[1],
        NationalCloud::China => GRAPHS[2],
    }
}

/// A resource that the tenant has.
pub(crate) fn known(cloud: NationalCloud, resource: &str) -> Result<&'static str, Refusal> {
    let resource = resource.trim_end_matches('/');
    let found = resources(cloud).iter().find(|known| **known == resource);
    found.copied().ok_or_else(|| {
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
        let found = delegated(NationalCloud::Global, Some(scope)).unwrap();
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
            assert_eq!(
                delegated(NationalCloud::Global, Some(scope)).unwrap().audience,
                GRAPH,
                "{scope}"
            );
        }
        assert_eq!(
            delegated(NationalCloud::Global, Some("IMAP.AccessAsUser.All")).unwrap().granted,
            "IMAP.AccessAsUser.All"
        );
    }

    #[test]
    fn no_scope_means_the_mail_scopes() {
        for scope in [None, Some(""), Some("https://outlook.office365.com/.default offline_access")]
        {
            let found = delegated(NationalCloud::Global, scope).unwrap();
            assert_eq!((found.audience.as_str(), found.offline), (OUTLOOK, true), "{scope:?}");
            assert_eq!(found.permissions, MAIL_SCOPES, "{scope:?}");
        }
    }

    #[test]
    fn two_resources_are_refused() {
        let scope = "https://outlook.office365.com/SMTP.Send https://graph.microsoft.com/Mail.Send";
        assert_eq!(delegated(NationalCloud::Global, Some(scope)), Err(Refusal::new(28_000)));
    }

    #[test]
    fn each_cloud_has_its_own_names() {
        let china = NationalCloud::China;
        let found = delegated(china, Some("https://partner.outlook.cn/SMTP.Send")).unwrap();
        assert_eq!(found.audience, OUTLOOK_CHINA);
        assert_eq!(delegated(china, Some("Mail.Send")).unwrap().audience, GRAPHS[2]);
        assert_eq!(delegated(NationalCloud::UsGovernment, None).unwrap().audience, OUTLOOK_US);
        assert!(app_only(china, "https://outlook.office365.com/.default").is_err());
    }

    #[test]
    fn consent_may_span_resources_that_exist() {
        let both = "https://outlook.office.com/SMTP.Send https://graph.microsoft.com/Mail.Send offline_access";
        assert_eq!(consentable(NationalCloud::Global, both), Ok(()));
        assert!(consentable(NationalCloud::Global, "https://outlook.example/SMTP.Send").is_err());
    }

    #[test]
    fn app_only_scopes_end_in_default() {
        assert_eq!(
            app_only(NationalCloud::Global, "https://outlook.office.com/.default").unwrap(),
            OUTLOOK_ALIAS
        );
        assert_eq!(
            app_only(NationalCloud::Global, "https://graph.microsoft.com/.default").unwrap(),
            GRAPH
        );
        assert!(
            app_only(NationalCloud::Global, "https://outlook.office365.com/IMAP.AccessAsApp")
                .is_err()
        );
        assert!(app_only(NationalCloud::Global, "https://outlook.example/.default").is_err());
    }
}
