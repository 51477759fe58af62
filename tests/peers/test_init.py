"""postrider init --dev: what it makes is good, real clients log in over TLS, and the README's tour is true."""

import json
import pathlib
import random
import re
import shlex
import smtplib
import socket
import ssl
import subprocess

import pytest

from letters import plain
from peers import Script, program
from server import ROOT, Postrider, binary, wait_for

ANN, PASSWORD = "ann@example.org", "open sesame"
PORTS = {"mx": 25, "submission": 587, "submissions": 465}
ELSEWHERE = 600


def free_offset():
    """One whose ports are free, and below those that other tests take (server.Ports)."""
    for _ in range(1000):
        offset = random.randrange(1000, 9000)
        try:
            for port in [*PORTS.values(), ELSEWHERE]:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", offset + port))
            return offset
        except OSError:
            continue
    raise AssertionError("no free ports")


def run(words, data=None, status=0, **options):
    done = subprocess.run([str(word) for word in words], input=data, capture_output=True,
                          timeout=60, **options)
    assert done.returncode == status, (words, done.stdout[-3000:], done.stderr[-3000:])
    return (done.stdout + done.stderr).decode()


def init(*words, data=b"", status=0, **options):
    return run([binary(), "init", *words], data, status, **options)


class Made(Postrider):
    """A server of init's making."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process, self.environment, self.config = None, {}, None
        self.log_path, self.config_path = self.folder / "log", self.folder / "postrider.yaml"
        self.offset = free_offset()
        self.made = json.loads(init("--dev", "--folder", folder, "--port-offset", self.offset,
                                    "--password-stdin", "--json", data=f"{PASSWORD}\n".encode()))
        self.ca = self.made["ca"]
        self.mx, self.submission, self.submissions = (
            self.made["ports"][name] for name in ("mx", "submission", "submissions"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Made(tmp_path_factory.mktemp("init") / "try it")
    try:
        yield server.start()
        server.stop()
    finally:
        server.give_up()


# --- The folder ----------------------------------------------------------------------------------


def state_of(folder):
    """All that is in a folder, with modes and times."""
    return {path: (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_good_server_is_made_of_nothing(folder):
    said = init("--dev", "--domain", "Partner.example", "--user", "bob@partner.example",
                cwd=folder)
    assert "A server for development is in this folder" in said
    assert re.search(r"^bob@partner\.example has an account.*this once:\n  [0-9a-z-]{28}$", said,
                     re.M)
    assert "serve --config postrider.yaml" in said
    # Its ports are the usual ones, which another test may have taken meanwhile.
    assert "good" in run([binary(), "check", "config", "files", "certificates", "accounts",
                          "--config", folder / "postrider.yaml"])
    (account,) = json.loads(run([binary(), "user", "list", "--json", "--config",
                                 folder / "postrider.yaml"]))
    assert account["address"] == "bob@partner.example" and account["password"]
    private = ["tls/server.key", "spool", "mail", "spool/accounts/accounts.db"]
    assert [(folder / name).stat().st_mode & 0o077 for name in private] == [0] * len(private)
    for name in ("localhost", "mx.partner.example"):
        run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
             folder / "tls/ca.pem", "-verify_hostname", name, folder / "tls/server.pem"])


def test_nothing_is_overwritten(folder):
    init("--dev", "--folder", folder / "first")
    for name in ("postrider.yaml", "tls", "spool", "mail"):
        there = folder / name
        there.mkdir()
        (there / name).symlink_to("/nowhere")
    for place in (folder / "first", *(folder / "postrider.yaml", folder / "tls", folder / "spool",
                                      folder / "mail")):
        before = state_of(place)
        said = init("--dev", "--folder", place, status=1)
        assert "already, and init overwrites nothing" in said
        assert state_of(place) == before


def test_what_cannot_be_done_leaves_nothing(folder):
    for words, status in ((["--dev", "--user", "ann"], 2), ([], 2), (["--dev", "--fast"], 2),
                          (["--folder", "no"], 2), (["--offline", "--user", "ann"], 2),
                          (["--dev", "--password-stdin"], 1),
                          (["--dev", "--folder", "no/such/folder"], 1)):
        assert init(*words, status=status, cwd=folder)
    assert list(folder.iterdir()) == []


def test_ports_that_are_taken_are_left_alone(folder):
    try:
        taken = socket.create_server(("127.0.0.1", 2000 + PORTS["mx"]))
    except OSError:
        pytest.skip("somebody else has the port, perhaps not for long")
    with taken:
        made = json.loads(init("--dev", "--folder", "a", "--json", cwd=folder))
    assert made["ports"]["mx"] % 1000 == PORTS["mx"] and made["ports"]["mx"] > 3000


# --- Clients -------------------------------------------------------------------------------------


def curl(server, url, recipient, *words, password=PASSWORD, status=0):
    letter = server.folder / "letter.eml"
    letter.write_bytes(plain("curl", sender=ANN))
    return run([program("curl"), "-sS", "--max-time", "30", url, "--user", f"{ANN}:{password}",
                "--mail-from", ANN, "--mail-rcpt", recipient, "-T", letter, *words], status=status)


def swaks(server, recipient, *words, password=PASSWORD, status=0):
    return run([program("swaks"), "--server", f"localhost:{server.submission}", "--tls",
                "--tls-verify", "--auth-user", ANN, "--auth-password", password, "--from", ANN,
                "--to", recipient, *words], status=status)


def received(server, recipient):
    return " ".join(server.wait_message(recipient).received.split())


def add_user(server, address):
    server.command("user", "add", address, "--no-password")

    def is_known():
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            client.ehlo()
            client.mail("bob@example.net")
            return client.rcpt(address)[0] == 250

    wait_for(is_known, 20)  # the workers learn of it within half a second


def test_curl_logs_in_by_both_ways_of_tls(server):
    for name, url in (("implicit", f"smtps://localhost:{server.submissions}"),
                      ("starttls", f"smtp://127.0.0.1:{server.submission}")):
        recipient = f"curl-{name}@example.org"
        add_user(server, recipient)
        curl(server, url, recipient, "--ssl-reqd", "--cacert", server.ca)
        assert " with ESMTPSA id " in received(server, recipient)
        assert "TLSv1.3" in received(server, recipient)


def test_swaks_logs_in(server):
    add_user(server, "swaks@example.org")
    swaks(server, "swaks@example.org", "--tls-ca-path", server.ca)
    assert " with ESMTPSA id " in received(server, "swaks@example.org")


def test_a_strict_smtplib_logs_in(server):
    add_user(server, "smtplib@example.org")
    context = ssl.create_default_context(cafile=server.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with smtplib.SMTP_SSL("localhost", server.submissions, timeout=30, context=context) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["smtplib@example.org"], plain("smtplib", sender=ANN))
    assert " with ESMTPSA id " in received(server, "smtplib@example.org")


def test_who_does_not_trust_the_authority_goes_away(server):
    curl(server, f"smtps://localhost:{server.submissions}", ANN, status=60)
    swaks(server, ANN, status=29)
    assert server.messages(ANN) == []


def test_a_wrong_password_is_refused(server):
    said = curl(server, f"smtps://localhost:{server.submissions}", ANN, "--cacert", server.ca,
                password="sesame", status=67)
    assert "curl: (67)" in said
    assert "535 5.7.8" in swaks(server, ANN, "--tls-ca-path", server.ca, password="sesame",
                                status=28)
    assert wait_for(lambda: server.events("login-failed", user=ANN), 20)


def test_nobody_submits_in_clear_text(server):
    with smtplib.SMTP("localhost", server.submission, timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth") and client.has_extn("starttls")
        assert client.docmd("MAIL", f"FROM:<{ANN}>")[0] == 530


def test_nothing_goes_into_the_world(server):
    curl(server, f"smtps://localhost:{server.submissions}", "carol@partner.example", "--cacert",
         server.ca)
    (waiting,) = wait_for(server.queue_list, 20)
    assert waiting["recipients"][0]["address"] == "carol@partner.example"
    peer = Script(port=server.offset + ELSEWHERE)
    try:
        server.command("queue", "retry", "all")
        wait_for(lambda: peer.messages, 20)
    finally:
        peer.stop()
    server.wait_queue_empty()


# --- The README ----------------------------------------------------------------------------------


def tour():
    """Its configuration, and its commands in order, each one line."""
    text = (ROOT / "README.md").read_text().split("## A tour in five minutes")[1].split("\n## ")[0]
    (config,) = re.findall(r"^```yaml\n(.*?)^```$", text, flags=re.M | re.S)
    lines = re.findall(r"^    (\S.*)$", text.replace("\\\n", ""), flags=re.M)
    return config, [line for line in lines if re.match(r"(build/postrider|curl|cat) ", line)]


def test_the_tour_is_true(folder):
    offset = free_offset()
    config, (first, *commands) = tour()

    def here(text):
        """With ports that are free."""
        return re.sub(r"(?<=:)2(\d{3})\b", lambda port: str(offset + int(port[1])), text)

    (folder / "build").mkdir()
    (folder / "build/postrider").symlink_to(binary())
    said = run(shlex.split(first) + ["--port-offset", offset], cwd=folder)
    password = re.search(r"this once:\n *(\S+)", said)[1]
    written = (folder / "try/postrider.yaml").read_text().splitlines()
    assert here(config).splitlines() == [line for line in written
                                         if line and not line.lstrip().startswith("#")]
    server = Postrider.__new__(Postrider)
    server.folder, server.log_path = folder / "try", folder / "log"
    server.config_path, server.process, server.environment = folder / "try/postrider.yaml", None, {}
    server.start()
    try:
        for command in commands:
            words = here(command.replace(f"--user {ANN}", f"--user {ANN}:{password}"))
            if command.startswith("cat"):
                server.wait_message(ANN)
            if " trace " in command:
                wait_for(lambda: server.events("connect-failed"), 20)
            said = run(["sh", "-c", words], cwd=folder)
            if command.startswith("cat"):
                assert "with ESMTPSA id" in said and "Good morning, Ann." in said
            if " trace " in command:
                assert "logged in as ann@example.org" in said and "Connection refused" in said
        server.stop()
    finally:
        server.give_up()
