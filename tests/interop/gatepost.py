"""gatepost itself, with a listener of each kind and a provider for each mailbox."""

import collections
import os
import pathlib
import subprocess

from ground import Daemon, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOP = """\
name = "gatepost.contoso.example"
state_directory = "{folder}/state"

[tls]
ca_file = "{ca}"

[log]
level = "trace"
"""

LISTENER = """
[[listener]]
protocol = "{protocol}"
address = "127.0.0.1:{port}"
tls = "{tls}"
"""

CERTIFICATE = """\
certificate = "{chain}"
key = "{key}"
"""

MAILBOX = """
[provider.{name}]
preset = "custom"
token_endpoint = "{token_endpoint}"
grant = "client_credentials"
client_id = "{client_id}"
client_secret_file = "{secret_file}"
scope = "https://contoso.example/.default"

[provider.{name}.imap]
host = "localhost"
port = {imap}
security = "implicit"

[provider.{name}.pop3]
host = "localhost"
port = {pop3}
security = "implicit"

[provider.{name}.smtp]
host = "localhost"
port = {smtp}
security = "starttls"

[[mailbox]]
address = "{address}"
provider = "{name}"
password_hash = "{hash}"
{keys}
"""

# A way to connect, "none", "starttls" or "implicit", and its port for each protocol.
Form = collections.namedtuple("Form", "tls imap pop3 smtp")


class Gatepost(Daemon):
    def __init__(self, folder, world):
        certificates, text = world.certificates, TOP.format(folder=folder, ca=world.certificates.ca)
        ports = []
        for attribute, protocol, tls in (
            ("imap", "imap", "none"),
            ("imap_starttls", "imap", "starttls-required"),
            ("imaps", "imap", "implicit"),
            ("pop3", "pop3", "none"),
            ("pop3_starttls", "pop3", "starttls-required"),
            ("pop3s", "pop3", "implicit"),
            ("smtp", "smtp", "none"),
            ("submission", "smtp", "starttls-required"),
            ("smtps", "smtp", "implicit"),
            ("followed", "smtp", "none"),
        ):
            port = free_port()
            setattr(self, attribute, port)
            ports.append((port, certificates.client() if tls == "implicit" else None))
            text += LISTENER.format(protocol=protocol, port=port, tls=tls)
            if attribute == "followed":
                text += 'smtp_mode = "submission"\n'
            if tls != "none":
                text += CERTIFICATE.format(chain=certificates.chain, key=certificates.key)
        self.forms = [
            Form("none", self.imap, self.pop3, self.smtp),
            Form("starttls", self.imap_starttls, self.pop3_starttls, self.submission),
            Form("implicit", self.imaps, self.pop3s, self.smtps),
        ]
        for mailbox in world.mailboxes:
            text += self._mailbox(folder, world, mailbox)
        config = folder / "gatepost.toml"
        config.write_text(text)
        super().__init__("gatepost", folder, [binary(), "-c", config, "run"], ports)

    @staticmethod
    def _mailbox(folder, world, mailbox):
        name = mailbox.address.partition("@")[0]
        secret_file = folder / f"{name}.secret"
        secret_file.touch(0o600)
        secret_file.write_text(mailbox.client_secret + "\n")
        return MAILBOX.format(name=name, address=mailbox.address, client_id=mailbox.client_id, secret_file=secret_file,
                              token_endpoint=world.authority.token_endpoint,
                              imap=world.dovecot.imaps, pop3=world.dovecot.pop3s,
                              smtp=world.postfix.port, hash=password_hash(mailbox.password), keys=mailbox.keys)


def binary():
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return os.environ.get("GATEPOST", pathlib.Path(target) / "debug/gatepost")


def password_hash(password):
    done = subprocess.run([binary(), "password", "hash"], input=password.encode() + b"\n", check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.decode().strip()
