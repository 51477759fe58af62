"""`postrider verify`: what is checked by which options, in JSON and for people, from a zone on file
and from a real DNS."""

import json
import subprocess

import pytest

from nameserver import Knot
from server import ROOT, binary

ZONE = {
    "list.example": {"TXT": [["v=spf1 ip4:192.0.2.0/24 ", "exp=why.list.example -all"]]},
    "why.list.example": {"TXT": ["%{i} may not send for %{d}"]},
    "_dmarc.list.example": {"TXT": ["v=DMARC1; p=reject; sp=quarantine"]},
    "bad.example": {"TXT": ["v=spf1 ipv4:192.0.2.1 -all"]},
    "slow.example": {"*": "TIMEOUT"},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.list.example"]},
    "mail.list.example": {"A": ["192.0.2.1"]},
    "9.2.0.192.in-addr.arpa": {"PTR": ["mail.list.example"]},
    "sed._domainkey.test.ex": {
        "TXT": ["v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E="]},
    "slow._domainkey.test.ex": {"*": "TIMEOUT"},
    "open.example": {"TXT": ["v=spf1 +all"]},
}
SIGNED = (ROOT / "tests/data/dkim/dkimpy/ed25519test2.msg").read_bytes()
LETTER = b"From: Ann <ann@list.example>\r\nSubject: hello\r\n\r\nHello.\r\n"


def verify(*words, status=0, text=None):
    done = subprocess.run([binary(), "verify", *words], input=text, capture_output=True,
                          timeout=60, check=False)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode() if status == 0 else done.stderr.decode()


@pytest.fixture
def zone(tmp_path):
    path = tmp_path / "zone.json"
    path.write_text(json.dumps(ZONE))
    return f"--zone={path}"


@pytest.mark.parametrize("words, want", [
    (["--ip=192.0.2.1", "--from=a@list.example"],
     {"result": "pass", "domain": "list.example", "explanation": ""}),
    (["--ip=192.0.3.1", "--from=a@list.example"],
     {"result": "fail", "domain": "list.example",
      "explanation": "192.0.3.1 may not send for list.example"}),
    (["--ip=192.0.2.1", "--helo=list.example", "--from=<>"],
     {"result": "pass", "domain": "list.example", "explanation": ""}),
    (["--ip=192.0.2.1", "--helo=list.example"],
     {"result": "pass", "domain": "list.example", "explanation": ""}),
    (["--ip=192.0.2.1", "--from=a@bad.example"],
     {"result": "permerror", "domain": "bad.example", "explanation": ""}),
    (["--ip=192.0.2.1", "--from=a@slow.example"],
     {"result": "temperror", "domain": "slow.example", "explanation": ""}),
    (["--ip=192.0.2.1", "--from=a@none.example"],
     {"result": "none", "domain": "none.example", "explanation": ""}),
])
def test_spf_alone(zone, words, want):
    assert json.loads(verify(zone, "--json", *words)) == {"spf": want}


@pytest.mark.parametrize("words, want", [
    (["--spf-pass=list.example"],
     {"result": "pass", "disposition": "none", "alignment": {"spf": True, "dkim": False}}),
    (["--dkim-pass=other.example", "--dkim-pass=news.list.example"],
     {"result": "pass", "disposition": "none", "alignment": {"spf": False, "dkim": True}}),
    (["--dkim-pass=other.example"],
     {"result": "fail", "disposition": "quarantine", "alignment": {"spf": False, "dkim": False}}),
    (["--ip=192.0.2.1", "--from=a@list.example"],
     {"result": "pass", "disposition": "none", "alignment": {"spf": True, "dkim": False}}),
])
def test_dmarc_alone(zone, words, want):
    found = json.loads(verify(zone, "--json", "--header-from=ann@sub.list.example", *words))
    assert found["dmarc"] == {"policy": "quarantine", "domain": "sub.list.example",
                              "organizational_domain": "list.example", **want}


@pytest.mark.parametrize("text, words", [
    (LETTER, []), (LETTER.replace(b"\r\n", b"\n"), []), (LETTER.replace(b"\r\n", b"\n"), ["--lf"]),
    (LETTER.replace(b"hello\r", b"hello"), ["--lf"])])
def test_message(zone, tmp_path, text, words):
    (tmp_path / "letter.eml").write_bytes(text)
    options = [zone, "--json", "--ip=192.0.2.1", "--from=a@list.example", *words]
    found = json.loads(verify(*options, str(tmp_path / "letter.eml")))
    assert found == {
        "spf": {"result": "pass", "domain": "list.example", "explanation": ""},
        "dkim": [],
        "arc": {"result": "none", "instances": 0, "reason": ""},
        "dmarc": {"result": "pass", "policy": "reject", "disposition": "none",
                  "domain": "list.example", "organizational_domain": "list.example",
                  "alignment": {"spf": True, "dkim": False}}}
    assert json.loads(verify(*options, "-", text=text)) == found


@pytest.mark.parametrize("change, result, lines", [
    (lambda text: text, "pass",
     ["DKIM    pass       d=test.ex s=sed ed25519-sha256",
      "key at sed._domainkey.test.ex: v=DKIM1; k=ed25519; p=sPs07V"]),
    (lambda text: text + b"more\n", "fail", ["the body was changed", "find what changes messages"]),
    (lambda text: text.replace(b"s=sed", b"s=slow"), "temperror", ["the DNS did not answer"]),
    (lambda text: text.replace(b"s=sed", b"s=none"), "permerror",
     ["there is no key record in the DNS", "publish TXT there: v=DKIM1; k=ed25519; p=KEY"]),
])
def test_signature(zone, change, result, lines):
    text = change(SIGNED)
    found = json.loads(verify(zone, "--json", "--time=1600000000", "-", text=text))
    assert [check["result"] for check in found["dkim"]] == [result]
    shown = verify(zone, "--time=1600000000", "-", text=text)
    for line in lines:
        assert line in shown


def test_empty_message(zone):
    found = json.loads(verify(zone, "--json", "-", text=b""))
    assert (found["arc"]["result"], found["dmarc"]["result"]) == ("none", "permerror")


def test_helo_beside_the_reverse_path(zone):
    options = [zone, "--json", "--ip=192.0.2.1", "--from=a@open.example"]
    both = json.loads(verify(*options, "--helo=list.example"))
    assert both.pop("spf_helo") == {"result": "pass", "domain": "list.example", "explanation": ""}
    assert both == json.loads(verify(*options, "--helo=[192.0.2.1]"))


@pytest.mark.parametrize("words, lines", [
    (["--ip=192.0.3.1", "--from=a@list.example"],
     ['SPF     fail       a@list.example from 192.0.3.1 (HELO )',
      'record of list.example: v=spf1 ip4:192.0.2.0/24 exp=why.list.example -all',
      '"-all" forbids 192.0.3.1',
      'list.example explains: 192.0.3.1 may not send for list.example',
      'publish TXT at list.example: v=spf1 ip4:192.0.2.0/24 exp=why.list.example '
      'ip4:192.0.3.1 -all']),
    (["--ip=192.0.3.1", "--from=a@open.example", "--helo=list.example"],
     ['SPF     pass       a@open.example from 192.0.3.1 (HELO list.example)',
      'SPF     fail       HELO list.example from 192.0.3.1']),
    (["--ip=2001:db8::1", "--helo=none.example"],
     ['none.example does not exist', 'publish TXT at none.example: v=spf1 ip6:2001:db8::1 -all']),
    (["--ip=192.0.2.1", "--from=a@bad.example"],
     ['"ipv4:192.0.2.1" is no mechanism; write ip4:']),
    (["--ip=192.0.2.1", "--from=a@open.example"],
     ['allows every host of the internet', 'IPREV   pass       192.0.2.1',
      'its name mail.list.example leads back to it']),
    (["--ip=192.0.2.9", "--from=a@open.example"], ['none of its names leads back to it']),
    (["--ip=192.0.2.10", "--from=a@open.example"], ['it has no name: no PTR record']),
    (["--header-from=a@list.example"],
     ['DMARC   fail       list.example; its owner wants: reject',
      'record at _dmarc.list.example: v=DMARC1; p=reject; sp=quarantine',
      'sign with DKIM as d=list.example']),
    (["--header-from=a@none.example"], ['publish TXT at _dmarc.none.example: v=DMARC1; p=none']),
])
def test_for_people(zone, words, lines):
    text = verify(zone, *words)
    for line in lines:
        assert line in text
    assert "\x1b" not in text


@pytest.mark.parametrize("words, status, text", [
    ([], 2, "what is there to verify?"),
    (["--ip=1.2.3", "--helo=a.example"], 2, "1.2.3 is no IP address"),
    (["--zone=/nowhere", "--header-from=a@b.example"], 1, "/nowhere: open: No such file"),
    (["--header-from=a@b.example", "--config=/nowhere"], 78, "/nowhere"),
    (["/nowhere"], 1, "/nowhere: open: No such file"),
])
def test_refusals(zone, words, status, text):
    if not any(word.startswith("--zone") for word in words):
        words = [*words, zone]
    assert text in verify(*words, status=status)


def test_bad_zone(tmp_path):
    path = tmp_path / "zone.json"
    path.write_text('{"a.example": {"A": ["::1"]}}')
    assert 'a.example: A: "::1" is no IPv4 address' in verify(
        f"--zone={path}", "--header-from=a@b.example", status=1)


def test_real_dns(folder):
    names = Knot(folder / "dns", """
        list TXT "v=spf1 a:mx.list.example -all"
        mx.list A 192.0.2.1
        _dmarc.list TXT "v=DMARC1; p=reject"
    """).start()
    config = folder / "postrider.yaml"
    config.write_text(f"""
hostname: mx.here.example
listen: [{{address: "127.0.0.1:2526", role: mx}}]
spool: spool
resolver: {{servers: ["127.0.0.1:{names.port}"], dnssec: "off"}}
""")
    try:
        found = json.loads(verify("--json", f"--config={config}", "--ip=192.0.2.1",
                                  "--from=a@list.example", "--header-from=a@list.example"))
        failed = json.loads(verify("--json", f"--config={config}", "--ip=192.0.2.1",
                                   "--from=a@x.sick.example"))
    finally:
        names.stop()
    assert (found["spf"]["result"], found["dmarc"]["result"]) == ("pass", "pass")
    assert failed["spf"]["result"] == "temperror"
