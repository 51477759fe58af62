"""Who a recipient is: aliases, catch-all, detail, postmaster, quoting."""

import pytest

from dialogue import Dialogue
from letters import plain


def deliver(server, recipients, subject, port=None):
    with Dialogue(port or server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction("bob@example.net", recipients, plain(subject))
        assert reply.startswith("250 2.0.0 "), reply


def subjects(server, address):
    server.wait_queue_empty()
    return [line for message in server.messages(address)
            for line in message.sent.decode().splitlines() if line.startswith("Subject: ")]


CASES = {
    "a listed name": ("ann@listed.example", ["ann@listed.example"]),
    "any case": ("AnN@LISTED.example", ["ann@listed.example"]),
    "plus detail": ("ann+news+x@listed.example", ["ann@listed.example"]),
    "alias for one": ("postmaster@listed.example", ["ann@listed.example"]),
    "alias for two": ("team@listed.example", ["ann@listed.example", "bob@listed.example"]),
    "alias for an alias": ("chain@listed.example", ["ann@listed.example", "bob@listed.example"]),
    "catch-all": ("whoever@caught.example", ["ann@caught.example"]),
    "quoted name that needs no quotes": ('"ann"@listed.example', ["ann@listed.example"]),
}


@pytest.mark.parametrize("name", CASES)
def test_recipient_reaches(shared, name):
    recipient, mailboxes = CASES[name]
    subject = f"to {name}"
    deliver(shared, [recipient], subject)
    for mailbox in ("ann@listed.example", "bob@listed.example", "ann@caught.example"):
        count = subjects(shared, mailbox).count(f"Subject: {subject}")
        assert count == (1 if mailbox in mailboxes else 0), mailbox


def test_postmaster_without_domain_is_accepted(shared):
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        assert dialogue.say("RCPT TO:<Postmaster>").startswith("250 2.1.5 ")


def test_one_person_named_twice_gets_it_once_by_each_alias(shared):
    subject = "through two aliases"
    deliver(shared, ["team@listed.example", "ann@listed.example"], subject)
    count = subjects(shared, "bob@listed.example").count(f"Subject: {subject}")
    assert count == 1
    assert 1 <= subjects(shared, "ann@listed.example").count(f"Subject: {subject}") <= 2


def test_names_that_are_no_file_names_get_safe_mailboxes(shared):
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction(
            "bob@example.net", ['"../../escape"@example.org', '".."@example.org',
                                '"a/b c"@example.org'], plain("strange"))
        assert reply.startswith("250 "), reply
    shared.wait_queue_empty()
    root = shared.folder / "mail"
    for name in ("%2E.%2F..%2Fescape", "%2E.", "a%2Fb%20c"):
        assert len(list((root / "example.org" / name / "new").iterdir())) == 1
    assert not (shared.folder / "escape").exists()


def test_a_name_too_long_for_a_file_is_refused_and_bounced(launch):
    server = launch()
    local = '"' + " " * 62 + '"'  # each space takes three bytes in a file name: 186, fits
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction("ann@example.org", [f"{local}@example.org"], plain("long"))
        assert reply.startswith("250 ")
    server.wait_queue_empty()
    assert len(list((server.folder / "mail/example.org" / ("%20" * 62) / "new").iterdir())) == 1
