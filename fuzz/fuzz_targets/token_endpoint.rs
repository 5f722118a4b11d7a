//! What an authority, or whatever stands in its place, answers to a token request: an octet for the status, a line for
//! `Retry-After`, then the body.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gatepost::oauth::{
    Application, Ask, Credential, Exchange, GRANTS, Proof, Reply, Response, Wish,
};
use gatepost::secret::Secret;
use libfuzzer_sys::fuzz_target;

const CLIENT_SECRET: &str = "open sesame";
const REFRESH_TOKEN: &str = "a-refresh-token";
const PASSWORD: &str = "a-password";
const STATUSES: [u16; 8] = [200, 204, 302, 400, 401, 407, 429, 503];

/// Entra's longest life of a token.
const LONGEST_LIFE: Duration = Duration::from_secs(28 * 3600);

fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else {
        return;
    };
    let mut parts = rest.splitn(2, |octet| *octet == b'\n');
    let retry_after =
        parts.next().and_then(|line| str::from_utf8(line).ok()).filter(|line| !line.is_empty());
    let response = Response {
        status: STATUSES[usize::from(first) % STATUSES.len()],
        retry_after: retry_after.map(str::to_owned),
        challenge: None,
        body: Secret::new(parts.next().unwrap_or_default().to_vec()),
    };
    let posting = |proof| matches!(proof, Proof::Client | Proof::ClientIfAny);
    for grant in GRANTS.iter().filter(|grant| posting(grant.proof)) {
        let exchange = (grant.begin)(&Arc::new(application()), &ask());
        judge(
            &mut *exchange.unwrap_or_else(|_| panic!("{} has all it needs", grant.name)),
            &response,
        );
    }
});

fn judge(exchange: &mut dyn Exchange, reply: &Response) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let Ok(Wish::Post(request)) = exchange.advance(now, None) else {
        panic!("a grant begins with a request");
    };
    let posted = |secret: &&str| request.form.iter().any(|(_, value)| value.reveal() == *secret);
    let secrets: Vec<&str> =
        [CLIENT_SECRET, REFRESH_TOKEN, PASSWORD].into_iter().filter(posted).collect();
    match exchange.advance(now, Some(Reply::Http(reply.clone()))) {
        Ok(Wish::Granted(token)) => {
            assert!(reply.status < 300, "granted with status {}", reply.status);
            assert!(!token.access.reveal().is_empty());
            assert!(token.access.reveal().bytes().all(|octet| octet.is_ascii_graphic()));
            assert!(token.expires_at > now && token.expires_at <= now + LONGEST_LIFE);
        }
        Ok(_) => panic!("these grants are done after one reply"),
        Err(failure) => {
            let told =
                format!("{failure:?} {}", failure.refusal("alice@contoso.example").explain());
            assert!(!secrets.iter().any(|secret| told.contains(secret)), "a secret in: {told}");
            assert!(!told.contains('\n'), "more than a line: {told}");
        }
    }
}

fn application() -> Application {
    Application {
        token_endpoint: "https://authority.example/token".to_owned(),
        client_id: "aaaaaaaa-0000-4000-8000-000000000001".to_owned(),
        credential: Credential::secret(CLIENT_SECRET),
        ..Application::default()
    }
}

fn ask() -> Ask {
    Ask {
        scope: "https://mail.example/.default".to_owned(),
        mailbox: "alice@contoso.example".to_owned(),
        refresh_token: Some(Secret::from(REFRESH_TOKEN)),
        password: Some(Secret::from(PASSWORD)),
        entropy: Secret::new([7; 64]),
    }
}
