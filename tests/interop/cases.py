"""What curl, swaks, Python's libraries and people by hand do. Each case talks to gatepost alone, and reads back what
really reached the mail store."""

import concurrent.futures
import imaplib
import smtplib
import statistics
import time
import urllib.parse

from ground import case, expect
from mail import ImapClient, Message, Talk, run, smtp_client, until, xoauth2

# curl's "the remote server denied login".
CURL_LOGIN_DENIED = 67
# swaks' exit status when no AUTH attempt succeeded.
SWAKS_AUTH_FAILED = 28
LARGE = 5 * 1024 * 1024
# How long Linux may keep an acknowledgement to itself, in seconds.
LATE_ACKNOWLEDGEMENT = 0.040


# The servers alone: when this one fails, gatepost is not to blame.


@case("servers alone  raw XOAUTH2 by smtplib and imaplib")
def servers_alone(world):
    message, token = Message(world.alice.address), world.authority.issue(world.alice.address)
    response = xoauth2(world.alice.address, token).decode()
    with smtp_client(world.postfix.port, starttls=world.tls) as smtp:
        smtp.ehlo("client.example")
        smtp.auth("XOAUTH2", lambda challenge=None: response if challenge is None else "")
        smtp.sendmail(world.alice.address, [message.mailbox], message.bytes)
    with ImapClient(world.dovecot.imaps, world.tls) as imap:
        imap.xoauth2(world.alice.address, token)
        message.expect_in(imap.read(message.subject))


def curl_send(world, scheme, port, message, *options):
    file = world.folder / "message.eml"
    file.write_bytes(message.bytes)
    run("curl", "-sS", "--cacert", world.certificates.ca, "--user", world.alice.login, *options,
        "--mail-from", world.alice.address, "--mail-rcpt", message.mailbox, "--upload-file", file,
        f"{scheme}://localhost:{port}/client.example")


def curl_read(world, scheme, port, message, *options):
    def curl(path, *more):
        return run("curl", "-sS", "--cacert", world.certificates.ca, "--user", world.alice.login, *options, *more,
                   f"{scheme}://localhost:{port}/{path}")
    query = urllib.parse.quote(f"SUBJECT {message.subject}")
    number = until(lambda: curl(f"INBOX?{query}").split()[2:], f"no message {message.subject}")[0].decode()
    message.expect_in(curl(f"INBOX;MAILINDEX={number}"))


@case("curl           smtp and imap, plain text")
def curl_plain(world):
    message = Message(world.alice.address)
    curl_send(world, "smtp", world.gatepost.smtp, message)
    curl_read(world, "imap", world.gatepost.imap, message)


@case("curl           smtps and imaps")
def curl_tls(world):
    message = Message(world.alice.address)
    curl_send(world, "smtps", world.gatepost.smtps, message)
    curl_read(world, "imaps", world.gatepost.imaps, message)


@case("curl           smtp over STARTTLS, AUTH LOGIN, imap AUTH=PLAIN with initial response")
def curl_starttls(world):
    message = Message(world.alice.address)
    curl_send(world, "smtp", world.gatepost.submission, message, "--ssl-reqd", "--login-options", "AUTH=LOGIN")
    curl_read(world, "imaps", world.gatepost.imaps, message, "--login-options", "AUTH=PLAIN", "--sasl-ir")


@case("curl           a wrong password is a denied login")
def curl_wrong_password(world):
    for scheme, port in (("smtp", world.gatepost.smtp), ("imap", world.gatepost.imap)):
        run("curl", "-sS", "--user", f"{world.alice.address}:wrong", f"{scheme}://localhost:{port}/",
            status=CURL_LOGIN_DENIED)


def swaks(world, port, *options, mailbox=None, status=0):
    mailbox = mailbox or world.alice
    return run("swaks", "--server", f"127.0.0.1:{port}", "--helo", "client.example", "--from", world.alice.address,
               "--to", mailbox.address, "--auth-user", mailbox.address, "--auth-password", mailbox.password,
               "--tls-ca-path", world.certificates.ca, *options, status=status)


def swaks_delivers(world, port, *options, mailbox=None):
    mailbox = mailbox or world.alice
    message = Message(mailbox.address)
    swaks(world, port, "--header", f"Subject: {message.subject}", *options, mailbox=mailbox)
    with ImapClient(world.gatepost.imap) as imap:
        imap.plain(mailbox.address, mailbox.password)
        expect(message.subject.encode() in imap.read(message.subject), "another message")


@case("swaks          AUTH PLAIN and AUTH LOGIN, plain text")
def swaks_plain_text(world):
    swaks_delivers(world, world.gatepost.smtp, "--auth", "PLAIN")
    swaks_delivers(world, world.gatepost.smtp, "--auth", "LOGIN")


@case("swaks          AUTH PLAIN and AUTH LOGIN over STARTTLS and TLS")
def swaks_tls(world):
    swaks_delivers(world, world.gatepost.submission, "-tls", "--auth", "PLAIN")
    swaks_delivers(world, world.gatepost.submission, "-tls", "--auth", "LOGIN")
    swaks_delivers(world, world.gatepost.smtps, "--tls-on-connect", "--auth", "LOGIN")


@case("swaks          a password in UTF-8")
def swaks_utf8(world):
    swaks_delivers(world, world.gatepost.submission, "-tls", "--auth", "PLAIN", mailbox=world.bob)
    swaks_delivers(world, world.gatepost.smtp, "--auth", "LOGIN", mailbox=world.bob)


@case("swaks          no login is taken before STARTTLS where it is required")
def swaks_requires_tls(world):
    transcript = swaks(world, world.gatepost.submission, "--auth", "PLAIN", status=SWAKS_AUTH_FAILED)
    expect(b"AUTH PLAIN" not in transcript, "AUTH was offered in clear")


@case("swaks          a wrong password is 535")
def swaks_wrong_password(world):
    transcript = swaks(world, world.gatepost.smtp, "--auth", "LOGIN", "--auth-password", "wrong",
                       status=SWAKS_AUTH_FAILED)
    expect(b"<** 535 5.7.8" in transcript, transcript.decode(errors="replace"))


@case("smtplib        login, two messages in one connection")
def smtplib_login(world):
    messages = [Message(world.bob.address), Message(world.bob.address)]
    with smtp_client(world.gatepost.submission, starttls=world.tls) as smtp:
        smtp.login(world.alice.address, world.alice.password)
        for message in messages:
            smtp.sendmail(world.alice.address, [world.bob.address], message.bytes)
    with ImapClient(world.gatepost.imaps, world.tls) as imap:
        imap.plain(world.bob.address, world.bob.password)
        for message in messages:
            message.expect_in(imap.read(message.subject))


@case("smtplib        5 MB by SMTP, read by IMAP, byte for byte")
def large_by_smtp(world):
    message = Message(world.alice.address, LARGE)
    with smtp_client(world.gatepost.smtps, implicit=world.tls) as smtp:
        smtp.login(world.alice.address, world.alice.password)
        smtp.sendmail(world.alice.address, [world.alice.address], message.bytes)
    with ImapClient(world.gatepost.imaps, world.tls) as imap:
        imap.login(world.alice.address, world.alice.password)
        message.expect_in(imap.read(message.subject))


@case("smtplib        wrong password and unknown user are the same 535")
def smtplib_wrong_password(world):
    verdicts = set()
    for user in (world.alice.address, "nobody@contoso.example"):
        with smtp_client(world.gatepost.smtp) as smtp:
            try:
                smtp.login(user, "wrong")
            except smtplib.SMTPAuthenticationError as refused:
                verdicts.add((refused.smtp_code, refused.smtp_error))
    expect([code for code, _ in verdicts] == [535], verdicts)


@case("imaplib        LOGIN, APPEND, SEARCH, FETCH, STORE, COPY, EXPUNGE")
def imaplib_session(world):
    message = Message(world.alice.address)
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(world.alice.address, world.alice.password)
        imap.append("Drafts", r"(\Draft)", None, message.bytes)
        imap.select("Drafts")
        (number,) = imap.search(None, "SUBJECT", message.subject)[0].split()
        expect(imap.fetch(number, "(BODY.PEEK[])")[0][1] == message.bytes, "APPEND changed the message")
        imap.store(number, "+FLAGS", r"(\Flagged)")
        expect(rb"\Flagged" in imap.fetch(number, "(FLAGS)")[0], "STORE had no effect")
        imap.copy(number, "INBOX")
        imap.store(number, "+FLAGS", r"(\Deleted)")
        imap.expunge()
        expect(imap.search(None, "SUBJECT", message.subject) == [b""], "EXPUNGE had no effect")
        expect(imap.read(message.subject) == message.bytes, "COPY changed the message")


@case("imaplib        5 MB by APPEND, read back, byte for byte")
def large_by_append(world):
    message = Message(world.bob.address, LARGE)
    with ImapClient(world.gatepost.imaps, world.tls) as imap:
        imap.plain(world.bob.address, world.bob.password)
        imap.append("INBOX", None, None, message.bytes)
        expect(imap.read(message.subject) == message.bytes, "the message changed")


@case("imaplib        a command in two pieces is not put off until the first is acknowledged late")
def prompt_acknowledgement(world):
    """imaplib writes a literal and its end of line apart, and leaves Nagle's algorithm on."""
    def median(imap):
        times = []
        for _ in range(25):
            start = time.monotonic()
            imap.append("INBOX", None, None, Message(world.bob.address).bytes)
            times.append(time.monotonic() - start)
        return statistics.median(times)
    with ImapClient(world.dovecot.imaps, world.tls) as imap:
        imap.xoauth2(world.bob.address, world.authority.issue(world.bob.address))
        direct = median(imap)
    for port, context in ((world.gatepost.imap, None), (world.gatepost.imaps, world.tls)):
        with ImapClient(port, context) as imap:
            imap.plain(world.bob.address, world.bob.password)
            through = median(imap)
        expect(through < direct + LATE_ACKNOWLEDGEMENT / 2, f"{through:.3f} s, and {direct:.3f} s without gatepost")


@case("imaplib        STARTTLS, AUTHENTICATE PLAIN with a password in UTF-8")
def imaplib_utf8(world):
    with ImapClient(world.gatepost.imap_starttls) as imap:
        expect("LOGINDISABLED" in imap.imap.capabilities, imap.imap.capabilities)
        imap.starttls(world.tls)
        imap.plain(world.bob.address, world.bob.password)
        imap.select("INBOX")


@case("by hand        LOGIN with literals, a password in UTF-8, commands in the same packet")
def login_by_literals(world):
    user, password = world.bob.address.encode(), world.bob.password.encode()
    with Talk(world.gatepost.imap) as talk:
        talk.hear(b"* OK")
        talk.say(b"a LOGIN {%d}\r\n" % len(user))
        talk.hear(b"+ ")
        talk.say(user + b" {%d}\r\n" % len(password))
        talk.hear(b"+ ")
        talk.say(password + b"\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
        talk.hear(b"a OK")
        talk.hear(b"b OK")
        talk.hear(b"c OK")


@case("by hand        IDLE hears of a message that another client appends")
def idle(world):
    message = Message(world.alice.address)
    with Talk(world.gatepost.imap) as talk, ImapClient(world.gatepost.imaps, world.tls) as imap:
        talk.say(b"a AUTHENTICATE PLAIN " + world.alice.initial + b"\r\n")
        talk.hear(b"a OK")
        talk.say(b"b SELECT INBOX\r\nc IDLE\r\n")
        talk.hear(b"+ ")
        imap.login(world.alice.address, world.alice.password)
        imap.append("INBOX", None, None, message.bytes)
        while not talk.hear(b"* ").rstrip().endswith(b" EXISTS"):
            pass
        talk.say(b"DONE\r\nd LOGOUT\r\n")
        talk.hear(b"d OK")


@case("by hand        SMTP commands and a BDAT chunk in the same packet as the login")
def pipelined_bdat(world):
    alice, message = world.alice, Message(world.alice.address)
    with Talk(world.gatepost.smtp) as talk:
        talk.say(b"EHLO client.example\r\n")
        talk.hear(b"250 ")
        talk.say(b"AUTH PLAIN %s\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nBDAT %d LAST\r\n%s" % (
            alice.initial, alice.address.encode(), message.mailbox.encode(), len(message.bytes), message.bytes))
        talk.hear(b"235 ")
        for _ in ("MAIL", "RCPT", "BDAT"):
            talk.hear(b"250 ")
        talk.say(b"QUIT\r\n")
        talk.hear(b"221 ")
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(alice.address, alice.password)
        message.expect_in(imap.read(message.subject))


@case("imaplib        a wrong password is AUTHENTICATIONFAILED, and the right one may follow")
def imaplib_wrong_password(world):
    with ImapClient(world.gatepost.imap) as imap:
        try:
            imap.imap.login(world.alice.address, "wrong")
            expect(False, "a wrong password was taken")
        except imaplib.IMAP4.error as refused:
            expect("[AUTHENTICATIONFAILED]" in str(refused), refused)
        imap.login(world.alice.address, world.alice.password)


@case("smtplib        a token that the upstream refuses is not called a wrong password")
def refused_token(world):
    with smtp_client(world.gatepost.smtp) as smtp:
        try:
            smtp.login(world.mallory.address, world.mallory.password)
            expect(False, "mallory's token opens no mailbox")
        except smtplib.SMTPResponseException as refused:
            expect(refused.smtp_code == 454, refused)
    with ImapClient(world.gatepost.imap) as imap:
        try:
            imap.imap.login(world.mallory.address, world.mallory.password)
            expect(False, "mallory's token opens no mailbox")
        except imaplib.IMAP4.error as refused:
            expect("[AUTHENTICATIONFAILED]" not in str(refused), refused)


@case("imaplib        a mail host that is down is not a wrong password, and is used again when it is back")
def mail_host_restarts(world):
    with world.dovecot.stopped(), ImapClient(world.gatepost.imap) as imap:
        try:
            imap.imap.login(world.alice.address, world.alice.password)
            expect(False, "logged in to nothing")
        except imaplib.IMAP4.error as refused:
            expect("[UNAVAILABLE]" in str(refused), refused)
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(world.alice.address, world.alice.password)


@case("many at once   24 clients send and read")
def many_at_once(world):
    def send_and_read(_):
        message = Message(world.alice.address)
        with smtp_client(world.gatepost.smtp) as smtp:
            smtp.login(world.alice.address, world.alice.password)
            smtp.sendmail(world.alice.address, [world.alice.address], message.bytes)
        with ImapClient(world.gatepost.imap) as imap:
            imap.login(world.alice.address, world.alice.password)
            message.expect_in(imap.read(message.subject))
    with concurrent.futures.ThreadPoolExecutor(24) as clients:
        list(clients.map(send_and_read, range(24)))
