"""Messages that show it when a byte gets lost, and the four ways the clients here read and send them."""

import base64
import contextlib
import imaplib
import os
import secrets
import smtplib
import socket
import subprocess
import time

from ground import expect

# Postfix queues before it delivers: a busy machine needs a second or two.
DELIVERED_WITHIN = 30.0
CLIENT_WITHIN = 60


class Message:
    """A message whose subject is its own, with the lines that careless relays damage."""

    def __init__(self, mailbox, size=0):
        self.mailbox, self.subject = mailbox, secrets.token_hex(8)
        lines = [
            b"From: Alice <alice@contoso.example>",
            b"To: <" + mailbox.encode() + b">",
            b"Subject: " + self.subject.encode(),
            b"MIME-Version: 1.0",
            b"Content-Type: text/plain; charset=utf-8",
            b"Content-Transfer-Encoding: 8bit",
            b"",
            b".",
            b"..two dots",
            b"blanks at the end  \t ",
            "Größe 5 €, \U0001f4e7".encode(),
            b"raw octets \xff\xfe\x80",
            b"From here on",
            b"a0 LOGOUT",
            b"QUIT",
            b"x" * 990,
            b"",
        ]
        while size > 0:
            lines.append(base64.b64encode(os.urandom(57)))
            size -= 78
        self.bytes = b"\r\n".join(lines) + b"\r\n"

    def expect_in(self, stored):
        """Servers put trace headers on top of what was sent; below them, each byte is as it was."""
        expect(stored.endswith(self.bytes), f"{len(stored)} octets that do not end in the {len(self.bytes)} sent")

    def expect_among(self, kept):
        """Programs keep mail in lines of their system, under headers of their own."""
        text = self.bytes.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
        found = [octets.replace(b"\r\n", b"\n") for octets in kept if self.subject.encode() in octets]
        expect([octets.endswith(b"\n\n" + text) for octets in found] == [True],
               f"{len(found)} of {len(kept)} have the subject {self.subject}, with another text")


def maildir(folder):
    """The messages of a Maildir."""
    return [file.read_bytes() for state in ("new", "cur") for file in sorted((folder / state).glob("*"))]


def append(world, mailbox, count):
    """New messages in the mailbox."""
    messages = [Message(mailbox.address) for _ in range(count)]
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(mailbox.address, mailbox.password)
        for message in messages:
            imap.append("INBOX", None, None, message.bytes)
    return messages


def until(look, what, within=DELIVERED_WITHIN):
    """What `look` finds, once it finds something: delivery happens behind the sender's back."""
    deadline = time.monotonic() + within
    while not (found := look()):
        expect(time.monotonic() < deadline, f"{what} within {within:.0f} s")
        time.sleep(0.1)
    return found


def run(*command, status=0, given=b""):
    """The client's output; its exit status must be as told."""
    done = subprocess.run(list(map(str, command)), input=given, capture_output=True, timeout=CLIENT_WITHIN)
    expect(done.returncode == status, f"{command[0]} ended with {done.returncode}\n"
           + (done.stdout[-2000:] + done.stderr[-4000:]).decode(errors="replace"))
    return done.stdout


@contextlib.contextmanager
def running(*command):
    """A client that stays until it is told to go."""
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            # Some take a polite word for the end of a pause.
            process.kill()


def settings(file, text):
    """The file, with these settings; programs want them secret."""
    file.touch(0o600)
    file.write_text(text)
    return file


class ImapClient:
    """Python's imaplib, every answer checked."""

    def __init__(self, port, context=None):
        options = {"ssl_context": context} if context else {}
        kind = imaplib.IMAP4_SSL if context else imaplib.IMAP4
        self.imap = kind("localhost", port, timeout=CLIENT_WITHIN, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # A connection that is gone already was told of by the case.
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            self.imap.logout()

    def __getattr__(self, command):
        def checked(*arguments, **options):
            status, data = getattr(self.imap, command)(*arguments, **options)
            expect(status == "OK", f"{command}: {status} {data}")
            return data
        return checked

    def plain(self, user, password, initial=b""):
        return self.authenticate("PLAIN", lambda _: initial + b"\0" + user.encode() + b"\0" + password.encode())

    def xoauth2(self, user, token):
        return self.authenticate("XOAUTH2", lambda _: xoauth2(user, token))

    def find(self, subject):
        """The number of the message with this subject."""
        def look():
            self.select("INBOX")
            return self.search(None, "SUBJECT", subject)[0].split()
        found = until(look, f"no message {subject}")
        expect(len(found) == 1, f"{len(found)} messages {subject}")
        return found[0].decode()

    def read(self, subject):
        return self.fetch(self.find(subject), "(BODY.PEEK[])")[0][1]


def xoauth2(user, token):
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def smtp_client(port, starttls=None, implicit=None):
    """Python's smtplib; `starttls` or `implicit` is the TLS context to use."""
    if implicit:
        return smtplib.SMTP_SSL("localhost", port, timeout=CLIENT_WITHIN, context=implicit)
    smtp = smtplib.SMTP("localhost", port, timeout=CLIENT_WITHIN)
    if starttls:
        smtp.starttls(context=starttls)
    return smtp


class Talk:
    """A client by hand, for what the libraries cannot say."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=CLIENT_WITHIN)
        self.lines = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def say(self, octets):
        self.socket.sendall(octets)

    def hear(self, *starts):
        """The next line that starts with one of these; others are skipped."""
        heard = []
        while line := self.lines.readline():
            heard.append(line)
            if line.startswith(starts):
                return line
        expect(False, f"waited for {starts}, heard {heard[-5:]}")
