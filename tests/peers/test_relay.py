"""Mail for elsewhere: to a real Postfix as smarthost, and to servers that misbehave."""

import base64
import email
import email.policy
import smtplib

import pytest

from dialogue import Dialogue
from letters import as_stored, large, plain
from peers import Script
from server import free_port, wait_for


def relaying(port, **config):
    """A configuration that sends all mail for other domains to a smarthost."""
    return {"routes": [{"to": "*", "via": f"smtp://127.0.0.1:{port}"}],
            "relay": {"networks": ["127.0.0.0/8"]}, **config}


def send(server, text, to, sender="bob@example.org", **options):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        return client.sendmail(sender, to, text, **options)


def send_raw(server, recipient, text, mail="", rcpt="", sender="bob@example.org"):
    """For parameters that smtplib does not know."""
    with Dialogue(server.submission) as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.say(f"MAIL FROM:<{sender}>{mail}").startswith("250 ")
        assert dialogue.say(f"RCPT TO:<{recipient}>{rcpt}").startswith("250 ")
        assert dialogue.say("DATA").startswith("354")
        dialogue.send(text + b".\r\n")
        assert dialogue.reply().startswith("250 ")


# --- Postfix -------------------------------------------------------------------------------------


def test_postfix_takes_text_as_it_was_sent(launch, postfix):
    server = launch(**relaying(postfix.port))
    text = plain("through a smarthost", "..dots\r\n.\r\nGrüße\r\n", to="carol@partner.example")
    send(server, text, ["carol@partner.example"], mail_options=["BODY=8BITMIME"])
    got = postfix.wait_message()
    assert got.endswith(as_stored(text))
    assert b"Return-Path: <bob@example.org>" in got
    server.wait_queue_empty()
    assert server.events("delivered", to="carol@partner.example")


def test_postfix_takes_large_messages_utf8_and_many_recipients(launch, postfix):
    server = launch(**relaying(postfix.port))
    big = large("large", 20 << 20, to="carol@partner.example")
    send(server, big, ["carol@partner.example"])
    utf8 = plain("Käse", to="jörg@partner.example")
    send(server, utf8, ["jörg@partner.example"], mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    many = plain("many", to="list@partner.example")
    send(server, many, [f"c{number}@partner.example" for number in range(120)])
    server.wait_queue_empty(60)
    count = wait_for(lambda: len(postfix.messages()) >= 122 and len(postfix.messages()), 60)
    assert count == 122
    got = postfix.messages()
    assert sum(message.endswith(as_stored(big)) for message in got) == 1
    assert sum(message.endswith(as_stored(utf8)) for message in got) == 1
    assert sum(message.endswith(as_stored(many)) for message in got) == 120


# --- A smarthost that is down, and comes back ----------------------------------------------------


def test_down_smarthost_defers_then_retry_delivers(launch):
    port = free_port()
    server = launch(**relaying(port))
    send(server, plain("waits"), ["carol@partner.example"])

    def deferred():
        queue = server.queue_list()
        return queue and queue[0]["recipients"][0]["status"] == "deferred" and queue

    (entry,) = wait_for(deferred, 20)
    assert entry["from"] == "bob@example.org"
    assert entry["size"] > 100
    (recipient,) = entry["recipients"]
    assert recipient["address"] == "carol@partner.example"
    assert recipient["attempts"] >= 1
    assert recipient["next"]
    assert "refused" in recipient["reply"].lower()
    peer = Script(port=port)
    server.command("queue", "retry", entry["id"])
    server.wait_queue_empty()
    peer.stop()
    ((envelope, text),) = peer.messages
    assert "carol@partner.example" in envelope[1]
    assert text.endswith(plain("waits"))


def test_smarthost_that_comes_back_is_found_without_help(launch):
    port = free_port()
    server = launch(**relaying(port, queue={"retry_first": "300ms", "retry_max": "500ms"}))
    for number in range(5):
        send(server, plain(f"waits {number}"), ["carol@partner.example"])
    wait_for(lambda: server.events("connect-failed"), 20)
    peer = Script(port=port)
    server.wait_queue_empty()
    peer.stop()
    assert len(peer.messages) == 5


def test_4xx_defers_only_the_recipient_it_was_for(launch, script):
    answers = iter(["451 4.7.1 greylisted, come back"] + ["250 2.1.5 ok"] * 9)
    peer = script(rcpt=lambda line: next(answers) if "grey@" in line else "250 2.1.5 ok")
    server = launch(**relaying(peer.port, queue={"retry_first": "300ms", "retry_max": "500ms"}))
    send(server, plain("grey"), ["grey@partner.example", "plain@partner.example"])
    server.wait_queue_empty()
    assert len(peer.messages) == 2
    assert "plain@" in peer.messages[0][0][1] and len(peer.messages[0][0]) == 2
    assert "grey@" in peer.messages[1][0][1] and len(peer.messages[1][0]) == 2
    (event,) = server.events("deferred", to="grey@partner.example")
    assert "greylisted" in event["reply"]


def test_smarthost_that_drops_the_connection_gets_it_again(launch, script):
    answers = iter(["421 4.3.2 going down", "421 4.3.2 going down"] + ["250 2.0.0 ok"] * 9)
    peer = script(end=lambda line: next(answers))
    server = launch(**relaying(peer.port, queue={"retry_first": "300ms", "retry_max": "500ms"}))
    send(server, plain("again"), ["carol@partner.example"])
    server.wait_queue_empty()
    assert len(peer.messages) == 1


def test_recipients_of_one_message_share_a_transaction(launch, script):
    peer = script()
    server = launch(**relaying(peer.port))
    send(server, plain("shared"), [f"c{number}@partner.example" for number in range(30)])
    server.wait_queue_empty()
    assert len(peer.messages) == 1
    assert len(peer.messages[0][0]) == 31


def test_a_connection_is_used_for_many_messages(launch, script):
    peer = script()
    server = launch(**relaying(peer.port, queue={"connections": 1}))
    for number in range(20):
        send(server, plain(f"number {number}"), ["carol@partner.example"])
    server.wait_queue_empty()
    assert len(peer.messages) == 20
    assert peer.sessions <= 3


# --- Bounces -------------------------------------------------------------------------------------


def bounce_of(server, address):
    """The one bounce in a mailbox, checked against RFC 3464: (message, status fields)."""
    message = server.wait_message(address)
    assert message.return_path == "<>"
    bounce = email.message_from_bytes(message.sent, policy=email.policy.default)
    assert bounce.get_content_type() == "multipart/report"
    assert bounce.get_param("report-type") == "delivery-status"
    assert "mailer-daemon" in bounce["From"].lower()
    assert address in bounce["To"]
    assert bounce["Date"] and bounce["Message-ID"] and bounce["MIME-Version"] == "1.0"
    assert bounce["Auto-Submitted"] == "auto-replied"
    words, status, original = bounce.iter_parts()
    assert words.get_content_type() == "text/plain"
    assert status.get_content_type() in ("message/delivery-status",
                                         "message/global-delivery-status")
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers",
                                           "message/global", "message/global-headers")
    if status.get_content_type() == "message/delivery-status":
        return bounce, [dict(part.items()) for part in status.get_payload()]
    # RFC 6533: the same fields in UTF-8; the email package does not take them apart.
    text = message.sent.split(b"message/global-delivery-status")[1].split(b"\n\n", 1)[1]
    fields = base64.b64decode(text.split(b"\n--")[0]).decode()
    groups = fields.replace("\r\n", "\n").strip().split("\n\n")
    return bounce, [dict(email.message_from_string(group).items()) for group in groups]


def test_5xx_bounces_to_the_sender(launch, script):
    peer = script(rcpt="550 5.1.1 <nobody>: no such user here")
    server = launch(**relaying(peer.port))
    send(server, plain("lost letter", to="nobody@partner.example"), ["nobody@partner.example"],
         sender="ann@example.org")
    bounce, (whole, recipient) = bounce_of(server, "ann@example.org")
    server.wait_queue_empty()
    assert whole["Reporting-MTA"].replace(" ", "") == "dns;mx.example.org"
    assert recipient["Final-Recipient"].replace(" ", "") == "rfc822;nobody@partner.example"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert recipient["Diagnostic-Code"].startswith("smtp;")
    assert "no such user here" in recipient["Diagnostic-Code"]
    words, _, original = bounce.iter_parts()
    assert "nobody@partner.example" in words.get_content()
    assert "no such user here" in words.get_content()
    assert "lost letter" in original.as_string()


def test_5xx_after_data_bounces_each_recipient_of_the_message(launch, script):
    peer = script(end="554 5.6.0 not wanted")
    server = launch(**relaying(peer.port))
    send(server, plain("unwanted"), ["c1@partner.example", "c2@partner.example"],
         sender="ann@example.org")
    _, (_, *recipients) = bounce_of(server, "ann@example.org")
    assert sorted(part["Final-Recipient"].split(";")[1].strip() for part in recipients) == [
        "c1@partner.example", "c2@partner.example"]
    assert {part["Status"] for part in recipients} == {"5.6.0"}


def test_only_the_failed_recipient_is_bounced(launch, script):
    peer = script(rcpt=lambda line: "550 5.1.1 unknown" if "bad@" in line else "250 2.1.5 ok")
    server = launch(**relaying(peer.port))
    send(server, plain("half"), ["good@partner.example", "bad@partner.example"],
         sender="ann@example.org")
    _, (_, *recipients) = bounce_of(server, "ann@example.org")
    assert [part["Final-Recipient"].split(";")[1].strip() for part in recipients] == [
        "bad@partner.example"]
    assert len(peer.messages) == 1


def test_a_bounce_is_never_bounced(launch, script):
    peer = script(rcpt="550 5.1.1 unknown")
    server = launch(**relaying(peer.port))
    send(server, plain("from nobody"), ["nobody@partner.example"], sender="")
    server.wait_queue_empty()
    # A bounce that cannot be delivered ends there as well: its sender is elsewhere and unknown.
    send(server, plain("from elsewhere"), ["nobody@partner.example"],
         sender="gone@partner.example")
    server.wait_queue_empty()
    assert peer.messages == []
    assert not (server.folder / "mail").exists() or not list(
        (server.folder / "mail").rglob("new/*"))
    assert len(server.events("report")) == 1


def test_notify_never_means_no_bounce(launch, script):
    peer = script(rcpt="550 5.1.1 unknown")
    server = launch(**relaying(peer.port))
    send_raw(server, "nobody@partner.example", plain("quiet"), rcpt=" NOTIFY=NEVER",
             sender="ann@example.org")
    server.wait_queue_empty()
    assert server.messages("ann@example.org") == []
    assert server.events("failed", to="nobody@partner.example")


def test_notify_success_reports_a_delivery_to_a_mailbox(launch):
    server = launch()
    send_raw(server, "bob@example.org", plain("tell me"), mail=" RET=HDRS ENVID=abc+2B1",
             rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@example.org", sender="ann@example.org")
    bounce, (whole, recipient) = bounce_of(server, "ann@example.org")
    assert whole["Original-Envelope-Id"] == "abc+1"
    assert recipient["Action"] == "delivered"
    assert recipient["Status"].startswith("2.")
    assert recipient["Original-Recipient"].replace(" ", "") == "rfc822;bob@example.org"
    assert list(bounce.iter_parts())[2].get_content_type() == "text/rfc822-headers"


def test_notify_success_says_relayed_where_the_next_server_knows_no_dsn(launch, script):
    peer = script()
    server = launch(**relaying(peer.port))
    send_raw(server, "carol@partner.example", plain("tell me"), rcpt=" NOTIFY=SUCCESS",
             sender="ann@example.org")
    _, (_, recipient) = bounce_of(server, "ann@example.org")
    assert recipient["Action"] == "relayed"


def test_expired_message_bounces(launch):
    server = launch(**relaying(free_port(), queue={"retry_first": "200ms", "retry_max": "300ms",
                                                   "expire": "2s"}))
    send(server, plain("too late"), ["carol@partner.example"], sender="ann@example.org")
    _, (_, recipient) = bounce_of(server, "ann@example.org")
    assert recipient["Status"].startswith(("4.4.", "5.4."))
    server.wait_queue_empty()


def test_8bit_message_to_a_7bit_server_is_not_sent_as_it_is(launch, script):
    peer = script(ehlo="250 script.example")
    server = launch(**relaying(peer.port))
    send_raw(server, "jörg@partner.example", plain("Käse"), mail=" SMTPUTF8 BODY=8BITMIME",
             sender="ann@example.org")
    _, (_, recipient) = bounce_of(server, "ann@example.org")
    assert recipient["Status"] in ("5.6.7", "5.6.8", "5.6.9", "5.6.3")
    assert peer.messages == []


@pytest.mark.parametrize("banner", ["554 5.7.1 we do not like you", "421 4.3.2 busy"])
def test_unfriendly_banner_defers(launch, script, banner):
    peer = script(banner=banner)
    server = launch(**relaying(peer.port))
    send(server, plain("hello?"), ["carol@partner.example"])

    def deferred():
        queue = server.queue_list()
        return queue and queue[0]["recipients"][0]["reply"] and queue

    (entry,) = wait_for(deferred, 20)
    assert entry["recipients"][0]["status"] == "deferred"
    assert banner.split()[-1] in entry["recipients"][0]["reply"]
