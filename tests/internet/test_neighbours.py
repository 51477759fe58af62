"""Mail between Postrider and the servers that the internet runs on, in both directions."""

import email
import email.policy

import pytest

from letters import as_stored, large, letter, noise, plain
from server import wait_for

NEIGHBOURS = ["postfix", "exim", "opensmtpd"]
SUCCESS = ["NOTIFY=SUCCESS,FAILURE"]


@pytest.fixture(params=NEIGHBOURS)
def neighbour(internet, request):
    return internet.neighbours[request.param]


def send(client, sender, recipients, text, mail=(), rcpt=()):
    with client:
        return client.sendmail(sender, recipients, text, mail_options=mail, rcpt_options=rcpt)


def arrival(neighbour, word):
    """The message with the word in it, when it is there."""
    try:
        return wait_for(lambda: neighbour.messages(word.encode()), 30, word)[0]
    except AssertionError as error:
        raise AssertionError(f"{error}\n{neighbour.output()}") from None


def texts(way):
    """What people send: subject, wire form, and what MAIL says of it."""
    yield "dots", plain(f"{way} dots", "..two\r\n.\r\n.one\r\nlast"), []
    parts = letter(f"{way} attachment", html="<p>Hello</p>",
                   attachments={"noise.bin": noise(200_000)}, text="Grüße\n")
    yield "attachment", parts.as_bytes(), []
    yield "8-bit", plain(f"{way} 8-bit", "Grüße, 日本語"), ["BODY=8BITMIME"]
    yield "large", large(f"{way} large", 5 << 20), []


# --- Mail as it was sent -------------------------------------------------------------------------


def test_texts_from_here_arrive_as_they_were_sent(here, neighbour):
    for name, text, mail in texts(f"to {neighbour.domain}:"):
        send(here.client(), f"ann@{here.domain}", [f"bob@{neighbour.domain}"], text, mail)
        got = arrival(neighbour, f"to {neighbour.domain}: {name}")
        assert got.endswith(as_stored(text)), name
        assert b"Return-Path: <ann@here.example>".lower() in got.lower()


def test_texts_to_here_arrive_as_they_were_sent(here, neighbour):
    for name, text, mail in texts(f"from {neighbour.domain}:"):
        send(neighbour.client(), f"bob@{neighbour.domain}", [f"ann@{here.domain}"], text, mail)
        got = here.arrival("ann", f"from {neighbour.domain}: {name}")
        # A server between may add what a mail client left out, but not change the text.
        assert got.raw.endswith(as_stored(text)), name
        assert got.return_path == f"<bob@{neighbour.domain}>"


def test_several_people_get_one_copy_each(here, neighbour):
    subject = f"both at {neighbour.domain}"
    people = [f"ann@{neighbour.domain}", f"bob@{neighbour.domain}"]
    send(here.client(), f"ann@{here.domain}", people, plain(subject))
    wait_for(lambda: len(neighbour.messages(subject.encode())) >= 2, 30, neighbour.output)
    here.wait_queue_empty()
    assert len(neighbour.messages(subject.encode())) == 2


@pytest.mark.parametrize("name", ["postfix", "exim"])
def test_addresses_in_utf8_go_both_ways(internet, here, name):
    neighbour = internet.neighbours[name]
    options = ["SMTPUTF8", "BODY=8BITMIME"]
    subject = f"Käse für {name}"
    send(here.client(), f"änn@{here.domain}", [f"jörg@{neighbour.domain}"], plain(subject), options)
    assert arrival(neighbour, subject).endswith(as_stored(plain(subject)))
    subject = f"Käse von {name}"
    send(neighbour.client(), f"jörg@{neighbour.domain}", [f"ann@{here.domain}"], plain(subject),
         options)
    assert here.arrival("ann", subject).return_path == f"<jörg@{neighbour.domain}>"


def test_utf8_addresses_are_bounced_where_the_neighbour_knows_none(here):
    send(here.client(), f"bob@{here.domain}", ["jörg@opensmtpd.example"], plain("Käse"),
         ["SMTPUTF8", "BODY=8BITMIME"])
    assert here.arrival("bob", "global-delivery-status").return_path == "<>"
    (event,) = here.events("failed", to="jörg@opensmtpd.example")
    assert event["status"] == "5.6.7"


def test_a_real_dovecot_takes_mail_by_lmtp_over_the_network(internet, here):
    dovecot = internet.neighbours["dovecot"]
    people = [f"p{number}@dovecot.example" for number in range(5)]
    text = plain("by LMTP over the network", "..dots\r\n.\r\nGrüße")
    send(here.client(), f"ann@{here.domain}", people, text, ["BODY=8BITMIME"])
    wait_for(lambda: len(dovecot.messages(b"by LMTP over the network")) == 5, 30, dovecot.output)
    here.wait_queue_empty()
    assert all(got.endswith(as_stored(text)) for got in dovecot.messages(b"by LMTP over"))


# --- Reports -------------------------------------------------------------------------------------


def report(raw):
    """A notification as any program reads it: the fields for the message and for its recipient."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    if message.get_content_type() == "multipart/report":
        assert message.get_param("report-type") == "delivery-status"
    else:  # what OpenSMTPD calls it
        assert b"This is the MAILER-DAEMON" in raw, raw
        assert message.get_content_type() == "multipart/mixed"
    _, status, _ = message.iter_parts()
    assert status.get_content_type() == "message/delivery-status"
    whole, recipient = status.get_payload()
    return whole, recipient


def final_address(recipient):
    kind, _, address = recipient["Final-Recipient"].partition(";")
    assert kind.strip().lower() == "rfc822"
    return address.strip()


def test_success_is_reported_by_the_neighbour(here, neighbour):
    subject = f"tell me, {neighbour.domain}"
    send(here.client(), f"ann@{here.domain}", [f"bob@{neighbour.domain}"], plain(subject),
         ["ENVID=abc.1", "RET=HDRS"], SUCCESS)
    got = here.arrival("ann", subject)
    assert got.return_path == "<>"
    whole, recipient = report(got.raw)
    assert neighbour.name in whole["Reporting-MTA"], "who knows DSN is left to say it"
    assert whole["Original-Envelope-Id"] == "abc.1" or neighbour.name == "mx.opensmtpd.example"
    assert final_address(recipient) == f"bob@{neighbour.domain}"
    assert recipient["Action"].strip().lower() in ("delivered", "expanded")


def test_success_is_reported_to_the_neighbour(here, neighbour):
    subject = f"tell them at {neighbour.domain}"
    send(neighbour.client(), f"bob@{neighbour.domain}", [f"ann@{here.domain}"], plain(subject),
         ["ENVID=xyz", "RET=HDRS"], SUCCESS)
    here.arrival("ann", subject)
    whole, recipient = report(arrival(neighbour, subject))
    assert here.config["hostname"] in whole["Reporting-MTA"]
    assert whole["Original-Envelope-Id"] == "xyz"
    assert final_address(recipient) == f"ann@{here.domain}"
    assert recipient["Action"] == "delivered"


def test_a_refusal_is_bounced_to_the_neighbour_by_us(here, neighbour):
    subject = f"to nobody for {neighbour.domain}"
    send(here.client(), f"bob@{neighbour.domain}", ["nobody@postfix.example"], plain(subject))
    _, recipient = report(arrival(neighbour, subject))
    assert final_address(recipient) == "nobody@postfix.example"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert "no such user" in recipient["Diagnostic-Code"]


def test_our_refusal_is_bounced_by_the_neighbour(here, neighbour):
    subject = f"to nobody here from {neighbour.domain}"
    send(neighbour.client(), f"bob@{neighbour.domain}", [f"nobody@{here.domain}"], plain(subject))
    whole, recipient = report(arrival(neighbour, subject))
    assert neighbour.name in whole["Reporting-MTA"]
    assert final_address(recipient) == f"nobody@{here.domain}"
    assert recipient["Action"] == "failed"
    assert recipient["Status"].startswith("5.")


def test_a_bounce_of_the_neighbour_is_taken(here, neighbour):
    subject = f"fails at {neighbour.domain}"
    send(here.client(), f"ann@{here.domain}", [f"fail@{neighbour.domain}"], plain(subject))
    got = here.arrival("ann", subject)
    assert got.return_path == "<>"
    _, recipient = report(got.raw)
    assert final_address(recipient) == f"fail@{neighbour.domain}"
    assert recipient["Action"] == "failed"
