"""DKIM and ARC beside dkimpy and OpenDKIM: they accept what we sign, and of messages that were changed
at random (the seeds are fixed) all verifiers say the same."""

import base64
import concurrent.futures
import json
import os
import pathlib
import random
import re
import subprocess

import pytest

from nameserver import Knot
from peers import need
from rspamd import Rspamd

dkim = pytest.importorskip("dkim")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ["POSTRIDER"]).resolve().parent / "tests/dkim_tool"
DATA = ROOT / "tests/data/dkim/dkimpy"
DOMAIN = "signed.example"
BODY = b"Hello,\r\n\r\nthis  is \t a letter. \r\n-- \r\nAnn\r\n"
FIELDS = (b"From: Ann <ann@signed.example>\r\nTo: bob@example.net\r\nSubject: hello\r\n"
          b"Date: Tue, 24 Nov 2026 03:07:04 +0000\r\nMessage-ID: <1@signed.example>\r\n")

LETTERS = {
    "plain": FIELDS + b"\r\n" + BODY,
    "no body": FIELDS + b"\r\n",
    "a body of empty lines": FIELDS + b"\r\n\r\n\r\n\r\n",
    "empty lines at the end": FIELDS + b"\r\n" + BODY + b"\r\n\r\n\r\n",
    "blanks at ends of lines": FIELDS + b"\r\n \r\na \t\r\n\tb\t\r\n \t \r\n",
    "folded fields": FIELDS + b"References: <a@b>\r\n\t<c@d>\r\n  <e@f>\r\n\r\n" + BODY,
    "eight bits": FIELDS + "X-N: ü\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nJürgen ß€\r\n"
                  .encode(),
    "fields twice": FIELDS + b"Cc: a@b.example\r\nCc: c@d.example\r\n\r\n" + BODY,
    "blanks in fields": FIELDS.replace(b"Subject: hello", b"SUBJECT:   hello \t world  ")
                        + b"\r\n" + BODY,
    "an empty field": FIELDS.replace(b"hello", b"") + b"\r\n" + BODY,
    "of a list": b"List-Id: <l.example>\r\nList-Unsubscribe: <mailto:u@l.example>\r\n" + FIELDS
                 + b"\r\n" + BODY,
    "long lines": FIELDS + b"\r\n" + b"x" * 998 + b"\r\n",
    "a dot alone": FIELDS + b"\r\n.\r\n..\r\n",
    "large": FIELDS + b"\r\n" + base64.encodebytes(random.Random(5).randbytes(300000))
             .replace(b"\n", b"\r\n"),
}


TIME = 1764000000  # of all signatures, so that they are the same each time


def strings(record):
    return " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))


def private_keys(folder):
    """A file with a private key for each selector. Those of dkimpy's tests and of RFC 8032 make the
    same signatures each time; the other is as long as ours are."""
    seed = base64.b64decode((DATA / "rfc8032_7_1.key").read_bytes())
    ed25519 = base64.encodebytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
    (folder / "e25519.pem").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\n" + ed25519 + b"-----END PRIVATE KEY-----\n")
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                    "-out", folder / "r2048.pem"], check=True, stderr=subprocess.DEVNULL)
    return {"e25519": folder / "e25519.pem", "r2048": folder / "r2048.pem",
            "r1024": DATA / "test.private"}


class Peers:
    """The keys of a domain, and who signs and verifies by them."""

    def __init__(self, folder):
        self.folder = folder
        self.keys = private_keys(folder)
        self.records = {}
        for selector, key in self.keys.items():
            der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "DER"],
                                 check=True, stdout=subprocess.PIPE).stdout
            kind = "ed25519" if selector == "e25519" else "rsa"
            public = base64.b64encode(der if kind == "rsa" else der[-32:]).decode()
            self.records[f"{selector}._domainkey.{DOMAIN}"] = f"v=DKIM1; k={kind}; p={public}"
        self.zone = folder / "zone.json"
        self.opendkim_config = folder / "opendkim.conf"
        self.write_records(self.records)

    def write_records(self, records):
        self.zone.write_text(json.dumps({name: {"TXT": [text]} for name, text in records.items()}))
        names = self.folder / "opendkim.keys"
        names.write_text("".join(f"{name} {text}\n" for name, text in records.items()))
        self.opendkim_config.write_text(f"Mode v\nSyslog no\nTestPublicKeys {names}\n")

    def write(self, texts):
        paths = []
        for number, text in enumerate(texts):
            paths.append(self.folder / f"{number}.eml")
            paths[-1].write_bytes(text)
        return paths

    def sign(self, texts, *selectors):
        paths = self.write(texts)
        subprocess.run([TOOL, "sign", DOMAIN, str(TIME),
                        *(f"{name}={self.keys[name]}" for name in selectors)],
                       input="".join(f"{path}\n" for path in paths), text=True, check=True)
        return [path.with_name(path.name + ".signed").read_bytes() for path in paths]

    def ours(self, texts):
        """[(results of DKIM signatures, result of ARC)] by us."""
        paths = self.write(texts)
        run = subprocess.run([TOOL, "verify", self.zone], text=True, check=True,
                             input="".join(f"{path}\n" for path in paths), stdout=subprocess.PIPE)
        rows = [line.split("\t") for line in run.stdout.splitlines()]
        assert [row[0] for row in rows] == [str(path) for path in paths]
        return [([word for word in row[1].split(",") if word], row[2]) for row in rows]

    def opendkim(self, texts):
        """Is the signature that opendkim looks at good, by text. One run each: it stops at the
        first message that it cannot read."""
        def is_good(path):
            run = subprocess.run(["opendkim", "-x", self.opendkim_config, "-t", path], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
            return ") succeeded" in run.stdout

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            return list(pool.map(is_good, self.write(texts)))

    def dkimpy(self, text, place=0):
        """What dkimpy says of a signature: pass, fail, or that it takes it for unusable."""
        try:
            good = dkim.DKIM(text, minkey=1024).verify(idx=place, dnsfunc=self.answer)
        except (dkim.DKIMException, ValueError, TypeError, IndexError, KeyError):
            return "error"
        return "pass" if good else "fail"

    def answer(self, name, timeout=5):
        text = self.records.get(name.decode(errors="replace").rstrip(".").lower())
        return text.encode() if text else None


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    need("openssl", "opendkim")
    return Peers(tmp_path_factory.mktemp("dkim"))


def test_others_accept_what_we_sign(peers):
    texts = list(LETTERS.values())
    both = peers.sign(texts, "r2048", "e25519")
    rsa, ed25519 = peers.sign(texts, "r2048"), peers.sign(texts, "e25519")
    assert peers.ours(both) == [(["pass", "pass"], "none")] * len(texts)
    for name, text in zip(LETTERS, both):
        assert [peers.dkimpy(text, place) for place in (0, 1)] == ["pass", "pass"], name
        assert len(max(text[:text.index(b"From")].split(b"\r\n"), key=len)) <= 78, name
    assert peers.opendkim(rsa) == [True] * len(texts)
    assert peers.opendkim(ed25519) == [True] * len(texts)


def test_rspamd_accepts_what_we_sign(peers, folder):
    """Not where two fields have one name that RFC 5322, 3.6 allows once: it does not pick them from
    below, and refuses what dkimpy signs there as well."""
    knot = Knot(folder / "knot", "".join(
        f"{name}. TXT {strings(record)}\n" for name, record in peers.records.items()))
    names = [name for name in LETTERS if name != "fields twice"]
    signed = peers.sign([LETTERS[name] for name in names], "r2048", "e25519")
    rspamd = Rspamd(folder / "rspamd", knot.port)
    knot.start()
    try:
        rspamd.start()
        for name, text in zip(names, signed):
            assert rspamd.signatures(text) == {
                "R_DKIM_ALLOW": [f"{DOMAIN}:s=e25519", f"{DOMAIN}:s=r2048"]}, name
        changed = signed[0].replace(b"Subject: hello", b"Subject: hullo")
        assert "R_DKIM_REJECT" in rspamd.signatures(changed)
    finally:
        rspamd.stop()
        knot.stop()


def test_we_accept_what_others_sign(peers):
    texts, names = [], []
    forms = [(head, body) for head in (b"simple", b"relaxed") for body in (b"simple", b"relaxed")]
    for name, text in LETTERS.items():
        for selector, algorithm in ((b"r2048", b"rsa-sha256"), (b"e25519", b"ed25519-sha256")):
            for form in forms if len(text) < 10000 else forms[-1:]:
                key = peers.keys[selector.decode()].read_bytes()
                if algorithm.startswith(b"ed25519"):
                    der = base64.b64decode(b"".join(key.splitlines()[1:-1]))
                    key = base64.b64encode(der[-32:])
                field = dkim.DKIM(text, signature_algorithm=algorithm).sign(
                    selector, DOMAIN.encode(), key, canonicalize=form)
                texts.append(field + text)
                names.append((name, algorithm, form))
    said = peers.ours(texts)
    assert [name for name, words in zip(names, said) if words != (["pass"], "none")] == []


# --- Changes at random ---------------------------------------------------------------------------

CUTS = re.compile(rb"[;=:, \t]|\r\n|[A-Za-z0-9+/]+")


def change(random_source, text):
    """The text with a small change, of the kinds that happen on the way and to attackers."""
    head, body = text.split(b"\r\n\r\n", 1)
    kind = random_source.choice(["blank", "case", "byte", "token", "tag", "body", "field", "end",
                                 "swap"])
    if kind == "end":
        return text + random_source.choice([b"\r\n", b" \r\n", b"x", b"x\r\n", b"\r\n\r\n"])
    if kind == "body":
        at = random_source.randrange(len(body))
        piece = random_source.choice([b" ", b"\t", b"  ", b"\r\n", b"y", b" \r\n"])
        return head + b"\r\n\r\n" + body[:at] + piece + body[at:]
    if kind == "field":
        line = random_source.choice([b"From: eve@example.com", b"Subject: x", b"X-Y: z", b"To:",
                                     b"Received: from a by b", b"DKIM-Signature: v=1; a=x"])
        return (line + b"\r\n" + text if random_source.random() < 0.5
                else head + b"\r\n" + line + b"\r\n\r\n" + body)
    if kind == "swap":
        fields = re.split(rb"\r\n(?![ \t])", head)
        i, k = random_source.sample(range(len(fields)), 2)
        fields[i], fields[k] = fields[k], fields[i]
        return b"\r\n".join(fields) + b"\r\n\r\n" + body
    if kind == "tag":
        tag = random_source.choice([b"v", b"a", b"c", b"d", b"s", b"t", b"h", b"bh"])
        value = random_source.choice([b"", b"1", b"2", b"simple", b"relaxed/simple", b"rsa-sha256",
                                      b"example.org", b"signed.example", b"from", b"x y"])
        return re.sub(rb"([\s;])" + tag + rb"=[^;]*", rb"\1" + tag + b"=" + value, text, count=1)
    at = random_source.choice([match.start() for match in CUTS.finditer(head)])
    if kind == "blank":
        return text[:at] + random_source.choice([b" ", b"\t", b"\r\n ", b"  "]) + text[at:]
    if kind == "case":
        return text[:at] + text[at:at + 1].swapcase() + text[at + 1:]
    if kind == "token":
        return text[:at] + CUTS.sub(b"", text[at:at + 60], count=1) + text[at + 60:]
    return text[:at] + bytes([random_source.randrange(33, 126)]) + text[at + 1:]


def is_odd(text):
    """Blanks before a colon, which both others take for no field, where RFC 6376, 3.4.2 says what
    becomes of them."""
    return re.search(rb"^[^\s:]+[ \t]+:", text.split(b"\r\n\r\n", 1)[0], re.MULTILINE) is not None


def is_unfit_for_opendkim(text):
    """Its test mode tells of one signature only, and takes other ends of lines than CRLF for such."""
    return (text.count(b"DKIM-Signature") > 1 or not text.endswith(b"\r\n")
            or b"\r" in text.replace(b"\r\n", b"") or b"\n" in text.replace(b"\r\n", b""))


def test_changed_messages_get_the_same_verdicts(peers):
    source = random.Random(20261124)
    texts = [LETTERS[name] for name in ("plain", "folded fields", "eight bits", "fields twice",
                                        "blanks at ends of lines", "of a list")]
    signed = peers.sign(texts, "r1024") + peers.sign(texts, "e25519")
    changed = []
    while len(changed) < 600:
        text = source.choice(signed)
        for _ in range(source.choice([1, 1, 1, 2])):
            text = change(source, text)
        if not is_odd(text):
            changed.append(text)
    ours = [words[:1] == ["pass"] for words, _ in peers.ours(changed)]
    assert 100 < sum(ours) < 500
    dkimpy = [peers.dkimpy(text) == "pass" for text in changed]
    assert [text for text, a, b in zip(changed, ours, dkimpy) if a != b] == []
    fit = [(text, good) for text, good in zip(changed, ours) if not is_unfit_for_opendkim(text)]
    fit = fit[:200]
    opendkim = peers.opendkim([text for text, _ in fit])
    assert [text for (text, good), other in zip(fit, opendkim) if good != other] == []


# --- ARC -----------------------------------------------------------------------------------------


def arc_letters():
    """Messages with chains that are whole, and the records that they need."""
    suites = json.loads((ROOT / "tests/data/arc/arc-draft-validation-tests.json").read_text())
    texts, records = [], {}
    for suite in suites["suites"]:
        records.update(suite["txt-records"])
        texts += [case["message"].replace("\n", "\r\n").encode() for case in suite["tests"]
                  if case["name"] in ("cv_pass_i1_1", "cv_pass_i2_1", "cv_pass_i3_1",
                                      "as_fields_b_2048", "ams_fields_c_ss")]
    assert len(texts) == 5
    return texts, records


def test_changed_chains_get_the_same_verdicts(peers):
    source = random.Random(8617)
    texts, records = arc_letters()
    peers.records.update(records)
    peers.write_records(peers.records)
    changed = list(texts)
    while len(changed) < 300:
        text = source.choice(texts)
        text = change(source, text)
        if not is_odd(text):
            changed.append(text)
    ours = [arc == "pass" for _, arc in peers.ours(changed)]
    assert all(ours[:5]) and 20 < sum(ours) < 250
    theirs = []
    for text in changed:
        try:
            theirs.append(dkim.arc_verify(text, dnsfunc=peers.answer)[0] == b"pass")
        except (dkim.DKIMException, ValueError, TypeError, IndexError, KeyError):
            theirs.append(False)
    differ = [(text, a, b) for text, a, b in zip(changed, ours, theirs) if a != b]
    for text, a, b in differ:
        print("ours", a, "dkimpy", b, text.decode(errors="replace"), "\n")
    assert differ == []
