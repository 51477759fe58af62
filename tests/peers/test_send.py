"""`postrider send`: what it composes, as Python's email reads it; what it says to servers, and what it
makes of their answers; through Postrider, Postfix and scripted servers."""

import email
import email.policy
import json
import os
import pathlib
import pty
import re
import subprocess
import threading

import pytest

from accounts import user
from authority import Authority
from peers import Postfix, Script, free_port, need
from server import Postrider, binary, wait_for

NAMES = ["plan.pdf", "Übersicht 2026.txt", "日本語の長い名前のファイルです、本当に長いのです.png",
         'quote"and;semi.bin', "no-ending"]
CONTENT = [b"%PDF-1.4\n" + bytes(range(256)) * 40, "Größe\nLF only\n".encode(), b"\x89PNG\r\n\x1a\n",
           b"", b"From here\n.\n..\r\nend without a line end"]
FROM_TO = ["--from=ann@example.org", "--to=bob@partner.example"]


def send(*words, status=0, text=b"", folder=None):
    """Standard output and standard error."""
    done = subprocess.run([binary(), "send", *map(str, words)], input=text, capture_output=True,
                          timeout=60, check=False, cwd=folder)
    assert done.returncode == status, (done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode(), done.stderr.decode()


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.default)


def compose(*words, text=b"", folder=None):
    return parse(send("--dry-run", *words, text=text, folder=folder)[0].encode())


@pytest.fixture
def files(tmp_path):
    for name, content in zip(NAMES, CONTENT):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "letter.txt").write_text("Grüße aus Köln.\r\nZweite Zeile\n")
    (tmp_path / "letter.html").write_text('<p>Grüße <img src="cid:dot.png"></p>\n')
    (tmp_path / "dot.png").write_bytes(CONTENT[2])
    return tmp_path


# --- What it composes -----------------------------------------------------------------------------


def test_a_plain_text():
    message = compose(*FROM_TO, "-s", "Hello", "Good morning.")
    assert message.get_content_type() == "text/plain"
    assert message.get_content() == "Good morning.\n"
    assert (message["from"], message["to"], message["subject"]) == (
        "ann@example.org", "bob@partner.example", "Hello")
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", message["message-id"])
    assert message["date"].datetime
    assert message["mime-version"] == "1.0"


@pytest.mark.parametrize("text", [
    "short\n", "Grüße\n", "a" * 5000 + "\n", "From the start\n.\n..\n", "tab\t \nblank at end \n", "",
    "emoji \U0001f600\n", "two\r\nlines\r\n"])
def test_texts(text):
    message = compose(*FROM_TO, text=text.encode())
    assert message.get_content() == text.replace("\r\n", "\n")
    assert message["content-transfer-encoding"] in ("7bit", "quoted-printable")


def test_addresses():
    message = compose("--from", "Ann Äpfel <ann@example.org>", "--to",
                      'Bob <bob@partner.example>, "Comma, Carl" <carl@bücher.example>',
                      "--to=dora@partner.example", "--cc=Émile <emile@partner.example>",
                      "--bcc=secret@partner.example", "--reply-to=answers@example.org",
                      "--header=X-Size: größer",
                      "--header=Date: Thu, 01 Jan 2026 00:00:00 +0000", "-s", "Grüße " * 20, "Hi")
    assert [(each.display_name, each.addr_spec) for each in message["to"].addresses] == [
        ("Bob", "bob@partner.example"), ("Comma, Carl", "carl@xn--bcher-kva.example"),
        ("", "dora@partner.example")]
    assert message["from"].addresses[0].display_name == "Ann Äpfel"
    assert message["cc"].addresses[0].display_name == "Émile"
    assert message["reply-to"] == "answers@example.org"
    assert message["subject"] == ("Grüße " * 20).strip()
    assert message["x-size"] == "größer"
    assert message.get_all("date") == ["Thu, 01 Jan 2026 00:00:00 +0000"]
    assert "secret" not in message.as_string() and message["bcc"] is None
    assert all(len(line) <= 998 for line in message.as_string().splitlines())


def test_files_byte_for_byte(files):
    words = [word for name in NAMES for word in ("--attach", files / name)]
    message = compose(*FROM_TO, *words, "--attach", f"{files}/no-ending;type=text/x-it;name=Ça.md",
                      "see below")
    assert message.get_content_type() == "multipart/mixed"
    assert message.get_body().get_content() == "see below\n"
    attached = list(message.iter_attachments())
    assert [part.get_filename() for part in attached] == [*NAMES, "Ça.md"]
    assert [part.get_payload(decode=True) for part in attached] == [*CONTENT, CONTENT[4]]
    assert [part.get_content_type() for part in attached] == [
        "application/pdf", "text/plain", "image/png", "application/octet-stream",
        "application/octet-stream", "text/x-it"]
    assert all(part.get_content_disposition() == "attachment" for part in attached)


def test_html_with_pictures(files):
    message = compose(*FROM_TO, "--text", files / "letter.txt", "--html", files / "letter.html",
                      "--inline", files / "dot.png", "--inline", f"{files}/{NAMES[1]};cid=two",
                      "--attach", files / "plan.pdf")
    assert message.get_content_type() == "multipart/mixed"
    both, pdf = message.iter_parts()
    assert both.get_content_type() == "multipart/alternative"
    text, related = both.iter_parts()
    assert text.get_content() == "Grüße aus Köln.\nZweite Zeile\n"
    html, dot, two = related.iter_parts()
    assert html.get_content_type() == "text/html" and "Grüße" in html.get_content()
    assert (dot["content-id"], two["content-id"]) == ("<dot.png>", "<two>")
    assert dot.get_content_disposition() == "inline"
    assert dot.get_payload(decode=True) == CONTENT[2]
    assert pdf.get_payload(decode=True) == CONTENT[0]
    assert compose(*FROM_TO, "--html", files / "letter.html").get_content_type() == "text/html"


# --- What it says to a server ---------------------------------------------------------------------


class Note:
    """Keeps what a scripted server is told."""

    def __init__(self):
        self.said = []

    def answer(self, reply):
        return lambda line: self.said.append(line) or reply


@pytest.fixture
def peer(script):
    def make(**arguments):
        made = script(**arguments)
        made.words = [f"--server=127.0.0.1:{made.port}", *FROM_TO]
        return made

    return make


def ehlo(*offers):
    return "\r\n".join(f"250-{offer}" for offer in ("script.example", *offers)) + "\r\n250 HELP"


def test_wire_form(peer, files):
    note = Note()
    server = peer(ehlo=ehlo("SIZE 100000000", "8BITMIME"), mail=note.answer("250 2.1.0 ok"),
                  rcpt=note.answer("250 2.1.5 ok"))
    shown, _ = send(*server.words, "--cc=carl@partner.example", "--bcc=dora@partner.example",
                    "--attach", files / "plan.pdf", "--text", files / "letter.txt")
    (_, text), = server.messages
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", text) is None
    assert note.said == [f"MAIL FROM:<ann@example.org> SIZE={len(text)}",
                         *(f"RCPT TO:<{name}@partner.example>" for name in ("bob", "carl", "dora"))]
    assert "sent: 250 2.0.0 taken" in shown
    assert list(parse(text).iter_attachments())[0].get_payload(decode=True) == CONTENT[0]


@pytest.mark.parametrize("replies, status, words", [
    ({"rcpt": "550 5.1.1 nobody"}, 1, ["bob@partner.example  refused  550 5.1.1 nobody",
                                       "none of the recipients"]),
    ({"rcpt": "450 4.2.1 later"}, 75, ["later    450 4.2.1 later"]),
    ({"mail": "550 5.7.1 not you"}, 1, ["refuses the sender: 550 5.7.1 not you"]),
    ({"mail": "530 5.7.0 log in"}, 1, ["next: log in: --user NAME"]),
    ({"mail": "451 4.3.0 busy"}, 75, ["puts off the sender"]),
    ({"data": "554 5.7.1 no"}, 1, ["refuses the message: 554 5.7.1 no"]),
    ({"end": "554 5.6.0 spam"}, 1, ["refuses the message: 554 5.6.0 spam"]),
    ({"end": "452 4.3.1 full"}, 75, ["puts off the message: 452 4.3.1 full"]),
    ({"banner": "554 go away"}, 1, ["refuses the connection: 554 go away"]),
    ({"banner": "* OK IMAP"}, 75, ["no greeting", "postrider probe"]),
    ({"ehlo": ehlo("SIZE 100")}, 1, ["bytes, and the server takes 100 at most"]),
])
def test_answers(peer, replies, status, words):
    server = peer(**replies)
    shown, _ = send(*server.words, "hello", status=status)
    for word in [*words, "not sent"]:
        assert word in shown
    assert server.messages == []


def test_some_recipients(peer):
    server = peer(rcpt=lambda line: "550 5.1.1 nobody" if "carl" in line else "250 2.1.5 ok")
    shown, _ = send(*server.words, "--to=carl@partner.example", "hello", status=1)
    assert "bob@partner.example   ok       250 2.1.5 ok" in shown
    assert "carl@partner.example  refused  550 5.1.1 nobody" in shown
    assert "sent: " in shown
    assert len(server.messages) == 1


def test_json(peer):
    server = peer(end="250 2.0.0 kept safe as 0abc1")
    found = json.loads(send(*server.words, "--json", "hello")[0])
    assert found["sent"] is True and found["id"] == "0abc1" and found["code"] == 250
    assert found["recipients"] == [
        {"address": "bob@partner.example", "code": 250, "reply": "250 2.0.0 ok"}]
    assert found["size"] == len(server.messages[0][1])


def test_a_message_as_it_is(peer, tmp_path):
    note = Note()
    server = peer(mail=note.answer("250 2.1.0 ok"))
    raw = "From: a@x.example\nSubject: 8-bit\n\nGrüße\n.\n..dots\n".encode()
    (tmp_path / "letter.eml").write_bytes(raw)
    send(*server.words, "--message", tmp_path / "letter.eml")
    send(*server.words, "--message", "-", "--envelope-from=<>", text=raw)
    assert [text for _, text in server.messages] == [raw.replace(b"\n", b"\r\n")] * 2
    assert note.said == ["MAIL FROM:<ann@example.org> BODY=8BITMIME",
                         "MAIL FROM:<> BODY=8BITMIME"]
    shown, _ = send("--dry-run", *FROM_TO, "--message", tmp_path / "letter.eml")
    assert shown.encode() == raw


@pytest.mark.parametrize("raw, words", [
    (b"A: b\r\n\r\nx\ry\r\n", "a CR alone"), (b"A: b\n\nx\0y\n", "line 3 of the message has a NUL"),
    (b"A: b\n\n" + b"x" * 999 + b"\n", "longer than 998 bytes"), (b"", "the message is empty")])
def test_no_message(peer, raw, words):
    server = peer()
    _, said = send(*server.words, "--message=-", text=raw, status=1)
    assert words in said
    assert server.sessions == 0


def test_extensions_are_needed(peer, tmp_path):
    server = peer(ehlo=ehlo("SIZE"))
    shown, _ = send(*server.words, "--message=-", text="A: b\n\nö\n".encode(), status=1)
    assert "8BITMIME" in shown
    shown, _ = send(*server.words, "--to=jürgen@partner.example", "hi", status=1)
    assert "SMTPUTF8" in shown
    note = Note()
    server = peer(mail=note.answer("250 ok"), rcpt=note.answer("250 ok"))
    send(*server.words, "--to=jürgen@bücher.example", "hi")
    assert note.said == ["MAIL FROM:<ann@example.org> BODY=8BITMIME SMTPUTF8",
                         "RCPT TO:<bob@partner.example>", "RCPT TO:<jürgen@bücher.example>"]
    assert "jürgen@" in server.messages[0][1].decode()


# --- TLS and logins -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def contexts(authority):
    return {"good": authority.issue("localhost").context(),
            "wrong": authority.issue("mx.other.test").context()}


@pytest.mark.parametrize("kind, words, status, want", [
    ("good", [], 0, "not verified"),
    ("good", ["--ca"], 0, "TLSv1.3, verified"),
    ("wrong", [], 0, "not verified"),
    ("wrong", ["--ca"], 1, "for other names: mx.other.test, so nothing was sent"),
    ("none", [], 0, "sent: 250"),
    ("none", ["--tls=starttls"], 1, "offers no STARTTLS, so nothing was sent"),
    ("none", ["--ca"], 1, "offers no STARTTLS, so nothing was sent"),
    ("good", ["--tls=none"], 0, "sent: 250"),
    ("implicit", ["--tls=implicit", "--ca"], 0, "TLSv1.3, verified"),
    ("none", ["--tls=implicit"], 75, "TLS fails"),
])
def test_tls(script, authority, contexts, kind, words, status, want):
    server = script(context=contexts.get("good" if kind == "implicit" else kind),
                    is_implicit=kind == "implicit")
    words = [f"--ca={authority.file}" if word == "--ca" else word for word in words]
    shown, _ = send(f"--server=localhost:{server.port}", *FROM_TO, *words, "hello", status=status)
    assert want in shown
    assert len(server.messages) == (status == 0)


@pytest.fixture(scope="module")
def rider(tmp_path_factory, authority):
    server = Postrider(tmp_path_factory.mktemp("rider"),
                       limits={"drain": "10s"})
    server.config["tls"] = authority.issue("mx.example.org", "localhost").config()
    server.implicit = free_port()
    server.config["listen"].append({"address": f"127.0.0.1:{server.implicit}",
                                    "role": "submission", "tls": "implicit"})
    server.write_config()
    try:
        server.start()
        user(server, "add", "ann@example.org", password="wine and dine")
        yield server
        server.stop()
    finally:
        server.give_up()


OWN = ["--from=ann@example.org", "--to=ann@example.org", "--user=ann@example.org"]


def test_through_ones_own_server(rider, authority, files):
    """The configuration says where to; the message's story is a command away."""
    (files / "password").write_text("wine and dine\n")
    words = [word for name in NAMES for word in ("--attach", files / name)]
    shown, said = send("--config", rider.config_path, f"--ca={authority.file}", *OWN,
                       "--password-file", files / "password", "-v", "-s", "Pläne", *words,
                       text="Grüße\n".encode())
    assert f"[127.0.0.1]:{rider.submission}, TLSv1.3, verified" in shown
    assert "> MAIL FROM:<ann@example.org>" in said and "< 250 2.1.5" in said
    assert "wine and dine" not in said and "(not shown)" in said
    message = wait_for(lambda: [each for each in rider.messages("ann@example.org")
                                if b"Message-Id" in each.sent], 20)[0]
    parsed = parse(message.sent)
    assert parsed["subject"] == "Pläne"
    attached = list(parsed.iter_attachments())
    assert [part.get_filename() for part in attached] == NAMES
    assert [part.get_payload(decode=True) for part in attached] == CONTENT
    trace = re.search(r"^next: postrider trace (\S+) ", shown, flags=re.M)
    assert "delivered" in rider.command("trace", trace[1])


def test_by_the_socket_for_programs(rider):
    """Nobody logs in there."""
    for words in (["--config", rider.config_path],
                  [f"--server=unix:{rider.folder}/spool/run/submission.sock"]):
        shown, _ = send(*words, *OWN[:2], "By the socket.")
        assert shown.startswith(f"{rider.folder}/spool/run/")
        assert "sent: 250 2.0.0 kept safe as " in shown


@pytest.mark.parametrize("port, password, status, want", [
    ("submission", b"wine and dine", 0, "sent: 250 2.0.0"),
    ("implicit", b"wine and dine", 0, "sent: 250 2.0.0"),
    ("submission", b"water", 1, "refuses the login: 535 5.7.8"),
])
def test_login(rider, authority, port, password, status, want):
    scheme = "smtps://" if port == "implicit" else ""
    shown, _ = send(f"--server={scheme}localhost:{getattr(rider, port)}", f"--ca={authority.file}",
                    *OWN, "--password-stdin", "Good evening.", text=password, status=status)
    assert want in shown


def test_the_password_stays_here(script, authority, contexts):
    """Elsewhere than on this host, a password goes to a verified server only; here, in TLS only."""
    note = Note()
    server = script(context=contexts["wrong"], auth=note.answer("235 2.7.0 in"))
    shown, _ = send(f"--server=localhost:{server.port}", f"--ca={authority.file}", *FROM_TO,
                    "--user=ann", "--password-stdin", "hello", text=b"secret", status=1)
    assert "nothing was sent" in shown
    server = script(ehlo=ehlo("AUTH PLAIN"), auth=note.answer("235 2.7.0 in"))
    shown, _ = send(f"--server=localhost:{server.port}", *FROM_TO, "--user=ann",
                    "--password-stdin", "hello", text=b"secret", status=1)
    assert "offers no STARTTLS" in shown
    assert note.said == []


def test_postfix(folder, files):
    need("postfix")
    postfix = Postfix(folder / "postfix").start()
    try:
        shown, _ = send(f"--server=127.0.0.1:{postfix.port}", *FROM_TO, "--attach",
                        files / NAMES[2], "hello")
        assert "sent: 250 2.0.0 Ok: queued as" in shown and "next:" not in shown
        parsed = parse(postfix.wait_message())
    finally:
        postfix.stop()
    part, = parsed.iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == (NAMES[2], CONTENT[2])


# --- Large ones, and mistakes ---------------------------------------------------------------------


def test_a_large_file_needs_no_memory(peer, tmp_path):
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(40 << 20))
    peaks = []

    def look(line):
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024)
        return "250 2.0.0 taken"

    server = peer(end=look)
    process = subprocess.Popen([binary(), "send", *server.words, "--attach", big, "big"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 0 and b"sent: 250" in shown, (shown, said)
    assert said == b""  # no terminal, so no bar
    (_, text), = server.messages
    assert peaks[0] < len(text)
    part, = parse(text).iter_attachments()
    assert part.get_payload(decode=True) == big.read_bytes()


def test_a_bar_on_a_terminal(peer, tmp_path):
    (tmp_path / "some.bin").write_bytes(os.urandom(4 << 20))
    server = peer()
    mine, theirs = pty.openpty()
    seen = []

    def read():
        try:
            while data := os.read(mine, 4096):
                seen.append(data)
        except OSError:
            pass  # the other end is closed

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run([binary(), "send", *server.words, "--attach", tmp_path / "some.bin", "x"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
                          timeout=60, check=False)
    os.close(theirs)
    reader.join(20)
    os.close(mine)
    assert done.returncode == 0
    assert b"100% [####################] 5.5M of 5.5M" in b"".join(seen)
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("words, status, want", [
    (["--attach=/none"], 1, "/none: No such file or directory"),
    (["--attach=/tmp"], 1, "/tmp is no regular file"),
    (["--text=/none"], 1, "/none: open: No such file or directory"),
    (["--config=/none"], 78, "/none"),
    (["--to=nobody"], 2, "--to nobody: that is no address"),
    (["--nonsense"], 2, "there is no option --nonsense"),
])
def test_mistakes(words, status, want):
    server = [] if status == 78 else ["--server=127.0.0.1:1"]
    _, said = send(*server, *FROM_TO, *words, status=status, text=b"hello")
    assert want in said


def test_nobody_listens():
    shown, _ = send(f"--server=127.0.0.1:{free_port()}", *FROM_TO, "hello", status=75)
    assert "Connection refused" in shown and "is the server running" in shown
