"""mbsync of isync, which keeps a Maildir and a mailbox alike."""

import os
import re

from ground import case, expect
from mail import ImapClient, Message, append, maildir, run, settings

SETTINGS = """\
IMAPAccount gatepost
Host localhost
Port {port}
User {user}
Pass "{password}"
SSLType {security}
SystemCertificates no
CertificateFile {ca}
AuthMechs {mechanism}

IMAPStore far
Account gatepost

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""
SECURITY = {"none": "None", "starttls": "STARTTLS", "implicit": "IMAPS"}
# Half of them start on either side.
MESSAGES = 300


def mbsync(world, folder, form, mechanism):
    mailbox = world.own["mbsync"]
    password = mailbox.password.replace("\\", "\\\\").replace('"', '\\"')
    file = settings(world.folder / "mbsyncrc", SETTINGS.format(
        port=form.imap, user=mailbox.address, password=password, security=SECURITY[form.tls], mechanism=mechanism,
        ca=world.certificates.ca, folder=folder))
    run("mbsync", "--config", file, "all")


def expect_alike(world, folder, count):
    """Both sides hold the same, which is `count` messages."""
    mailbox, near = world.own["mbsync"], maildir(folder / "INBOX")
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(mailbox.address, mailbox.password)
        imap.select("INBOX", readonly=True)
        far = [part[1] for part in imap.fetch("1:*", "(BODY.PEEK[])") if isinstance(part, tuple)] if count else []
    expect((len(near), len(far)) == (count, count), f"{len(near)} near, {len(far)} far")
    expect(sorted(map(unsigned, near)) == sorted(map(unsigned, far)), "other octets on the far side")


def unsigned(octets):
    """mbsync signs what it copies with a header of its own, and keeps lines as the side does."""
    return re.sub(rb"^X-TUID: .*\n", b"", octets.replace(b"\r\n", b"\n"), count=1, flags=re.MULTILINE)


@case(f"mbsync         {MESSAGES} messages both ways, then flags and deletions, over each form of TLS")
def both_ways(world):
    clear, starttls, implicit = world.gatepost.forms
    mailbox, folder = world.own["mbsync"], world.folder / "mbsync"
    new = folder / "INBOX/new"
    for name in ("new", "cur", "tmp"):
        (folder / "INBOX" / name).mkdir(parents=True)
    append(world, mailbox, MESSAGES // 2)
    for number in range(MESSAGES // 2):
        (new / f"{number}.near").write_bytes(Message(mailbox.address).bytes.replace(b"\r\n", b"\n"))
    mbsync(world, folder, starttls, "*")
    expect_alike(world, folder, MESSAGES)
    # Of the messages that came from the far side one is deleted near, and one of the others far.
    pulled = next(file for file in sorted((folder / "INBOX").glob("*/*")) if ".near" not in file.name)
    os.rename(pulled, pulled.with_name(pulled.name.partition(":")[0] + ":2,T"))
    with ImapClient(world.gatepost.imaps, world.tls) as imap:
        imap.login(mailbox.address, mailbox.password)
        imap.select("INBOX")
        imap.store(str(MESSAGES), "+FLAGS", r"(\Deleted)")
        imap.store("10:19", "+FLAGS", r"(\Flagged)")
    mbsync(world, folder, implicit, "LOGIN")
    expect_alike(world, folder, MESSAGES - 2)
    flagged = [file for file in (folder / "INBOX").glob("*/*:2,*") if "F" in file.name.rpartition(",")[2]]
    expect(len(flagged) == 10, f"{len(flagged)} flagged")
    mbsync(world, folder, clear, "PLAIN")
    expect_alike(world, folder, MESSAGES - 2)
