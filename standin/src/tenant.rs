//! The tenant: its applications and its mailboxes.

/// An imitated Entra tenant with its Exchange organisation.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The tenant id, a GUID.
    pub id: String,
    /// The verified mail domain.
    pub domain: String,
    /// The registered applications.
    pub apps: Vec<App>,
    /// The mailboxes of the organisation.
    pub mailboxes: Vec<Account>,
}

/// A registered application.
#[derive(Clone, Debug)]
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
}

/// A mailbox.
#[derive(Clone, Debug)]
pub struct Account {
    /// The primary SMTP address, which is the user principal name too.
    pub address: String,
    /// The password that the `password` grant wants; the mail servers refuse basic authentication whatever it is.
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
}

impl Tenant {
    /// The tenant of tests and demonstrations: `contoso.example`, with one confidential and one public application and
    /// the mailboxes scanner, erp, alice and bob, all granted to the confidential one.
    #[must_use]
    pub fn contoso() -> Self {
        let confidential = App {
            client_id: "aaaaaaaa-0000-4000-8000-000000000001".into(),
            secrets: vec!["standin-secret-value".into()],
            public: false,
            roles: ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"]
                .map(String::from)
                .into(),
            object_id: "bbbbbbbb-0000-4000-8000-000000000001".into(),
        };
        let public = App {
            client_id: "aaaaaaaa-0000-4000-8000-000000000002".into(),
            secrets: Vec::new(),
            public: true,
            roles: Vec::new(),
            object_id: "bbbbbbbb-0000-4000-8000-000000000002".into(),
        };
        let mailboxes = ["scanner", "erp", "alice", "bob"].map(|name| {
            Account::new(&format!("{name}@contoso.example"), &[&confidential.client_id])
        });
        Self {
            id: "11111111-2222-3333-4444-555555555555".into(),
            domain: "contoso.example".into(),
            apps: vec![confidential, public],
            mailboxes: mailboxes.into(),
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
