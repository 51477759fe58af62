"""What a server submits and says itself is signed: dkimpy finds both signatures of each message good,
over the bytes that arrived; keys come and go while it runs."""

import email
import email.policy
import smtplib
import subprocess

import pytest

from letters import large, plain
from peers import Script
from server import ROOT, Postrider, binary, wait_for

dkim = pytest.importorskip("dkim")


class Signer:
    """A server with keys for example.org."""

    def __init__(self, folder):
        self.refusing = Script(rcpt="550 5.1.1 no such user")
        self.plain = Script(ehlo="250 plain.example")
        self.server = Postrider(folder, routes=[
            {"to": "refusing.example", "via": f"smtp://127.0.0.1:{self.refusing.port}"},
            {"to": "plain.example", "via": f"smtp://127.0.0.1:{self.plain.port}"}])
        self.made = self.server.json("dkim", "new", "example.org")
        self.server.start()

    def submit(self, text, to="ann@example.org", sender="bob@example.org", **options):
        with smtplib.SMTP("127.0.0.1", self.server.submission, timeout=30) as client:
            client.sendmail(sender, [to], text, **options)

    def answer(self, name, timeout=5):
        records = {key["name"]: key["record"]
                   for key in self.server.json("dkim", "list") + self.made}
        record = records.get(name.decode().rstrip("."))
        return record.encode() if record else None

    def check(self, message, selectors=None):
        """All signatures of a message in a Maildir are good; gives their selectors."""
        self.check_text(message.raw.replace(b"\n", b"\r\n"), selectors)

    def check_text(self, text, selectors=None):
        count = text.split(b"\r\n\r\n")[0].lower().count(b"dkim-signature:")
        found = []
        for place in range(count):
            one = dkim.DKIM(text)
            assert one.verify(idx=place, dnsfunc=self.answer), (place, text[:4000])
            assert one.domain == b"example.org"
            found.append(one.selector.decode())
        assert found == (selectors or [key["selector"] for key in self.made])


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    signer = Signer(tmp_path_factory.mktemp("signing"))
    try:
        yield signer
        signer.server.stop()
    finally:
        signer.server.give_up()
        signer.refusing.stop()
        signer.plain.stop()


LETTERS = {
    "plain": plain("plain"),
    "without fields that are added": b"Subject: bare\r\n\r\nHello\r\n",
    "blind copies": b"Bcc: x@example.org\r\n" + plain("bcc"),
    "no body": plain("empty").split(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "no blank line": plain("cut").split(b"\r\n\r\n")[0] + b"\r\n",
    "lines that begin with dots": plain("dots", ".\r\n..\r\n.a"),
    "blanks and empty lines at the end": plain("blanks", "a \t\r\n \r\n\r\n\r\n"),
    "a sender below the domain": plain("below", sender="bob@sub.example.org"),
    "large, in a file of its own": large("large", 3 << 20),
    "eight bits and no MIME": plain("raw", "J\xfcrgen").replace(b"\xc3\xbc", b"\xfc"),
    "eight bits and no field": b"J\xfcrgen\r\n",
}


@pytest.mark.parametrize("name", LETTERS)
def test_submissions_are_signed(signer, name):
    person = f"{abs(hash(name))}@example.org"
    signer.submit(LETTERS[name], to=person)
    signer.check(signer.server.wait_messages(person)[0])


EIGHT_BITS = ("From: bob@example.org\r\nSubject: ü\r\nMIME-Version: 1.0\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "Content-Transfer-Encoding: 8bit\r\n\r\nJürgen ist da.\r\n").encode()


def test_eight_bits_are_encoded_and_signed(signer):
    signer.submit(EIGHT_BITS, to="jue@example.org", mail_options=["BODY=8BITMIME"])
    message = signer.server.wait_messages("jue@example.org")[0]
    signer.check(message)
    assert message.raw.isascii()
    parsed = email.message_from_bytes(message.raw, policy=email.policy.SMTP)
    assert parsed["Subject"] == "ü" and parsed.get_content() == "Jürgen ist da.\n"


def test_the_signature_holds_where_the_next_host_takes_seven_bits(signer):
    signer.submit(EIGHT_BITS, to="ann@plain.example", mail_options=["BODY=8BITMIME"])
    wait_for(lambda: signer.plain.messages, 20)
    _, text = signer.plain.messages.pop()
    assert text.isascii()
    signer.check_text(text)
    binary = (b"From: bob@example.org\r\nMIME-Version: 1.0\r\n"
              b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
              b"\r\na\nb\rc\0d\r\n")
    with smtplib.SMTP("127.0.0.1", signer.server.submission, timeout=30) as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<bob@example.org> BODY=BINARYMIME")[0] == 250
        assert client.docmd("RCPT TO:<ann@plain.example>")[0] == 250
        client.send(f"BDAT {len(binary)} LAST\r\n".encode() + binary)
        assert client.getreply()[0] == 250
    wait_for(lambda: signer.plain.messages, 20)
    _, text = signer.plain.messages.pop()
    signer.check_text(text)
    assert email.message_from_bytes(text).get_payload(decode=True) == b"a\nb\rc\0d\r\n"


def large_parts(kind, encoding, line, subtype="mixed"):
    """A message of two parts, of which the second one is larger than what is kept in memory."""
    return (f"From: bob@example.org\r\nTo: ann@plain.example\r\nSubject: ü\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/{subtype}; boundary=cut\r\nContent-Transfer-Encoding: 8bit\r\n"
            f"\r\n--cut\r\n\r\nplain\r\n--cut\r\nContent-Type: {kind}\r\n"
            f"Content-Transfer-Encoding: {encoding}\r\n\r\n").encode() + line * 30000 + \
        b"\r\n--cut--\r\n"


JUERGEN = "Jürgen ist da, und das ist gut so. =\r\n".encode()
TEXT = "text/plain; charset=utf-8"
LARGE = {
    "eight bits": (large_parts(TEXT, "8bit", JUERGEN * 2), "BODY=8BITMIME"),
    "binary": (large_parts("application/octet-stream", "binary", bytes(range(256))),
               "BODY=BINARYMIME"),
    "SMTPUTF8": (large_parts(TEXT, "8bit", JUERGEN * 2), "BODY=8BITMIME SMTPUTF8"),
    "no field": (JUERGEN * 60000, "BODY=8BITMIME"),
    "one line": (b"From: bob@example.org\r\n\r\n" + b"x" * (2 << 20) + b"\r\n", ""),
    "a small one in one line": (b"From: bob@example.org\r\n\r\n" + b"x" * 5000 + b"\r\n", ""),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_messages_are_encoded_and_signed(signer, name):
    """In files, by pieces; to a host that takes seven bits alone, and to one that takes all."""
    text, mail = LARGE[name]
    with smtplib.SMTP("127.0.0.1", signer.server.submission, timeout=60) as client:
        client.ehlo()
        assert client.docmd(f"MAIL FROM:<bob@example.org> {mail}")[0] == 250
        assert client.docmd("RCPT TO:<ann@plain.example>")[0] == 250
        assert client.docmd("RCPT TO:<big@example.org>")[0] == 250
        client.send(f"BDAT {len(text)} LAST\r\n".encode() + text)
        assert client.getreply()[0] == 250
    wait_for(lambda: signer.plain.messages, 30)
    _, sent = signer.plain.messages.pop()
    assert sent.isascii() and max(len(line) for line in sent.split(b"\r\n")) <= 998
    signer.check_text(sent)
    message, = signer.server.wait_messages("big@example.org")
    signer.check(message)
    message.path.unlink()
    was, is_now = (email.message_from_bytes(each) for each in (text, sent))
    assert is_now["From"] in ("bob@example.org", "<bob@example.org>")
    if was.is_multipart():
        was, is_now = (each.get_payload()[1] for each in (was, is_now))
        assert is_now.get_payload(decode=True) == was.get_payload(decode=True)
    else:
        assert is_now.get_payload(decode=True) == text.split(b"\r\n\r\n", 1)[-1]
    assert len(list((signer.server.folder / "spool").glob("*/bodies/*"))) <= 1


def test_what_is_signed_already_is_not_touched(signer):
    """A part that its author signed in eight bits goes as it is, or comes back."""
    text = large_parts(TEXT, "8bit", JUERGEN, "signed").replace(b"Subject: \xc3\xbc", b"Subject: u")
    signer.submit(text, to="signed@example.org", mail_options=["BODY=8BITMIME"])
    message = signer.server.wait_message("signed@example.org")
    signer.check(message)
    assert message.raw.replace(b"\n", b"\r\n").endswith(text.split(b"\r\n\r\n", 1)[1])
    signer.submit(text, to="ann@plain.example", sender="signer@example.org",
                  mail_options=["BODY=8BITMIME"])
    bounce = signer.server.wait_message("signer@example.org")
    assert b"encoding it would break the signature" in bounce.raw


def test_utf8_fields_are_encoded_before_they_are_signed(signer):
    """SMTPUTF8 was asked for, and need not be had on the way."""
    with smtplib.SMTP("127.0.0.1", signer.server.submission, timeout=30) as client:
        client.sendmail("bob@example.org", ["ann@plain.example", "utf8@example.org"], EIGHT_BITS,
                        mail_options=["BODY=8BITMIME", "SMTPUTF8"])
    wait_for(lambda: signer.plain.messages, 20)
    _, text = signer.plain.messages.pop()
    assert text.isascii()
    signer.check_text(text)
    signer.check(signer.server.wait_message("utf8@example.org"))


def test_what_has_too_many_fields_to_sign_is_refused_for_good(signer):
    text = "".join(f"X-Field-{number}: x\r\n" for number in range(2100)).encode() + plain("fields")
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        signer.submit(text, to="fields@example.org")
    assert refusal.value.smtp_code == 552 and b"5.3.4 The header section has more than 2048 fields" in \
        refusal.value.smtp_error
    assert signer.server.events("refused", rule="signing", code="552")
    signer.submit(text.replace(b"bob@example.org", b"bob@unsigned.example"), to="fields@example.org")
    assert b"X-Field-2099: x" in signer.server.wait_message("fields@example.org").raw


def test_who_has_no_key_is_not_signed_for(signer):
    signer.submit(plain("foreign", sender="bob@elsewhere.example"), to="foreign@example.org",
                  sender="bob@elsewhere.example")
    assert b"DKIM-Signature" not in signer.server.wait_messages("foreign@example.org")[0].raw


def test_mail_from_others_is_not_signed(signer):
    with smtplib.SMTP("127.0.0.1", signer.server.mx, timeout=30) as client:
        client.sendmail("bob@example.net", ["mx@example.org"], plain("from outside"))
    assert b"DKIM-Signature" not in signer.server.wait_messages("mx@example.org")[0].raw


def test_notifications_are_signed(signer):
    signer.submit(plain("bounce"), to="nobody@refusing.example", sender="sender@example.org")
    message = signer.server.wait_messages("sender@example.org")[0]
    assert message.return_path == "<>"
    signer.check(message)


def test_new_keys_sign_after_rotation(signer):
    old = [key["selector"] for key in signer.made]
    signer.server.command("dkim", "rotate", "example.org", status=75)
    signer.submit(plain("before"), to="before@example.org")
    signer.check(signer.server.wait_messages("before@example.org")[0], old)
    keys = signer.server.json("dkim", "rotate", "example.org", "--yes")
    new = [key["selector"] for key in keys if key["state"] == "active"]
    assert set(new).isdisjoint(old)
    signer.submit(plain("after"), to="after@example.org")
    signer.check(signer.server.wait_messages("after@example.org")[0], new)
    signer.server.command("dkim", "retire", "example.org", status=1)
    left = signer.server.json("dkim", "retire", "example.org", "--yes")
    assert [key["selector"] for key in left] == new
    files = {path.name for path in (signer.server.folder / "spool/keys").iterdir()}
    assert files == {"dkim", *(f"example.org.{selector}.pem" for selector in new)}
    signer.server.restart()
    signer.submit(plain("restarted"), to="restarted@example.org")
    signer.check(signer.server.wait_messages("restarted@example.org")[0], new)


def test_a_key_that_is_gone_has_the_client_come_again(signer):
    keys = signer.server.json("dkim", "list")
    paths = [signer.server.folder / "spool/keys" / f"example.org.{key['selector']}.pem"
             for key in keys if key["state"] == "active"]
    signer.server.stop()
    texts = [path.read_bytes() for path in paths]
    paths[0].unlink()
    signer.server.start()
    signer.submit(plain("one key"), to="one@example.org")
    message = signer.server.wait_messages("one@example.org")[0]
    assert message.raw.count(b"DKIM-Signature:") == 1
    paths[1].unlink()
    signer.server.restart()
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        signer.submit(plain("no key"), to="none@example.org")
    assert refusal.value.smtp_code == 451 and b"could not be signed" in refusal.value.smtp_error
    failed = signer.server.events("sign-failed", domain="example.org")
    assert {event["selector"] for event in failed} == {key["selector"] for key in keys
                                                       if key["state"] == "active"}
    for path, text in zip(paths, texts):
        path.write_bytes(text)
    signer.server.restart()
    signer.submit(plain("again"), to="none@example.org")
    assert signer.server.wait_messages("none@example.org")[0].raw.count(b"DKIM-Signature:") == 2


def test_keys_of_other_signers_are_taken_over(signer):
    path = ROOT / "tests/data/dkim/dkimpy/test.private"
    signer.server.command("dkim", "import", "shop.example", "mail", str(path))
    signer.server.command("dkim", "import", "shop.example", "mail", str(path), status=1)
    signer.server.command("dkim", "import", "shop.example", "none", "/dev/null", status=1)
    signer.submit(plain("imported", sender="ann@shop.example"), to="shop@example.org",
                  sender="ann@shop.example")
    text = signer.server.wait_messages("shop@example.org")[0].raw.replace(b"\n", b"\r\n")
    assert dkim.DKIM(text).verify(dnsfunc=signer.answer)
    assert b"d=shop.example; s=mail;" in text


def test_a_broken_keyring_is_said(signer):
    keyring = signer.server.folder / "spool/keys/dkim"
    good = keyring.read_text()
    keyring.write_text(good + "nonsense\n")
    out = signer.server.command("reload", status=1)
    assert "spool/keys/dkim: line" in out
    keyring.write_text(good)
    signer.server.command("reload")


def test_a_server_that_cannot_take_it_up_is_said(signer):
    good = signer.server.config_path.read_text()
    keys = signer.server.json("dkim", "list", "shop.example")
    signer.server.config["nonsense"] = 1
    name = signer.server.config_path.name
    other = signer.server.folder / "other.yaml"
    other.write_text(good)
    signer.server.write_config()
    done = subprocess.run([binary(), "dkim", "rotate", "shop.example", "--config", other],
                          capture_output=True, text=True, timeout=30)
    signer.server.config_path.write_text(good)
    del signer.server.config["nonsense"]
    said = (done.returncode, done.stdout, done.stderr, signer.server.log_tail())
    assert done.returncode == 75 and "nonsense" in done.stderr and name in done.stderr, said
    assert "signs as before" in done.stderr, said
    signer.server.command("reload")
    assert len(signer.server.json("dkim", "list", "shop.example")) == len(keys) + 2
