//! What a person is told to do, and what they type in.

use std::io::{self, BufRead, IsTerminal, Read};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tokio::task::spawn_blocking;

use crate::oauth::{Class, Failure};
use crate::secret::Secret;

/// The longest address taken: a code is some 1.5 KiB at Entra.
const LONGEST_ADDRESS: u64 = 16 * 1024;

/// Code and address, and a picture of the address for a phone's camera.
pub(super) fn device(code: &str, place: &str, complete: Option<&str>) -> String {
    let (code, place) = (printable(code), printable(place));
    let target = complete.map_or_else(|| place.clone(), printable);
    let picture = picture(&target).unwrap_or_default();
    format!(
        "\n  Open   {place}\n  Enter  {code}\n\n{picture}Waiting until that is done (Ctrl-C to stop) ...\n"
    )
}

/// The address, which a browser is about to open.
pub(super) fn browser(url: &str) -> String {
    format!(
        "\nA browser should open. If none does, open this on this machine:\n\n  {url}\n\nWaiting until that is done (Ctrl-C to stop) ...\n"
    )
}

/// The address, and what to do with the one that comes of it.
pub(super) fn paste(url: &str) -> String {
    format!(
        "\n1. Open this in a browser on any machine, and sign in:\n\n  {url}\n\n2. The browser ends at an address that begins with the redirect URI and may say that it can't be reached. Copy all of the address and paste it here:\n"
    )
}

/// Opens the system's browser. What comes of it shows at the port it returns to.
pub(super) fn open(url: String) {
    spawn_blocking(move || {
        if let Err(error) = webbrowser::open(&url) {
            eprintln!("gatepost: no browser opens: {error}");
        }
    });
}

/// The line that is pasted.
pub(super) async fn pasted() -> Result<Secret<String>, Failure> {
    let read = spawn_blocking(|| {
        let mut line = String::with_capacity(4096);
        let mut input = io::stdin().lock().take(LONGEST_ADDRESS);
        let length = input.read_line(&mut line)?;
        Ok((length > 0).then(|| Secret::new(line)))
    });
    let line = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let line = line.map_err(|error| nothing(&format!("the address can't be read: {error}")))?;
    line.ok_or_else(|| nothing("no address was pasted"))
}

fn nothing(meaning: &str) -> Failure {
    Failure::new(Class::SignIn, meaning.to_owned(), "Start the sign-in again")
}

/// The text as a QR code in half blocks, black on white whatever the terminal's colours are: cameras
/// want it so. None where nobody could point a camera at it.
fn picture(text: &str) -> Option<String> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let code = QrCode::new(text).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    let rows = drawn.lines().map(|row| format!("  \x1b[38;5;16;48;5;231m{row}\x1b[0m\n"));
    Some(rows.collect::<String>() + "\n")
}

/// An authority's text, fit for a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}
