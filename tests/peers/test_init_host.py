"""postrider init for a real host, within a folder: asked in a terminal and told by options, what it finds
out, and that it overwrites nothing. tests/internet/test_init_net.py has the whole of it, with real places."""

import json
import os
import pty
import re
import signal
import socket
import termios

import pytest

from nameserver import Nobody
from peers import Script
from server import binary, free_port
from test_init import free_offset, init, run, state_of

DOMAIN = "shop.test"  # no trust anchor of the machine's covers it


def options(folder, *words):
    return ["--folder", folder, "--port-offset", free_offset(), "--address", "198.51.100.7",
            *words]


def findings(made):
    return {finding["code"]: finding for finding in made["findings"]}


def set_up(folder, *words, **arguments):
    return json.loads(init(*options(folder, "--domain", DOMAIN, "--json", *words), **arguments))


# --- By options ----------------------------------------------------------------------------------


def test_a_server_is_set_up_by_options(folder):
    made = set_up(folder / "a", "--offline", "--password-stdin", data=b"open sesame\n")
    assert made["hostname"] == f"mx.{DOMAIN}" and made["user"] == f"postmaster@{DOMAIN}"
    assert "password" not in made
    config = folder / "a/postrider.yaml"
    (account,) = json.loads(run([binary(), "user", "list", "--json", "--config", config]))
    assert account["address"] == f"postmaster@{DOMAIN}"
    keys = json.loads(run([binary(), "dkim", "list", "--json", "--config", config]))
    assert [key["state"] for key in keys] == ["active", "active"]
    private = ["tls/server.key", "spool", "spool/keys", "mail", "spool/accounts/accounts.db"]
    assert [(folder / "a" / name).stat().st_mode & 0o077 for name in private] == [0] * len(private)
    assert config.stat().st_mode & 0o777 == 0o640
    records = {(row["name"], row["type"]): row["value"] for row in made["records"]}
    offset = made["ports"]["mx"] - 25
    assert records[(DOMAIN, "MX")] == f"10 mx.{DOMAIN}."
    assert records[(f"mx.{DOMAIN}", "A")] == "198.51.100.7"
    assert records[("7.100.51.198.in-addr.arpa", "PTR")] == f"mx.{DOMAIN}."
    assert records[(f"_submissions._tcp.{DOMAIN}", "SRV")] == f"0 1 {offset + 465} mx.{DOMAIN}."
    assert made["clients"]["submission"] == {"port": offset + 587, "security": "starttls"}
    assert {"offline", "certificate-stand-in"} <= set(findings(made))


def test_nothing_is_overwritten(folder):
    set_up(folder / "a", "--offline")
    before = state_of(folder / "a")
    said = init(*options(folder / "a", "--domain", DOMAIN, "--offline"), status=1)
    assert "already, and init overwrites nothing" in said
    assert state_of(folder / "a") == before
    for name in ("spool/keys/dkim", "spool/accounts/accounts.db", "tls/server.key"):
        place = folder / name.replace("/", "-") / name
        place.parent.mkdir(parents=True)
        place.touch()
        said = init(*options(folder / name.replace("/", "-"), "--domain", DOMAIN, "--offline"),
                    status=1)
        assert name in said and not (folder / name.replace("/", "-") / "postrider.yaml").exists()


def test_what_it_would_not_take_leaves_nothing(folder):
    for words, status, text in (
            ([], 2, "there is nobody to ask: write --domain"),
            (["--domain", DOMAIN, "--relayhost", "smtp://198.51.100.1", "--relayhost-user", "me",
              "--relayhost-password-file", "/dev/null"], 1, "nothing was made"),
            (["--domain", DOMAIN, "--certificate", "/dev/null", "--key", "/etc/hostname"], 1,
             "nothing was made"),
            (["--domain", DOMAIN, "--run-as", "nobody-here"], 1, "useradd --system")):
        assert text in init(*options(folder / "a", "--offline", *words), status=status)
        assert not (folder / "a").exists()


def test_a_dry_run_makes_nothing(folder):
    said = init(*options(folder / "a", "--domain", DOMAIN, "--offline", "--dry-run"))
    assert re.search(r"^hostname: mx\.shop\.test$", said, re.M) and "certificate" in said
    assert list(folder.iterdir()) == []


# --- What it finds out ---------------------------------------------------------------------------


@pytest.fixture
def nobody():
    """A DNS server that knows nothing."""
    server = Nobody()
    yield f"127.0.0.1:{server.port}"
    server.stop()


def test_port_25_and_the_ports_of_others(folder, nobody):
    greeter = Script()
    offset = free_offset()
    try:
        with socket.create_server(("127.0.0.1", offset + 465)):
            made = json.loads(init(
                "--folder", folder / "a", "--domain", DOMAIN, "--port-offset", offset, "--json",
                "--resolver", nobody, "--probe-port25", f"127.0.0.1:{greeter.port}"))
    finally:
        greeter.stop()
    found = findings(made)
    assert found["port25-open"]["severity"] == "good"
    assert "220" in found["port25-open"]["how"]
    assert f"port {offset + 465} is in use, by python" in found["port-taken"]["what"]
    assert f"(process {os.getpid()})" in found["port-taken"]["what"]
    assert found["resolver-silent"]["severity"] == "problem"
    assert found["dns-unknown"]["severity"] == "unknown"
    assert "resolver: {servers: [" in (folder / "a/postrider.yaml").read_text()


def test_a_smarthost_makes_a_blocked_port_25_no_matter(folder, nobody):
    probe = ["--resolver", nobody, "--probe-port25", f"127.0.0.1:{free_port()}", "--dry-run"]
    assert findings(set_up(folder / "a", *probe))["port25-blocked"]["severity"] == "problem"
    made = set_up(folder / "a", *probe, "--relayhost", "smtps://relay.example")
    assert findings(made)["port25-blocked"]["severity"] == "note"
    assert 'via: "smtps://relay.example"' in made["configuration"]


# --- In a terminal -------------------------------------------------------------------------------


class Terminal:
    """A command on a terminal of its own: answers are typed when their question is there."""

    def __init__(self, *words):
        self.said, self.seen = "", 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["NO_COLOR"] = "1"
            os.execv(binary(), ["postrider", *(str(word) for word in words)])

    def read(self):
        try:
            piece = os.read(self.terminal, 65536)
        except OSError:  # how a terminal says that nobody is at its other end
            piece = b""
        self.said += piece.decode().replace("\r\n", "\n")
        return piece

    def wait(self, question):
        """The question, with the default that it offers."""
        wanted = re.compile(rf"^{question}( \[(.*)\])?: ", re.M)
        while not (found := wanted.search(self.said, self.seen)):
            assert self.read(), self.said[self.seen :]
        self.seen = found.end()
        return found[2]

    def answer(self, question, answer):
        usual = self.wait(question)
        os.write(self.terminal, f"{answer}\n".encode())
        return usual

    def end(self, status=0):
        while self.read():
            pass
        assert os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == status, self.said
        os.close(self.terminal)
        return self.said


def test_a_terminal_is_asked_one_thing_after_the_other(folder, nobody):
    terminal = Terminal("init", "--folder", folder / "a", "--port-offset", free_offset(),
                        "--address", "198.51.100.7", "--resolver", nobody, "--probe-port25",
                        f"127.0.0.1:{free_port()}")
    terminal.answer("Domain", "-bad-")
    terminal.answer("Domain", "Shop.test")
    assert "-bad- is no domain" in terminal.said
    assert terminal.answer("Host name", "") == "mx.shop.test"
    terminal.answer("Address", "ann@elsewhere.test")
    terminal.answer("Address", "ann@shop.test")
    assert "ann@elsewhere.test is not in the domain" in terminal.said
    terminal.answer("Smarthost", "smtp://127.0.0.1:2525")
    assert terminal.answer("Make one", "no") == "yes"
    terminal.answer("New password", "open sesame")
    terminal.answer("The same again", "open sesame")
    assert terminal.answer("Go on", "yes") == "yes"
    said = terminal.end()
    assert "open sesame" not in said and "with the password that you gave" in said
    assert "v=spf1 mx ~all" in said and "What is missing still" in said
    config = folder / "a/postrider.yaml"
    assert 'via: "smtp://127.0.0.1:2525"' in config.read_text()
    (account,) = json.loads(run([binary(), "user", "list", "--json", "--config", config]))
    assert account["address"] == "ann@shop.test" and account["password"]


def test_an_interrupted_password_leaves_a_terminal_that_shows_what_is_typed(folder):
    terminal = Terminal("init", *options(folder / "a", "--offline", "--user", f"ann@{DOMAIN}"))
    terminal.answer("Host name", "")
    terminal.answer("Make one", "no")
    keeper = os.dup(terminal.terminal)  # it tells of the other end, too
    terminal.wait("New password")
    assert not termios.tcgetattr(keeper)[3] & termios.ECHO
    os.write(keeper, b"open\x03")
    terminal.end(-signal.SIGINT)
    assert termios.tcgetattr(keeper)[3] & termios.ECHO
    os.close(keeper)
    assert list(folder.iterdir()) == []


def test_who_goes_away_has_made_nothing(folder):
    terminal = Terminal("init", *options(folder / "a", "--offline"))
    terminal.answer("Domain", DOMAIN)
    terminal.answer("Host name", "\x04")
    os.write(terminal.terminal, b"\x04")
    assert "nothing was made" in terminal.end(1)
    terminal = Terminal("init", *options(folder / "a", "--offline", "--domain", DOMAIN))
    terminal.answer("Host name", "mail.shop.test")
    terminal.answer("Address", "")
    terminal.answer("Make one", "")
    terminal.answer("Go on", "no")
    assert "nothing was made" in terminal.end(1)
    assert list(folder.iterdir()) == []
