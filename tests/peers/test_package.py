"""The Debian package: built from a clean copy, held against Debian's rules, installed in a Debian of
its own whose systemd runs it, upgraded with a full queue, removed and purged."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import guest as guests
from server import ROOT, wait_for

BUILD_SECONDS = 600
CONFIG = """\
hostname: mx.example.org
listen:
  - {address: "0.0.0.0:25", role: mx, tls: starttls}
  - {address: "[::]:25", role: mx, tls: starttls}
  - {address: "0.0.0.0:587", role: submission, tls: required}
  - {address: "[::]:587", role: submission, tls: required}
  - {address: "0.0.0.0:465", role: submission, tls: implicit}
  - {address: "[::]:465", role: submission, tls: implicit}
tls: {certificate: tls/server.pem, key: tls/server.key}
domains: [{name: example.org, mailboxes: any}]
deliver: {mailbox: /var/lib/postrider/mail}
routes: [{to: "*", via: "smtp://127.0.0.1:2600"}]
relay: {networks: [127.0.0.1]}
queue: {retry_first: 1h}
spool: /var/spool/postrider
run: /run/postrider
user: postrider
"""
QUEUED = 40

LACKING = guests.why_not()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=LACKING or "")
# Root may run the tests in somebody's checkout.
GIT = ["git", "-c", "safe.directory=*"]


def copy_sources(folder):
    """What git has, or would add: a package is built of nothing else."""
    names = subprocess.run(
        [*GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
        capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


def build(folder):
    """Gives the process that builds source and binary packages in the folder above."""
    environment = {**os.environ, "DEB_BUILD_OPTIONS": "nocheck"}
    if pathlib.Path("/usr/lib/ccache").is_dir():
        environment["PATH"] = "/usr/lib/ccache:" + environment["PATH"]
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        environment.pop(name, None)
    with open(folder.parent / "build.log", "wb") as log:
        return subprocess.Popen(
            ["dpkg-buildpackage", "-us", "-uc", "--source-option=-Zgzip", "--source-option=-z1"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


def later_version(package, folder):
    """The same package, as if it were of another version."""
    tree = folder / "later"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN/control"
    text = control.read_text()
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0", text, flags=re.M))
    later = folder / "postrider_99.0.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, later],
                   check=True, capture_output=True)
    return later


class Package:
    """The built packages, and the Debian that they are installed in."""

    def __init__(self, folder):
        self.folder = folder
        self.source = folder / "postrider"
        self.guest = guests.Guest(folder / "guest")

    def make(self):
        copy_sources(self.source)
        before = {path: path.stat().st_mtime_ns for path in self.source.rglob("*")}
        making, building = self.guest.make(), build(self.source)
        try:
            is_built = building.wait(BUILD_SECONDS) == 0
            is_made = making.wait(BUILD_SECONDS) == 0
        finally:
            for process in (making, building):
                process.kill()
                process.wait()
        assert is_built, (self.folder / "build.log").read_text()[-4000:]
        if not is_made:
            pytest.skip("debootstrap: " + self.guest.root.with_suffix(".log").read_text()[-300:])
        self.untracked = set(self.source.rglob("*")) - set(before)
        [self.deb] = self.folder.glob("postrider_*.deb")
        self.later = later_version(self.deb, self.folder)
        for deb in (self.deb, self.later):
            shutil.copy(deb, self.guest.root / "root")
        return self

    def installed(self, name):
        return f"/root/{name.name}"


@pytest.fixture(scope="module")
def package():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-test."))
    made = Package(folder)
    try:
        yield made.make()
    finally:
        made.guest.end()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def guest(package):
    """With the package installed, and booted."""
    package.said = package.guest.chroot(
        "apt-get", "install", "-y", "--no-install-recommends", package.installed(package.deb),
        seconds=BUILD_SECONDS)
    return package.guest.boot()


def configure(guest):
    """A configuration for these tests; the key is root's alone."""
    folder = guest.root / "etc/postrider"
    (folder / "tls").mkdir(exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=mx.example.org", "-addext", "subjectAltName=DNS:mx.example.org", "-keyout",
         folder / "tls/server.key", "-out", folder / "tls/server.pem"],
        check=True, capture_output=True)
    (folder / "tls/server.key").chmod(0o600)
    (folder / "postrider.yaml").write_text(CONFIG)


SEND = """
import smtplib, ssl, sys
for number in range(COUNT):
    with smtplib.SMTP("127.0.0.1", 25, timeout=30) as client:
        client.starttls(context=ssl._create_unverified_context())
        client.sendmail("ann@example.org", "RECIPIENT", "From: <ann@example.org>\\r\\n"
                        f"To: <RECIPIENT>\\r\\nSubject: {number}\\r\\n\\r\\nHello\\r\\n")
"""
LOG_IN = """
import smtplib, ssl
with smtplib.SMTP_SSL("127.0.0.1", 465, timeout=30,
                      context=ssl._create_unverified_context()) as client:
    client.login("USER", "PASSWORD")
    client.sendmail("USER", "USER", "From: <USER>\\r\\nTo: <USER>\\r\\n\\r\\nHello\\r\\n")
"""
# Connects while nobody serves, and prints the greeting that comes when somebody does.
CONNECT = """
import socket
with socket.create_connection(("127.0.0.1", 25), timeout=30) as client:
    print("connected", flush=True)
    print(client.recv(100).decode(), flush=True)
"""


def python_in(guest, script):
    """The command line that runs it in the guest's network, by the host's Python."""
    return ["nsenter", "-t", str(guest.first), "-n", "/usr/bin/python3", "-c", script]


def send(guest, recipient, count=1):
    script = SEND.replace("COUNT", str(count)).replace("RECIPIENT", recipient)
    done = subprocess.run(python_in(guest, script), capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, (done.stderr, guest.journal())


def queue_ids(guest):
    return sorted(message["id"] for message in
                  json.loads(guest.run("postrider", "queue", "list", "--json")))


def serves(guest):
    return guest.show("postrider.service", "ActiveState") == "active"


# --- The package itself ---------------------------------------------------------------------------


def test_lintian(package):
    """Neither errors nor warnings, in the source package nor in the binary one."""
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--allow-root",
         *sorted(package.folder.glob("*.changes")), *package.folder.glob("*.dsc")],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_clean_tree(package):
    """What a build leaves, git does not see."""
    left = [str(path.relative_to(package.source)) for path in package.untracked if path.is_file()]
    ignored = subprocess.run(
        [*GIT, "check-ignore", "--no-index", "--stdin"],
        cwd=ROOT, input="\n".join(left), capture_output=True, text=True, check=False)
    assert set(left) - set(ignored.stdout.split("\n")) == set()


def test_version(package):
    """One version: of the program, of the build, of the package."""
    version = re.search(r"version: '([0-9.]+)'", (ROOT / "meson.build").read_text()).group(1)
    assert package.deb.name.startswith(f"postrider_{version}_")


# --- In a Debian ----------------------------------------------------------------------------------


def test_installed(package, guest):
    """It says what to do next, and does not start without a configuration."""
    assert "there is no configuration yet; make one: postrider init" in package.said
    assert "uid=" in guest.run("id", "postrider")
    assert guest.run("stat", "--format=%A %U", "/var/spool/postrider").split() == [
        "drwx------", "postrider"]
    assert guest.show("postrider.service", "ActiveState") == "inactive"
    assert guest.show("postrider.service", "ConditionResult") == "no"
    assert guest.run("postrider", "--version").startswith("postrider ")


def test_unit(guest):
    units = [f"/lib/systemd/system/postrider.{kind}" for kind in ("service", "socket")]
    assert guest.run("systemd-analyze", "verify", "--man=no", *units) == ""
    verdict = guest.run("systemd-analyze", "security", "--no-pager", "postrider.service")
    exposure = float(re.search(r"exposure level for postrider.service: ([0-9.]+)", verdict)[1])
    assert exposure <= 1.8, verdict


def test_set_up(guest):
    """As README.Debian says: postrider init, and start."""
    made = json.loads(guest.run("postrider", "init", "--domain", "example.org", "--hostname",
                                "mx.example.org", "--offline", "--json", seconds=120))
    assert made["config"] == "/etc/postrider/postrider.yaml"
    folder = guest.root / "etc/postrider"
    assert (folder / "postrider.yaml").stat().st_mode & 0o7777 == 0o640
    assert (folder / "tls/server.key").stat().st_mode & 0o7777 == 0o600
    assert (folder / "tls/server.key").stat().st_uid == 0
    guest.run("systemctl", "start", "postrider")
    script = LOG_IN.replace("PASSWORD", made["password"]).replace("USER", made["user"])
    subprocess.run(python_in(guest, script), check=True, timeout=60)
    mailbox = guest.root / "var/lib/postrider/mail" / "/".join(reversed(made["user"].split("@")))
    wait_for(lambda: (mailbox / "new").exists() and list((mailbox / "new").iterdir()), 30)
    guest.run("systemctl", "stop", "postrider")


def test_serves(guest):
    configure(guest)
    guest.run("systemctl", "start", "postrider")
    assert guest.show("postrider.service", "StatusText").startswith("Serving mx.example.org on ")
    send(guest, "bob@example.org", 2)
    mailbox = guest.root / "var/lib/postrider/mail/example.org/bob/new"
    wait_for(lambda: mailbox.exists() and len(list(mailbox.iterdir())) == 2, 30)
    guest.run("systemctl", "reload", "postrider")
    assert serves(guest)


def test_sendmail(guest):
    """What other programs call: by any user, through the local socket."""
    assert guest.run("readlink", "--canonicalize", "/usr/sbin/sendmail", "/usr/lib/sendmail",
                     "/usr/bin/mailq", "/usr/bin/newaliases").split() == ["/usr/sbin/postrider"] * 4
    letter = "From: ann@example.org\nTo: eve@example.org\nSubject: local\n\nHello\n"
    guest.run("runuser", "-u", "games", "--", "sendmail", "-t", "-i", "-f", "ann@example.org",
              text=letter)
    mailbox = guest.root / "var/lib/postrider/mail/example.org/eve/new"
    wait_for(lambda: mailbox.exists() and list(mailbox.iterdir()), 30)
    [stored] = mailbox.iterdir()
    assert "Subject: local" in stored.read_text()
    assert guest.run("mailq").strip() == guest.run("postrider", "queue", "list").strip()
    guest.run("newaliases")


def test_rights(guest):
    """The supervisor may bind low ports and read what is root's; the others may nothing."""
    main = int(guest.show("postrider.service", "MainPID"))
    processes = guest.processes("postrider.service")
    assert len(processes) == 5
    user = guest.run("id", "-u", "postrider").strip()
    for number, fields in processes.items():
        assert fields["Uid"].split() == [user] * 4
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
        assert int(fields["CapEff"], 16) == (0x404 if number == main else 0)
        assert int(fields["CapBnd"], 16) == 0x404
    assert "event=not-confined" not in guest.journal()


def test_mistakes(guest):
    """A reload that fails fails loudly, and the old configuration serves on; a start that cannot
    succeed is not tried again and again; `systemctl status` has the reason of both."""
    place = guest.root / "etc/postrider/postrider.yaml"
    place.write_text(CONFIG + "no_such_key: 1\n")
    guest.run("systemctl", "reload", "postrider", status=1)
    assert serves(guest)
    assert "no_such_key" in guest.run("systemctl", "status", "--no-pager", "postrider")
    guest.run("systemctl", "restart", "postrider", status=1)
    assert guest.show("postrider.service", "ActiveState") == "failed"
    assert guest.show("postrider.service", "ExecMainStatus") == "78"
    assert guest.show("postrider.service", "NRestarts") == "0"
    assert "no_such_key" in guest.run("systemctl", "status", "--no-pager", "postrider", status=3)
    place.write_text(CONFIG)
    guest.run("systemctl", "restart", "postrider")


def test_crash_with_a_full_queue(guest):
    """The whole server is started again when its supervisor dies."""
    send(guest, "carol@partner.example", QUEUED)
    queued = queue_ids(guest)
    assert len(queued) == QUEUED
    before = guest.show("postrider.service", "MainPID")
    guest.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "postrider.service")
    wait_for(lambda: serves(guest) and
             guest.show("postrider.service", "MainPID") not in (before, "0"), 60)
    assert queue_ids(guest) == queued


def test_upgrade_with_a_full_queue(package, guest):
    queued = queue_ids(guest)
    assert len(queued) == QUEUED
    before = guest.show("postrider.service", "MainPID")
    guest.run("dpkg", "--install", package.installed(package.later))
    assert guest.show("postrider.service", "MainPID") not in (before, "0")
    assert serves(guest)
    assert queue_ids(guest) == queued


def test_socket_activation(guest):
    """With the socket unit a client waits while the server starts anew."""
    queued = queue_ids(guest)
    guest.run("systemctl", "stop", "postrider.service")
    guest.run("systemctl", "enable", "--now", "postrider.socket")
    guest.run("systemctl", "start", "postrider.service")
    invocation = guest.show("postrider.service", "InvocationID")
    log = guest.run("journalctl", "--no-pager", f"_SYSTEMD_INVOCATION_ID={invocation}")
    assert log.count("event=socket-inherited") == 6 and "event=socket-unused" not in log
    assert queue_ids(guest) == queued

    guest.run("systemctl", "stop", "postrider.service")
    client = subprocess.run(python_in(guest, CONNECT), capture_output=True, text=True, timeout=60,
                            check=False)
    assert "220 mx.example.org" in client.stdout, (client.stderr, guest.journal())
    wait_for(lambda: serves(guest), 30)
    assert queue_ids(guest) == queued


def test_remove_keeps_the_queue(package, guest):
    queued = queue_ids(guest)
    guest.run("dpkg", "--remove", "postrider")
    assert guest.show("postrider.service", "ActiveState") in ("inactive", "failed")
    assert guest.show("postrider.socket", "ActiveState") == "inactive"
    assert (guest.root / "etc/postrider/postrider.yaml").exists()
    assert not (guest.root / "usr/sbin/postrider").exists()

    said = guest.run("dpkg", "--purge", "postrider")
    assert "/var/spool/postrider is left, as messages may wait in it" in said
    assert "/var/lib/postrider is left with its mailboxes" in said
    assert not (guest.root / "etc/postrider").exists()

    guest.run("dpkg", "--install", package.installed(package.deb))
    configure(guest)
    guest.run("systemctl", "start", "postrider")
    assert queue_ids(guest) == queued


def test_purge_when_the_queue_is_empty(guest):
    guest.run("postrider", "queue", "delete", "all", "--yes")
    assert queue_ids(guest) == []
    said = guest.run("dpkg", "--purge", "postrider")
    assert "/var/spool/postrider" not in said
    assert not (guest.root / "var/spool/postrider").exists()
    assert not (guest.root / "etc/postrider").exists()
    mailbox = guest.root / "var/lib/postrider/mail/example.org/bob/new"
    assert len(list(mailbox.iterdir())) == 2
    assert "postrider" not in guest.run("systemctl", "list-unit-files", "--no-pager", "--plain")
