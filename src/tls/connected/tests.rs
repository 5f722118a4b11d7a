use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::tls::provider;

/// A server's end and what a client must believe to reach it.
fn pair() -> (TlsAcceptor, RootCertStore) {
    pair_of(&TLS13)
}

fn pair_of(version: &'static SupportedProtocolVersion) -> (TlsAcceptor, RootCertStore) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

async fn shake_hands(roots: RootCertStore, socket: TcpStream) -> io::Result<Connected> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    Connected::shake_hands(Arc::new(config), name, socket).await
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Both ends over `near` and `far`, which lead to each other.
async fn connect(near: TcpStream, far: TcpStream) -> (Connected, TlsStream<TcpStream>) {
    connect_by(&TLS13, near, far).await
}

async fn connect_by(
    version: &'static SupportedProtocolVersion,
    near: TcpStream,
    far: TcpStream,
) -> (Connected, TlsStream<TcpStream>) {
    let (acceptor, roots) = pair_of(version);
    let (client, server) = tokio::join!(shake_hands(roots, near), acceptor.accept(far));
    (client.unwrap(), server.unwrap())
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn megabytes_go_both_ways_at_once_and_end_with_a_goodbye() {
    for version in [&TLS12, &TLS13] {
        let (near, far) = sockets().await;
        let (client, server) = connect_by(version, near, far).await;
        let echo = tokio::spawn(echo(server));
        let sent = octets(3_000_001);
        let (mut reader, mut writer) = split(client);
        let mut received = Vec::new();
        let send = async {
            writer.write_all(&sent).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let (_, read) = tokio::join!(send, reader.read_to_end(&mut received));
        read.unwrap();
        assert!(received == sent, "{version:?}: {} octets came back", received.len());
        echo.await.unwrap();
    }
}

async fn echo(server: TlsStream<TcpStream>) {
    let (mut reader, mut writer) = split(server);
    copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
}

#[tokio::test]
async fn new_keys_of_the_server_are_followed() {
    let (near, far) = sockets().await;
    let (mut client, mut server) = connect(near, far).await;
    for round in [b"one", b"two"] {
        server.write_all(round).await.unwrap();
        server.get_mut().1.refresh_traffic_keys().unwrap();
        let mut received = [0; 3];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, round);
        client.write_all(round).await.unwrap();
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, round);
    }
}

#[tokio::test]
async fn records_that_trickle_in_are_put_together() {
    let (near, mut inner) = sockets().await;
    let (mut outer, far) = sockets().await;
    inner.set_nodelay(true).unwrap();
    let trickle = tokio::spawn(async move {
        let (mut from_client, mut to_client) = inner.split();
        let (mut from_server, mut to_server) = outer.split();
        let back = async {
            let mut octet = [0; 1];
            while from_server.read(&mut octet).await.unwrap() == 1 {
                to_client.write_all(&octet).await.unwrap();
            }
            to_client.shutdown().await.unwrap();
        };
        tokio::join!(back, async { copy(&mut from_client, &mut to_server).await.unwrap() });
    });
    let (mut client, mut server) = connect(near, far).await;
    let sent = octets(20_000);
    let expected = sent.clone();
    let serve = tokio::spawn(async move {
        server.write_all(&sent).await.unwrap();
        server.shutdown().await.unwrap();
        server
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert!(received == expected, "{} octets came", received.len());
    drop((client, serve.await.unwrap()));
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_reader_with_little_room_gets_everything() {
    let (near, far) = sockets().await;
    let (mut client, mut server) = connect(near, far).await;
    server.write_all(b"* OK ready\r\n").await.unwrap();
    server.shutdown().await.unwrap();
    let mut received = Vec::new();
    let mut octet = [0; 1];
    while client.read(&mut octet).await.unwrap() == 1 {
        received.push(octet[0]);
    }
    assert_eq!(received, b"* OK ready\r\n");
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    let (near, far) = sockets().await;
    let (mut client, mut server) = connect(near, far).await;
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"bye");
    client.write_all(b"one more thing").await.unwrap();
    client.shutdown().await.unwrap();
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"one more thing");
}

#[tokio::test]
async fn an_end_without_goodbye_is_told_apart() {
    let (near, far) = sockets().await;
    let (mut client, server) = connect(near, far).await;
    let (mut socket, _) = server.into_inner();
    socket.shutdown().await.unwrap();
    let error = client.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_peer_that_stops_reading_holds_the_writer_back() {
    let (near, far) = sockets().await;
    let (mut client, mut server) = connect(near, far).await;
    let chunk = octets(BATCH);
    let mut written = 0;
    // Until the sockets are full: then the next write waits.
    while let Some(count) = at_once(client.write(&chunk)).await {
        written += count.unwrap();
        assert!(written < 64 << 20, "nothing holds the writer back");
    }
    let read = tokio::spawn(async move {
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        received.len()
    });
    client.shutdown().await.unwrap();
    assert_eq!(read.await.unwrap(), written);
}

/// The outcome of `work` where it is ready at the first look.
async fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_not_believed_hears_why() {
    let (near, far) = sockets().await;
    let (acceptor, _) = pair();
    let (_, stranger) = pair();
    let (client, server) = tokio::join!(shake_hands(stranger, near), acceptor.accept(far));
    let error = client.err().unwrap();
    assert!(error.to_string().contains("certificate"), "{error}");
    let heard = server.err().unwrap().to_string();
    assert!(heard.contains("alert"), "{heard}");
}

#[tokio::test]
async fn what_is_no_tls_at_all_ends_the_handshake() {
    let (near, mut far) = sockets().await;
    far.write_all(b"220 mail.example.com ESMTP\r\n").await.unwrap();
    let error = shake_hands(pair().1, near).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}
