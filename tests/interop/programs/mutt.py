"""mutt at a terminal, over IMAP, POP3 and SMTP."""

import contextlib
import os
import pty
import select
import shlex
import subprocess

from ground import Failure, case, expect
from mail import CLIENT_WITHIN, ImapClient, append, maildir, run, settings

SETTINGS = """\
set imap_user={user} imap_pass={password} pop_user={user} pop_pass={password} smtp_pass={password}
set smtp_url="{smtp_scheme}://{user}@localhost:{smtp}/" from={user} use_domain=no copy=no
set folder="{imap_scheme}://localhost:{imap}/" pop_host="{pop3_scheme}://localhost:{pop3}/"
set ssl_starttls={starttls} ssl_force_tls={starttls} certificate_file={ca}
set header_cache="" message_cachedir="" mbox_type=Maildir confirmappend=no confirmcreate=no
set move=no delete=yes quit=yes sort=mailbox-order wait_key=no index_format="%s" status_format="-%m messages-"
# What is new is heard by IDLE or not at all.
set imap_idle=yes mail_check=600 timeout=1
"""


def scheme(protocol, form):
    return protocol + ("s" if form.tls == "implicit" else "")


def mutt(world, form, more=""):
    """The command without arguments."""
    mailbox = world.own["mutt"]
    file = settings(world.folder / "muttrc", more + SETTINGS.format(
        user=mailbox.address, password=shlex.quote(mailbox.password), ca=world.certificates.ca,
        starttls="yes" if form.tls == "starttls" else "no",
        **{protocol: getattr(form, protocol) for protocol in ("imap", "pop3", "smtp")},
        imap_scheme=scheme("imap", form), pop3_scheme=scheme("pop", form), smtp_scheme=scheme("smtp", form)))
    return ["mutt", "-n", "-F", file]


class Terminal(contextlib.AbstractContextManager):
    """A program that somebody sits in front of."""

    def __init__(self, command):
        self.seat, seen_by_it = pty.openpty()
        # What mutt says of an error is on its screen for a moment only.
        self.screen = b""
        self.process = subprocess.Popen(list(map(str, command)), stdin=seen_by_it, stdout=seen_by_it,
                                        stderr=seen_by_it, env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8"},
                                        start_new_session=True)
        os.close(seen_by_it)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.seat)

    def type(self, keys):
        os.write(self.seat, keys)

    def await_text(self, text):
        while text not in self.screen:
            self._look(f"{text} on the screen")

    def await_end(self):
        with contextlib.suppress(OSError):
            while self.process.poll() is None:
                self._look("an end")
        expect(self.process.wait(CLIENT_WITHIN) == 0, self.screen[-2000:])

    def _look(self, what):
        ready, _, _ = select.select([self.seat], [], [], CLIENT_WITHIN)
        seen = os.read(self.seat, 65536) if ready else b""
        if not seen:
            raise Failure(f"no {what}: {self.screen[-2000:]}")
        self.screen += seen


def copy_all(folder, then=""):
    return f'push "<tag-pattern>~A<enter><tag-prefix><copy-message>{folder}<enter>{then}<exit>"\n'


@case("mutt           reads and flags by IMAP over each form of TLS")
def by_imap(world):
    mailbox = world.own["mutt"]
    messages = append(world, mailbox, 3)
    for form in world.gatepost.forms:
        folder = world.folder / f"mutt-imap-{form.tls}"
        command = mutt(world, form, copy_all(folder, "<tag-prefix><flag-message><sync-mailbox>"))
        with Terminal([*command, "-f", "="]) as terminal:
            terminal.await_end()
        for message in messages:
            message.expect_among(maildir(folder))
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(mailbox.address, mailbox.password)
        imap.select("INBOX", readonly=True)
        flagged = imap.search(None, "FLAGGED")[0].split()
        expect(len(flagged) == 3, f"{len(flagged)} flagged")


@case("mutt           idles and shows what comes meanwhile")
def idles(world):
    mailbox = world.own["mutt"]
    with Terminal([*mutt(world, world.gatepost.forms[1]), "-f", "="]) as terminal:
        terminal.await_text(b"3 messages")
        (message,) = append(world, mailbox, 1)
        terminal.await_text(message.subject.encode())
        terminal.type(b"x")
        terminal.await_end()


@case("mutt           reads by POP3 and sends by SMTP over each form of TLS")
def by_pop3_and_smtp(world):
    mailbox = world.own["mutt"]
    for form in world.gatepost.forms:
        (message,) = append(world, mailbox, 1)
        folder, command = world.folder / f"mutt-pop3-{form.tls}", mutt(world, form)
        run(*command, "-s", f"sent-with-{message.subject}", mailbox.address, given=b"sent by mutt\n")
        with ImapClient(world.gatepost.imap) as imap:
            imap.login(mailbox.address, mailbox.password)
            expect(b"sent by mutt" in imap.read(f"sent-with-{message.subject}"), "another message")
        command = mutt(world, form, copy_all(folder))
        with Terminal([*command, "-f", f"{scheme('pop', form)}://localhost:{form.pop3}/"]) as terminal:
            terminal.await_end()
        message.expect_among([kept for kept in maildir(folder) if b"sent-with-" + message.subject.encode() not in kept])
