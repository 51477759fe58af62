"""`postrider probe` from a host of the test internet: signed and false names, ports that are refused,
filtered and unreachable, TLS on the wrong port; and real servers."""

import json
import subprocess

import pytest

from peers import Script
from server import binary
from world import DNS, GOOD, NOWHERE, REFUSING


@pytest.fixture
def probe(internet, folder):
    """probe(words) runs it on the host lab; what it found."""
    config = folder / "postrider.yaml"
    config.write_text(json.dumps({
        "hostname": "mx.lab.example", "listen": [{"address": "127.0.0.1:25", "role": "mx"}],
        "resolver": internet.resolver(DNS)}))

    def run(*words, status=0):
        with internet.lab.inside():
            done = subprocess.run([binary(), "probe", f"--config={config}", "--json", *words],
                                  capture_output=True, timeout=60, check=False)
        assert done.returncode == status, (done.stdout.decode(), done.stderr.decode())
        return json.loads(done.stdout)

    return run


@pytest.fixture
def serve(internet):
    """serve(port, …) starts a scripted server on the wild host's address for good."""
    peers = []

    def make(port, **arguments):
        with internet.wild.inside():
            peers.append(Script(port=port, address=GOOD, **arguments))
        return peers[-1]

    yield make
    for peer in peers:
        peer.stop()


def told(found, what, words):
    return [step for step in found["steps"]
            if step["what"] == what and words in " ".join([step["text"], *step["explained"]])]


def test_signed_and_false_names(probe, serve):
    serve(25)
    found = probe("carol@wild.example")
    assert told(found, "DNS", "MX of wild.example: 10 good.wild.example; signed (DNSSEC)")
    assert told(found, "DNS", f"A of good.wild.example: {GOOD}; signed (DNSSEC)")
    found = probe("carol@bogus.example", status=75)
    assert told(found, "DNS", "a false answer, by DNSSEC")
    assert "by DNSSEC" in found["summary"]


def test_hosts_in_order(internet, probe, serve):
    """One drops what it gets, and the other takes mail; one refuses, and the other takes mail."""
    serve(25)
    internet.lab.lose(NOWHERE)
    try:
        found = probe("carol@nowhere.example", "--timeout=2s")
    finally:
        internet.lab.find(NOWHERE)
    assert [step["mark"] for step in told(found, "connect", ":25")] == ["bad", "good"]
    assert told(found, "connect", "somebody drops what is sent to that port")
    assert "good.wild.example would take mail" in found["summary"]
    found = probe("carol@refusing.example")
    assert told(found, "connect", f"[{REFUSING}]:25: Connection refused")
    assert told(found, "connect", "nothing listens on that port there")


def test_all_is_filtered(internet, probe):
    internet.lab.lose(NOWHERE)
    try:
        found = probe("nowhere.wild.example", "--timeout=1s", status=75)
    finally:
        internet.lab.find(NOWHERE)
    assert len(told(found, "connect", "filtered: no answer at all")) == 4
    assert "25 is filtered, 465 is filtered" in found["summary"]
    assert "a firewall" in found["next"]


def test_ports_told_apart(internet, probe, serve):
    context = internet.authority.issue("good.wild.example").context()
    ca = f"--ca={internet.authority.file}"
    peers = [serve(25, context=context), serve(465, context=context, is_implicit=True),
             serve(587, ehlo="250-script.example\r\n250 AUTH PLAIN")]
    found = probe("good.wild.example", ca, "--ip=4")
    assert found["summary"] == ("good.wild.example: port 25 speaks SMTP with STARTTLS, 465 speaks SMTP "
                                "in TLS at once, 587 speaks SMTP in clear text, 2525 is closed")
    assert told(found, "connect", f"port 2525 at {GOOD}: refused")
    assert told(found, "AUTH", "offered in clear text")
    assert len(told(found, "TLS", "verified for good.wild.example")) == 2
    assert all(peer.messages == [] for peer in peers)


def test_tls_on_the_wrong_port(internet, probe, serve):
    context = internet.authority.issue("good.wild.example").context()
    serve(465)
    serve(587, context=context, is_implicit=True)
    found = probe("good.wild.example", status=1)
    assert "465 speaks clear text where TLS belongs" in found["summary"]
    assert "587 speaks TLS at once where clear text belongs" in found["summary"]
    assert told(found, "banner", "in clear text, where clients expect TLS at once")
    assert told(found, "banner", "it speaks TLS at once, as port 465 should")
    assert "listen.tls: implicit" in found["next"]


def test_neighbours(internet, probe):
    assert "would take mail for carol@postfix.example" in probe("carol@postfix.example")["summary"]
    found = probe("grey@postfix.example", status=75)
    assert "greylisted" in found["summary"] and "ten minutes" in found["next"]
    found = probe("carol@exim.example", f"--ca={internet.authority.file}")
    assert told(found, "TLS", "verified for mx.exim.example")
    assert "in verified TLS" in found["summary"]
    assert told(probe("mx.opensmtpd.example", "--port=25"), "banner", "OpenSMTPD")
