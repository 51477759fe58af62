"""`postrider probe`: names from a zone on file, scripted servers on loopback, Postfix and Postrider
itself; what is told of each way, the exit status, and that nothing is ever sent."""

import json
import socket
import ssl
import subprocess
import threading

import pytest

from accounts import user
from authority import Authority
from peers import Postfix, Script, free_port, need
from server import Postrider, binary

HEAD = "hostname: mx.lab.test\nlisten: [{address: '127.0.0.1:25', role: mx}]\n"
NAMES = ("mx1.probe.test", "mx2.probe.test")


def probe(*words, status=0, text=None):
    """Standard output."""
    done = subprocess.run([binary(), "probe", *map(str, words)], input=text, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == status, (done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode()


def steps(found, what):
    return [step for step in found["steps"] if step["what"] == what]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def identities(authority):
    return {"good": authority.issue(*NAMES), "expired": authority.issue(*NAMES, days=-1),
            "self-signed": authority.issue(*NAMES, is_self_signed=True),
            "wrong-name": authority.issue("mx.other.test")}


class Names:
    """A zone in which probe.test has hosts at 127.0.0.1 and 127.0.0.2, all on one port."""

    def __init__(self, folder):
        self.port = free_port()
        self.path = folder / "zone.json"
        self.peers = []
        self.write({
            "probe.test": {"MX": [[10, NAMES[0]], [20, NAMES[1]]]},
            NAMES[0]: {"A": ["127.0.0.1"]}, NAMES[1]: {"A": ["127.0.0.2"]},
            "lame.test": {"MX": [[5, "gone.lame.test"], [10, NAMES[0]]]},
            "bare.test": {"A": ["127.0.0.1"]},
            "null.test": {"MX": [[0, ""]]}, "gmial.com": {"MX": [[0, ""]]},
            "outlok.com": {"MX": [[10, NAMES[0]]]},
            "hostless.test": {"MX": [[10, "gone.hostless.test"]]},
            "empty.test": {"TXT": [["nothing"]]},
            "slow.test": {"*": "TIMEOUT"}, "sick.test": {"*": "SERVFAIL"},
            "xn--bcher-kva.test": {"MX": [[10, NAMES[0]]]},
            "@secure": ["probe.test"]})

    def write(self, zone):
        self.path.write_text(json.dumps(zone))

    def host(self, number, **replies):
        self.peers.append(Script(port=self.port, address=f"127.0.0.{number}", **replies))
        return self.peers[-1]

    def probe(self, target, *words, status=0, text=None):
        return probe(target, f"--port={self.port}", f"--zone={self.path}", "--timeout=5s", *words,
                     status=status, text=text)

    def found(self, target, *words, status=0, text=None):
        return json.loads(self.probe(target, "--json", *words, status=status, text=text))

    def stop(self):
        for peer in self.peers:
            peer.stop()


@pytest.fixture
def names(tmp_path):
    made = Names(tmp_path)
    yield made
    made.stop()


# --- To a recipient -------------------------------------------------------------------------------


def test_each_step(names, authority, identities):
    said = []

    def note(reply):
        return lambda line: said.append(line) or reply

    first = names.host(1, context=identities["good"].context(), mail=note("250 2.1.0 ok"),
                       rcpt=note("250 2.1.5 ok"), data=note("354 go on"))
    second = names.host(2)
    shown = names.probe("ann@probe.test", f"--ca={authority.file}")
    for line in ["MX of probe.test: 10 mx1.probe.test, 20 mx2.probe.test; signed (DNSSEC)",
                 "A of mx1.probe.test: 127.0.0.1; not signed",
                 f"mx1.probe.test [127.0.0.1]:{names.port}, ",
                 "220 script.example ESMTP", "PIPELINING, 8BITMIME, SMTPUTF8, STARTTLS",
                 "TLSv1.3, TLS_AES_256_GCM_SHA384, 256 bits", "verified for mx1.probe.test",
                 f"mx2.probe.test [127.0.0.2]:{names.port}, ", "offers no STARTTLS",
                 "good: mx1.probe.test would take mail for ann@probe.test, in verified TLS; nothing "
                 "was sent"]:
        assert line in shown
    assert shown.index("mx1.probe.test [") < shown.index("mx2.probe.test [")
    assert said == ["MAIL FROM:<>", "RCPT TO:<ann@probe.test>"]
    assert (first.sessions, second.sessions) == (1, 1)
    assert first.messages == second.messages == []


def test_json(names):
    names.host(1)
    found = names.found("ann@probe.test", "--from=bob@elsewhere.test", "--helo=probe.example")
    assert list(found) == ["target", "steps", "verdict", "summary", "next"]
    assert (found["target"], found["verdict"]) == ("ann@probe.test", "good")
    assert all(set(step) == {"at_ms", "what", "mark", "text", "explained"}
               for step in found["steps"])
    times = [step["at_ms"] for step in found["steps"]]
    assert times == sorted(times)
    # The second host is down, and is told after the first.
    assert [step["mark"] for step in steps(found, "connect")] == ["good", "bad"]


@pytest.mark.parametrize("replies, status, verdict, summary, hint", [
    ({"rcpt": "550 5.1.1 no such user"}, 1, "bad", "refuses the recipient: 550 5.1.1", "ask the"),
    ({"rcpt": "550 5.7.26 SPF fails"}, 1, "bad", "5.7.26", "postrider dns check"),
    ({"rcpt": "450 4.7.1 greylisted"}, 75, "later", "puts off the recipient", "ten minutes"),
    ({"rcpt": "451 try again"}, 75, "later", "puts off the recipient: 451", "ten minutes"),
    ({"mail": "550 5.7.1 no bounces here"}, 1, "bad", "refuses the null sender <>", "--from"),
    ({"mail": "530 5.7.0 log in first"}, 1, "bad", "refuses the null sender", "--user"),
    ({"ehlo": "550 5.5.2 who?", "helo": "550 5.5.2 who?"}, 75, "later", "refuses EHLO", "--helo"),
    ({"banner": "554 5.7.1 you are on a list"}, 75, "later", "turns this host away: 554", "words"),
    ({"banner": "421 4.3.2 busy"}, 75, "later", "turns this host away: 421", "words"),
    ({"banner": "* OK IMAP"}, 75, "later", "ended at banner", ""),
    ({"rcpt": "250"}, 0, "good", "would take mail", ""),
])
def test_answers(names, replies, status, verdict, summary, hint):
    names.host(1, **replies)
    found = names.found("ann@probe.test", status=status)
    assert found["verdict"] == verdict
    assert summary in found["summary"]
    assert hint in found["next"]


def test_the_next_host_answers(names):
    """One that turns us away is passed over, as mail would do."""
    names.host(1, banner="421 4.3.2 busy")
    names.host(2, rcpt="550 5.1.1 nobody")
    found = names.found("ann@probe.test", status=1)
    assert "mx2.probe.test refuses the recipient" in found["summary"]


@pytest.mark.parametrize("target, status, summary, hint", [
    ("ann@null.test", 1, "null MX", "look at the address"),
    ("ann@gmial.com", 1, "null MX", "Did you mean ann@gmail.com?"),
    ("ann@probe.con", 1, "does not exist", "Did you mean ann@probe.com?"),
    ("ann@nowhere.test", 1, "the domain nowhere.test does not exist", "look at the address"),
    ("ann@hostless.test", 1, "its MX gone.hostless.test has no address", "look at the address"),
    ("ann@empty.test", 1, "neither MX records nor an address", "look at the address"),
    ("ann@slow.test", 75, "the DNS does not tell the MX records", "name servers"),
    ("ann@sick.test", 75, "the DNS does not tell the MX records", "name servers"),
    ("ann@[300.1.1.1]", 2, None, None),
])
def test_no_way(names, target, status, summary, hint):
    if summary is None:
        names.probe(target, status=status)
        return
    found = names.found(target, status=status)
    assert summary in found["summary"]
    assert hint in found["next"]
    assert steps(found, "connect") == []


def test_notes_on_names(names):
    names.host(1)
    assert "gone.lame.test is an MX of lame.test, and has no address" in names.probe("a@lame.test")
    assert "did you mean outlook.com? outlok.com exists, too" in names.probe("a@outlok.com")
    shown = names.probe("a@bare.test")
    assert "MX of bare.test: none" in shown and "the domain's own address" in shown
    shown = names.probe("ann@[127.0.0.1]")
    assert f"connect ok   [127.0.0.1]:{names.port}" in shown


def test_beyond_ascii(names):
    said = []
    names.host(1, rcpt=lambda line: said.append(line) or "250 2.1.5 ok")
    names.probe("ann@bücher.test")
    names.probe("jürgen@bücher.test")
    assert said == ["RCPT TO:<ann@xn--bcher-kva.test>", "RCPT TO:<jürgen@bücher.test>"]
    names.stop()
    names.peers = []
    names.port = free_port()
    names.host(1, ehlo="250 plain.example")
    found = names.found("jürgen@bücher.test", status=1)
    assert "beyond ASCII (no SMTPUTF8)" in found["summary"]


@pytest.mark.parametrize("kind, mark, words", [
    ("good", "good", "verified for mx1.probe.test"),
    ("expired", "note", "has expired"),
    ("self-signed", "note", "self-signed"),
    ("wrong-name", "note", "for other names: mx.other.test"),
])
def test_certificates(names, authority, identities, tmp_path, kind, mark, words):
    names.host(1, context=identities[kind].context())
    found = names.found("ann@probe.test", f"--ca={authority.file}")
    assert [(step["mark"], words in step["text"]) for step in steps(found, "TLS")[:2]] == [
        ("good", False), (mark, True)]
    # What the configuration asks for is what a delivery would do.
    config = tmp_path / "postrider.yaml"
    config.write_text(HEAD +
                      "outbound: {tls: {level: forced, ca: '%s', names: [%s]}}\n"
                      % (authority.file, NAMES[0]))
    found = names.found("ann@probe.test", f"--config={config}", status=0 if kind == "good" else 75)
    if kind != "good":
        assert "TLS with a verified certificate is required (outbound.tls)" in found["summary"]


def test_stripped_and_broken_tls(names, tmp_path):
    class Nonsense:
        @staticmethod
        def wrap_socket(client, server_side):
            client.recv(4096)
            client.sendall(b"\x15\x03\x01\x00\x02\x02\x28")
            client.close()
            raise OSError

    names.host(1, context=Nonsense())
    found = names.found("ann@probe.test")
    assert "its handshake fails" in str(steps(found, "TLS"))
    assert "in clear text" in found["summary"]
    config = tmp_path / "postrider.yaml"
    config.write_text(HEAD + "outbound: {tls: forced}\n")
    found = names.found("ann@probe.test", f"--config={config}", status=75)
    assert "TLS with mx1.probe.test fails" in found["summary"]


def test_routes(names, tmp_path, authority, identities):
    names.host(1, context=identities["good"].context(), is_implicit=True)
    config = tmp_path / "postrider.yaml"
    config.write_text(f"""{HEAD}
domains: [{{name: lab.test}}]
routes:
  - {{to: smart.test, via: "smtps://{NAMES[0]}:{names.port}",
      tls: {{level: forced, ca: "{authority.file}"}}}}
  - {{to: lost.test, via: "lmtp:unix:{tmp_path}/none"}}
""")
    words = [f"--config={config}", f"--zone={names.path}", "--json"]
    found = json.loads(probe("ann@smart.test", *words))
    assert f"goes by smtps://{NAMES[0]}:{names.port}" in steps(found, "route")[0]["text"]
    assert "in verified TLS" in found["summary"]
    found = json.loads(probe("ann@lost.test", *words, status=75))
    assert "cannot be reached" in found["summary"]
    found = json.loads(probe("ann@lab.test", *words, status=1))
    assert "a domain of this server's own" in steps(found, "route")[0]["text"]


def test_postfix(names, folder):
    need("postfix")
    postfix = Postfix(folder / "postfix", virtual_mailbox_maps="inline:{ann@partner.example=box/}")
    postfix.start()
    try:
        names.port = postfix.port
        names.write({"partner.example": {"MX": [[10, "mx.partner.example"]]},
                     "mx.partner.example": {"A": ["127.0.0.1"]}})
        assert "would take mail for ann@partner.example" in names.probe("ann@partner.example")
        found = names.found("nobody@partner.example", status=1)
        assert "550 5.1.1" in found["summary"]
        assert postfix.messages() == []
    finally:
        postfix.stop()


# --- At a host ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rider(tmp_path_factory, authority):
    server = Postrider(tmp_path_factory.mktemp("rider"))
    issued = authority.issue("localhost")
    server.implicit = free_port()
    server.config["tls"] = issued.config()
    server.config["listen"].append({"address": f"127.0.0.1:{server.implicit}", "role": "submission",
                                    "tls": "implicit"})
    server.write_config()
    try:
        server.start()
        user(server, "add", "ann@example.org", password="wine and dine")
        yield server
        server.stop()
    finally:
        server.give_up()


@pytest.mark.parametrize("password, status, words", [
    ("wine and dine", 0, "lets you in"), ("water", 1, "does not let you in")])
@pytest.mark.parametrize("port", ["submission", "implicit"])
def test_login(rider, authority, port, password, status, words):
    shown = probe(f"localhost:{getattr(rider, port)}", f"--ca={authority.file}",
                  "--user=ann@example.org", "--password-stdin", "--ip=4",
                  text=f"{password}\n".encode(), status=status)
    assert words in shown
    assert "verified for localhost" in shown
    assert ("235 2.7.0" if status == 0 else "535 5.7.8") in shown
    assert password not in shown


def test_no_login_in_clear_text():
    said = []
    peer = Script(ehlo="250-script.example\r\n250 AUTH PLAIN LOGIN",
                  auth=lambda line: said.append(line) or "235 2.7.0 in")
    try:
        shown = probe(f"127.0.0.1:{peer.port}", "--user=ann@example.org", "--password-stdin",
                      text=b"secret\n", status=1)
    finally:
        peer.stop()
    assert said == []
    assert "offered in clear text" in shown
    assert "the password was not sent: there is no TLS" in shown


class Mute:
    """Answers connections by one text, at once or when the client has spoken; or by nothing."""

    def __init__(self, text, is_first=True):
        self.text, self.is_first = text, is_first
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.clients = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.talk, args=[client], daemon=True).start()

    def talk(self, client):
        try:
            if self.text is None:
                return
            if self.is_first or client.recv(4096):
                client.sendall(self.text)
            if not self.is_first:
                client.close()
        except OSError:
            pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for one in (self.listener, *self.clients):
            one.close()


@pytest.mark.parametrize("text, is_first, words", [
    (b"* OK IMAP4rev1 ready\r\n", True, "IMAP, not SMTP: * OK IMAP4rev1 ready"),
    (b"+OK POP3 ready\r\n", True, "POP3, not SMTP"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", True, "SSH, not SMTP"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "HTTP, not SMTP: HTTP/1.1 400"),
    (b"hello\r\n", True, "something, not SMTP: hello"),
    (None, True, "it says nothing"),
])
def test_other_protocols(text, is_first, words):
    peer = Mute(text, is_first)
    try:
        shown = probe(f"127.0.0.1:{peer.port}", "--timeout=1s", status=1)
    finally:
        peer.stop()
    assert words in shown


def test_a_host_without_address(names):
    found = json.loads(probe("probe.test", f"--zone={names.path}", "--json", status=1))
    assert "probe.test has no address" in found["summary"]
    assert "postrider probe postmaster@probe.test" in found["next"]
    found = json.loads(probe("slow.test", f"--zone={names.path}", "--json", status=75))
    assert "the DNS does not tell" in found["summary"]


@pytest.mark.parametrize("words", [[], ["a", "b"], ["h:0"], ["--ip=5", "h"], ["--nonsense", "h"]])
def test_usage(words):
    probe(*words, status=2)
