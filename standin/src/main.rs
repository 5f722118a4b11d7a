//! `gatepost-standin [--ca FILE]`: one stand-in for programs that are not Rust tests.
//!
//! Writes the PEM of its certificate authority to FILE, prints one line of JSON with everything that a client needs, and
//! runs until its standard input closes or it is told to stop.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatepost_standin::{Standin, Tenant};
use serde_json::{Value, json};
use tokio::io::sink;
use tokio::runtime::Runtime;

/// Everybody's password on the sign-in pages, so that a person can try them.
const PASSWORD: &str = "standin-password";
const USAGE: &str = "usage: gatepost-standin [--ca FILE]";

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatepost-standin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Box<dyn Error>> {
    let ca = ca_file(std::env::args_os().skip(1).map(PathBuf::from).collect())?;
    let runtime = Runtime::new()?;
    let result = runtime.block_on(run(ca.as_deref()));
    // The thread that reads standard input can't be interrupted, and nothing else is worth waiting for.
    runtime.shutdown_background();
    result
}

fn ca_file(arguments: Vec<PathBuf>) -> Result<Option<PathBuf>, &'static str> {
    match <[PathBuf; 2]>::try_from(arguments) {
        Ok([option, file]) if option == Path::new("--ca") => Ok(Some(file)),
        Err(none) if none.is_empty() => Ok(None),
        _ => Err(USAGE),
    }
}

async fn run(ca: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let mut tenant = Tenant::contoso();
    for account in &mut tenant.mailboxes {
        account.password = Some(PASSWORD.into());
    }
    let standin = Standin::start_with(tenant.clone()).await?;
    if let Some(file) = ca {
        tokio::task::block_in_place(|| std::fs::write(file, standin.ca_pem()))?;
    }
    // Before the line that tells others they may send signals.
    let told_to_stop = told_to_stop()?;
    let mut out = io::stdout();
    writeln!(out, "{}", description(&standin, &tenant, ca))?;
    out.flush()?;
    tokio::select! {
        () = input_closed() => {}
        () = told_to_stop => {}
    }
    Ok(())
}

fn description(standin: &Standin, tenant: &Tenant, ca: Option<&Path>) -> Value {
    let apps = tenant.apps.iter().map(|app| {
        json!({ "client_id": app.client_id, "public": app.public, "secrets": app.secrets, "roles": app.roles })
    });
    let addresses = tenant.mailboxes.iter().map(|account| account.address.as_str());
    let signed_in =
        tenant.apps.iter().find(|app| app.public).zip(tenant.mailbox("alice@contoso.example"));
    let refresh =
        signed_in.map(|(app, alice)| standin.mint_refresh_token(&app.client_id, &alice.address));
    json!({
        "authority": standin.authority(),
        "token_endpoint": standin.token_endpoint(),
        "google": standin.google(),
        "imds": standin.imds(),
        "imap": standin.imap(),
        "imap_plain": standin.imap_plain(),
        "pop3": standin.pop3(),
        "pop3_plain": standin.pop3_plain(),
        "hve": standin.hve(),
        "graph": standin.graph(),
        "smtp": standin.smtp(),
        "smtps": standin.smtps(),
        "smtp_plain": standin.smtp_plain(),
        "ca": ca,
        "tenant": tenant.id,
        "domain": tenant.domain,
        "apps": apps.collect::<Vec<_>>(),
        "mailboxes": addresses.collect::<Vec<_>>(),
        "password": PASSWORD,
        "refresh_token": refresh,
    })
}

async fn input_closed() {
    // An input that can't be read is as good as closed.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut sink()).await;
}

#[cfg(unix)]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler for the signal only the end of input is left.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
