//! gatepost in front of the stand-in, by a configuration whose provider a test writes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use gatepost::config::Config;
use gatepost::daemon::Daemon;
use gatepost::mailbox::Provider;
use gatepost::tls::Trust;
use gatepost::tokens::{Authority, Limits, http_client};
use gatepost_standin::Standin;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub(crate) const PUBLIC_APP: &str = "aaaaaaaa-0000-4000-8000-000000000002";
pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(crate) const ALICE: &str = "alice@contoso.example";
pub(crate) const PASSWORD: &str = "s3cret at the provider";

/// The stand-in and a folder for the configuration.
pub(crate) struct House {
    pub(crate) standin: Standin,
    folder: TempDir,
}

impl House {
    /// A stand-in where Alice has a password.
    pub(crate) async fn new() -> Self {
        let standin = Standin::start().await.unwrap();
        standin.tenant().mailbox_mut(ALICE).unwrap().password = Some(PASSWORD.into());
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), standin.ca_pem()).unwrap();
        Self { standin, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file beside the configuration, for gatepost's user alone.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The configuration whose provider has these keys and whose only service is IMAP at the stand-in.
    pub(crate) fn config(&self, provider: &str, mailbox: &str) -> Config {
        let port = self.standin.imap().port();
        let imap = format!("[provider.contoso.imap]\nhost = \"localhost\"\nport = {port}\n");
        self.config_with(&format!("{provider}\n{imap}"), mailbox)
    }

    pub(crate) fn config_with(&self, provider: &str, mailbox: &str) -> Config {
        self.file(
            "config.toml",
            &format!(
                "name = \"gatepost.contoso.example\"\nstate_directory = \"state\"\n\
                 [tls]\nca_file = \"ca.pem\"\n\
                 [[listener]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:0\"\ntls = \"none\"\n\
                 [[mailbox]]\naddress = \"{ALICE}\"\nprovider = \"contoso\"\nuser = \"alice\"\n\
                 password = \"local\"\n{mailbox}\n[provider.contoso]\n{provider}"
            ),
        );
        Config::load(&self.folder().join("config.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The answer to a login of Alice's program at a gatepost with this provider.
    pub(crate) async fn login(&self, provider: &str, mailbox: &str) -> String {
        login(self.config(provider, mailbox)).await
    }

    /// The provider of such a configuration, and the authority asked for it.
    pub(crate) fn authority(&self, provider: &str) -> (Arc<Provider>, Authority) {
        let config = self.config(provider, "");
        let limits = Limits::default();
        let trust = Trust::load(&config.ca_files).unwrap();
        let http = http_client(trust.client_config(), &limits, None).unwrap();
        let clock = Arc::new(std::time::SystemTime::now);
        (Arc::clone(&config.providers[0]), Authority::new(http, limits, clock))
    }
}

/// The answer to a login at a gatepost that is started and stopped for it.
pub(crate) async fn login(config: Config) -> String {
    let daemon = Daemon::bind(config).await.unwrap();
    let address: SocketAddr = daemon.addresses().next().unwrap().1;
    let stop = CancellationToken::new();
    let task = tokio::spawn(daemon.run(stop.clone()));
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    client.write_all(b"a LOGIN alice local\r\n").await.unwrap();
    let mut line = String::new();
    while !line.starts_with("a ") {
        line.clear();
        assert_ne!(client.read_line(&mut line).await.unwrap(), 0, "the connection ended");
    }
    drop(client);
    stop.cancel();
    task.await.unwrap();
    line
}

/// An RSA key and its certificate, in PEM.
pub(crate) struct Key {
    pub(crate) key: String,
    pub(crate) public: String,
    pub(crate) certificate: String,
}

impl Key {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        Self { key: key.serialize_pem(), public: key.public_key_pem(), certificate }
    }
}
