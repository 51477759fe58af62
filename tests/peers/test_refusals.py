"""What is not taken, and why it says so."""

import json
import pathlib

import pytest

from dialogue import Dialogue, play
from letters import plain
from server import wait_for

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"

RELAYING = {
    "other domain": "carol@elsewhere.example",
    "percent hack": "carol%elsewhere.example@elsewhere.example",
    "bang path": "elsewhere.example!carol@elsewhere.example",
    "quoted at": '"carol@elsewhere.example"@elsewhere.example',
    "source route through us": "@mx.example.org:carol@elsewhere.example",
    "source route through a local domain": "@example.org,@b.example:carol@elsewhere.example",
    "address literal": "carol@[192.0.2.1]",
    "subdomain of a local domain": "carol@sub.example.org",
    "domain that ends alike": "carol@notexample.org",
}


@pytest.mark.parametrize("recipient", RELAYING.values(), ids=RELAYING.keys())
def test_open_relay_is_refused(shared, recipient):
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.say("MAIL FROM:<bob@example.net>").startswith("250")
        reply = dialogue.say(f"RCPT TO:<{recipient}>")
        assert reply.startswith("550 5.7.1 "), reply
        assert "relay" in reply.lower(), "names the rule"


def test_open_relay_is_refused_whoever_the_sender_claims_to_be(shared):
    for sender in ("ann@example.org", "", "root@mx.example.org"):
        with Dialogue(shared.mx) as dialogue:
            dialogue.say("EHLO mx.example.org")
            dialogue.say(f"MAIL FROM:<{sender}>")
            assert dialogue.say("RCPT TO:<carol@elsewhere.example>").startswith("550 5.7.1 ")


@pytest.mark.parametrize("local", ["carol%elsewhere.example", "elsewhere.example!carol",
                                   '"carol@elsewhere.example"', '"../../escape"', '"a/b"', '".."'])
def test_names_that_mean_more_to_others_are_refused_at_a_local_domain(shared, local):
    """Routes to some servers, folders to others: never relayed, never a mailbox."""
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        assert dialogue.say(f"RCPT TO:<{local}@example.org>").startswith("550 5.")


def test_unknown_user_is_refused_at_rcpt(shared):
    play(shared.mx, """
        S: 220 mx.example.org *
        C: EHLO client.example
        S: 250-mx.example.org*
        C: MAIL FROM:<bob@example.net>
        S: 250 2.1.0 *
        C: RCPT TO:<nobody@listed.example>
        S: 550 5.1.1 *
        C: RCPT TO:<ann@listed.example>
        S: 250 2.1.5 *
        C: QUIT
        S: 221 2.0.0 *
    """)


def test_alias_loop_is_refused(shared):
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        assert dialogue.say("RCPT TO:<loop@listed.example>").startswith("550 5.4.6 ")


def test_vrfy_and_expn_tell_nothing(shared):
    play(shared.mx, """
        S: 220 *
        C: EHLO client.example
        S: 250-*
        C: VRFY ann
        S: 252 2.*
        C: EXPN team
        S: 5?? 5.*
        C: QUIT
        S: 221 *
    """)


def test_commands_out_of_order_are_refused(shared):
    play(shared.mx, """
        S: 220 *
        C: MAIL FROM:<bob@example.net>
        S: 503 5.5.1 *
        C: EHLO client.example
        S: 250-*
        C: RCPT TO:<ann@example.org>
        S: 503 5.5.1 *
        C: DATA
        S: 503 5.5.1 *
        C: MAIL FROM:<bob@example.net>
        S: 250 *
        C: DATA
        S: 503 5.5.1 *
        C: NONSENSE
        S: 500 5.5.? *
        C: QUIT
        S: 221 *
    """)


def test_size_is_refused_at_mail(launch):
    server = launch(limits={"message_size": "64K"})
    with Dialogue(server.mx) as dialogue:
        assert "SIZE 65536" in dialogue.say("EHLO client.example")
        assert dialogue.say("MAIL FROM:<a@b.example> SIZE=65537").startswith("552 5.3.4 ")
        assert dialogue.say("MAIL FROM:<a@b.example> SIZE=65536").startswith("250")


def test_size_is_refused_when_the_client_did_not_say_it(launch):
    server = launch(limits={"message_size": "64K"})
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        text = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 64 + b"\r\n"
        reply = dialogue.transaction("a@b.example", ["ann@example.org"], text * 70)
        assert reply.startswith("552 5.3.4 ")
        # And the session goes on.
        assert dialogue.transaction("a@b.example", ["ann@example.org"], plain("ok")).startswith(
            "250 ")
    assert b"Subject: ok" in server.wait_message("ann@example.org").sent


def test_too_many_hops_are_refused(shared):
    hops = b"Received: from a by b; Tue, 24 Nov 2026 03:07:04 +0000\r\n"
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction("a@b.example", ["hops@example.org"], hops * 101 + plain("x"))
        assert reply.startswith("554 5.4.6 "), reply
        reply = dialogue.transaction("a@b.example", ["hops@example.org"], hops * 90 + plain("x"))
        assert reply.startswith("250 "), reply


def test_low_water_refuses_before_the_disk_is_full(launch):
    server = launch(spool={"path": "spool", "segment": "4M", "low_water": "1000G"})
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.say("MAIL FROM:<a@b.example>").startswith("452 4.3.1 ")


def test_too_many_errors_end_the_session(launch):
    server = launch(limits={"errors": 5})
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.send(b"NONSENSE\r\n" * 10)
        replies = dialogue.rest().splitlines()
    assert replies[-1].startswith("421 4.7.0 ")
    assert len(replies) <= 6


def test_too_many_sessions_from_one_address_are_refused(launch):
    server = launch(limits={"sessions_per_address": 3})
    open_ones = [Dialogue(server.mx) for _ in range(3)]
    with Dialogue(server.mx) as refused:
        assert refused.greeting.startswith("421 4.7.0 "), refused.greeting
    open_ones.pop().socket.close()

    def has_room():
        with Dialogue(server.mx) as dialogue:
            return dialogue.greeting.startswith("220 ")

    wait_for(has_room, 10)
    for dialogue in open_ones:
        dialogue.socket.close()


# --- Smuggling -----------------------------------------------------------------------------------

SMUGGLING = json.loads((DATA / "smuggling/end-of-data.json").read_text())["not_end_of_data"]
ENDS = SMUGGLING + ["\r\n.\r", "\r\n\0.\r\n", "\r\n.\0\r\n", "\n\r\n.\r\r\n", "\r\n.\r\r\n"]


@pytest.mark.parametrize("end", ENDS, ids=[repr(end) for end in ENDS])
def test_smuggled_end_of_data_never_makes_two_messages(shared, end):
    person = "smuggled" + "".join(f"{ord(letter):x}" for letter in end) + "@example.org"
    hidden = (f"MAIL FROM:<evil@example.net>\r\nRCPT TO:<{person}>\r\nDATA\r\n"
              "Subject: hidden\r\n\r\nsmuggled\r\n.\r\n")
    before = len(shared.events("accepted", to=person))
    assert before == 0
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        dialogue.say(f"RCPT TO:<{person}>")
        assert dialogue.say("DATA").startswith("354")
        dialogue.send(f"Subject: outer\r\n\r\ntest{end}{hidden}".encode())
        reply = dialogue.reply()
        dialogue.send(b"QUIT\r\n")
        dialogue.rest()
    assert reply[:1] in "25"
    shared.wait_queue_empty()
    messages = shared.messages(person)
    assert len(messages) <= 1, [message.raw for message in messages]
    for message in messages:
        assert message.sent.startswith(b"Subject: outer\n"), message.raw
        assert b"\r" not in message.raw, "no bare CR goes on to others"


def test_bare_newlines_in_data_are_refused(shared):
    for text in (b"Subject: x\r\n\r\nbare\nline\r\n", b"Subject: x\r\n\r\nbare\rreturn\r\n"):
        with Dialogue(shared.mx) as dialogue:
            dialogue.say("EHLO client.example")
            reply = dialogue.transaction("a@b.example", ["bare@example.org"], text)
            assert reply.startswith("550 5.6.11 "), reply
    assert shared.messages("bare@example.org") == []


def test_bare_newline_in_a_command_is_refused(shared):
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.send(b"NOOP\nMAIL FROM:<a@b.example>\r\n")
        assert dialogue.reply().startswith("500 ")
