"""What a sender gets to read of a message that was not delivered: by programs, and by people."""

import base64
import email
import email.policy
import fcntl
import os
import pty
import re
import select
import shutil
import smtplib
import struct
import termios
import time
from types import SimpleNamespace

import pytest

from letters import plain
from peers import Dovecot, Postfix, need
from server import free_port, wait_for

SENDER = "bob@example.org"

# In the style of sisimai's expectations: what the other server says at RCPT, or at the end of the
# data; then what must be read out of the notification.
CASES = {
    "userunknown": {"rcpt": "550 5.1.1 <c@partner.example>: no such user", "status": "5.1.1",
                    "code": "550", "reason": "there is no mailbox with this address."},
    "userunknown without a status": {"rcpt": "550 unknown", "status": "5.1.1", "code": "550",
                                     "reason": "there is no mailbox with this address."},
    "hasmoved": {"rcpt": "551 5.1.6 try c@else.example", "status": "5.1.6", "code": "551",
                 "reason": "the person has moved to another address."},
    "mailboxfull": {"end": "552 5.2.2 mailbox full", "status": "5.2.2", "code": "552",
                    "reason": "the mailbox is full."},
    "mesgtoobig": {"end": "552 5.3.4 too big", "status": "5.3.4", "code": "552",
                   "reason": "the message is larger than their server takes."},
    "policyviolation": {"end": "554 5.7.1 no spam here", "status": "5.7.1", "code": "554",
                        "reason": "their server refuses it by its rules."},
    "authfailure": {"mail": "550 5.7.26 SPF and DKIM failed", "status": "5.7.26", "code": "550",
                    "reason": "their server does not believe that it is from you."},
    "networkerror (loop)": {"end": "554 5.4.6 too many hops", "status": "5.4.6", "code": "554",
                            "reason": "it was sent in a circle from server to server."},
    "contenterror": {"end": "554 5.6.0 bad MIME", "status": "5.6.0", "code": "554",
                     "reason": "their server does not understand the form of the message."},
    "notaccept (null MX elsewhere)": {"rcpt": "556 5.1.10 null MX", "status": "5.1.10",
                                      "code": "556", "reason": "takes no mail at all."},
}


def send(server, to, subject="Hello there", mail_options=(), rcpt_options=(), sender=SENDER):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        client.sendmail(sender, to, plain(subject), mail_options, rcpt_options)


def fields(part):
    """{name in lower case: value} of one block of a delivery status."""
    return {name.lower(): re.sub(r"\s+", " ", value) for name, value in part.items()}


def decoded(part):
    """What is in a message/global part; Python does not look for an encoding there."""
    assert part["Content-Transfer-Encoding"] == "base64"
    return base64.b64decode(part.get_payload(0).get_payload())


def blocks_of(status):
    """Python's parser knows the blocks of RFC 3464 only, not those in UTF-8 of RFC 6533."""
    if status.get_content_type() == "message/delivery-status":
        return status.get_payload()
    text = decoded(status).decode().replace("\r\n", "\n")
    return [email.message_from_string(block) for block in text.strip().split("\n\n")]


def read(message):
    """A notification taken apart: the message, its text, and its blocks of fields."""
    parsed = email.message_from_bytes(message.sent, policy=email.policy.default)
    assert parsed.get_content_type() == "multipart/report"
    assert parsed.get_param("report-type") == "delivery-status"
    text, status, *rest = parsed.get_payload()
    assert text.get_content_type() == "text/plain"
    assert status.get_content_type() in ("message/delivery-status",
                                         "message/global-delivery-status")
    assert [part.get_content_type() for part in rest][0] in (
        "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
    assert parsed["Auto-Submitted"] == "auto-replied"
    assert parsed["To"] and parsed["Date"] and parsed["Message-ID"] and not parsed.defects
    return parsed, text.get_content(), [fields(block) for block in blocks_of(status)], rest[0]


@pytest.mark.parametrize("name", CASES)
def test_notifications_say_why(launch, script, name):
    case = CASES[name]
    peer = script(**{verb: case[verb] for verb in ("mail", "rcpt", "end") if verb in case})
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    send(server, ["c@partner.example"])
    (message,) = server.wait_messages(SENDER, 1)
    assert message.return_path == "<>"
    parsed, text, (about, recipient), original = read(message)
    first, reason = re.sub(r"\s+", " ", text.split("\n\n")[0]).strip().split(": ")
    assert first == "Your message to c@partner.example was not delivered"
    assert reason.endswith(case["reason"])
    words = re.sub(r"\s+", " ", text)
    said = next(case[verb] for verb in ("mail", "rcpt", "end") if verb in case)
    assert said in words and "What you can do: " in words
    assert parsed["Subject"] == "Not delivered: Hello there"
    assert parsed["In-Reply-To"] == parsed["References"] == "<Hello.there@client.example>"
    assert about["reporting-mta"] == "dns; mx.example.org" and about["arrival-date"]
    assert recipient["final-recipient"] == "rfc822; c@partner.example"
    assert recipient["action"] == "failed"
    assert recipient["status"] == case["status"]
    assert recipient["diagnostic-code"] == f"smtp; {said}"
    assert re.search(r"smtp; (\d+)", recipient["diagnostic-code"])[1] == case["code"]
    assert recipient["last-attempt-date"]
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload(0)["Subject"] == "Hello there"
    # The notification's own story has its way into the mailbox.
    (report,) = server.events("report")
    wait_for(lambda: server.events("mailbox-stored", id=report["dsn"]), 20)
    assert recipient["final-log-id"] == report["id"]


def test_envid_orcpt_ret_and_notify(launch, script):
    peer = script(rcpt=lambda line: "550 5.1.1 no" if "bad" in line or "mute" in line else
                  "250 2.1.5 ok")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        client.ehlo()
        client.mail(SENDER, ["ENVID=QQ+2B1", "RET=HDRS"])
        client.rcpt("bad@partner.example", ["NOTIFY=FAILURE", "ORCPT=rfc822;list@old.example"])
        client.rcpt("mute@partner.example", ["NOTIFY=NEVER"])
        client.rcpt("good@partner.example", ["NOTIFY=SUCCESS,FAILURE"])
        client.rcpt("ann@example.org", ["NOTIFY=SUCCESS"])
        client.rcpt("eve@example.org")
        client.data(plain("Hello there"))
    server.wait_queue_empty()
    # One for all of them.
    (message,) = server.wait_messages(SENDER, 1)
    parsed, text, (about, *recipients), original = read(message)
    assert about["original-envelope-id"] == "QQ+1"
    assert {r["final-recipient"]: r["action"] for r in recipients} == {
        "rfc822; bad@partner.example": "failed", "rfc822; good@partner.example": "relayed",
        "rfc822; ann@example.org": "delivered"}
    assert recipients[0]["original-recipient"] == "rfc822; list@old.example"
    assert original.get_content_type() == "text/rfc822-headers"
    assert text.startswith("Your message to bad@partner.example was not delivered: ")
    assert "Your message to ann@example.org was delivered." in text
    assert "mute@" not in message.sent.decode() and "eve@" not in text


def test_late_is_told_once_over_restarts(launch):
    port = free_port()
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{port}"}],
                    queue={"retry_first": "1h", "delay_notice": "1s"})
    send(server, ["c@partner.example"])
    (message,) = server.wait_messages(SENDER, 1)
    parsed, text, (_, recipient), _ = read(message)
    assert (recipient["action"], recipient["status"]) == ("delayed", "4.4.1")
    assert recipient["will-retry-until"]
    assert parsed["Subject"] == "Delayed: Hello there"
    assert re.sub(r"\s+", " ", text).startswith(
        "Your message to c@partner.example has not been delivered yet: their server does not "
        "answer. It is kept safe")
    server.stop()
    server.start()
    assert [entry["from"] for entry in server.queue_list()] == [SENDER]
    # Another comes, waits as long, and is told of: the first was passed over.
    send(server, ["d@partner.example"], subject="Another")
    server.wait_messages(SENDER, 2)
    assert len(server.messages(SENDER)) == 2
    assert sorted(event["to"] for event in server.events("report")) == [SENDER, SENDER]


def test_the_words_of_a_real_postfix_come_back(launch, folder):
    postfix = Postfix(folder / "postfix", smtpd_recipient_restrictions="reject")
    postfix.start()
    try:
        server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{postfix.port}"}])
        send(server, ["c@partner.example"])
        (message,) = server.wait_messages(SENDER, 1)
    finally:
        postfix.stop()
    _, text, (_, recipient), _ = read(message)
    assert (recipient["action"], recipient["status"]) == ("failed", "5.7.1")
    assert recipient["diagnostic-code"] == (
        "smtp; 554 5.7.1 <c@partner.example>: Recipient address rejected: Access denied")
    assert "refuses it by its rules" in " ".join(text.split())


def read_elsewhere(peer):
    """The notification that a scripted server took."""
    ((envelope, text),) = wait_for(lambda: peer.messages, 60)
    assert envelope[0].startswith("MAIL FROM:<>")
    return read(SimpleNamespace(sent=text))


def test_the_words_of_a_real_dovecot_come_back(launch, script, folder):
    """By LMTP: one is refused at RCPT, one after the data, one has the message."""
    dovecot = Dovecot(folder / "dovecot", quotas={"ann@example.org": 1 << 20,
                                                  "full@example.org": 100})
    back = script()
    dovecot.start()
    try:
        server = launch(deliver={"lmtp": f"unix:{dovecot.lmtp}"},
                        routes=[{"to": "*", "via": f"smtp://127.0.0.1:{back.port}"}])
        send(server, ["ann@example.org", "gone@example.org", "full@example.org"],
             sender="eve@back.example")
        _, text, (_, *recipients), _ = read_elsewhere(back)
    finally:
        dovecot.stop()
    found = {recipient["final-recipient"]: recipient for recipient in recipients}
    assert found.keys() == {"rfc822; gone@example.org", "rfc822; full@example.org"}
    assert [event["to"] for event in server.events("delivered")][0] == "ann@example.org"
    words = " ".join(text.split())
    for name, status, said, reason in [
            ("gone", "5.1.1", "550 5.1.1 <gone@example.org> User doesn't exist: gone@example.org",
             "there is no mailbox with this address."),
            ("full", "5.2.2", "552 5.2.2 <full@example.org> Quota exceeded (mailbox for user is "
             "full)", "the mailbox is full.")]:
        recipient = found[f"rfc822; {name}@example.org"]
        assert (recipient["action"], recipient["status"]) == ("failed", status)
        assert recipient["diagnostic-code"] == f"smtp; {said}"
        assert f"{name}@example.org was not delivered: {reason}" in words and said in words


def test_an_address_in_utf8_comes_back_as_it_is(launch, script):
    """RFC 6533: the notification has it in UTF-8, and goes to a sender whose server has not."""
    peer = script(rcpt="550 5.1.1 no such user")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        client.sendmail(SENDER, ["åsa@partner.example"], plain("Grüße"),
                        ["SMTPUTF8", "BODY=8BITMIME"])
    (message,) = server.wait_messages(SENDER, 1)
    parsed, text, (about, recipient), original = read(message)
    assert text.startswith("Your message to åsa@partner.example was not delivered: ")
    assert recipient["final-recipient"] == "utf-8; åsa@partner.example"
    assert (recipient["action"], recipient["status"]) == ("failed", "5.1.1")
    assert about["reporting-mta"] == "dns; mx.example.org"
    assert original.get_content_type() == "message/global"
    assert decoded(original).endswith(plain("Grüße"))
    assert parsed.get_payload()[1].get_content_type() == "message/global-delivery-status"
    assert message.sent.isascii()


DELIVERBY = "250-script.example\r\n250-8BITMIME\r\n250-DSN\r\n250 DELIVERBY 20"


def send_by(server, by, *recipients):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        client.sendmail(SENDER, recipients, plain("Hello there"), [f"BY={by}"])


def test_deliver_by_goes_on_with_the_message(launch, script):
    """RFC 2852, 4.1.4: what is left of the time, and the trace that the T asks for."""
    peer = script(ehlo=DELIVERBY)
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    send_by(server, "5000;R", "c@partner.example")
    wait_for(lambda: len(peer.messages) == 1, 30)
    send_by(server, "5000;NT", "d@partner.example")
    (message,) = server.wait_messages(SENDER, 1)
    server.wait_queue_empty()
    asked = [re.search(r" BY=(\d+);(\w+)", envelope[0]) for envelope, _ in peer.messages]
    assert [match[2] for match in asked] == ["R", "NT"]
    assert all(4900 < int(match[1]) <= 5000 for match in asked)
    parsed, _, (about, recipient), _ = read(message)
    assert (recipient["action"], recipient["final-recipient"]) == (
        "relayed", "rfc822; d@partner.example")
    assert parsed["Subject"] == "Passed on: Hello there" and about["deliver-by-date"]


@pytest.mark.parametrize("offer, by, action, status", [
    ("250-DSN", "5000;R", "failed", "5.3.3"),
    ("250-DELIVERBY 9000", "5000;R", "failed", "5.4.7"),
    ("250-DSN", "5000;N", "relayed", None),
])
def test_deliver_by_ends_here(launch, script, offer, by, action, status):
    peer = script(ehlo=f"250-script.example\r\n{offer}\r\n250 8BITMIME")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    send_by(server, by, "c@partner.example")
    (message,) = server.wait_messages(SENDER, 1)
    server.wait_queue_empty()
    _, text, (_, recipient), _ = read(message)
    assert recipient["action"] == action and status in (None, recipient["status"])
    assert len(peer.messages) == (action == "relayed")
    for envelope, _ in peer.messages:
        assert "BY=" not in envelope[0] and envelope[1].endswith(" NOTIFY=FAILURE,DELAY")
        assert text.startswith("Your message to c@partner.example was passed on")


def see(command, pattern, folder, seconds=30):
    """Runs a mail program on a terminal until it shows the pattern; what it has shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 100, 0, 0))
        os.execvpe(command[0], command, {"TERM": "vt100", "HOME": str(folder),
                                         "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
    shown = b""
    deadline = time.monotonic() + seconds
    try:
        while not re.search(pattern, shown) and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    shown += os.read(terminal, 65536)
                except OSError:
                    break
        return shown
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_people_see_the_sentence_first(launch, script, tmp_path):
    need("mutt")
    peer = script(rcpt="550 5.1.1 no such user")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    send(server, ["c@partner.example"])
    server.wait_messages(SENDER, 1)
    box = tmp_path / "box"
    shutil.copytree(server.maildir(SENDER), box)
    rc = tmp_path / "muttrc"
    rc.write_text("set sort=threads\nset pager_stop\nset prompt_after=no\nset wait_key=no\n"
                  f"unset markers\nset folder={tmp_path}\nset mbox_type=Maildir\n")
    shown = see(["mutt", "-n", "-F", str(rc), "-R", "-f", str(box), "-e",
                 'push "<display-message>"'], rb"server [^\n]*said", tmp_path)
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x0e\x0f\r]", b"", shown).decode()
    body = text[text.index("Notification") :] if "Notification" in text else text
    assert "Not delivered: Hello there" in text
    assert "Your message to c@partner.example was not delivered" in body
    assert body.index("was not delivered") < body.index("What you can do")
    assert body.index("What you can do") < body.index("said:")
