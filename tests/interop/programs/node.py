"""nodemailer and imapflow, on Node."""

import json
import os
import pathlib

from ground import case, expect
from mail import Message, run

SCRIPT = pathlib.Path(__file__).with_name("node.mjs")
# Installed by name and version; `npm install --prefix` of the folder.
MODULES = pathlib.Path(os.environ.get("GATEPOST_NODE", pathlib.Path(__file__).resolve().parents[3] / "target/node"))


@case("node           nodemailer sends, imapflow idles, reads, moves and flags, over each form of TLS")
def node(world):
    mailbox = world.own["node"]
    for form in world.gatepost.forms:
        message = Message(mailbox.address)
        sent, read = world.folder / "node.eml", world.folder / "node-read.eml"
        sent.write_bytes(message.bytes)
        said = run("node", SCRIPT, given=json.dumps({
            "modules": f"{MODULES}/", "ca": world.certificates.ca.read_text(), "tls": form.tls, "imap": form.imap,
            "smtp": form.smtp, "user": mailbox.address, "password": mailbox.password, "subject": message.subject,
            "sent": str(sent), "read": str(read),
        }).encode())
        message.expect_in(read.read_bytes())
        expect(json.loads(said) == {"refused": True, "kept": 1, "flags": ["\\Flagged", "\\Seen"]}, said)
