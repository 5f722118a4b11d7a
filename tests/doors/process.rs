//! The program itself: sockets that it is handed, signals, and what the service manager hears.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const CONFIG: &str = r#"
state_directory = "state"
[[listener]]
protocol = "imap"
address = "systemd:imap"
plaintext = "allow"
from = "127.0.0.0/8"
[[listener]]
protocol = "smtp"
address = "systemd:smtp"
plaintext = "allow"
from = "127.0.0.0/8"
[provider.contoso]
preset = "microsoft"
tenant = "contoso.example"
client_id = "11111111-2222-3333-4444-555555555555"
grant = "client_credentials"
client_secret = "s3cret"
[[mailbox]]
address = "scanner@contoso.example"
provider = "contoso"
password = "p"
"#;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// gatepost as systemd runs it: handed one socket for IMAP, one in the file system for SMTP, and
/// somewhere to tell how it is.
struct Service {
    child: Child,
    folder: TempDir,
    imap: SocketAddr,
    told: UnixDatagram,
}

impl Service {
    fn start(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        let imap = TcpListener::bind("127.0.0.1:0").unwrap();
        let smtp = UnixListener::bind(folder.path().join("smtp.sock")).unwrap();
        let told = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        told.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = imap.local_addr().unwrap();
        // The shell puts what it has as input and output where handed sockets are expected.
        let script = "exec 3<&0 4>&1 0</dev/null 1>/dev/null; \
                      LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=imap:smtp exec \"$0\" run --config \"$1\"";
        let child = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_gatepost")])
            .arg(folder.path().join("config.toml"))
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .env_remove("JOURNAL_STREAM")
            .current_dir(folder.path())
            .stdin(Stdio::from(OwnedFd::from(imap)))
            .stdout(Stdio::from(OwnedFd::from(smtp)))
            .stderr(File::create(folder.path().join("journal")).unwrap())
            .spawn()
            .unwrap();
        Self { child, folder, imap: address, told }
    }

    /// What it tells the service manager next.
    fn hear(&self) -> String {
        let mut buffer = [0; 512];
        let length = self
            .told
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("{error}; the journal:\n{}", self.journal()));
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.path("journal")).unwrap()
    }

    /// Reads the configuration again; the journal once that is over.
    fn reload(&self) -> String {
        self.signal("-HUP");
        let told = self.hear();
        assert!(told.contains("RELOADING=1") && told.contains("MONOTONIC_USEC="), "{told}");
        assert!(self.hear().contains("READY=1"));
        self.journal()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn greeting(mut stream: impl std::io::Read) -> String {
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).unwrap();
    line
}

fn imap(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn smtp(path: &Path) -> String {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    greeting(stream)
}

#[test]
fn handed_sockets_are_served_by_name_and_the_service_manager_hears_of_it() {
    let mut service = Service::start(CONFIG);
    // It waits in the socket's queue meanwhile.
    let early = imap(service.imap);
    assert!(service.hear().contains("READY=1"));
    assert!(greeting(early).starts_with("* OK"));
    assert!(smtp(&service.path("smtp.sock")).starts_with("220 "));
    service.signal("-TERM");
    assert!(service.hear().contains("STOPPING=1"));
    assert!(service.child.wait().unwrap().success(), "{}", service.journal());
    // Whoever made it takes it away.
    assert!(service.path("smtp.sock").exists());
}

#[test]
fn a_hangup_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let service = Service::start(CONFIG);
    assert!(service.hear().contains("READY=1"));
    let mut session = imap(service.imap);
    assert!(greeting(&session).starts_with("* OK"));

    service.configure(&CONFIG.replace("protocol = \"imap\"", "protocol = \"imapp\""));
    let journal = service.reload();
    assert!(journal.contains("unknown protocol \"imapp\""), "{journal}");
    assert!(journal.contains("not reloaded: the old configuration stays"), "{journal}");
    assert!(greeting(imap(service.imap)).starts_with("* OK"));

    service.configure(
        &CONFIG.replace("\nstate_directory", "\nname = \"other.example\"\nstate_directory"),
    );
    let journal = service.reload();
    assert!(journal.contains("the new configuration holds for new connections"), "{journal}");
    assert!(smtp(&service.path("smtp.sock")).starts_with("220 other.example"));
    assert!(!service.journal().contains("s3cret"));

    session.write_all(b"a LOGOUT\r\n").unwrap();
    let mut goodbye = String::new();
    session.read_to_string(&mut goodbye).unwrap();
    assert!(goodbye.contains("a OK"), "{goodbye}");
}

/// Not even by the default action of the signal, which is to end the process.
#[test]
fn a_hangup_while_it_starts_is_heeded_once_it_serves() {
    let signalling = "client_secret_command = [\"sh\", \"-c\", \"[ -e told ] || kill -HUP $PPID; touch told; echo s\"]";
    let config = CONFIG.replace("client_secret = \"s3cret\"", signalling);
    let service = Service::start(&config);
    for expected in ["READY=1", "RELOADING=1", "READY=1"] {
        let told = service.hear();
        assert!(told.contains(expected), "{told}; the journal:\n{}", service.journal());
    }
    assert!(greeting(imap(service.imap)).starts_with("* OK"));
}

#[test]
fn a_name_that_nothing_was_handed_over_under_is_said_with_those_that_were() {
    let mut service = Service::start(&CONFIG.replace("systemd:imap", "systemd:imaps"));
    assert_eq!(service.child.wait().unwrap().code(), Some(71));
    let journal = service.journal();
    assert!(journal.contains("can't listen on systemd:imaps"), "{journal}");
    assert!(journal.contains("handed over: imap, smtp"), "{journal}");
}

/// The service manager hands a socket over once.
#[test]
fn a_handed_socket_survives_a_configuration_that_fails_and_one_without_it() {
    let (start, imap_and_smtp) = CONFIG.split_once("[[listener]]\n").unwrap();
    let (imap_alone, behind) =
        imap_and_smtp.split_once("[[listener]]\nprotocol = \"smtp\"").unwrap();
    let (_, rest) = behind.split_once("[provider").unwrap();
    let without = format!("{start}[[listener]]\n{imap_alone}[provider{rest}");
    let service = Service::start(&without);
    assert!(service.hear().contains("READY=1"));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let clash = format!(
        "{CONFIG}[[listener]]\nprotocol = \"imap\"\naddress = \"{}\"\n",
        taken.local_addr().unwrap()
    );
    service.configure(&clash);
    let journal = service.reload();
    assert!(journal.contains("another program listens there"), "{journal}");

    for config in [CONFIG, &without, CONFIG] {
        service.configure(config);
        service.reload();
        assert!(greeting(imap(service.imap)).starts_with("* OK"));
    }
    assert!(smtp(&service.path("smtp.sock")).starts_with("220 "));
}

#[test]
fn changed_hooks_are_said_to_wait_for_a_restart() {
    let service = Service::start(CONFIG);
    assert!(service.hear().contains("READY=1"));
    assert!(!service.reload().contains("after a restart only"));
    service.configure(&format!("{CONFIG}[hooks]\non_sign_in_needed = [\"true\"]\n"));
    let journal = service.reload();
    assert!(journal.contains("[hooks]") && journal.contains("after a restart only"), "{journal}");
}
