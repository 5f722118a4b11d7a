"""JavaMail, which old Java programs send and read with."""

import pathlib

from ground import case
from mail import Message, run

PROGRAM = pathlib.Path(__file__).with_name("Mail.java")
JARS = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar"
STORE_PASSWORD = "changeit"


def trust(world):
    """The authority's certificate in Java's own form."""
    store = world.folder / "trust.p12"
    run("keytool", "-importcert", "-noprompt", "-alias", "authority", "-file", world.certificates.ca,
        "-keystore", store, "-storetype", "PKCS12", "-storepass", STORE_PASSWORD)
    return store


@case("javamail       sends, idles and reads by IMAP, then by POP3, over each form of TLS")
def javamail(world):
    mailbox = world.own["java"]
    folder = world.folder / "java"
    folder.mkdir()
    messages = {form: Message(mailbox.address) for form in world.gatepost.forms}
    runs = []
    for form, message in messages.items():
        (folder / f"{form.tls}.eml").write_bytes(message.bytes)
        runs += [form.tls, form.smtp, form.imap, form.pop3, message.subject]
    run("java", "-XX:TieredStopAtLevel=1", f"-Djavax.net.ssl.trustStore={trust(world)}",
        f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}", "-cp", JARS, PROGRAM, folder, mailbox.address,
        mailbox.password, *runs)
    for form, message in messages.items():
        for protocol in ("imap", "pop3"):
            message.expect_in((folder / f"{form.tls}.{protocol}").read_bytes())
