"""`postrider check`: each finding has its witness, a server or a configuration that is so. The relay
audit's judgments are held against real servers, open and closed, and against bad ones."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest

from authority import Authority
from nameserver import Knot
from peers import Postfix, Script, need_root
from sandbox import need_root_of
from server import Postrider, binary, free_port, wait_for

AUDITED = 43  # transactions


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def check(server, *words, status=0):
    return json.loads(server.command("check", *words, "--json", status=status))


def codes(result, *severities):
    severities = severities or ("problem", "warning")
    return sorted(finding["code"] for finding in result["findings"]
                  if finding["severity"] in severities)


def find(result, code):
    (finding,) = (one for one in result["findings"] if one["code"] == code)
    return finding


def bad(result):
    """Beside what the place of the test brings with it: its file system, and that it is root."""
    return [code for code in codes(result) if code not in ("root", "spool-volatile")]


@pytest.fixture
def quiet(folder):
    return Postrider(folder / "quiet", relay={"networks": ["127.0.0.1/32"]})


# --- the configuration and its files ------------------------------------------------------------


def test_a_server_that_does_not_run(quiet):
    text = quiet.command("check")
    assert text.startswith(f"{quiet.config_path} is good\n") and "postrider serve" in text
    result = check(quiet)
    assert result["good"] and result["problems"] == [] and bad(result) == ["server-down"]
    assert "relay-untried" not in codes(result, "note", "unknown")
    assert codes(check(quiet, "ports", status=1), "problem") == ["server-down"]
    assert codes(check(quiet, "relay", status=1), "problem") == ["server-down"]
    assert quiet.command("check", "config", "--all").splitlines()[-1] == "1 good"


def test_wrong_words(quiet):
    for words in (["nonsense"], ["--nonsense"], ["--domain", "example.org"],
                  ["ports", "--server", "127.0.0.1:25"], ["--server", "127.0.0.1"]):
        quiet.command("check", *words, status=2)


def test_problems_have_lines_and_remedies(quiet):
    quiet.config["spol"] = "x"
    quiet.write_config()
    result = check(quiet, "host", status=1)
    assert not result["good"] and len(result["problems"]) == 1
    finding = find(result, "configuration")
    assert re.match(rf"{re.escape(str(quiet.config_path))}:\d+: ", finding["what"])
    assert finding["remedy"] and finding["area"] == "config"
    assert result["problems"] == [f"{finding['what']}; {finding['remedy']}"]


def test_files(quiet):
    quiet.config["spool"]["low_water"] = "1024G"
    quiet.write_config()
    keys = quiet.folder / "spool" / "keys"
    keys.mkdir(parents=True)
    keys.chmod(0o777)
    result = check(quiet, "files", status=1)
    assert codes(result, "problem") == ["folder-open", "spool-room"]
    quiet.config_path.chmod(0o646)
    result = check(quiet, "files", status=1)
    assert codes(result, "problem") == ["configuration-open", "folder-open", "spool-room"]
    for code in ("folder-open", "configuration-open"):
        subprocess.run(find(result, code)["remedy"].split(), check=True)
    assert codes(check(quiet, "files", status=1), "problem") == ["spool-room"]


@pytest.mark.parametrize("is_root_host", [False, True], ids=["router", "bridge"])
def test_gateways_among_the_trusted(quiet, is_root_host):
    """In a network namespace with a router, or with a network of containers; the server's own log
    warns as well."""
    need_root("a network of one's own needs root")
    need_root_of("unshare", "--net", "true")
    link = "docker0" if is_root_host else "up0"
    quiet.config["relay"] = {"networks": ["127.0.0.1/32", "10.77.0.0/24"]}
    quiet.write_config()
    setup = [f"ip link add {link} type veth peer name other", "ip link set other up",
             f"ip addr add 10.77.0.2/24 dev {link}",
             "ip link set lo up", f"ip link set {link} up", "ip route add default via 10.77.0.1"]
    command = f"{binary()} check config --json --config {quiet.config_path}"
    done = subprocess.run(["unshare", "-n", "sh", "-c", " && ".join([*setup, command])],
                          capture_output=True, text=True, timeout=60)
    found = [one for one in json.loads(done.stdout)["findings"] if one["code"] == "trusted-gateway"]
    addresses = {re.search(r"takes in ([\d.]+)", one["what"])[1] for one in found}
    assert addresses == ({"10.77.0.1", "10.77.0.2"} if is_root_host else {"10.77.0.1"}), done
    serve = f"exec {binary()} serve --config {quiet.config_path}"
    with open(quiet.log_path, "wb") as log:
        process = subprocess.Popen(["unshare", "-n", "sh", "-c", " && ".join([*setup, serve])],
                                   stderr=log, start_new_session=True)
    try:
        wait_for(lambda: quiet.events("ready"), 30, "event=ready")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    logged = quiet.events("trusted-gateway", key="relay.networks")
    assert {event["gateway"] for event in logged} == addresses
    quiet.check_sanitizers()


# --- certificates and ports ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_renewed_certificate_is_shown_after_a_reload(launch, authority, folder):
    issued = authority.issue("mx.example.org")
    pair = {"certificate": str(folder / "server.pem"), "key": str(folder / "server.key")}

    def install(one):
        pathlib.Path(pair["certificate"]).write_bytes(one.certificate.read_bytes())
        key = pathlib.Path(pair["key"])
        key.touch(0o600)
        key.write_bytes(one.key.read_bytes())

    install(issued)
    server = launch(tls=pair)
    result = check(server, "ports", "certificates")
    answers = [one["what"] for one in result["findings"] if one["code"] == "port"]
    assert bad(result) == [] and ["with TLSv1.3" in what for what in answers] == [True, True, False]
    install(authority.issue("mx.example.org", key="rsa"))
    result = check(server, "ports")
    assert codes(result, "warning") == ["certificate-stale"] * 2
    assert find({"findings": result["findings"][:1]}, "certificate-stale")["remedy"] \
        .startswith("postrider reload")
    server.command("reload")
    assert bad(check(server, "ports")) == []


def test_ports_of_others(quiet):
    with socket.create_server(("127.0.0.1", quiet.mx)):
        taken = find(check(quiet, "ports", status=1), "port-taken")
        assert str(quiet.mx) in taken["what"]
        if os.geteuid() == 0:
            assert f"process {os.getpid()}" in taken["what"]


def test_ports_that_answer_otherwise(launch):
    server = launch()
    server.config["hostname"] = "mx.other.example"
    server.config["listen"].append({"address": f"127.0.0.1:{free_port()}"})
    server.write_config()
    assert codes(check(server, "ports", status=1), "problem") == [
        "port-dead", "port-foreign", "port-foreign", "port-foreign"]


# --- the relay audit ----------------------------------------------------------------------------


def test_a_closed_server_is_found_closed(launch):
    server = launch(relay={"networks": ["127.0.0.1/32"]},
                    domains=[{"name": "example.org", "mailboxes": "any"},
                             {"name": "caught.example", "mailboxes": ["ann"],
                              "catch_all": "ann@caught.example"}])
    if has_ipv6():
        server.config["listen"].append({"address": f"[::1]:{free_port()}"})
        server.write_config()
        server.restart()
    result = check(server)
    assert result["good"] and bad(result) == []
    closed = [one for one in result["findings"] if one["code"] == "relay-closed"]
    assert len(closed) == len(server.config["listen"]) - 1
    assert "from 127.0.0.2" in closed[0]["how"] and closed[0]["how"].count("refused") == AUDITED
    own = [one["what"] for one in result["findings"] if one["code"] == "relay-own"]
    assert own[0].startswith(f"127.0.0.1:{server.submission}") and own[1].startswith("unix:/")
    assert server.events("refused", rule="relay", client="127.0.0.2")
    assert server.queue_list() == []


@pytest.mark.parametrize("networks", [["0.0.0.0/0", "::/0"], ["127.0.0.1/32"]],
                         ids=["the world", "proxies"])
def test_an_open_server_is_found_open(launch, networks):
    """The whole world is trusted; or each client may say who it is."""
    server = launch(relay={"networks": networks})
    has_world = len(networks) == 2
    listen = server.config["listen"]
    listen[1] = {"address": f"[::1]:{free_port()}" if has_ipv6() else f"127.0.0.2:{free_port()}"}
    if not has_world:
        for listener in listen:
            listener["xclient"] = ["0.0.0.0/0", "::/0"]
    server.write_config()
    server.restart()
    result = check(server, "relay", status=1)
    if has_world:
        assert codes(result, "problem") == ["relay-open"] * 2
        assert result["findings"][0]["how"].startswith("from 127.0.0.2\nC: MAIL FROM:")
        assert "relay.networks" in result["findings"][0]["remedy"]
        assert [event["network"] for event in server.events("trusted-world")][:2] == networks
    else:
        assert codes(result, "problem") == ["xclient-open"] * 2
    assert codes(check(server, "config", status=1), "problem")[0] == "trusted-world"
    assert server.queue_list() == []


def test_a_namespace_is_a_stranger(quiet):
    """All that this host has is trusted, its own network namespace is not."""
    need_root("a namespace needs root")
    need_root_of("unshare", "--net", "true")
    quiet.config["listen"] = [{"address": f"0.0.0.0:{quiet.mx}"}, {"address": f"[::]:{quiet.mx}"},
                              {"address": "10.77.0.2:2525"}]
    quiet.config["relay"] = {"networks": ["127.0.0.0/8", "::1", "10.77.0.0/24", "fd00::/8"]}
    quiet.write_config()
    setup = ("ip link set lo up && ip link add up0 type veth peer name other && "
             "ip link set up0 up && ip link set other up && "
             "ip addr add 10.77.0.2/24 dev up0 && ip -6 addr add fd77::2/64 dev up0 nodad")
    with open(quiet.log_path, "wb") as log:
        process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", f"{setup} && exec {binary()} serve --config "
             f"{quiet.config_path}"], stderr=log, start_new_session=True)
    within = ["nsenter", "-t", str(process.pid), "-n"]

    def inside(*words):
        done = subprocess.run([*within, binary(), "check", *words, "--json", "--config",
                               quiet.config_path], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)

    try:
        wait_for(lambda: quiet.events("ready"), 30, "event=ready")
        assert codes(inside("relay"), "note") == ["relay-untried"] * 3
        result = inside("relay", "--namespace")
        closed = [one for one in result["findings"] if one["code"] == "relay-closed"]
        assert len(closed) == 3, result
        assert {re.search(r"from (\S+)", one["how"])[1] for one in closed} == {
            "198.18.255.2", "2001:2:0:ffff::2"}
        links = subprocess.run([*within, "ip", "link"], capture_output=True, text=True)
        assert "praudit" not in links.stdout
        assert codes(inside("relay", "--from", "10.77.0.2"), "problem") == ["relay-open"] * 2
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    quiet.check_sanitizers()


def audit(*words, status):
    done = subprocess.run([binary(), "check", *words, "--json"], capture_output=True, text=True,
                          timeout=150)
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_postfix_open_and_closed(folder):
    """From 127.0.0.2: trusted by one, and by the other not."""
    for networks, status in (("0.0.0.0/0", 1), ("127.0.0.1/32", 0)):
        peer = Postfix(folder / f"postfix{status}", mynetworks=networks, smtpd_error_sleep_time="0",
                       in_flow_delay="0",
                       virtual_mailbox_maps="inline:{{box@partner.example=box/}}",
                       smtpd_client_auth_rate_limit="0", disable_vrfy_command=("no", "yes")[status])
        peer.start()
        try:
            result = audit("relay", "--server", f"127.0.0.1:{peer.port}", "--from", "127.0.0.2",
                           "--domain", "partner.example", status=status)
        finally:
            peer.stop()
        if status:
            assert codes(result, "problem") == ["relay-open"]
            how = find(result, "relay-open")["how"]
            assert "RCPT TO:<stranger@example.net>\nS: 250" in how
            assert "source-route" in how and "null-sender" in how
        else:
            assert codes(result, "problem") == [] and find(result, "relay-closed")


class Bad:
    """A server that says 250 to RCPT where `takes` matches, and else what a decent one says, but for
    `replies`, by pattern. With a `context` it offers STARTTLS, and obeys inside TLS
    what came before it."""

    def __init__(self, takes, replies=(), context=None):
        self.takes, self.replies, self.context = takes, dict(replies), context
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=[client], daemon=True).start()

    def session(self, client):
        try:
            with client, client.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 bad.example ready\r\n")
                held = self.talk(client, stream)
                if held is None:
                    return
                with self.context.wrap_socket(client, server_side=True) as secure, \
                        secure.makefile("rwb", buffering=0) as stream:
                    if held:
                        stream.write(self.answer(held).encode() + b"\r\n")
                    self.talk(secure, stream)
        except OSError:
            pass

    def talk(self, client, stream):
        """Until the end: None; or until STARTTLS: the line that came behind it."""
        while True:
            # By packets, as a careless server reads.
            packet = client.recv(65536)
            if not packet:
                return None
            lines = packet.decode("latin-1").split("\r\n")
            for number, line in enumerate(lines[:-1]):
                if line == "STARTTLS" and self.context:
                    stream.write(b"220 go ahead\r\n")
                    return lines[number + 1]
                reply = self.answer(line)
                if reply is not None:
                    stream.write(reply.encode() + b"\r\n")

    def answer(self, line):
        for pattern, reply in self.replies.items():
            if re.match(pattern, line, re.I):
                return reply
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "RCPT":
            return "250 ok" if re.search(self.takes, line) else "550 5.7.1 relaying denied"
        offer = "STARTTLS" if self.context else "SIZE"
        return {"EHLO": f"250-bad.example\r\n250 {offer}", "HELO": "250 ok", "MAIL": "250 ok",
                "RSET": "250 ok", "NOOP": "250 ok", "VRFY": "252 perhaps"}.get(verb, "500 what?")

    def audit(self, status):
        try:
            return audit("--server", f"127.0.0.1:{self.port}", "--domain", "bad.example",
                         status=status)
        finally:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()


@pytest.mark.parametrize("takes, name", [
    (r"%example\.net@bad\.example>", "percent-hack"), (r"example\.net!stranger@", "bang-path"),
    (r"<@bad\.example:", "source-route"), (r'"stranger@example\.net"@bad', "quoted-at"),
    (r"example\.net@bad\.example>", "two-ats"), (r"relay-audit\.bad\.example", "subdomain"),
    (r"relay-audit-bad\.example", "suffix"), (r"bad\.example\.example\.net", "prefix"),
    (r"STRANGER@EXAMPLE", "upper-case"), (r"example\.net\.>", "final-dot"),
    (r"TO:stranger@", "no-brackets"), (r"\0@", "nul"), (r"203\.0\.113\.1", "foreign-literal"),
])
def test_each_trick_is_told(takes, name):
    result = Bad(takes).audit(1)
    assert codes(result, "problem") == ["relay-open"]
    assert f" {name} (" in find(result, "relay-open")["how"]


@pytest.mark.parametrize("replies, code, status", [
    ([("XCLIENT", "220 bad.example welcome, proxy")], "xclient-open", 1),
    ([("AUTH", "235 you must be somebody")], "login-any", 1),
    ([("AUTH", "535 wrong password")], "login-clear", 0),
    ([("EHLO", "250-bad.example\r\n250 AUTH PLAIN"), ("AUTH", "538 not in clear")], "login-clear", 0),
    ([("VRFY <postmaster", "250 Postmaster"), ("VRFY", "550 nobody")], "addresses-told", 0),
    ([("EXPN", "250 ann, bob")], "addresses-told", 0),
])
def test_what_else_is_open_is_told(replies, code, status):
    result = Bad("^$", replies).audit(status)
    assert codes(result) == [code] and find(result, "relay-closed")


def test_commands_in_front_of_tls_are_told(authority):
    context = authority.issue("bad.example").context()
    result = Bad("^$", context=context).audit(1)
    assert codes(result) == ["starttls-injection"]
    assert "C: NOOP\nS: 500 what?" in find(result, "starttls-injection")["how"]
    decent = Script(context=context, rcpt="550 5.7.1 no", vrfy="252 perhaps", expn="502 no",
                    auth="503 no", xclient="503 no", proxy="500 no")
    try:
        assert codes(audit("--server", f"127.0.0.1:{decent.port}", status=0)) == []
    finally:
        decent.stop()


def test_words_of_a_proxy_are_told():
    """It takes PROXY from anybody, silently, and trusts who is local then."""
    class Trusting(Bad):
        def session(self, client):
            self.takes = "^$"
            super().session(client)

        def answer(self, line):
            if not line.startswith("PROXY"):
                return super().answer(line)
            self.takes = "example.net"
            return None

    result = Trusting("^$").audit(1)
    assert codes(result) == ["proxy-open"] and "C: PROXY TCP4" in find(result, "proxy-open")["how"]


def test_a_decent_server_and_one_that_takes_all_of_its_own():
    assert codes(Bad("^$").audit(0)) == []
    result = Bad(r"@bad\.example>|@\[127\.0\.0\.1\]>").audit(0)
    assert codes(result) == [] and "percent-hack" in find(result, "relay-unclear")["how"]
    assert codes(Bad("^$", [("MAIL", "451 later")]).audit(75), "unknown") == ["relay-unknown"]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        assert codes(audit("--server", f"127.0.0.1:{port}", status=75), "unknown") == [
            "relay-unreachable"]


# --- the DNS ------------------------------------------------------------------------------------


def test_the_dns_is_asked_where_somebody_is_named(folder):
    knot = Knot(folder / "knot", """
        shop MX 0 .
        mx.shop CNAME host.shop
        host.shop A 192.0.2.7
        _mta-sts.shop TXT "v=STSv1;"
    """)
    knot.start()
    try:
        server = Postrider(folder / "server", hostname="mx.shop.example",
                           domains=[{"name": "shop.example", "mailboxes": "any"}],
                           resolver={"servers": [f"127.0.0.1:{knot.port}"], "dnssec": "off"})
        result = check(server, "dns", status=1)
        assert {"dns-null-mx", "dns-cname", "dns-mta-sts", "dns-mx", "dns-spf", "dns-dmarc"} <= set(
            codes(result))
        assert "10 mx.shop.example." in find(result, "dns-mx")["remedy"]
        server.config["domains"] = [{"name": "sick.example", "mailboxes": "any"}]
        server.write_config()
        assert {"dns-mx", "dns-spf"} <= set(codes(check(server, "dns", status=75), "unknown"))
        assert not [one for one in check(server, "--offline")["findings"] if one["area"] == "dns"]
    finally:
        knot.stop()


def test_examples_are_not_asked_for(quiet):
    assert codes(check(quiet, "dns"), "note") == ["dns-skipped"]
