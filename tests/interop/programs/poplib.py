"""POP3 by Python's poplib and by curl."""

import contextlib
import poplib

from ground import case, expect
from mail import CLIENT_WITHIN, append, run


@contextlib.contextmanager
def pop3_client(world, form):
    if form.tls == "implicit":
        pop3 = poplib.POP3_SSL("localhost", form.pop3, timeout=CLIENT_WITHIN, context=world.tls)
    else:
        pop3 = poplib.POP3("localhost", form.pop3, timeout=CLIENT_WITHIN)
        if form.tls == "starttls":
            pop3.stls(context=world.tls)
    yield pop3
    pop3.quit()


@case("poplib         USER and PASS, CAPA, TOP, UIDL, RETR, DELE over each form of TLS")
def poplib_session(world):
    mailbox = world.own["poplib"]
    for form in world.gatepost.forms:
        messages = append(world, mailbox, 2)
        with pop3_client(world, form) as pop3:
            expect({"USER", "SASL"} <= set(pop3.capa()), "CAPA says of no way to log in")
            pop3.user(mailbox.address)
            pop3.pass_(mailbox.password)
            expect(pop3.stat()[0] == 2, pop3.stat())
            expect(len(pop3.uidl()[1]) == 2, "UIDL")
            for number, message in enumerate(messages, 1):
                expect(b"\r\n".join(pop3.retr(number)[1]) + b"\r\n" == message.bytes, "RETR changed the message")
                expect(b"Subject: " + message.subject.encode() in pop3.top(number, 1)[1], "TOP lost the subject")
                pop3.dele(number)


@case("poplib         a wrong password is -ERR [AUTH], and the right one may follow")
def poplib_wrong_password(world):
    mailbox = world.own["poplib"]
    with pop3_client(world, world.gatepost.forms[0]) as pop3:
        pop3.user(mailbox.address)
        try:
            pop3.pass_("wrong")
            expect(False, "a wrong password was taken")
        except poplib.error_proto as refused:
            expect(b"-ERR [AUTH]" in refused.args[0], refused)
        pop3.user(mailbox.address)
        pop3.pass_(mailbox.password)


@case("curl           pop3 and pop3s by its own choice, pop3 over STLS with AUTH LOGIN")
def curl_pop3(world):
    mailbox = world.own["poplib"]
    (message,) = append(world, mailbox, 1)
    clear, stls, implicit = world.gatepost.forms
    for form, options in (
        (clear, []),
        (implicit, ["--sasl-ir"]),
        (stls, ["--ssl-reqd", "--login-options", "AUTH=LOGIN"]),
    ):
        scheme = "pop3s" if form.tls == "implicit" else "pop3"
        stored = run("curl", "-sS", "--cacert", world.certificates.ca, "--user", mailbox.login, *options,
                     f"{scheme}://localhost:{form.pop3}/1")
        message.expect_in(stored)
