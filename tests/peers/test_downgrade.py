"""Mail to servers that take less than a message holds: what arrives is ASCII in short lines, and
every part of it has the content that was sent; or the sender is told why not."""

import email
import email.policy
import itertools
import random

import pytest

from dialogue import Dialogue
from letters import noise, plain
from peers import Postfix
from test_relay import relaying, send_raw
from test_vectors import messages

SEVEN = "250-script.example\r\n250-PIPELINING\r\n250 SIZE 99999999"
EIGHT = "250-script.example\r\n250-PIPELINING\r\n250 8BITMIME"
FIELDS = b"MIME-Version: 1.0\r\n"


def submit(dialogue, text, to="carol@partner.example", mail=""):
    """By BDAT, which carries anything."""
    binary = " BODY=BINARYMIME" if not mail else mail
    dialogue.send(f"MAIL FROM:<bob@example.org>{binary}\r\nRCPT TO:<{to}>\r\n"
                  f"BDAT {len(text)} LAST\r\n".encode() + text)
    for _ in range(3):
        reply = dialogue.reply()
        assert reply.startswith("250 "), reply


def parts(raw):
    """Type and decoded content of each part, as a mail program reads them."""
    message = email.message_from_bytes(raw)
    return [(part.get_content_type(),
             None if part.is_multipart() else part.get_payload(decode=True))
            for part in message.walk()]


def is_odd(raw):
    """Is the message so broken that readers differ about where a header section ends, or what the
    boundary is? Or has a part a type that cannot be read, and so is text (RFC 2045, 5.2), but begins
    with "message/", which is enough for Python to look for another message in it, encoded or not?"""
    odd = ("MissingHeaderBodySeparatorDefect", "FirstHeaderLineIsContinuationDefect")
    return any("\n" in (part.get_boundary() or "") or not part.get_content_type().isascii()
               or any(type(defect).__name__ in odd for defect in part.defects)
               for part in email.message_from_bytes(raw).walk())


def check_wire(raw, most_byte=127):
    lines = raw.split(b"\r\n")
    assert lines.pop() == b""
    for line in lines:
        assert len(line) <= 998 and b"\r" not in line and b"\n" not in line, line
    assert not any(byte > most_byte or byte == 0 for byte in raw)


def without_trace(raw):
    """Without the Received field that the server put in front."""
    end = raw.index(b"\r\n", raw.index(b";"))
    while raw[end + 2 : end + 3] in (b" ", b"\t"):
        end = raw.index(b"\r\n", end + 2)
    return raw[end + 2 :]


def strangers():
    """The vectors, and the same with what servers may choke on put into them here and there."""
    pick = random.Random(3)
    odd = [b"\xe9", "ä".encode(), b"\xff\xfe", b"a" * 1100, "🐴".encode() * 30, b" =\xe9", b"From "]
    for path in messages():
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
        text = text if text.endswith(b"\r\n") else text + b"\r\n"
        yield path.name, text
        for round_ in range(3):
            mixed = text
            for _ in range(pick.randint(1, 4)):
                at = pick.randrange(len(mixed))
                at += mixed[at - 1 : at + 1] == b"\r\n"
                mixed = mixed[:at] + pick.choice(odd) + mixed[at:]
            yield f"{path.name} {round_}", mixed if mixed.endswith(b"\r\n") else mixed + b"\r\n"


@pytest.mark.parametrize("ehlo, most_byte", [(SEVEN, 127), (EIGHT, 255)])
def test_whatever_arrives_has_the_content_that_was_sent(launch, script, ehlo, most_byte):
    peer = script(ehlo=ehlo)
    server = launch(**relaying(peer.port))
    sent = {}
    with Dialogue(server.submission, seconds=60) as dialogue:
        dialogue.say("EHLO client.example")
        for number, (name, text) in enumerate(strangers()):
            text = f"X-Number: {number}\r\nFrom: bob@example.org\r\nDate: x\r\n" \
                   f"Message-ID: <{number}@x>\r\n".encode() + text
            dialogue.send(b"MAIL FROM:<bob@example.org> BODY=BINARYMIME\r\n"
                          b"RCPT TO:<carol@partner.example>\r\nBDAT %d LAST\r\n" % len(text) + text)
            replies = [dialogue.reply() for _ in range(3)]
            if replies[2].startswith("250 "):
                sent[number] = (name, text)
    server.wait_queue_empty(120)
    got = {int(email.message_from_bytes(raw)["X-Number"]): raw for _, raw in peer.messages}
    for number, raw in got.items():
        name, text = sent[number]
        check_wire(raw, most_byte)
        if not is_odd(text):
            assert parts(without_trace(raw)) == parts(text), name
    # Most have a form for such a host; the others were returned.
    failed = server.events("failed", to="carol@partner.example")
    assert len(got) + len(failed) == len(sent)
    assert len(got) > len(sent) / 2
    assert {event["status"] for event in failed} == {"5.6.3"}


def test_binary_parts_arrive_in_any_form_that_the_server_takes(launch, script):
    png, crlf = noise(200000), b"one\r\ntwo\rthree\nfour\0\r\n" + b"x" * 2000
    text = (FIELDS + b"Subject: binary\r\nFrom: bob@example.org\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + png +
            b"\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n" + crlf +
            "\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\nViele Grüße".encode() + b"\r\n--b--\r\n")
    for ehlo, last in ((SEVEN, "quoted-printable"), (EIGHT, "8bit")):
        peer = script(ehlo=ehlo)
        server = launch(**relaying(peer.port))
        with Dialogue(server.submission) as dialogue:
            dialogue.say("EHLO client.example")
            submit(dialogue, text)
        server.wait_queue_empty()
        ((_, raw),) = peer.messages
        check_wire(raw, 127 if ehlo == SEVEN else 255)
        assert [content for _, content in parts(raw)[1:]] == [png, crlf, "Viele Grüße".encode()]
        message = email.message_from_bytes(raw)
        assert [part["Content-Transfer-Encoding"] for part in message.walk()] == [
            "7bit" if ehlo == SEVEN else "8bit", "base64", "quoted-printable", last]
        (event,) = server.events("delivered", to="carol@partner.example")
        assert event["downgraded"] == "binary"


def test_header_fields_arrive_in_ascii_and_read_the_same(launch, script):
    peer = script(ehlo=EIGHT)
    server = launch(**relaying(peer.port))
    text = ("From: Jörg Müller <bob@example.org>\r\nTo: \"Käthe, Röhm\" <carol@partner.example>\r\n"
            "Subject: Käse und =?utf-8?q?Wein?= für alle, " + "äöü " * 40 + "\r\n" +
            "Content-Type: text/plain; charset=utf-8; name=\"Grüße.txt\"\r\n\r\nGrüße\r\n").encode()
    with Dialogue(server.submission) as dialogue:
        dialogue.say("EHLO client.example")
        submit(dialogue, text, mail=" SMTPUTF8 BODY=8BITMIME")
    server.wait_queue_empty()
    (((mail, _), raw),) = peer.messages
    assert mail == "MAIL FROM:<bob@example.org> BODY=8BITMIME"
    header, body = raw.split(b"\r\n\r\n", 1)
    assert header.isascii() and body == "Grüße\r\n".encode()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"].addresses[0].display_name == "Jörg Müller"
    assert message["To"].addresses[0].display_name == "Käthe, Röhm"
    assert message["Subject"].split() == ("Käse und Wein für alle, " + "äöü " * 40).split()
    assert message.get_filename() == "Grüße.txt"
    (event,) = server.events("delivered", to="carol@partner.example")
    assert event["downgraded"] == "8bit"


def test_ascii_goes_as_it_is_whatever_was_declared(launch, script):
    peer = script(ehlo=SEVEN)
    server = launch(**relaying(peer.port))
    text = plain("plain")
    send_raw(server, "carol@partner.example", text, mail=" SMTPUTF8 BODY=8BITMIME")
    server.wait_queue_empty()
    ((_, raw),) = peer.messages
    assert raw.endswith(text)
    (event,) = server.events("delivered", to="carol@partner.example")
    assert "downgraded" not in event


def test_the_size_told_is_the_size_sent(launch, script):
    peer = script(ehlo=SEVEN)
    server = launch(**relaying(peer.port))
    text = plain("size", "Grüße, =\r\n" * 30000)
    send_raw(server, "carol@partner.example", text, mail=" BODY=8BITMIME")
    server.wait_queue_empty()
    (((mail, _), raw),) = peer.messages
    assert mail == f"MAIL FROM:<bob@example.org> SIZE={len(raw)}"


SIGNED = (FIELDS + b"Subject: signed\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n"
          b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          + "Grüße".encode() + b"\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n"
          b"--b--\r\n")


@pytest.mark.parametrize("text, to, mail, status, words", [
    (SIGNED, "carol@partner.example", " BODY=8BITMIME", "5.6.3", "break the signature"),
    ("From: <jörg@example.org>\r\n\r\nx\r\n".encode(), "carol@partner.example",
     " SMTPUTF8 BODY=8BITMIME", "5.6.9", "header field cannot be written in ASCII: From"),
    (plain("x"), "jörg@partner.example", " SMTPUTF8", "5.6.7", "needs SMTPUTF8"),
])
def test_what_has_no_other_form_is_returned_with_the_reason(launch, script, text, to, mail, status,
                                                            words):
    peer = script(ehlo=SEVEN)
    server = launch(**relaying(peer.port))
    send_raw(server, to, text, mail=mail, sender="ann@example.org")
    message = server.wait_message("ann@example.org")
    bounce = email.message_from_bytes(message.sent, policy=email.policy.default)
    told = next(bounce.iter_parts()).get_content()
    (event,) = server.events("failed", to=to)
    assert event["status"] == status
    assert words in " ".join(told.split()), told
    assert peer.messages == []


def test_postfix_without_the_extensions(launch, folder):
    postfix = Postfix(folder / "postfix",
                      smtpd_discard_ehlo_keywords="8bitmime, chunking, smtputf8",
                      strict_7bit_headers="yes", strict_8bitmime="yes")
    postfix.start()
    try:
        server = launch(**relaying(postfix.port))
        texts = [plain("cheese", "Grüße\r\n.\r\nFrom me").replace(b"cheese\r", "Käse\r".encode()),
                 "Subject: 2\r\nContent-Type: text/html\r\n\r\n<p>größer</p>\r\n".encode()]
        for text in texts:
            send_raw(server, "carol@partner.example", text.replace(b"\r\n.", b"\r\n.."),
                     mail=" BODY=8BITMIME")
        server.wait_queue_empty(30)
        assert len(server.events("delivered", to="carol@partner.example")) == 2
        got = sorted(postfix.messages(), key=lambda raw: b"Subject: 2" in raw)
        for text, raw in itertools.zip_longest(texts, got):
            assert raw.isascii()
            assert parts(raw)[0][1] == parts(text.replace(b"\r\n", b"\n"))[0][1]
    finally:
        postfix.stop()
