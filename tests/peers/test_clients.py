"""Real mail clients hand mail in; it reaches the Maildirs as it was sent."""

import email
import email.policy
import smtplib
import subprocess

import pytest

from letters import as_stored, large, letter, noise, plain
from peers import need, program

MIB = 1 << 20


def run(words, data=None, status=0):
    done = subprocess.run(words, input=data, capture_output=True, timeout=120)
    assert done.returncode == status, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done


def parse(message):
    return email.message_from_bytes(message.sent, policy=email.policy.default)


def attachment(message):
    return next(parse(message).iter_attachments()).get_content()


# --- smtplib -------------------------------------------------------------------------------------


def send(server, text, to, sender="bob@example.org", port=None, **options):
    with smtplib.SMTP("127.0.0.1", port or server.submission, timeout=120) as client:
        return client.sendmail(sender, to, text, **options)


def test_smtplib_text_arrives_as_sent(shared):
    text = plain("smtplib text", "..dots\r\n.\r\n. more\r\n\r\n\r\n  spaces  ")
    send(shared, text, ["smtplib-text@example.org"])
    message = shared.wait_message("smtplib-text@example.org")
    assert message.sent == as_stored(text)
    assert message.return_path == "<bob@example.org>"
    assert message.trace[1] == b"Delivered-To: smtplib-text@example.org\n"
    assert " with ESMTP id " in " ".join(message.received.split())
    assert "by mx.example.org" in " ".join(message.received.split())


def test_smtplib_html_and_attachments_arrive_as_sent(shared):
    text = letter("smtplib html", html="<p>Grüße</p>", attachments={"a.bin": noise(70000)})
    send(shared, text.as_bytes(), ["smtplib-html@example.org"])
    message = shared.wait_message("smtplib-html@example.org")
    assert message.sent == as_stored(text.as_bytes())
    assert attachment(message) == noise(70000)


def test_smtplib_8bit_arrives_as_sent(shared):
    text = plain("8 bits") + bytes(range(128, 256)) + b"\r\n" + "Grüße".encode() + b"\r\n"
    send(shared, text, ["smtplib-8bit@example.org"], mail_options=["BODY=8BITMIME"])
    assert shared.wait_message("smtplib-8bit@example.org").sent == as_stored(text)


def test_smtplib_utf8_addresses_and_headers_arrive_as_sent(shared):
    text = plain("Käse", to="jörg@bücher.example", sender="bärbel@example.org")
    send(shared, text, ["jörg@bücher.example"], sender="bärbel@example.org",
         mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    message = shared.wait_message("jörg@bücher.example")
    assert message.sent == as_stored(text)
    assert message.return_path == "<bärbel@example.org>"
    assert " with UTF8SMTP id " in " ".join(message.received.split())


def test_smtplib_1000_recipients_all_get_it(shared):
    text = plain("to many")
    people = [f"many{number}@example.org" for number in range(1000)]
    assert send(shared, text, people) == {}
    for person in people:
        assert shared.wait_message(person, seconds=60).sent == as_stored(text)


@pytest.mark.parametrize("size", [300 * 1024, 5 * MIB, 40 * MIB], ids=["300K", "5M", "40M"])
def test_smtplib_large_message_arrives_as_sent(shared, size):
    text = large(f"large {size}", size)
    person = f"large{size}@example.org"
    send(shared, text, [person])
    assert shared.wait_message(person, seconds=60).sent == as_stored(text)


def test_smtplib_large_message_reaches_several_mailboxes(shared):
    text = large("large for three", 2 * MIB)
    people = [f"three{number}@example.org" for number in range(3)]
    send(shared, text, people)
    for person in people:
        assert shared.wait_message(person).sent == as_stored(text)


def test_many_messages_on_one_connection_all_arrive(shared):
    with smtplib.SMTP("127.0.0.1", shared.mx, timeout=60) as client:
        for number in range(50):
            client.sendmail("bob@example.net", ["fifty@example.org"], plain(f"number {number}"))
    subjects = {parse(message)["Subject"]
                for message in shared.wait_messages("fifty@example.org", 50)}
    assert subjects == {f"number {number}" for number in range(50)}


# --- Other clients -------------------------------------------------------------------------------


def test_swaks_text(shared):
    need("swaks")
    run(["swaks", "--server", f"127.0.0.1:{shared.submission}", "--from", "bob@example.org",
         "--to", "swaks@example.org", "--header", "Subject: from swaks", "--body", "one\ntwo\n"])
    message = shared.wait_message("swaks@example.org")
    assert parse(message)["Subject"] == "from swaks"
    assert parse(message).get_content().startswith("one\ntwo\n")


def test_swaks_pipelines_an_attachment(shared, tmp_path):
    need("swaks")
    path = tmp_path / "data.bin"
    path.write_bytes(noise(200000))
    run(["swaks", "--server", f"127.0.0.1:{shared.mx}", "--pipeline", "--from", "bob@example.net",
         "--to", "swaks1@example.org,swaks2@example.org", "--attach", f"@{path}"])
    for person in ("swaks1@example.org", "swaks2@example.org"):
        parts = list(parse(shared.wait_message(person)).walk())
        assert noise(200000) in [part.get_payload(decode=True) for part in parts]


def test_msmtp_text_and_8bit(shared):
    need("msmtp")
    text = plain("from msmtp", "Grüße\r\n.leading dot")
    run([program("msmtp"), "--host=127.0.0.1", f"--port={shared.submission}", "--tls=off",
         "--auth=off", "--from=bob@example.org", "--set-msgid-header=off",
         "--set-date-header=off", "msmtp@example.org"], as_stored(text))
    assert shared.wait_message("msmtp@example.org").sent == as_stored(text)


def test_curl_attachment_of_40_mib(shared, tmp_path):
    need("curl")
    path = tmp_path / "letter"
    text = large("from curl", 40 * MIB)
    path.write_bytes(text)
    run(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{shared.submission}",
         "--mail-from", "bob@example.org", "--mail-rcpt", "curl@example.org",
         "--upload-file", path])
    assert shared.wait_message("curl@example.org", seconds=60).sent == as_stored(text)


def test_curl_mime_form(shared, tmp_path):
    need("curl")
    (tmp_path / "a.bin").write_bytes(noise(50000))
    run(["curl", "--silent", "--show-error", f"smtp://127.0.0.1:{shared.submission}",
         "--mail-from", "bob@example.org", "--mail-rcpt", "form@example.org",
         "-H", "From: bob@example.org", "-H", "Subject: from curl",
         "-F", "=Hello;type=text/plain", "-F", f"file=@{tmp_path}/a.bin;encoder=base64"])
    message = shared.wait_message("form@example.org")
    assert parse(message)["Subject"] == "from curl"
    assert parse(message)["Date"] and parse(message)["Message-ID"], "added on submission"
    parts = [part.get_payload(decode=True) for part in parse(message).walk()]
    assert noise(50000) in parts


def test_s_nail_text_and_attachment(shared, tmp_path):
    need("s-nail")
    (tmp_path / "a.bin").write_bytes(noise(30000))
    run(["s-nail", "-:/", "-S", "v15-compat", "-S", f"mta=smtp://127.0.0.1:{shared.submission}",
         "-S", "smtp-auth=none", "-S", "from=bob@example.org", "-S", "sendwait",
         "-S", "ttycharset=utf-8", "-s", "from s-nail: Grüße", "-a", str(tmp_path / "a.bin"),
         "snail@example.org"], "Schöne Grüße\n".encode())
    message = shared.wait_message("snail@example.org")
    assert parse(message)["Subject"] == "from s-nail: Grüße"
    parts = [part.get_payload(decode=True) for part in parse(message).walk()]
    assert noise(30000) in parts


# --- What submission does to a message -----------------------------------------------------------


def test_submission_adds_what_is_missing_and_removes_bcc(shared):
    text = b"From: bob@example.org\r\nBcc: secret@example.org,\r\n more@example.org\r\n\r\nHi\r\n"
    send(shared, text, ["added@example.org"])
    message = parse(shared.wait_message("added@example.org"))
    assert message["Date"] and message["Message-ID"].endswith("mx.example.org>")
    assert message["Bcc"] is None
    assert message.get_content() == "Hi\n"


def test_mx_adds_nothing_but_trace(shared):
    text = b"From: bob@example.org\r\nBcc: kept@example.org\r\n\r\nHi\r\n"
    send(shared, text, ["kept@example.org"], port=shared.mx)
    assert shared.wait_message("kept@example.org").sent == as_stored(text)


def test_message_without_a_body_or_header(shared):
    for number, text in enumerate([b"", b"\r\n", b"no header here\r\n", b"Subject: x\r\n"]):
        person = f"odd{number}@example.org"
        send(shared, text, [person], port=shared.mx)
        message = shared.wait_message(person)
        # A server that puts its trace in front of text that is no header must part them.
        assert message.sent.strip() == as_stored(text).strip()


def test_binarymime_by_chunks_arrives_as_sent(shared):
    from dialogue import Dialogue

    text = b"Subject: binary\r\n\r\n" + noise(20000) + b"\n\r\0end"
    with Dialogue(shared.mx) as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.say("MAIL FROM:<> BODY=BINARYMIME").startswith("250")
        assert dialogue.say("RCPT TO:<binary@example.org>").startswith("250")
        for part, last in ((text[:7000], ""), (text[7000:], " LAST")):
            dialogue.send(f"BDAT {len(part)}{last}\r\n".encode() + part)
            assert dialogue.reply().startswith("250")
    message = shared.wait_message("binary@example.org")
    assert message.sent.endswith(text)
