"""Signatures and SPF alone: messages a second of one core, beside OpenDKIM's library and rspamd;
and what these need: keys, messages that they signed, and the DNS that has them."""

import base64
import concurrent.futures
import http.client
import os
import pathlib
import re
import subprocess

from contenders import AWAY
from nameserver import Knot
from peers import program
from rspamd import Rspamd
from server import ROOT, children_of
from yard import cell, note, print_table, ratio

DOMAIN, OURS = "client.example", "example.org"
SELECTORS = {"rsa": "r", "ed25519": "e"}
SIZES = {"4 KiB": 4096, "64 KiB": 65536}
VERIFIED, SIGNED, TASKS = 20000, 3000, 2000  # messages of a round
SIGNER, SPF = ROOT / "build/bench/dkim_bench", ROOT / "build/bench/spf_bench"
ZONE = f"""
{DOMAIN.removesuffix('.example')} TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.client TXT "v=DMARC1; p=reject"
r._domainkey.client TXT ( {{}} )
mail A 127.0.0.1
"""
OTHER_ZONES = {"127.in-addr.arpa": "1.0.0 PTR mail.example.\n", "invalid": ""}


def compose(sender, size):
    """An ordinary message, without a signature."""
    head = (f"From: Ann <{sender}>\r\nTo: {AWAY}\r\nSubject: a message of a load test\r\n"
            "Date: Tue, 24 Nov 2026 03:07:04 +0000\r\nMessage-ID: <1@client.example>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
    line = "A line of a letter, of no great length, and then the next one.\r\n"
    return (head + line * ((size - len(head)) // len(line))).encode()


class Bed:
    """Keys, the DNS that has them, and messages in files: by size and the keys that signed them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.opendkim = build_tools(self.folder)
        self.keys = {kind: self.make_key(kind) for kind in SELECTORS}
        self.record = "v=DKIM1; k=rsa; p=" + base64.b64encode(subprocess.run(
            ["openssl", "pkey", "-in", self.keys["rsa"], "-pubout", "-outform", "DER"],
            check=True, stdout=subprocess.PIPE).stdout).decode()
        (self.folder / "record").write_text(self.record)
        self.letters = {}
        for name, size in SIZES.items():
            self.letters[name] = plain = self.folder / f"{size}"
            plain.write_bytes(compose(f"ann@{DOMAIN}", size))
            for kinds in (["rsa"], ["ed25519"], ["rsa", "ed25519"]):
                signed = self.letters[name, *kinds] = self.folder / f"{size}-{'-'.join(kinds)}"
                signed.write_bytes(subprocess.run(
                    [SIGNER, "write", plain, *(self.keys[kind] for kind in kinds)],
                    check=True, stdout=subprocess.PIPE).stdout)
        self.submitted = self.folder / "submitted"
        self.submitted.write_bytes(compose(f"bob@{OURS}", SIZES["4 KiB"]))
        strings = " ".join(f'"{self.record[at:at + 200]}"'
                           for at in range(0, len(self.record), 200))
        self.names = Knot(self.folder / "dns", ZONE.format(strings), **OTHER_ZONES).start()

    def make_key(self, kind):
        path = self.folder / f"{SELECTORS[kind]}.pem"
        bits = ["-pkeyopt", "rsa_keygen_bits:2048"] if kind == "rsa" else []
        subprocess.run(["openssl", "genpkey", "-algorithm", kind, *bits, "-quiet", "-out", path],
                       check=True)
        path.chmod(0o644)  # of no worth, and read by other users
        return path


# --- Signatures alone ----------------------------------------------------------------------------


def build_tools(folder):
    """Ours, and the one for OpenDKIM; None where its library is missing."""
    subprocess.run(["ninja", "-C", ROOT / "build", "bench/dkim_bench", "bench/spf_bench"],
                   check=True, stdout=subprocess.DEVNULL)
    other = pathlib.Path(folder) / "opendkim_bench"
    done = subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", other,
                           ROOT / "bench/opendkim_bench.c", "-lopendkim"],
                          stderr=subprocess.DEVNULL)
    return other if done.returncode == 0 else None


def run_tool(*words):
    done = subprocess.run([*map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def seconds_used(pids):
    """Of the processor, by these processes and their threads."""
    total = 0
    for pid in pids:
        for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(path.read_text().split()[0])
    return total / 1e9


class SigningRspamd(Rspamd):
    """Checks and signs, with the plug-in that is there for it."""

    def __init__(self, folder, dns_port, key):
        super().__init__(folder, dns_port)
        with open(self.folder / "rspamd.conf", "a") as config:
            config.write(f"""
modules {{ path = "/usr/share/rspamd/plugins/dkim_signing.lua"; }}
dkim_signing {{
    enabled = true; sign_local = true; sign_authenticated = true; check_pubkey = false;
    allow_username_mismatch = true; use_domain = "header"; use_esld = false;
    domain {{ {DOMAIN} {{ path = "{key}"; selector = "r"; }} }}
}}
""")

    def task(self, text):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        link.request("POST", "/checkv2", text,
                     {"IP": "127.0.0.1", "From": f"ann@{DOMAIN}"} if self.signs else {})
        reply = link.getresponse().read()
        link.close()
        assert self.wanted in reply, reply

    def rate(self, path, count, wanted, signs=False):
        """Tasks a second of its processes' time."""
        text = path.read_bytes()
        self.wanted, self.signs = wanted, signs
        pids = [self.process.pid, *children_of(self.process.pid)]
        self.task(text)
        begin = seconds_used(pids)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(self.task, [text] * count))
        return count / (seconds_used(pids) - begin)


def less(rates, others):
    """Of what a task costs beyond another one: by round."""
    pairs = [1 / rate - 1 / other for rate, other in zip(rates or [], others or [])]
    return [1 / pair for pair in pairs if pair > 0]


class Signatures:
    """Rates by row and by who works."""

    def __init__(self, bed):
        self.bed, self.rates = bed, {}

    def add(self, row, who, rate):
        self.rates.setdefault((row, who), []).append(rate)
        note(f"{row}: {who} {rate:,.0f}/s")

    def round(self, quicken, rspamd):
        for work, count in (("verify", VERIFIED // quicken), ("sign", SIGNED // quicken)):
            for size, *kinds in (("4 KiB", "rsa"), ("4 KiB", "ed25519"), ("4 KiB", "rsa", "ed25519"),
                                 ("64 KiB", "rsa")):
                self.one(work, size, kinds, count, rspamd, TASKS // quicken)

    def one(self, work, size, kinds, count, rspamd, tasks):
        bed, row = self.bed, (work, size, *kinds)
        letter = bed.letters[(size, *kinds) if work == "verify" else size]
        self.add(row, "Postrider", run_tool(SIGNER, work, letter, count,
                                            *(bed.keys[kind] for kind in kinds)))
        if kinds != ["rsa"]:
            return
        if bed.opendkim:
            key = bed.folder / "record" if work == "verify" else bed.keys["rsa"]
            self.add(row, "OpenDKIM", run_tool(bed.opendkim, work, letter, count // 4, key))
        if not rspamd or size != "4 KiB":  # it takes ten times as long to read a larger text
            return
        if work == "verify":
            self.add((*row, "without"), "rspamd",
                     rspamd.rate(bed.letters[size], tasks, b"R_DKIM_NA"))
            self.add(row, "rspamd", rspamd.rate(letter, tasks, b"R_DKIM_ALLOW"))
        else:
            self.add(row, "rspamd", rspamd.rate(letter, tasks, b"dkim-signature", signs=True))

    def print(self, rounds):
        lines = []
        for row in dict.fromkeys(row for row, who in self.rates if "without" not in row):
            work, size, *kinds = row
            found = {who: self.rates.get((row, who)) for who in ("Postrider", "OpenDKIM", "rspamd")}
            without = self.rates.get((("verify", size, "rsa", "without"), "rspamd"))
            alone = less(found["rspamd"], without)
            names = " and ".join({"rsa": "RSA-2048", "ed25519": "Ed25519"}[kind] for kind in kinds)
            lines.append([f"{work}, {names}, {size}", *map(cell, found.values()), cell(alone),
                          ratio(found["Postrider"], found["OpenDKIM"]),
                          ratio(found["Postrider"], alone)])
        print_table(f"Messages a second of one core: median (least–most) of {rounds} rounds",
                    ["", "Postrider", "OpenDKIM", "rspamd, a whole task", "rspamd, DKIM alone",
                     "Postrider to OpenDKIM", "to rspamd"], lines)
        print("\nPostrider and OpenDKIM: their libraries, from the message in memory to the result,"
              " the key's record there at once.\nrspamd: a task over HTTP with no other module on;"
              " alone: what it costs beyond the same task for a message\nwithout a signature. The"
              " time is the processor's, of all processes and threads at work.")


def print_spf():
    done = subprocess.run([SPF], check=True, capture_output=True,
                          text=True)
    rows = re.findall(r"^(.*?) +(\w+): (\d+) checks a second$", done.stdout, re.MULTILINE)
    print_table("SPF checks a second of one core, the DNS answering at once",
                ["", "result", "Postrider"],
                [[name, result, f"{int(rate):,}"] for name, result, rate in rows])


def run(bed, options):
    """What is missing is left out, but our own."""
    rspamd = None
    if program("rspamd"):
        rspamd = SigningRspamd(bed.folder / "rspamd", bed.names.port, bed.keys["rsa"]).start()
    try:
        signatures = Signatures(bed)
        for _ in range(options.rounds):
            signatures.round(options.quicken, rspamd)
    finally:
        if rspamd:
            rspamd.stop()
    signatures.print(options.rounds)
    print_spf()
