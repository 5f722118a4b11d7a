//! `gatepost doctor` on set-ups that are broken in one way each: the report has to name the cause and
//! what to do, with the facts of the case filled in, and the exit code has to tell its class.

use std::time::Duration;

use crate::desk::{APP, Desk, MAILBOX, PRINCIPAL, PUBLIC_APP, Parts};
use gatepost_standin::{Service, Standin};
use serde_json::Value;

/// The report of a configuration of `parts`.
struct Report {
    code: i32,
    checks: Vec<Value>,
}

/// What a check should say.
struct Said {
    stage: &'static str,
    outcome: &'static str,
    finding: &'static str,
    remedy: &'static str,
}

const CONFIG: i32 = 78;
const DENIED: i32 = 77;
const UNAVAILABLE: i32 = 69;
const TRY_AGAIN: i32 = 75;

async fn report(desk: &Desk, parts: &Parts) -> Report {
    desk.configure(parts);
    let ended = desk.run(&["doctor", "--json", MAILBOX_OR_ALL]).await;
    let document: Value = serde_json::from_str(&ended.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err));
    assert_eq!(document["version"], 1);
    assert_eq!(document["exit"], ended.code, "the document tells the exit code");
    Report { code: ended.code, checks: document["checks"].as_array().unwrap().clone() }
}

/// The local user, so that the lookup by it is used too.
const MAILBOX_OR_ALL: &str = "device";

impl Report {
    /// The one check that says this.
    #[track_caller]
    fn says(&self, said: &Said) -> &Value {
        let text = |check: &Value, field: &str| check[field].as_str().unwrap_or("").to_owned();
        let found = self.checks.iter().find(|check| {
            check["stage"] == said.stage
                && check["outcome"] == said.outcome
                && text(check, "finding").contains(said.finding)
                && text(check, "remedy").contains(said.remedy)
        });
        found.unwrap_or_else(|| {
            panic!(
                "no {} {:?} / {:?} in {:#?}",
                said.outcome, said.finding, said.remedy, self.checks
            )
        })
    }

    /// The same for a failure with this exit code, and with these commands.
    #[track_caller]
    fn fails(&self, code: i32, [stage, finding, remedy]: [&'static str; 3], commands: &[&str]) {
        let check = self.says(&Said { stage, outcome: "fail", finding, remedy });
        assert_eq!(self.code, code, "{check:#}");
        let told: Vec<&str> =
            check["commands"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for command in commands {
            assert!(told.contains(command), "no {command:?} in {told:#?}");
        }
    }

    fn failures(&self) -> usize {
        self.checks.iter().filter(|check| check["outcome"] == "fail").count()
    }
}

fn tenant(standin: &Standin, change: impl FnOnce(&mut gatepost_standin::Tenant)) {
    change(&mut standin.tenant());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_set_up_passes_every_stage() {
    let desk = Desk::set_up().await;
    for parts in [desk.parts(), desk.signed_in(MAILBOX)] {
        let report = report(&desk, &parts).await;
        assert_eq!((report.code, report.failures()), (0, 0), "{:#?}", report.checks);
        for (stage, finding) in [
            ("config", "is good"),
            ("state", "alone"),
            ("dns", "localhost"),
            ("tcp", "takes a connection"),
            ("tls", "is believed"),
            ("clock", "agrees"),
            ("token", "min to go"),
            ("claims", "fit for imap"),
            ("claims", "fit for smtp"),
            ("imap", "opens the mailbox"),
            ("smtp", "none was sent"),
        ] {
            report.says(&Said { stage, outcome: "pass", finding, remedy: "" });
        }
    }
    assert_eq!(desk.standin.counters().messages_accepted.count(), 0);
}

/// A preset names hosts for every protocol; those that nobody asks for may as well be out of reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_without_a_listener_is_not_tried() {
    let desk = Desk::set_up().await;
    let path = desk.configure(&desk.parts());
    let config = std::fs::read_to_string(&path).unwrap();
    let listener = "[[listener]]\nprotocol = \"smtp\"\naddress = \"127.0.0.1:0\"\n";
    assert!(config.contains(listener));
    std::fs::write(&path, config.replace(listener, "")).unwrap();
    desk.standin.stop(Service::Smtp).await;
    let ended = desk.run(&["doctor"]).await;
    assert_eq!(ended.code, 0, "{}", ended.out);
    assert!(ended.out.contains("fit for imap") && !ended.out.contains("smtp"), "{}", ended.out);
}

/// The parts with Graph as the way out, which the tenant takes while it takes no SMTP at all.
async fn by_graph(desk: &Desk, parts: Parts) -> Parts {
    desk.standin.stop(Service::Smtp).await;
    let graph = desk.standin.graph();
    let imap = format!("{}\n\n[provider.contoso.graph]\nendpoint = \"{graph}\"", parts.imap);
    Parts { imap, mailbox: parts.mailbox.clone() + "\nsmtp_via = \"graph\"", ..parts }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_out_by_graph_is_tried_instead_of_smtp() {
    let desk = Desk::set_up().await;
    tenant(&desk.standin, |tenant| tenant.apps[0].roles.push("Mail.Send".into()));
    let report = report(&desk, &by_graph(&desk, desk.parts()).await).await;
    assert_eq!((report.code, report.failures()), (0, 0), "{:#?}", report.checks);
    for (stage, finding) in [
        ("imap", "opens the mailbox"),
        ("claims", "fit for graph"),
        ("graph", "no message was sent"),
    ] {
        report.says(&Said { stage, outcome: "pass", finding, remedy: "" });
    }
    assert!(report.checks.iter().all(|check| check["stage"] != "smtp"), "{:#?}", report.checks);
    assert_eq!(desk.standin.counters().graph_requests.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_out_by_graph_without_its_permission() {
    let desk = Desk::set_up().await;
    let application = report(&desk, &by_graph(&desk, desk.parts()).await).await;
    application.says(&Said {
        stage: "claims",
        outcome: "warn",
        finding: "lacks Graph's application permission Mail.Send",
        remedy: "of Microsoft Graph (not of Office 365 Exchange Online)",
    });
    let parts = by_graph(&desk, desk.signed_in(MAILBOX)).await;
    let scope = "\nscope = \"https://graph.microsoft.com/User.Read offline_access\"";
    let account = report(&desk, &Parts { imap: parts.imap.clone() + scope, ..parts }).await;
    account.fails(
        CONFIG,
        ["claims", "lacks Graph's delegated permission Mail.Send", "graph.microsoft.com/Mail.Send"],
        &["gatepost login scanner@contoso.example"],
    );
    account.says(&Said { stage: "graph", outcome: "skip", finding: "will refuse", remedy: "" });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong() {
    let desk = Desk::set_up().await;
    let grant = "client_id = \"app\"\ngrant = \"client_credential\"".to_owned();
    let report = report(&desk, &Parts { grant, ..desk.parts() }).await;
    report.fails(CONFIG, ["config", "client_credentials", "gatepost check"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_is_wrong() {
    let desk = Desk::set_up().await;
    let parts = desk.parts();
    let grant = parts.grant.replace("standin-secret-value", "the-secrets-id");
    let report = report(&desk, &Parts { grant, ..parts }).await;
    let reset = format!("az ad app credential reset --id {APP} --append --display-name gatepost");
    report.fails(CONFIG, ["token", "AADSTS7000215", "Value, not its Secret ID"], &[&reset]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_the_tenant_does_not_know() {
    let desk = Desk::set_up().await;
    let parts = desk.parts();
    let unknown = "cccccccc-0000-4000-8000-000000000009";
    let report = report(&desk, &Parts { grant: parts.grant.replace(APP, unknown), ..parts }).await;
    let consent = format!("az ad app permission admin-consent --id {unknown}");
    report.fails(CONFIG, ["token", "AADSTS700016", "Check tenant and client id"], &[&consent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_does_not_exist() {
    let desk = Desk::set_up().await;
    let parts = desk.parts();
    let id = desk.standin.tenant().id.clone();
    let token_endpoint = parts.token_endpoint.replace(&id, "fabrikam.example");
    let report = report(&desk, &Parts { token_endpoint, ..parts }).await;
    report.fails(CONFIG, ["token", "AADSTS90002", "Check the tenant"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_nobody_signed_in_for() {
    let desk = Desk::set_up().await;
    let report = report(&desk, &Parts { mailbox: String::new(), ..desk.signed_in(MAILBOX) }).await;
    let login = format!("gatepost login {MAILBOX}");
    report.fails(DENIED, ["token", "", ""], &[&login]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_revoked() {
    let desk = Desk::set_up().await;
    let parts = desk.signed_in(MAILBOX);
    desk.standin.revoke_refresh_tokens(MAILBOX);
    let report = report(&desk, &parts).await;
    let login = format!("gatepost login {MAILBOX}");
    report.fails(DENIED, ["token", "AADSTS", "Sign in again"], &[&login]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_the_application_may_not_open() {
    let desk = Desk::set_up().await;
    tenant(&desk.standin, |tenant| tenant.mailbox_mut(MAILBOX).unwrap().granted_to.clear());
    let report = report(&desk, &desk.parts()).await;
    let grant = format!(
        "Add-MailboxPermission -Identity {MAILBOX} -User (Get-ServicePrincipal -Identity {PRINCIPAL}).Identity -AccessRights FullAccess"
    );
    report.fails(
        DENIED,
        ["imap", "User is authenticated but not connected", "Let the application open scanner@"],
        &[&grant],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_nobody_consented_to() {
    let desk = Desk::set_up().await;
    tenant(&desk.standin, |tenant| {
        tenant.apps[0].roles = vec!["POP.AccessAsApp".into(), "SMTP.SendAsApp".into()];
    });
    let report = report(&desk, &desk.parts()).await;
    let consent = format!("az ad app permission admin-consent --id {APP}");
    report.fails(CONFIG, ["claims", "IMAP.AccessAsApp", "not of Microsoft Graph"], &[&consent]);
    report.fails(CONFIG, ["imap", "AUTHENTICATE failed", "IMAP.AccessAsApp"], &[]);
}

/// Where the preset knows Exchange, the configuration is refused already; elsewhere the token tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_graph() {
    let desk = Desk::set_up().await;
    let imap = desk.parts().imap + "\nscope = \"https://graph.microsoft.com/.default\"";
    let known = report(&desk, &Parts { imap: imap.clone(), ..desk.parts() }).await;
    known.fails(CONFIG, ["config", "https://outlook.office365.com/.default", ""], &[]);

    let smtp = desk.parts().smtp + "\nscope = \"https://outlook.office365.com/.default\"";
    let parts = Parts { preset: "custom", imap, smtp, ..desk.parts() };
    let unknown = report(&desk, &parts).await;
    unknown.fails(
        CONFIG,
        ["claims", "Microsoft Graph", "https://outlook.office365.com/.default"],
        &[],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegated_permission_that_is_missing() {
    let desk = Desk::set_up().await;
    let parts = desk.signed_in(MAILBOX);
    let scope = "\nscope = \"https://outlook.office365.com/SMTP.Send offline_access\"";
    let report = report(&desk, &Parts { imap: parts.imap.clone() + scope, ..parts }).await;
    report.fails(
        CONFIG,
        ["claims", "IMAP.AccessAsUser.All", "https://outlook.office365.com/IMAP.AccessAsUser.All"],
        &["gatepost login scanner@contoso.example"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_sign_in() {
    let desk = Desk::set_up().await;
    let parts =
        Parts { address: "bob@contoso.example".into(), ..desk.signed_in("alice@contoso.example") };
    let report = report(&desk, &parts).await;
    let grant = "Add-MailboxPermission -Identity bob@contoso.example -User alice@contoso.example -AccessRights FullAccess";
    report.says(&Said {
        stage: "claims",
        outcome: "warn",
        finding: "alice@contoso.example's, who needs full access to bob@contoso.example",
        remedy: "Grant it, or sign in as bob@contoso.example",
    });
    report.fails(DENIED, ["imap", "not connected", "sign in as bob@"], &[]);
    assert!(report.checks.iter().any(|check| check["commands"][0] == grant));
}

#[tokio::test(flavor = "multi_thread")]
async fn smtp_that_is_switched_off() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().smtp_auth_disabled_tenant = true;
    let report = report(&desk, &desk.parts()).await;
    let on = format!("Set-CASMailbox -Identity {MAILBOX} -SmtpClientAuthenticationDisabled $false");
    report.fails(DENIED, ["smtp", "disabled for the Tenant", "SMTP AUTH is off"], &[&on]);
    assert_eq!(report.failures(), 1, "IMAP works on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_blocks_the_application() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().authority_aadsts = Some(53003);
    let report = report(&desk, &desk.parts()).await;
    report.fails(DENIED, ["token", "Conditional Access", "correlation id"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_nobody_knows() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().authority_aadsts = Some(987_654);
    let report = report(&desk, &desk.parts()).await;
    let page = "https://login.microsoftonline.com/error?code=987654";
    report.fails(CONFIG, ["token", "AADSTS987654", page], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_in_trouble() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().authority_aadsts = Some(90033);
    let report = report(&desk, &desk.parts()).await;
    report.fails(TRY_AGAIN, ["token", "in trouble", "asked again"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_host_without_an_address() {
    let desk = Desk::set_up().await;
    // RFC 6761 section 6.4: no resolver knows it.
    let imap = "host = \"outlook.invalid\"".to_owned();
    let report = report(&desk, &Parts { imap, ..desk.parts() }).await;
    report.fails(UNAVAILABLE, ["dns", "outlook.invalid", "spelling"], &[]);
    report.says(&Said { stage: "imap", outcome: "skip", finding: "not tried", remedy: "" });
    report.says(&Said { stage: "smtp", outcome: "pass", finding: "none was sent", remedy: "" });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_listens_on() {
    let desk = Desk::set_up().await;
    let parts = desk.parts();
    desk.standin.stop(Service::Imap).await;
    let report = report(&desk, &parts).await;
    report.fails(UNAVAILABLE, ["tcp", "takes a connection", "firewall"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_nobody_vouches_for() {
    let desk = Desk::set_up().await;
    let report = report(&desk, &Parts { ca_file: "", ..desk.parts() }).await;
    report.fails(UNAVAILABLE, ["tls", "certificate", "`ca_file` under [tls]"], &[]);
    report.says(&Said { stage: "token", outcome: "skip", finding: "not tried", remedy: "" });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().authority_clock_skew = 900;
    let report = report(&desk, &desk.parts()).await;
    report.fails(
        CONFIG,
        ["clock", "behind the authority's", "time service"],
        &["timedatectl set-ntp true"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_host_that_says_nothing() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().imap_silent = true;
    let tables = "[timeouts]\nupstream_reply = \"1s\"".to_owned();
    let report = report(&desk, &Parts { tables, ..desk.parts() }).await;
    report.fails(UNAVAILABLE, ["imap", "can't be reached", "doesn't answer"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_left_to_the_mail_host() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().opaque_tokens = true;
    desk.standin.knobs().token_lifetime = Some(Duration::from_secs(3600));
    let report = report(&desk, &desk.signed_in(MAILBOX)).await;
    assert_eq!(report.code, 0);
    report.says(&Said { stage: "claims", outcome: "pass", finding: "opaque", remedy: "" });
}

/// The worst trouble decides: what has to be mended here comes before what has to be mended elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_that_of_the_worst_class() {
    let desk = Desk::set_up().await;
    desk.standin.knobs().smtp_auth_disabled_tenant = true;
    desk.standin.knobs().authority_clock_skew = 900;
    let parts = Parts { imap: "host = \"outlook.invalid\"".into(), ..desk.parts() };
    assert_eq!(report(&desk, &parts).await.code, CONFIG);
    desk.standin.knobs().authority_clock_skew = 0;
    assert_eq!(report(&desk, &parts).await.code, DENIED);
    desk.standin.knobs().smtp_auth_disabled_tenant = false;
    assert_eq!(report(&desk, &parts).await.code, UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_for_people_says_the_same_and_no_secret() {
    let desk = Desk::set_up().await;
    tenant(&desk.standin, |tenant| tenant.mailbox_mut(MAILBOX).unwrap().granted_to.clear());
    desk.configure(&desk.parts());
    let ended = desk.run(&["doctor", "-vv"]).await;
    assert_eq!(ended.code, DENIED);
    for piece in [
        "FAIL imap     the mail host takes the token, but doesn't open the mailbox",
        "-> Let the application open scanner@contoso.example",
        "          Add-MailboxPermission -Identity scanner@contoso.example",
        "  ok   clock",
    ] {
        assert!(ended.out.contains(piece), "{piece}\n{}", ended.out);
    }
    assert!(ended.err.contains("checks have failed"));
    for secret in ["standin-secret-value", "correct horse", "eyJ"] {
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_mailbox_is_a_wrong_command_line() {
    let desk = Desk::set_up().await;
    desk.configure(&Parts {
        grant: format!("client_id = \"{PUBLIC_APP}\"\ngrant = \"refresh_token\""),
        ..desk.parts()
    });
    let ended = desk.run(&["doctor", "nobody@contoso.example"]).await;
    assert_eq!(ended.code, 64);
    assert!(ended.err.contains("nobody@contoso.example"));
}
