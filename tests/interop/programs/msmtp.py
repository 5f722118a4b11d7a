"""msmtp, the sendmail of small systems."""

from ground import case, expect
from mail import ImapClient, Message, run, settings

SETTINGS = """\
account default
host localhost
port {port}
tls {tls}
tls_starttls {starttls}
tls_trust_file {ca}
auth {mechanism}
user {user}
password "{password}"
from {user}
set_date_header off
"""
# What sysexits.h calls EX_NOPERM: msmtp's word for a login that is refused for good.
NO_PERMISSION = 77


def msmtp(world, form, mechanism, recipient, password, **options):
    file = settings(world.folder / "msmtprc", SETTINGS.format(
        port=form.smtp, tls="off" if form.tls == "none" else "on", starttls="on" if form.tls == "starttls" else "off",
        ca=world.certificates.ca, mechanism=mechanism, user=world.alice.address, password=password))
    return run("msmtp", "-C", file, recipient, **options)


@case("msmtp          AUTH PLAIN in clear, LOGIN over STARTTLS, its own choice over TLS")
def sends(world):
    alice = world.alice
    for form, mechanism in zip(world.gatepost.forms, ("plain", "login", "on")):
        message = Message(alice.address)
        msmtp(world, form, mechanism, alice.address, alice.password, given=message.bytes.replace(b"\r\n", b"\n"))
        with ImapClient(world.gatepost.imap) as imap:
            imap.login(alice.address, alice.password)
            message.expect_in(imap.read(message.subject))


@case("msmtp          learns what is offered, and that a wrong password is no passing trouble")
def asks_and_fails(world):
    clear, starttls, _ = world.gatepost.forms
    expect(b"PLAIN LOGIN" in msmtp(world, clear, "on", "--serverinfo", "any"), "no AUTH in the server's description")
    msmtp(world, starttls, "on", world.alice.address, "wrong", given=b"\n", status=NO_PERMISSION)
