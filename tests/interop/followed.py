"""Submission mode: messages that gatepost follows on their way into the mail store, and rewrites where it is told to.
Python's own parser says what they are before and after."""

import email.parser
import email.policy
import smtplib

from cases import LARGE, curl_send, swaks_delivers
from ground import case, expect
from mail import ImapClient, Message, Talk, smtp_client

# What a mail store puts on top.
TRACE = {"return-path", "delivered-to", "received"}
# What gatepost says that it changes, with `sender = "rewrite"` and all repairs.
TOUCHED = {"from", "sender", "reply-to", "date", "message-id"}

BODY = b"..\r\n.dots\r\n\r\nFrom: nobody\r\nraw octets \xff\xfe\x80\r\nblanks at the end  \t \r\n" + b"x" * 990 + b"\r\n"


def read(world, mailbox, subject):
    with ImapClient(world.gatepost.imap) as imap:
        imap.login(mailbox.address, mailbox.password)
        return imap.read(subject)


@case("followed       curl, swaks and 5 MB by smtplib, byte for byte")
def byte_for_byte(world):
    alice, port = world.alice, world.gatepost.followed
    messages = [Message(alice.address), Message(alice.address, LARGE), Message(alice.address)]
    curl_send(world, "smtp", port, messages[0])
    swaks_delivers(world, port, "--auth", "LOGIN")
    with smtp_client(port) as smtp:
        smtp.login(alice.address, alice.password)
        for message in messages[1:]:
            smtp.sendmail(alice.address, [alice.address], message.bytes)
    for message in messages:
        stored = read(world, alice, message.subject)
        # What was missing stands on top.
        message.expect_in(stored)
        expect(b"\r\nMessage-ID: <" in stored and b"\r\nDate: " in stored, stored[:800])


@case("followed       a message in chunks, behind one that was refused, all in the packet of the login")
def chunks(world):
    alice, message = world.alice, Message(world.alice.address)
    envelope = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n" % ((alice.address.encode(),) * 2)
    half = len(message.bytes) // 2
    smuggled = b"RSET\r\nMAIL FROM:<ceo@contoso.example>\r\n"
    with Talk(world.gatepost.followed) as talk:
        talk.say(b"EHLO client.example\r\n")
        talk.hear(b"250-CHUNKING", b"250 CHUNKING")
        talk.say(b"".join((
            b"AUTH PLAIN %s\r\n" % alice.initial,
            b"BDAT %d LAST\r\n" % len(smuggled), smuggled,
            envelope,
            b"BDAT %d\r\n" % half, message.bytes[:half],
            b"BDAT %d\r\n" % (len(message.bytes) - half), message.bytes[half:],
            b"BDAT 0 LAST\r\n",
            b"QUIT\r\n")))
        for reply in (b"235 ", b"503 ", b"250 ", b"250 ", b"250 ", b"250 ", b"250 ", b"221 "):
            line = talk.lines.readline()
            while line[3:4] == b"-" or line.startswith(b"250 ") and reply == b"235 ":
                line = talk.lines.readline()
            expect(line.startswith(reply), f"{line} in place of {reply}")
    message.expect_in(read(world, alice, message.subject))


@case("followed       a sender that isn't permitted is rewritten, and nothing else of the message")
def rewritten(world):
    for author, more in (
        (b"MFP 3 <root@mfp.local>", b""),
        (b"root@mfp.local", b"Reply-To: help@contoso.example\r\n"),
        (b"=?utf-8?Q?B=C3=BCro?=\r\n =?utf-8?Q?_Nord?=\r\n\t<root@mfp.local>", b"Sender: root@mfp.local\r\n"),
        (b'"Scanner, 3rd: floor" <root@mfp.local>', b"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"),
        (b"a@mfp.local,\r\n b@mfp.local", b"Message-ID: <%s@mfp.local>\r\n"),
        (b"Devices: MFP <root@mfp.local>, b@mfp.local;", b""),
    ):
        sent, stored = through(world, author, more)
        before, after = parsed(sent), parsed(stored)
        expect([str(address.addr_spec) for address in after["From"].addresses] == [world.scanner.address], after["From"])
        if len(before["From"].addresses) == 1:
            name = before["From"].addresses[0].display_name
            expect(after["From"].addresses[0].display_name == name, (name, after["From"]))
        replies = before["Reply-To"] or before["From"]
        expect(after["Reply-To"].addresses == replies.addresses, (after["Reply-To"], replies))
        expect("Sender" not in after and "Date" in after and "Message-ID" in after, after.keys())
        for name in ("Date", "Message-ID"):
            expect(name not in before or after[name] == before[name], after[name])
        expect(not after["From"].defects and not after["Reply-To"].defects, after["From"].defects)


@case("followed       a signed message is left alone")
def signed(world):
    for seal in (b"DKIM-Signature: v=1; d=mfp.local; b=\r\n\tx\r\n",
                 b"MIME-Version: 1.0\r\nContent-Type:\r\n Multipart/Signed; boundary=x; protocol=\"application/pgp-signature\"\r\n"):
        sent, stored = through(world, b"MFP <root@mfp.local>", seal)
        expect(stored.endswith(sent), stored)


def through(world, author, more):
    """A message of this author, and what the mail store has of it."""
    message, scanner = Message(world.scanner.address), world.scanner
    more = more.replace(b"%s", message.subject.encode())
    sent = (b"Subject: " + message.subject.encode() + b"\r\nX-Folded: a\r\n\t b  \r\n c\r\nFrom: " + author + b"\r\n"
            + more + b"To: <" + scanner.address.encode() + b">\r\n\r\n" + BODY)
    with smtp_client(world.gatepost.smtp) as smtp:
        smtp.login(scanner.address, scanner.password)
        smtp.sendmail("root@mfp.local", [scanner.address], sent)
    stored = read(world, scanner, message.subject)
    expect(stored.startswith(b"Return-Path: <" + scanner.address.encode()), stored[:200])
    expect(stored.partition(b"\r\n\r\n")[2] == BODY, "another body")
    expect(untouched(stored) == untouched(sent), (untouched(stored), untouched(sent)))
    return sent, stored


def parsed(octets):
    return email.parser.BytesParser(policy=email.policy.default).parsebytes(octets)


def untouched(octets):
    """The fields that neither the mail store nor gatepost has to do with, octet by octet."""
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(octets, headersonly=True)
    return [(name, value) for name, value in message.raw_items() if name.lower() not in TRACE | TOUCHED]


@case("followed       a recipient that Postfix refuses, and the message to the other one")
def one_recipient_refused(world):
    message, scanner = Message(world.scanner.address), world.scanner
    with smtp_client(world.gatepost.smtp) as smtp:
        smtp.login(scanner.address, scanner.password)
        try:
            refused = smtp.sendmail(scanner.address, [scanner.address, "no one@contoso.example"], message.bytes)
        except smtplib.SMTPRecipientsRefused as all_refused:
            expect(False, all_refused)
        expect(list(refused) == ["no one@contoso.example"], refused)
    read(world, scanner, message.subject)
