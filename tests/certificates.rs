//! Certificates of listeners: made by `gatepost cert new`, and changed while gatepost runs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use gatepost::tls::{Identity, Look};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

fn cert(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["cert", "new", "--config"])
        .arg(folder.join("config.toml"))
        .args(arguments)
        .env("HOME", folder)
        .output()
        .unwrap()
}

fn make(folder: &Path, arguments: &[&str]) -> String {
    let output = cert(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refuse(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = cert(folder, arguments);
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn first_certificate(path: &Path) -> CertificateDer<'static> {
    let pem = fs::read(path).unwrap();
    rustls_pemfile::certs(&mut pem.as_slice()).next().unwrap().unwrap()
}

/// The certificate that `identity` shows to a client that believes the authority in `ca` and looks for
/// `host`, or why it doesn't believe it.
async fn shown(
    identity: &Identity,
    ca: &Path,
    host: &str,
) -> Result<CertificateDer<'static>, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let identity = identity.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = identity.accept(stream).await;
    });
    let mut roots = RootCertStore::empty();
    roots.add(first_certificate(ca)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let connected = connected.map_err(|error| error.to_string())?;
    Ok(connected.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn a_made_certificate_is_believed_for_its_names_by_who_believes_the_authority() {
    let folder = TempDir::new().unwrap();
    let said = make(folder.path(), &["mail.lan", "192.0.2.10", "*.mail.lan"]);
    for words in ["tls = \"implicit\"", "certs/mail.lan.pem", "update-ca-certificates", "certutil"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let certs = folder.path().join("certs");
    for (name, expected) in
        [("ca.key", 0o600), ("mail.lan.key", 0o600), ("ca.pem", 0o644), ("mail.lan.pem", 0o644)]
    {
        assert_eq!(mode(&certs.join(name)), expected, "{name}");
    }
    assert_eq!(fs::read_dir(&certs).unwrap().count(), 4);
    let identity =
        Identity::load(&certs.join("mail.lan.pem"), &certs.join("mail.lan.key")).unwrap();
    let ca = certs.join("ca.pem");
    for host in ["mail.lan", "192.0.2.10", "scanner.mail.lan"] {
        assert!(shown(&identity, &ca, host).await.is_ok(), "{host}");
    }
    for host in ["mail.example", "192.0.2.11"] {
        assert!(shown(&identity, &ca, host).await.is_err(), "{host}");
    }
}

#[tokio::test]
async fn the_authority_stays_and_nothing_is_overwritten_unasked() {
    let folder = TempDir::new().unwrap();
    let certs = folder.path().join("certs");
    make(folder.path(), &["mail.lan"]);
    let (authority, first) =
        (fs::read(certs.join("ca.pem")).unwrap(), fs::read(certs.join("mail.lan.pem")).unwrap());
    let (code, why) = refuse(folder.path(), &["mail.lan"]);
    assert_eq!(code, 65);
    assert!(why.contains("mail.lan.pem is there already; --force makes a new one"), "{why}");
    assert_eq!(fs::read(certs.join("mail.lan.pem")).unwrap(), first);
    make(folder.path(), &["--force", "mail.lan"]);
    make(folder.path(), &["other.lan"]);
    assert_ne!(fs::read(certs.join("mail.lan.pem")).unwrap(), first);
    assert_eq!(fs::read(certs.join("ca.pem")).unwrap(), authority);
    for host in ["mail.lan", "other.lan"] {
        let [chain, key] = ["pem", "key"].map(|kind| certs.join(format!("{host}.{kind}")));
        let identity = Identity::load(&chain, &key).unwrap();
        assert!(shown(&identity, &certs.join("ca.pem"), host).await.is_ok(), "{host}");
    }
}

#[test]
fn an_authority_of_others_isnt_signed_with() {
    let folder = TempDir::new().unwrap();
    let certs = folder.path().join("certs");
    make(folder.path(), &["mail.lan"]);
    fs::remove_file(certs.join("ca.pem")).unwrap();
    let (code, why) = refuse(folder.path(), &["other.lan"]);
    assert!(code == 65 && why.contains("has ca.key, but not ca.pem"), "{why}");
    let made = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    fs::write(certs.join("ca.pem"), made.cert.pem()).unwrap();
    let (code, why) = refuse(folder.path(), &["other.lan"]);
    assert!(code == 65 && why.contains("wasn't made with"), "{why}");
    assert!(!certs.join("other.lan.pem").exists());
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    for host in ["", "../up", "mail lan", "-x.lan", "mail..lan", "a/b", "*"] {
        let (code, why) = refuse(folder.path(), &["--", "mail.lan", host]);
        assert!(
            code == 64 && why.contains("neither a host name nor an IP address"),
            "{host}: {why}"
        );
    }
    assert!(!folder.path().join("certs").exists());
}

#[tokio::test]
async fn new_files_are_shown_and_useless_ones_change_nothing() {
    let folder = TempDir::new().unwrap();
    let certs = folder.path().join("certs");
    make(folder.path(), &["mail.lan"]);
    let [chain, key, ca] = ["mail.lan.pem", "mail.lan.key", "ca.pem"].map(|name| certs.join(name));
    let identity = Identity::load(&chain, &key).unwrap();
    let old = shown(&identity, &ca, "mail.lan").await.unwrap();
    assert_eq!(identity.refresh().unwrap(), Look::Same);

    make(folder.path(), &["--force", "mail.lan"]);
    assert_eq!(identity.clone().refresh().unwrap(), Look::Changed);
    let new = shown(&identity, &ca, "mail.lan").await.unwrap();
    assert!(new == first_certificate(&chain) && new != old);

    for (path, content) in [(&chain, ""), (&chain, "-----BEGIN"), (&key, "no key")] {
        let before = fs::read(path).unwrap();
        fs::write(path, content).unwrap();
        identity.refresh().unwrap_err();
        // It says so once.
        assert_eq!(identity.refresh().unwrap(), Look::Same);
        assert_eq!(shown(&identity, &ca, "mail.lan").await.unwrap(), new);
        fs::write(path, before).unwrap();
        assert_eq!(identity.refresh().unwrap(), Look::Changed);
    }
    fs::remove_file(&key).unwrap();
    identity.refresh().unwrap_err();
    assert_eq!(shown(&identity, &ca, "mail.lan").await.unwrap(), new);
}
