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
    names = {'"a b"': "a%20b", "a=b&c": "a=b%26c", "it's": "it%27s", '"' + " " * 62 + '"': "%20" * 62}
    deliver(shared, [f"{name}@example.org" for name in names], "strange")
    shared.wait_queue_empty()
    for folder in names.values():
        new = shared.folder / "mail/example.org" / folder / "new"
        assert len(list(new.iterdir())) == 1, folder
