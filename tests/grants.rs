//! Every grant from the configuration to an open mailbox, against the stand-in.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "grants/house.rs"]
mod house;
#[path = "grants/proxies.rs"]
mod proxies;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost::mailbox::{Margin, Provider};
use gatepost::oauth::{
    Application, Class, Credential, Failure, Grant, ManagedIdentity, Platform, Prompt, SignIn,
    Token,
};
use gatepost::secret::Secret;
use gatepost::tokens::{Authority, entropy};
use gatepost_standin::{Federated, NationalCloud, ServiceAccount, Standin};
use house::{ALICE, APP, House, Key, PASSWORD, PUBLIC_APP, TENANT};
use reqwest::redirect::Policy;

const SECRET: &str = "standin-secret-value";
const OUTLOOK: &str = "https://outlook.office365.com/.default";

fn entra(house: &House, keys: &str) -> String {
    let endpoint = house.standin.token_endpoint();
    format!("preset = \"microsoft\"\ntoken_endpoint = \"{endpoint}\"\n{keys}")
}

fn app_only(house: &House, proof: &str) -> String {
    entra(house, &format!("grant = \"client_credentials\"\nclient_id = \"{APP}\"\n{proof}"))
}

async fn opens(house: &House, provider: &str, mailbox: &str) {
    let answer = house.login(provider, mailbox).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    assert!(house.standin.counters().imap_logins.count() > 0);
}

#[tokio::test]
async fn a_secret_opens_the_mailbox_and_so_does_the_next_one_while_they_are_rotated() {
    let house = House::new().await;
    opens(&house, &app_only(&house, &format!("client_secret = \"{SECRET}\"")), "").await;
    let rotated = format!("client_secret = \"expired\"\nclient_secret_next = \"{SECRET}\"");
    opens(&house, &app_only(&house, &rotated), "").await;
    assert_eq!(house.standin.counters().token_requests.count(), 3);
    let wrong = "client_secret = \"expired\"\nclient_secret_next = \"mistyped\"";
    let answer = house.login(&app_only(&house, wrong), "").await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
}

#[tokio::test]
async fn a_certificate_opens_the_mailbox_in_either_algorithm() {
    let house = House::new().await;
    let key = Key::new();
    house.file("app.key", &key.key);
    house.file("app.pem", &key.certificate);
    house.file("both.pem", &format!("{}{}", key.key, key.certificate));
    let unknown = "client_certificate = \"both.pem\"";
    let answer = house.login(&app_only(&house, unknown), "").await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
    house.standin.tenant().apps[0].certificates.push(key.certificate.into_bytes());
    for proof in [
        "client_certificate = \"app.pem\"\nclient_key = \"app.key\"",
        "client_certificate = \"both.pem\"",
        "client_certificate = \"both.pem\"\nclient_assertion_algorithm = \"RS256\"",
    ] {
        opens(&house, &app_only(&house, proof), "").await;
    }
}

#[tokio::test]
async fn a_federated_token_is_read_anew_for_each_request() {
    let house = House::new().await;
    house.standin.knobs().federated_unsigned = true;
    house.standin.tenant().apps[0].federated.push(Federated {
        issuer: "https://kubernetes.example".into(),
        subject: "system:serviceaccount:mail:gatepost".into(),
        audience: "api://AzureADTokenExchange".into(),
        ..Federated::default()
    });
    let token = |subject: &str| {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let claims = format!(
            r#"{{"iss":"https://kubernetes.example","sub":"{subject}","aud":"api://AzureADTokenExchange","exp":9999999999}}"#
        );
        format!("{}.{}.c2ln\n", part(r#"{"alg":"RS256"}"#.into()), part(claims))
    };
    let provider = app_only(&house, "federated_token_file = \"identity.jwt\"");
    let answer = house.login(&provider, "").await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
    house.file("identity.jwt", &token("somebody else"));
    let answer = house.login(&provider, "").await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
    house.file("identity.jwt", &token("system:serviceaccount:mail:gatepost"));
    opens(&house, &provider, "").await;
}

#[tokio::test]
async fn a_password_opens_its_mailbox_in_both_versions_of_the_endpoint() {
    let house = House::new().await;
    house.file("alice", PASSWORD);
    let keys = format!("grant = \"password\"\nclient_id = \"{PUBLIC_APP}\"");
    let mailbox = "provider_password_file = \"alice\"";
    opens(&house, &entra(&house, &keys), mailbox).await;
    let version_1 = format!(
        "preset = \"microsoft\"\nauthority = \"{}\"\ntenant = \"{TENANT}\"\n{keys}\nresource = \"https://outlook.office365.com\"",
        house.standin.authority()
    );
    opens(&house, &version_1, mailbox).await;
    assert_eq!(house.standin.counters().password_requests.count(), 2);
    house.file("alice", "mistyped");
    let answer = house.login(&entra(&house, &keys), mailbox).await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
}

#[tokio::test]
async fn a_tenant_of_a_national_cloud_is_asked_in_its_own() {
    for (name, cloud) in
        [("gcc-high", NationalCloud::UsGovernment), ("china", NationalCloud::China)]
    {
        let house = House::new().await;
        house.standin.tenant().cloud = cloud;
        let provider = format!(
            "preset = \"microsoft\"\ncloud = \"{name}\"\ntenant = \"{TENANT}\"\nauthority = \"{}\"\n\
             grant = \"client_credentials\"\nclient_id = \"{APP}\"\nclient_secret = \"{SECRET}\"",
            house.standin.authority_of(cloud)
        );
        opens(&house, &provider, "").await;
    }
}

#[tokio::test]
async fn an_issuer_tells_its_endpoints_once() {
    let house = House::new().await;
    let issuer = format!("{}/{TENANT}/v2.0", house.standin.authority());
    let provider = |issuer: &str| {
        format!(
            "preset = \"custom\"\nissuer = \"{issuer}\"\nscope = \"{OUTLOOK}\"\n\
             grant = \"client_credentials\"\nclient_id = \"{APP}\"\nclient_secret = \"{SECRET}\""
        )
    };
    opens(&house, &provider(&issuer), "").await;
    let (found, authority) = house.authority(&provider(&format!("{issuer}/")));
    let located = authority.located(&found.application).await.unwrap();
    assert_eq!(located.token_endpoint, house.standin.token_endpoint());
    assert!(located.authorization_endpoint.as_ref().unwrap().ends_with("/authorize"));
    assert!(located.device_endpoint.as_ref().unwrap().ends_with("/devicecode"));
    house.standin.stop(gatepost_standin::Service::Authority).await;
    authority.located(&found.application).await.unwrap();
}

#[tokio::test]
async fn a_machine_with_an_identity_needs_no_secret() {
    let house = House::new().await;
    let managed = house.standin.tenant().apps[2].client_id.clone();
    house.standin.tenant().mailbox_mut(ALICE).unwrap().granted_to.push(managed.clone());
    for selection in [String::new(), format!("client_id = \"{managed}\"")] {
        let provider = format!(
            "preset = \"microsoft\"\ngrant = \"managed_identity\"\nplatform = \"imds\"\n\
             token_endpoint = \"{}\"\n{selection}",
            house.standin.imds()
        );
        opens(&house, &provider, "").await;
    }
    let unknown = format!(
        "preset = \"microsoft\"\ngrant = \"managed_identity\"\nplatform = \"imds\"\n\
         token_endpoint = \"{}\"\nobject_id = \"nobody\"",
        house.standin.imds()
    );
    let answer = house.login(&unknown, "").await;
    assert!(answer.starts_with("a NO [CONTACTADMIN]"), "{answer}");
}

#[tokio::test]
async fn app_service_and_arc_give_their_tokens_in_their_own_ways() {
    let house = House::new().await;
    let keys = house.folder().join("keys");
    std::fs::create_dir(&keys).unwrap();
    house.standin.knobs().arc_key_file = Some(keys.join("1.key"));
    let (app_service, header) = house.standin.app_service();
    for (endpoint, platform) in [
        (app_service, Platform::AppService { header: Secret::new(header) }),
        (house.standin.arc(), Platform::Arc { keys }),
    ] {
        let application = Application {
            token_endpoint: endpoint,
            credential: Credential::ManagedIdentity(ManagedIdentity { platform, identity: None }),
            ..Application::default()
        };
        let provider = Provider {
            name: "azure".to_owned(),
            application: Arc::new(application),
            grant: Grant::named("managed_identity").unwrap(),
            services: Vec::new(),
            graph: None,
        };
        let plain = app_only(&house, &format!("client_secret = \"{SECRET}\""));
        let (tokens, _) = gatepost::daemon::engine(&house.config(&plain, "")).unwrap();
        let margin = Margin::Least(Duration::ZERO);
        tokens.bearer(&provider, ALICE, None, OUTLOOK, margin).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_account_speaks_for_the_mailbox() {
    let house = House::new().await;
    house.standin.knobs().google = true;
    let key = Key::new();
    house.standin.tenant().service_accounts.push(ServiceAccount {
        email: "robot@project.iam.gserviceaccount.example".into(),
        key: key.public.into_bytes(),
        scopes: vec!["https://mail.google.com/".into()],
    });
    let file = serde_json::json!({
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.example",
        "private_key_id": "1",
        "private_key": key.key,
        "token_uri": format!("{}/token", house.standin.google()),
    });
    house.file("robot.json", &file.to_string());
    let provider =
        "preset = \"google\"\ngrant = \"service_account\"\nservice_account_file = \"robot.json\"";
    opens(&house, provider, "").await;
    assert_eq!(house.standin.counters().jwt_bearer_requests.count(), 1);
}

#[tokio::test]
async fn a_program_gives_the_token_and_no_shell_is_there_to_misread_it() {
    let house = House::new().await;
    let refresh = house.standin.mint_refresh_token(PUBLIC_APP, ALICE);
    let signed_in =
        entra(&house, &format!("grant = \"refresh_token\"\nclient_id = \"{PUBLIC_APP}\""));
    let config = house.config(&signed_in, &format!("refresh_token = \"{refresh}\""));
    let (tokens, _) = gatepost::daemon::engine(&config).unwrap();
    let provider = &config.providers[0];
    let scope = &provider.services[0].scope;
    let (seed, margin) = (Secret::new(refresh), Margin::Least(Duration::ZERO));
    let bearer = tokens.bearer(provider, ALICE, Some(&seed), scope, margin).await.unwrap();
    let program =
        |words: &str| format!("preset = \"microsoft\"\ngrant = \"command\"\ncommand = {words}");
    let token = bearer.token.reveal();
    opens(&house, &program(&format!("[\"echo\", \"{token}\"]")), "").await;
    let json = format!(r#"["printf", '{{"access_token":"%s","expires_in":3000}}', "{token}"]"#);
    opens(&house, &program(&json), "").await;
    for (words, cause) in [
        (r#"["false"]"#, "a NO [UNAVAILABLE]"),
        (r#"["/no/such/program"]"#, "a NO [CONTACTADMIN]"),
        (r#"["echo", "$(id); {mailbox} {scope}"]"#, "a NO [CONTACTADMIN]"),
        (r#"["yes"]"#, "a NO [CONTACTADMIN]"),
    ] {
        let answer = house.login(&program(words), "").await;
        assert!(answer.starts_with(cause), "{words}: {answer}");
    }
}

/// What a person asked by `provider` does, and what comes of it.
async fn sign_in(
    (provider, authority): (Arc<Provider>, Authority),
    show: impl AsyncFnMut(Prompt) -> Result<Option<Secret<String>>, Failure>,
) -> Result<Token, Failure> {
    let consent = provider.consent();
    let asked = SignIn {
        scope: consent.first,
        consent: consent.all,
        mailbox: ALICE.to_owned(),
        redirect_uri: "http://localhost:53682".to_owned(),
        entropy: entropy().unwrap(),
    };
    authority.sign_in(&provider.application, provider.grant, &asked, show).await
}

/// A browser in which Alice presses `choice`; returns where it is sent back to.
async fn browse(standin: &Standin, url: &str, choice: &str) -> String {
    let root = reqwest::Certificate::from_pem(standin.ca_pem().as_bytes()).unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let browser =
        reqwest::Client::builder().tls_certs_only([root]).redirect(Policy::none()).build().unwrap();
    let form = [("login", ALICE), ("passwd", PASSWORD), ("choice", choice)];
    let answer = browser.post(url).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 302, "{}", answer.text().await.unwrap());
    answer.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_person_signs_in_with_a_browser_once_and_strays_change_nothing() {
    let house = House::new().await;
    let keys = format!("grant = \"authorization_code\"\nclient_id = \"{PUBLIC_APP}\"");
    let provider = entra(&house, &keys);
    let mut strays = vec!["/favicon.ico", "/?code=stolen&state=guessed", "/?error=access_denied"];
    let token = sign_in(house.authority(&provider), async |prompt| {
        let Prompt::Browser { url } = prompt else { panic!("{prompt:?}") };
        Ok(Some(match strays.pop() {
            Some(stray) => Secret::from(stray),
            None => Secret::new(browse(&house.standin, &url, "sign_in").await),
        }))
    })
    .await
    .unwrap();
    assert_eq!(token.account.as_deref(), Some(ALICE));
    assert_eq!(house.standin.counters().authorization_code_requests.count(), 1);
    let refresh = token.refresh.unwrap();
    let seed = format!("refresh_token = \"{}\"", refresh.reveal());
    opens(&house, &provider, &seed).await;
}

#[tokio::test]
async fn who_declines_in_the_browser_is_not_signed_in() {
    let house = House::new().await;
    let keys = format!("grant = \"authorization_code\"\nclient_id = \"{PUBLIC_APP}\"");
    let outcome = sign_in(house.authority(&entra(&house, &keys)), async |prompt| {
        let Prompt::Browser { url } = prompt else { panic!("{prompt:?}") };
        Ok(Some(Secret::new(browse(&house.standin, &url, "cancel").await)))
    });
    let failure = outcome.await.unwrap_err();
    assert_eq!(failure.class, Class::SignIn);
}

#[tokio::test]
async fn a_confidential_application_proves_itself_when_it_redeems_and_when_it_renews() {
    let house = House::new().await;
    let key = Key::new();
    house.file("both.pem", &format!("{}{}", key.key, key.certificate));
    house.standin.tenant().apps[0].certificates.push(key.certificate.into_bytes());
    for proof in
        [format!("client_secret = \"{SECRET}\""), "client_certificate = \"both.pem\"".to_owned()]
    {
        let keys = format!("grant = \"authorization_code\"\nclient_id = \"{APP}\"\n{proof}");
        let provider = entra(&house, &keys);
        let token = sign_in(house.authority(&provider), async |prompt| {
            let Prompt::Browser { url } = prompt else { panic!("{prompt:?}") };
            Ok(Some(Secret::new(browse(&house.standin, &url, "sign_in").await)))
        });
        let refresh = token.await.unwrap().refresh.unwrap();
        opens(&house, &provider, &format!("refresh_token = \"{}\"", refresh.reveal())).await;
    }
}

#[tokio::test]
async fn a_person_signs_in_on_another_device() {
    let house = House::new().await;
    house.standin.knobs().device_code_interval = Duration::from_secs(1);
    let keys = format!("grant = \"device_code\"\nclient_id = \"{PUBLIC_APP}\"");
    let provider = entra(&house, &keys);
    let token = sign_in(house.authority(&provider), async |prompt| {
        let Prompt::Device { user_code, .. } = prompt else { panic!("{prompt:?}") };
        assert!(house.standin.approve_device(&user_code, ALICE));
        Ok(None)
    });
    let refresh = token.await.unwrap().refresh.unwrap();
    opens(&house, &provider, &format!("refresh_token = \"{}\"", refresh.reveal())).await;
    let declined = sign_in(house.authority(&provider), async |prompt| {
        let Prompt::Device { user_code, .. } = prompt else { panic!("{prompt:?}") };
        assert!(house.standin.decline_device(&user_code));
        Ok(None)
    });
    assert_eq!(declined.await.unwrap_err().class, Class::SignIn);
}

#[tokio::test]
async fn one_sign_in_serves_several_resources_a_token_at_a_time() {
    let house = House::new().await;
    let keys = format!("grant = \"authorization_code\"\nclient_id = \"{PUBLIC_APP}\"");
    let (found, authority) = house.authority(&entra(&house, &keys));
    let consent = found.consent();
    assert!(consent.all.contains("SMTP.Send") && consent.all.contains("IMAP.AccessAsUser.All"));
    let asked = SignIn {
        consent: format!("{} https://graph.microsoft.com/Mail.Send", consent.all),
        scope: consent.first,
        mailbox: ALICE.to_owned(),
        redirect_uri: "http://localhost:1".to_owned(),
        entropy: entropy().unwrap(),
    };
    let token = authority.sign_in(&found.application, found.grant, &asked, async |prompt| {
        let Prompt::Browser { url } = prompt else { panic!("{prompt:?}") };
        Ok(Some(Secret::new(browse(&house.standin, &url, "sign_in").await)))
    });
    let refresh = token.await.unwrap().refresh.unwrap();
    let (tokens, _) = gatepost::daemon::engine(&house.config(&entra(&house, &keys), "")).unwrap();
    for scope in [
        "https://outlook.office365.com/IMAP.AccessAsUser.All offline_access",
        "https://graph.microsoft.com/Mail.Send offline_access",
    ] {
        let margin = Margin::Least(Duration::ZERO);
        tokens.bearer(&found, ALICE, Some(&refresh), scope, margin).await.unwrap();
    }
}

#[tokio::test]
async fn google_signs_people_in_with_the_presets_own_parameters() {
    let house = House::new().await;
    house.standin.knobs().google = true;
    let google = house.standin.google();
    let provider = format!(
        "preset = \"google\"\ngrant = \"authorization_code\"\nclient_id = \"{PUBLIC_APP}\"\n\
         token_endpoint = \"{google}/token\"\nauthorization_endpoint = \"{google}/authorize\""
    );
    let token = sign_in(house.authority(&provider), async |prompt| {
        let Prompt::Browser { url } = prompt else { panic!("{prompt:?}") };
        assert!(url.contains("access_type=offline") && url.contains("prompt=consent"), "{url}");
        Ok(Some(Secret::new(browse(&house.standin, &url, "sign_in").await)))
    });
    let refresh = token.await.unwrap().refresh.unwrap();
    opens(&house, &provider, &format!("refresh_token = \"{}\"", refresh.reveal())).await;
}
