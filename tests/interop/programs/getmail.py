"""getmail, over IMAP and POP3; it knows no STARTTLS."""

import shutil

from ground import Failure, case, expect
from mail import append, maildir, run, running, settings, until

SETTINGS = """\
[retriever]
type = Simple{protocol}{ssl}Retriever
server = localhost
port = {port}
username = {user}
password = {password}
{trust}
[destination]
type = Maildir
path = {folder}/
user = {owner}

[options]
delete = true
verbose = 2
"""
# getmail stores no mail as root.
OWNER = "mail"


def getmail(world, protocol, form):
    """The command, and the folder that it fills."""
    mailbox, folder = world.own["getmail"], world.folder / f"getmail-{protocol}-{form.tls}"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(folder / name, OWNER)
    implicit = form.tls == "implicit"
    file = settings(folder / "getmailrc", SETTINGS.format(
        protocol=protocol.upper(), ssl="SSL" if implicit else "", port=getattr(form, protocol), user=mailbox.address,
        password=mailbox.password, folder=folder, owner=OWNER,
        trust=f"ca_certs = {world.certificates.ca}\n" if implicit else ""))
    return ["getmail", "--getmaildir", folder, "--rcfile", file], folder


@case("getmail        takes mail by IMAP and POP3, in clear and over TLS")
def takes(world):
    clear, _, implicit = world.gatepost.forms
    for protocol in ("imap", "pop3"):
        for form in (clear, implicit):
            messages = append(world, world.own["getmail"], 3)
            command, folder = getmail(world, protocol, form)
            run(*command)
            for message in messages:
                message.expect_among(maildir(folder))
            expect(len(maildir(folder)) == 3, "messages of an earlier run")


@case("getmail        idles on IMAP and takes what comes meanwhile")
def idles(world):
    command, folder = getmail(world, "imap", world.gatepost.forms[2])
    before = len(maildir(folder))
    (first,) = append(world, world.own["getmail"], 1)
    with running(*command, "--idle", "INBOX"):
        until(lambda: len(maildir(folder)) == before + 1, "no first message")
        # What comes between its last look and its IDLE, getmail overlooks until IDLE ends: the next one wakes it.
        (second,) = append(world, world.own["getmail"], 1)
        try:
            until(lambda: len(maildir(folder)) >= before + 2, "no second message", within=5)
        except Failure:
            append(world, world.own["getmail"], 1)
            until(lambda: len(maildir(folder)) >= before + 2, "no second message")
    for message in (first, second):
        message.expect_among(maildir(folder))
