"""What all the other cases left behind: these run last."""

import base64

from ground import case, expect


@case("tokens         one request for each service of a mailbox, however many logins")
def few_token_requests(world):
    asked = world.authority.asked[world.alice.client_id]
    expect(1 <= asked <= 3, f"{asked} requests")


@case("journal        no password, client secret or token at level trace")
def journal_without_secrets(world):
    journal = world.gatepost.log.read_text()
    expect(world.alice.address in journal, "the journal says nothing of alice")
    secrets = list(world.authority.tokens)
    for mailbox in world.mailboxes:
        secrets += [mailbox.password, mailbox.client_secret]
    encoded = [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in secrets]
    for secret in secrets + encoded:
        expect(secret not in journal, f"{secret[:4]}... is in the journal")
