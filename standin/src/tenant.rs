//! The tenant: its applications and its mailboxes.

/// Where programs send people whose browser can't reach them: the address stays in the address bar, to be pasted.
const NATIVE_CLIENT: &str = "https://login.microsoftonline.com/common/oauth2/nativeclient";
/// The resource id of the managed identity of tests.
const MANAGED_IDENTITY: &str = "/subscriptions/standin/resourcegroups/mail/providers/Microsoft.ManagedIdentity/userAssignedIdentities/gatepost";

/// The national cloud that a tenant lives in. Each has its own authority and its own names for Exchange and Graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NationalCloud {
    /// login.microsoftonline.com; the authority without a prefix.
    #[default]
    Global,
    /// login.microsoftonline.us, of GCC High and DoD; the authority's prefix `/us`.
    UsGovernment,
    /// login.partner.microsoftonline.cn, of 21Vianet; the authority's prefix `/china`.
    China,
}

/// An imitated Entra tenant with its Exchange organisation.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The tenant id, a GUID.
    pub id: String,
    /// The verified mail domain.
    pub domain: String,
    /// The registered applications.
    pub apps: Vec<App>,
    /// The mailboxes of the organisation, and the personal ones.
    pub mailboxes: Vec<Account>,
    /// The applications that may submit to High Volume Email, by their object ids (`Add-HVEAppAccess`).
    pub hve_apps: Vec<String>,
    /// The cloud at whose authority the tenant is found.
    pub cloud: NationalCloud,
    /// The service accounts of the imitated Google.
    pub service_accounts: Vec<ServiceAccount>,
}

/// A registered application.
#[derive(Clone, Debug, Default)]
pub struct App {
    /// The application (client) id.
    pub client_id: String,
    /// The client secrets in force. A confidential application without one can't authenticate.
    pub secrets: Vec<String>,
    /// Whether this is a public client, which has no secret and must not send one.
    pub public: bool,
    /// The application permissions with admin consent, such as `IMAP.AccessAsApp`.
    pub roles: Vec<String>,
    /// The object id of the enterprise application (service principal); an app-only token carries it as `oid`.
    pub object_id: String,
    /// The certificates that may sign its client assertions, in PEM or DER.
    pub certificates: Vec<Vec<u8>>,
    /// The identities elsewhere whose tokens stand for a credential of this application.
    pub federated: Vec<Federated>,
    /// Where a sign-in may lead. The port of `http://localhost` and `http://127.0.0.1` doesn't matter.
    pub redirect_uris: Vec<String>,
    /// The resource id, if this is the service principal of a managed identity, whose tokens come from the
    /// managed-identity endpoints.
    pub managed_identity: Option<String>,
}

/// A federated identity credential: which token of another issuer is accepted for an application.
#[derive(Clone, Debug, Default)]
pub struct Federated {
    /// `iss`, to the letter.
    pub issuer: String,
    /// `sub`, to the letter.
    pub subject: String,
    /// `aud`, usually `api://AzureADTokenExchange`.
    pub audience: String,
    /// The issuer's RSA key: a public key in PEM or a certificate in PEM or DER. Without one only unsigned acceptance
    /// (`federated_unsigned` in the knobs) lets its tokens in.
    pub key: Vec<u8>,
}

/// A service account of Google Workspace with domain-wide delegation.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// `client_email` of its key file, the `iss` of its assertions.
    pub email: String,
    /// Its RSA key: a public key in PEM or a certificate in PEM or DER.
    pub key: Vec<u8>,
    /// The scopes that the domain's administrator delegated to it.
    pub scopes: Vec<String>,
}

/// A mailbox.
#[derive(Clone, Debug)]
pub struct Account {
    /// The primary SMTP address, which is the user principal name too.
    pub address: String,
    /// The password that the sign-in pages and the `password` grant want, and without which neither works; the mail servers refuse basic authentication whatever it is.
    pub password: Option<String>,
    /// `ImapEnabled` of the mailbox.
    pub imap_enabled: bool,
    /// `PopEnabled` of the mailbox.
    pub pop_enabled: bool,
    /// Whether the mailbox may submit by SMTP: the opposite of `SmtpClientAuthenticationDisabled`.
    pub smtp_enabled: bool,
    /// Who has FullAccess beside the owner: client ids of applications, addresses of delegates.
    pub granted_to: Vec<String>,
    /// Addresses that the mailbox may send as beside its own.
    pub send_as: Vec<String>,
    /// Whether this is a personal account, which lives in `/consumers` and gets opaque tokens.
    pub personal: bool,
}

impl NationalCloud {
    /// What stands before the tenant in the paths of the authority.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Global => "",
            Self::UsGovernment => "/us",
            Self::China => "/china",
        }
    }
}

impl Tenant {
    /// The tenant of tests and demonstrations: `contoso.example`, with a confidential application, a public one and a managed
    /// identity, and the mailboxes scanner, erp, alice and bob, all granted to the first and the last. Nobody has a
    /// password.
    #[must_use]
    pub fn contoso() -> Self {
        let [confidential, public, managed] = apps();
        let mailboxes = ["scanner", "erp", "alice", "bob"].map(|name| {
            Account::new(
                &format!("{name}@contoso.example"),
                &[&confidential.client_id, &managed.client_id],
            )
        });
        Self {
            id: "11111111-2222-3333-4444-555555555555".into(),
            domain: "contoso.example".into(),
            hve_apps: vec![confidential.object_id.clone()],
            apps: vec![confidential, public, managed],
            mailboxes: mailboxes.into(),
            cloud: NationalCloud::Global,
            service_accounts: Vec::new(),
        }
    }

    /// The application with this client id.
    #[must_use]
    pub fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The mailbox with this address, whatever its case.
    #[must_use]
    pub fn mailbox(&self, address: &str) -> Option<&Account> {
        self.mailboxes.iter().find(|account| account.address.eq_ignore_ascii_case(address))
    }

    /// The same, to be changed in place.
    pub fn mailbox_mut(&mut self, address: &str) -> Option<&mut Account> {
        self.mailboxes.iter_mut().find(|account| account.address.eq_ignore_ascii_case(address))
    }

    /// Whether the address is in the domain of the tenant.
    #[must_use]
    pub fn owns(&self, address: &str) -> bool {
        address
            .rsplit_once('@')
            .is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(&self.domain))
    }
}

/// The applications of tests: confidential, public, and a managed identity.
fn apps() -> [App; 3] {
    let roles: Vec<_> =
        ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"].map(String::from).into();
    let redirect_uris: Vec<_> = ["http://localhost", NATIVE_CLIENT].map(String::from).into();
    let confidential = App {
        client_id: "aaaaaaaa-0000-4000-8000-000000000001".into(),
        secrets: vec!["standin-secret-value".into()],
        roles: roles.clone(),
        object_id: "bbbbbbbb-0000-4000-8000-000000000001".into(),
        redirect_uris: redirect_uris.clone(),
        ..App::default()
    };
    let public = App {
        client_id: "aaaaaaaa-0000-4000-8000-000000000002".into(),
        public: true,
        object_id: "bbbbbbbb-0000-4000-8000-000000000002".into(),
        redirect_uris,
        ..App::default()
    };
    let managed = App {
        client_id: "aaaaaaaa-0000-4000-8000-000000000003".into(),
        roles,
        object_id: "bbbbbbbb-0000-4000-8000-000000000003".into(),
        managed_identity: Some(MANAGED_IDENTITY.into()),
        ..App::default()
    };
    [confidential, public, managed]
}

impl Account {
    /// A mailbox with IMAP, POP3 and SMTP switched on and no password, open to `granted_to`.
    #[must_use]
    pub fn new(address: &str, granted_to: &[&str]) -> Self {
        Self {
            address: address.into(),
            password: None,
            imap_enabled: true,
            pop_enabled: true,
            smtp_enabled: true,
            granted_to: granted_to.iter().copied().map(String::from).collect(),
            send_as: Vec::new(),
            personal: false,
        }
    }

    /// Whether `who`, a client id or an address, may open the mailbox.
    #[must_use]
    pub fn admits(&self, who: &str) -> bool {
        self.address.eq_ignore_ascii_case(who)
            || self.granted_to.iter().any(|granted| granted.eq_ignore_ascii_case(who))
    }

    /// Whether the mailbox may send mail from `sender`.
    #[must_use]
    pub fn may_send_as(&self, sender: &str) -> bool {
        self.address.eq_ignore_ascii_case(sender)
            || self.send_as.iter().any(|other| other.eq_ignore_ascii_case(sender))
    }
}
