"""`gatepost demo`, taken at its word: the lines that it prints are run, its settings are given to a mail program."""

import contextlib
import re
import subprocess

from ground import STOPPED_WITHIN, case, expect
from gatepost import binary
from mail import maildir, run, settings

MBSYNC = """\
IMAPAccount demo
Host {server}
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs *

IMAPStore far
Account demo

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX

Channel inbox
Far :far:
Near :near:
Create Near
SyncState *
"""


@contextlib.contextmanager
def demo(world):
    """What it printed up to its settings; it stays up."""
    with (world.folder / "demo.log").open("wb") as journal, subprocess.Popen(
            [binary(), "demo"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=journal) as process:
        try:
            printed = b""
            while not re.search(rb"\n +password .*\n", printed):
                line = process.stdout.readline()
                expect(line, "the demo ended before it printed its settings")
                printed += line
            yield printed.decode()
        finally:
            process.terminate()
            process.wait(STOPPED_WITHIN)


@case("demo           its lines for curl send and read, its settings work in mutt and mbsync")
def as_printed(world):
    with demo(world) as printed:
        lines = printed.partition("with curl:\n")[2].partition("Settings for")[0]
        expect(lines.count("curl --url") == 2, printed)
        answered = run("bash", "-euo", "pipefail", "-c", lines)
        expect(b"Subject: from curl\r\n" in answered and answered.endswith(b"It works.\r\n"), answered)
        setting = dict(re.findall(r"^  (address|user|password) +(\S+)", printed, re.MULTILINE))
        incoming, outgoing = (re.search(rf"{kind} +server (\S+) +port (\d+)", printed).groups()
                              for kind in ("IMAP", "SMTP"))
        address, user, password = setting["address"], setting["user"], setting["password"]
        muttrc = settings(world.folder / "muttrc", f'set smtp_url="smtp://{user}@{outgoing[0]}:{outgoing[1]}/"'
                          f' smtp_pass="{password}" from={address} use_domain=no copy=no ssl_force_tls=no\n')
        run("mutt", "-n", "-F", muttrc, "-s", "from mutt", address, given=b"It works too.\n")
        folder = world.folder / "demo"
        folder.mkdir()
        mbsyncrc = settings(world.folder / "mbsyncrc", MBSYNC.format(
            server=incoming[0], port=incoming[1], user=user, password=password, folder=folder))
        run("mbsync", "--config", mbsyncrc, "inbox")
        kept = b"".join(maildir(folder / "INBOX"))
        for subject in (b"Scan 0001", b"from curl", b"from mutt"):
            expect(b"Subject: " + subject in kept, f"no {subject} pulled")
