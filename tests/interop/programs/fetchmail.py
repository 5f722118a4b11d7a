"""fetchmail, over IMAP and POP3."""

from ground import case, expect
from mail import append, maildir, run, running, settings, until

SETTINGS = """\
set idfile "{folder}/fetchids"
set pidfile "{folder}/fetchmail.pid"
poll localhost protocol {protocol} port {port}
    username "{user}" password "{password}"
    sslproto "{proto}" {ssl} sslcertfile "{ca}" {check} {more}
    mda "{folder}/keep"
"""
# A Maildir's way to take what is piped into a program.
KEEP = """\
#!/bin/sh
exec cat > "$(mktemp "{folder}/new/XXXXXX")"
"""
# fetchmail's PS_AUTHFAIL.
LOGIN_REFUSED = 3


def fetchmail(world, protocol, form, more="", password=None):
    """The command, and the folder that it fills."""
    mailbox, folder = world.own["fetchmail"], world.folder / f"fetchmail-{protocol}-{form.tls}"
    (folder / "new").mkdir(parents=True, exist_ok=True)
    (folder / "keep").write_text(KEEP.format(folder=folder))
    (folder / "keep").chmod(0o755)
    password = (password or mailbox.password).replace("\\", "\\x5c").replace('"', "\\x22")
    file = settings(folder / "fetchmailrc", SETTINGS.format(
        folder=folder, protocol=protocol, port=getattr(form, protocol), user=mailbox.address, password=password,
        proto="" if form.tls == "none" else "auto", ssl="ssl" if form.tls == "implicit" else "",
        check="no sslcertck" if form.tls == "none" else "sslcertck", ca=world.certificates.ca, more=more))
    return ["fetchmail", "--fetchmailrc", file, "--verbose"], folder


def fetches(world, protocol):
    for form in world.gatepost.forms:
        messages = append(world, world.own["fetchmail"], 3)
        command, folder = fetchmail(world, protocol, form, "fetchall")
        run(*command)
        for message in messages:
            message.expect_among(maildir(folder))
        expect(len(maildir(folder)) == 3, "messages of an earlier run")
        run(*command, status=1)


@case("fetchmail      takes mail by IMAP over each form of TLS, then finds none")
def by_imap(world):
    fetches(world, "imap")


@case("fetchmail      takes mail by POP3 over each form of TLS, then finds none")
def by_pop3(world):
    fetches(world, "pop3")


@case("fetchmail      idles on IMAP and takes what comes meanwhile")
def idles(world):
    (first,) = append(world, world.own["fetchmail"], 1)
    command, folder = fetchmail(world, "imap", world.gatepost.forms[1], "idle")
    for file in (folder / "new").iterdir():
        file.unlink()
    with running(*command):
        until(lambda: len(maildir(folder)) == 1, "no first message")
        (second,) = append(world, world.own["fetchmail"], 1)
        until(lambda: len(maildir(folder)) == 2, "no second message")
    for message in (first, second):
        message.expect_among(maildir(folder))


@case("fetchmail      a wrong password is a refused login, by IMAP and by POP3")
def wrong_password(world):
    for protocol in ("imap", "pop3"):
        command, _ = fetchmail(world, protocol, world.gatepost.forms[0], password="wrong")
        run(*command, status=LOGIN_REFUSED)
