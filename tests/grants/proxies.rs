//! A network whose only way out is a proxy: the real names of Microsoft's hosts lead to the stand-in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gatepost_standin::Standin;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::house::{APP, House, TENANT, login};

/// A proxy that knows the way to the stand-in, and remembers where it was asked to lead.
struct Proxy {
    address: SocketAddr,
    led: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Socks,
}

impl Proxy {
    async fn start(standin: &Standin, kind: Kind) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let led = Arc::new(Mutex::new(Vec::new()));
        let ports = (standin.imap(), url_port(&standin.authority()));
        let seen = Arc::clone(&led);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    let served = match kind {
                        Kind::Http => http(stream, ports, &seen).await,
                        Kind::Socks => socks(stream, ports, &seen).await,
                    };
                    // A client that goes away is none of the proxy's business.
                    drop(served);
                });
            }
        });
        Self { address, led }
    }

    fn led(&self) -> Vec<String> {
        let mut led = self.led.lock().unwrap().clone();
        led.sort();
        led.dedup();
        led
    }
}

fn url_port(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

async fn lead(
    mut stream: TcpStream,
    target: &str,
    (imap, authority): (SocketAddr, u16),
    yes: &[u8],
) -> std::io::Result<()> {
    let port = if target.ends_with(":993") { imap.port() } else { authority };
    let mut upstream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(yes).await?;
    copy_bidirectional(&mut stream, &mut upstream).await.map(|_| ())
}

async fn http(
    stream: TcpStream,
    ports: (SocketAddr, u16),
    led: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    // "user:pass phrase"
    let login = "basic dxnlcjpwyxnzihbocmfzzq==";
    if !lines.iter().any(|line| line.to_ascii_lowercase().ends_with(login)) {
        let refused = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        return reader.get_mut().write_all(refused).await;
    }
    let target = lines[0].split(' ').nth(1).unwrap().to_owned();
    led.lock().unwrap().push(target.clone());
    let yes = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n";
    lead(reader.into_inner(), &target, ports, yes).await
}

async fn socks(
    mut stream: TcpStream,
    ports: (SocketAddr, u16),
    led: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let [_, methods] = octets(&mut stream).await?;
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).await?;
    assert!(offered.contains(&2), "{offered:?}");
    stream.write_all(&[5, 2]).await?;
    let [1] = octets(&mut stream).await? else { panic!("no RFC 1929") };
    let (user, password) = (text(&mut stream).await?, text(&mut stream).await?);
    let good = (user.as_str(), password.as_str()) == ("user", "pass phrase");
    stream.write_all(&[1, u8::from(!good)]).await?;
    let [5, 1, 0, 3] = octets(&mut stream).await? else { panic!("the name was resolved here") };
    let host = text(&mut stream).await?;
    let port = stream.read_u16().await?;
    let target = format!("{host}:{port}");
    led.lock().unwrap().push(target.clone());
    lead(stream, &target, ports, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

async fn octets<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

async fn text(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut text = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8(text).unwrap())
}

/// The preset as it is, with a proxy table.
fn provider(proxy: &str) -> String {
    format!(
        "preset = \"microsoft\"\ntenant = \"{TENANT}\"\ngrant = \"client_credentials\"\n\
         client_id = \"{APP}\"\nclient_secret = \"standin-secret-value\"\n[proxy]\n{proxy}"
    )
}

#[tokio::test]
async fn authority_and_mail_host_are_reached_through_it_by_their_names() {
    for (kind, scheme) in [(Kind::Http, "http"), (Kind::Socks, "socks5")] {
        let house = House::new().await;
        let proxy = Proxy::start(&house.standin, kind).await;
        let table = format!(
            "url = \"{scheme}://{}\"\nuser = \"user\"\npassword = \"pass phrase\"",
            proxy.address
        );
        let answer = login(house.config_with(&provider(&table), "")).await;
        assert!(answer.starts_with("a OK"), "{answer}");
        assert_eq!(proxy.led(), ["login.microsoftonline.com:443", "outlook.office365.com:993"]);
    }
}

#[tokio::test]
async fn a_proxy_that_wants_another_login_is_told_apart() {
    let house = House::new().await;
    let proxy = Proxy::start(&house.standin, Kind::Http).await;
    let table = format!("url = \"http://{}\"", proxy.address);
    let answer = login(house.config_with(&provider(&table), "")).await;
    assert!(answer.starts_with("a NO [UNAVAILABLE]"), "{answer}");
    assert_eq!(proxy.led(), [""; 0]);
}

#[tokio::test]
async fn this_machine_and_what_is_exempt_are_reached_without_it() {
    let house = House::new().await;
    let proxy = Proxy::start(&house.standin, Kind::Http).await;
    let entra = format!(
        "preset = \"microsoft\"\ntoken_endpoint = \"{}\"\ngrant = \"client_credentials\"\n\
         client_id = \"{APP}\"\nclient_secret = \"standin-secret-value\"\n\
         imap.host = \"localhost\"\nimap.port = {}\n[proxy]\nurl = \"http://{}\"\nno_proxy = [\"corp.example\"]",
        house.standin.token_endpoint(),
        house.standin.imap().port(),
        proxy.address
    );
    let answer = login(house.config_with(&entra, "")).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    assert_eq!(proxy.led(), [""; 0]);
}

#[tokio::test]
async fn a_managed_identity_is_never_asked_for_through_it() {
    let house = House::new().await;
    let managed = house.standin.tenant().apps[2].client_id.clone();
    house.standin.tenant().mailbox_mut(super::ALICE).unwrap().granted_to.push(managed);
    let proxy = Proxy::start(&house.standin, Kind::Http).await;
    let provider = format!(
        "preset = \"microsoft\"\ngrant = \"managed_identity\"\nplatform = \"imds\"\ntoken_endpoint = \"{}\"\n\
         [proxy]\nurl = \"http://{}\"\nuser = \"user\"\npassword = \"pass phrase\"",
        house.standin.imds(),
        proxy.address
    );
    let answer = login(house.config_with(&provider, "")).await;
    assert!(answer.starts_with("a OK"), "{answer}");
    assert_eq!(proxy.led(), ["outlook.office365.com:993"]);
}
