"""postrider init on a host of its own, as root and with its real places, ports and probes: what it prints
is published, record by record, in a signed DNS; then it serves, and a mail program submits a message
that a stranger's verifier takes for the domain's. The host's /etc, /var and /run are in a mount
namespace, its network in another."""

import email
import json
import os
import pathlib
import shutil
import signal
import subprocess

import dkim
import pytest

import nets
from names import Knot
from peers import Script, let_others_enter, program
from server import SANITIZER_WORDS, binary, wait_for

# A name like others: those that are set apart for examples are not looked up by check.
DOMAIN = "anns-shop.net"
HOST, ANN, PASSWORD = f"mx.{DOMAIN}", f"ann@{DOMAIN}", "open sesame"
ADDRESSES = ["198.51.100.7", "2001:db8:100::7"]
DNS, WORLD = "198.51.100.53", "198.51.100.25"

# What is in the DNS before: a signed domain, a large provider's MX, a partner's.
RECORDS = f"""
dns.example. A {DNS}
ietf.org. MX 10 mx.ietf.org.
gmail-smtp-in.l.google.com. A {WORLD}
partner.example. MX 10 mx.partner.example.
mx.partner.example. A {WORLD}
"""

# $1: a folder, $2: the trust anchor. The host has an /etc that it may write to, a /var of its own,
# and a user for the server, as the package makes it.
SETTLE = """
mkdir -p $1/etc $1/work $1/var/spool $1/var/lib $1/var/tmp
mount -t overlay -o lowerdir=/etc,upperdir=$1/etc,workdir=$1/work overlay /etc
mount --bind $1/var /var
mount -t tmpfs -o mode=755 tmpfs /run
mount --bind $2 /usr/share/dns/root.key
rm -rf /etc/postrider
echo 'postrider:x:64911:64911::/var/lib/postrider:/usr/sbin/nologin' >> /etc/passwd
echo 'postrider:x:64911:' >> /etc/group
echo 'nameserver %s' > /etc/resolv.conf
printf '127.0.0.1 localhost\\n127.0.1.1 %s mx\\n' > /etc/hosts
hostname mx
exec sleep infinity
""" % (DNS, HOST)


class Machine:
    """The host: commands run in its namespaces. Those end with the process that holds them."""

    def __init__(self, folder, network, anchor):
        self.host = network.host("mx", *ADDRESSES)
        self.binary = folder / "postrider"  # which the server's user may enter
        shutil.copy(binary(), self.binary)
        with self.host.inside():
            self.holder = subprocess.Popen(
                ["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-euc", SETTLE,
                 "sh", folder / "mx", anchor], start_new_session=True)
        wait_for(self.is_settled, 20)

    def is_settled(self):
        assert self.holder.poll() is None
        return pathlib.Path(f"/proc/{self.holder.pid}/comm").read_text() == "sleep\n"

    def words(self, *words):
        return ["nsenter", "--target", str(self.holder.pid), "--mount", "--uts", "--net", "--root",
                "--wd", *(str(word) for word in words)]

    def run(self, *words, status=0, data=None):
        done = subprocess.run(self.words(*words), input=data, capture_output=True, text=True,
                              timeout=100)
        assert done.returncode == status, (words, done.stdout[-4000:], done.stderr[-4000:])
        return done.stdout

    def postrider(self, *words, **arguments):
        return self.run(self.binary, *words, **arguments)

    def json(self, *words, **arguments):
        return json.loads(self.postrider(*words, "--json", **arguments))

    def path(self, name):
        """As seen from outside."""
        return pathlib.Path(f"/proc/{self.holder.pid}/root{name}")

    def stop(self):
        os.killpg(self.holder.pid, signal.SIGKILL)
        self.holder.wait()


class World:
    def __init__(self, folder):
        let_others_enter(folder)
        self.folder = folder
        self.network = nets.Network()
        self.dns = self.network.host("dns", DNS)
        self.world = self.network.host("world", WORLD)
        self.machine = self.knot = self.peer = None
        self.zones = 0

    def publish(self, records):
        """The DNS has these, and what it had in the beginning."""
        if self.knot:
            self.knot.stop()
        self.zones += 1
        self.knot = Knot(self.folder / f"knot{self.zones}", self.dns, [DNS], RECORDS + records, "")
        if self.zones > 1:  # the same keys
            shutil.copytree(self.folder / "knot1" / "keys", self.knot.folder / "keys",
                            dirs_exist_ok=True)
        self.knot.start()

    def start(self):
        self.publish("")
        anchor = self.folder / "anchor"
        anchor.write_text(self.knot.trust_anchor())
        self.machine = Machine(self.folder, self.network, anchor)
        with self.world.inside():
            self.peer = Script(port=25, address=WORLD)
        return self

    def stop(self):
        for part in (self.peer, self.machine, self.knot):
            if part:
                part.stop()
        self.network.close()


@pytest.fixture
def world(folder):
    if reason := nets.why_not():
        pytest.skip(reason)
    for name in ("knotd", "keymgr", "swaks", "nsenter"):
        if not program(name):
            pytest.skip(f"{name} is not installed")
    world = World(folder)
    try:
        yield world.start()
    finally:
        world.stop()


def states(machine, status):
    """Of the records by kind: how many are in which state."""
    found = {}
    for row in machine.json("dns", "check", DOMAIN, status=status):
        found.setdefault(row["for"], []).append(row["state"])
    return found


def problems(machine, status):
    """What `postrider check` finds in the DNS, and takes for a problem or a warning."""
    found = machine.json("check", "dns", status=status)["findings"]
    return {finding["code"]: finding["what"] for finding in found
            if finding["severity"] in ("problem", "warning", "unknown")}


def check_made(machine, made):
    """Places, owners, and what was found out."""
    assert made["config"] == "/etc/postrider/postrider.yaml" and made["hostname"] == HOST
    owners = {name: machine.path(name).stat() for name in (
        "/etc/postrider/postrider.yaml", "/etc/postrider/tls/server.key", "/var/spool/postrider",
        "/var/spool/postrider/keys", "/var/spool/postrider/accounts/accounts.db",
        "/var/lib/postrider/mail")}
    kept = {name: (status.st_uid, status.st_gid, status.st_mode & 0o777)
            for name, status in owners.items()}
    server = (64911, 64911)
    assert list(kept.values()) == [(0, 64911, 0o640), (0, 0, 0o600), (*server, 0o700),
                                   (*server, 0o700), (*server, 0o600), (*server, 0o700)]
    found = {finding["code"]: finding["severity"] for finding in made["findings"]}
    assert found["host-name"] == found["addresses"] == found["dnssec"] == "good"
    assert found["port25-open"] == "good" and found["dns-missing"] == "problem"
    assert found["certificate-stand-in"] == "warning" and "port-taken" not in found


def publish_one_by_one(world, made):
    """The printed zone, and what stands in other zones; each turn more of it is good."""
    machine = world.machine
    before = states(machine, 1)
    assert {state for kind in before.values() for state in kind} == {"missing"}, before
    assert {"dns-mx", "dns-host", "dns-ptr", "dns-spf", "dns-dkim"} <= set(problems(machine, 1))
    zone = machine.postrider("dns", "show", DOMAIN)
    others = "".join(f"{row['name']}. {row['type']} {row['record']}\n"
                     for row in made["records"] if not row["in_zone"])
    first = [line for line in zone.splitlines() if " MX " in line or " A " in line]
    world.publish("\n".join(first) + "\n")
    half = states(machine, 1)
    assert half["mx"] == ["good"] and half["host"] == ["good", "missing"]
    assert half["dkim"] == ["missing", "missing"] and half["spf"] == ["missing"]
    world.publish(zone + others)
    after = states(machine, 0)
    assert {state for kind in after.values() for state in kind} == {"good"}
    assert {kind: len(rows) for kind, rows in after.items()} == {
        "mx": 1, "host": 2, "ptr": 2, "spf": 1, "helo": 1, "dkim": 2, "dmarc": 1, "submission": 2,
        "tlsrpt": 1}
    assert problems(machine, 0) == {}


def swaks(world, port, recipient, *words):
    with world.world.inside():
        done = subprocess.run(
            [program("swaks"), "--server", ADDRESSES[0], "--port", str(port), *words,
             "--auth-user", ANN, "--auth-password", PASSWORD, "--from", ANN, "--to", recipient,
             "--header", "Subject: Good morning"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-3000:]


def verdict(message, place, made):
    """What dkimpy says of a signature, by the printed records."""
    texts = {f"{row['name']}.": row["value"] for row in made["records"] if row["type"] == "TXT"}
    return dkim.DKIM(message).verify(
        place, dnsfunc=lambda name, timeout=5: texts.get(name.decode()))


def serve(world, made):
    machine = world.machine
    log_path = world.folder / "log"
    with open(log_path, "wb") as log:
        server = subprocess.Popen(machine.words(machine.binary, "serve"), stderr=log,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: b"event=ready" in log_path.read_bytes() or server.poll() is not None, 60)
        assert server.poll() is None, log_path.read_text()
        swaks(world, 465, ANN, "--tlsc")
        swaks(world, 587, "carol@partner.example", "--tls")
        new = machine.path(f"/var/lib/postrider/mail/{DOMAIN}/ann/new")
        wait_for(lambda: new.exists() and list(new.iterdir()), 30)
        wait_for(lambda: world.peer.messages, 30)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    text = log_path.read_text(errors="replace")
    assert not any(word in text for word in SANITIZER_WORDS), text[-4000:]


def test_a_host_is_set_up_and_serves(world):
    machine = world.machine
    made = machine.json("init", "--user", ANN, "--password-stdin", data=f"{PASSWORD}\n")
    check_made(machine, made)
    publish_one_by_one(world, made)
    serve(world, made)
    message = world.peer.messages[0][1]
    assert email.message_from_bytes(message).get_all("DKIM-Signature")[1:2]
    assert [verdict(message, place, made) for place in (0, 1)] == [True, True]
