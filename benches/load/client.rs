//! A mail program: through gatepost with a password, or straight to the stand-in with a token.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Outcome;

/// What a client asks of its connection at a time while a message comes in.
const READ_SIZE: usize = 64 * 1024;

/// How a mail program gets at its mailbox.
#[derive(Clone)]
pub(crate) enum Way {
    /// Through gatepost: in clear, with this user name and password, behind a PROXY header that may be empty.
    Gatepost { address: SocketAddr, header: String, user: String, password: &'static str },
    /// To the stand-in itself: TLS and the initial response of XOAUTH2.
    Direct { address: SocketAddr, tls: TlsConnector, initial: String },
}

impl Way {
    /// A client whose mailbox is open.
    pub(crate) async fn log_in(&self) -> Outcome<Client> {
        match self {
            Self::Gatepost { address, header, user, password } => {
                let login = format!("a LOGIN {user} \"{password}\"\r\n");
                let mut stream = connect(address).await?;
                stream.write_all(header.as_bytes()).await?;
                Client::log_in(Box::new(stream), &login).await
            }
            Self::Direct { address, tls, initial } => {
                let name = ServerName::try_from("localhost")?;
                let stream = tls.connect(name, connect(address).await?).await?;
                let login = format!("a AUTHENTICATE XOAUTH2 {initial}\r\n");
                Client::log_in(Box::new(stream), &login).await
            }
        }
    }
}

pub(crate) async fn connect(address: &SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An IMAP client, one command at a time.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
}

impl Client {
    async fn log_in(stream: Box<dyn Stream>, login: &str) -> Outcome<Self> {
        let mut client = Self { stream, unread: Vec::new() };
        client.line().await?;
        client.say(login.as_bytes()).await?;
        client.conclude().await?;
        Ok(client)
    }

    pub(crate) async fn select(&mut self) -> Outcome<()> {
        self.say(b"a SELECT INBOX\r\n").await?;
        self.conclude().await
    }

    /// Reads message `number` whole; its octets.
    pub(crate) async fn fetch(&mut self, number: usize) -> Outcome<usize> {
        self.say(format!("a FETCH {number} BODY.PEEK[]\r\n").as_bytes()).await?;
        let line = self.line().await?;
        let (_, literal) = line.rsplit_once('{').ok_or("a FETCH without a literal")?;
        let octets = literal.trim_end_matches('}').parse()?;
        self.skip(octets).await?;
        self.conclude().await?;
        Ok(octets)
    }

    /// Uploads `message` to a folder that isn't there: it is taken in and thrown away.
    pub(crate) async fn upload(&mut self, message: &[u8]) -> Outcome<()> {
        self.say(format!("a APPEND Nowhere {{{}}}\r\n", message.len()).as_bytes()).await?;
        self.line().await?;
        self.say(message).await?;
        self.say(b"\r\n").await?;
        let verdict = self.line().await?;
        if verdict.starts_with("a NO [TRYCREATE]") { Ok(()) } else { Err(verdict.into()) }
    }

    async fn say(&mut self, octets: &[u8]) -> Outcome<()> {
        self.stream.write_all(octets).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads up to the end of a command, which has to be OK.
    async fn conclude(&mut self) -> Outcome<()> {
        loop {
            let line = self.line().await?;
            match line.strip_prefix("a ") {
                Some(status) if status.starts_with("OK") => return Ok(()),
                Some(status) => return Err(status.into()),
                None => {}
            }
        }
    }

    async fn line(&mut self) -> Outcome<String> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8(line)?.trim_end().to_owned());
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err("the connection ended".into());
            }
        }
    }

    async fn skip(&mut self, mut octets: usize) -> Outcome<()> {
        let read = self.unread.len().min(octets);
        self.unread.drain(..read);
        octets -= read;
        let mut chunk = vec![0; READ_SIZE];
        while octets > 0 {
            let wanted = octets.min(READ_SIZE);
            match self.stream.read(&mut chunk[..wanted]).await? {
                0 => return Err("the connection ended".into()),
                count => octets -= count,
            }
        }
        Ok(())
    }
}
