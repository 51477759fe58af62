"""What it costs to know who sent a message, and to sign one: a relay with all checks on, and one
that signs, beside one that does neither, and beside Postfix with OpenDKIM as its milter."""

import concurrent.futures
import os
import pathlib
from typing import Callable, NamedTuple

import signatures
from contenders import AWAY, Postrider, TunedPostfix
from loads import SESSIONS, bench_relay
from peers import Daemon, is_listening, let_others_enter, program
from server import free_port
from signatures import DOMAIN, OURS, SELECTORS, Bed, seconds_used
from yard import cell, note, print_table, ratio

POSTFIX_SHARE = 5


class Relay(Postrider):
    """Mail from 127.0.0.1 comes from anybody, for the domain's one alias, which leads away; that
    from ::1 is submitted. keys: those that sign what is submitted."""

    def __init__(self, bed, folder, sinks, mode="off", keys=(), workers=1):
        self.bed, self.outside, self.inside = bed, free_port(), free_port()
        super().__init__(
            folder, listen=[{"address": f"127.0.0.1:{self.outside}", "role": "mx"},
                            {"address": f"[::1]:{self.inside}", "role": "submission"}],
            relay={"networks": ["::1/128"]}, verify={"mode": mode, "trusted_networks": []},
            domains=[{"name": OURS, "catch_all": AWAY}], workers=workers,
            routes=[{"to": domain, "via": f"smtp://127.0.0.1:{sink}"}
                    for domain, sink in zip(("y.example", "z.example"), sinks)],
            resolver={"servers": [f"127.0.0.1:{bed.names.port}"], "dnssec": "off"})
        for kind in keys:
            self.command("dkim", "import", OURS, SELECTORS[kind], str(bed.keys[kind]))

    def seconds(self):
        return seconds_used([self.process.pid, *self.processes()])

    def check(self, case, count):
        """Were they all checked, or signed, as they should be?"""
        verdicts = len(self.events("verdict", dkim="pass", spf="pass", dmarc="pass"))
        signed = len(self.events("signed"))
        assert verdicts == count * case.checked, (case.name, verdicts)
        assert signed == count * case.signed, (case.name, signed)


class OpenDKIM(Daemon):
    """A milter: Mode v checks, Mode s signs."""

    def __init__(self, bed, folder, mode):
        super().__init__(folder)
        self.port = free_port()
        let_others_enter(self.folder)
        (self.folder / "keys").write_text(f"r._domainkey.{DOMAIN} {bed.record}\n")
        (self.folder / "insiders").write_text("127.0.0.1\n" if mode == "s" else "192.0.2.1\n")
        (self.folder / "opendkim.conf").write_text(f"""
Mode {mode}
Syslog no
UserID nobody
Socket inet:{self.port}@127.0.0.1
TestPublicKeys {self.folder}/keys
InternalHosts {self.folder}/insiders
Canonicalization relaxed/relaxed
Domain {DOMAIN}
Selector r
KeyFile {bed.keys["rsa"]}
RequireSafeKeys no
AlwaysAddARHeader yes
""")

    def start(self):
        self.launch(program("opendkim"), "-f", "-x", str(self.folder / "opendkim.conf"),
                    ready=lambda: is_listening(self.port))
        return self


class PostfixWith:
    """Postfix, with OpenDKIM or without."""

    def __init__(self, bed, folder, sinks, mode=None):
        self.milter, settings = None, {}
        folder = pathlib.Path(folder)
        if mode:
            folder.mkdir()
            let_others_enter(folder)
            self.milter = OpenDKIM(bed, folder / "opendkim", mode)
            settings = {"smtpd_milters": f"inet:127.0.0.1:{self.milter.port}",
                        "milter_default_action": "tempfail"}
            folder = folder / "postfix"
        self.postfix = TunedPostfix(folder, sinks[0], **settings)
        self.outside = self.postfix.port

    def start(self):
        if self.milter:
            self.milter.start()
        self.postfix.start()
        return self

    def seconds(self):
        """Its processes come and go: it is not known."""

    def check(self, case, count):
        pass

    def end(self):
        self.postfix.end()
        if self.milter:
            self.milter.stop()


# --- Loads ---------------------------------------------------------------------------------------


def must_arrive(figures, count):
    assert figures["accepted"] == count and figures["lost"] == 0, figures


def bring(bed, server, sinks, count, letter):
    """What other servers send."""
    to = AWAY if isinstance(server, PostfixWith) else f"b@{OURS}"
    figures, seconds = bench_relay(
        server.outside, sinks[0], to, "--from", f"ann@{DOMAIN}", "--count", count, "--letter",
        bed.letters[letter], "--sessions", SESSIONS)
    must_arrive(figures, count)
    return seconds


def bring_plain(bed, server, sinks, count):
    return bring(bed, server, sinks, count, "4 KiB")


def bring_signed(bed, server, sinks, count):
    return bring(bed, server, sinks, count, ("4 KiB", "rsa"))


def submit(bed, server, sinks, count):
    figures, seconds = bench_relay(
        server.inside, sinks[1], "b@z.example", "--from", f"bob@{OURS}", "--count", count,
        "--letter", bed.submitted, "--sessions", SESSIONS, host="[::1]")
    must_arrive(figures, count)
    return seconds


def both(bed, server, sinks, count):
    """At once, a half of the messages each."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(work, bed, server, sinks, count // 2)
                  for work in (bring_signed, submit)]
    return max(half.result() for half in halves)


class Case(NamedTuple):
    name: str
    kind: Callable
    settings: dict
    work: Callable
    base: str = None  # the case that this one is measured by
    checked: float = 0  # verdicts of a message, all good, in the log
    signed: float = 0  # signatures of a message


def cases():
    chain, many = {"mode": "enforce"}, {"workers": os.cpu_count()}
    rsa, ed25519 = {"keys": ["rsa"]}, {"keys": ["ed25519"]}
    two = {"keys": ["rsa", "ed25519"]}
    unchecked, unsigned = "incoming, unchecked", "submitted, unsigned"
    spread, off = "incoming, unchecked, a worker a core", "half and half, all off"
    rows = [
        Case(unchecked, Relay, {}, bring_signed),
        Case("incoming, SPF and DMARC, no signature", Relay, chain, bring_plain, unchecked),
        Case("incoming, all checks, RSA-2048", Relay, chain, bring_signed, unchecked, 1),
        Case(spread, Relay, many, bring_signed),
        Case("incoming, all checks, RSA-2048, a worker a core", Relay, {**chain, **many},
             bring_signed, spread, 1),
        Case(unsigned, Relay, {}, submit),
        Case("submitted, signed by Ed25519", Relay, ed25519, submit, unsigned, signed=1),
        Case("submitted, signed by RSA-2048", Relay, rsa, submit, unsigned, signed=1),
        Case("submitted, signed by both", Relay, two, submit, unsigned, signed=2),
        Case(off, Relay, {}, both),
        Case("half and half: checked, or signed by Ed25519", Relay, {**chain, **ed25519}, both, off,
             0.5, 0.5),
        Case("half and half: checked, or signed by RSA-2048", Relay, {**chain, **rsa}, both, off,
             0.5, 0.5),
    ]
    postfix = "Postfix, incoming, unchecked"
    if program("postfix"):
        rows.append(Case(postfix, PostfixWith, {}, bring_signed))
    if program("postfix") and program("opendkim"):
        rows += [Case("Postfix, DKIM checked by OpenDKIM, RSA-2048", PostfixWith, {"mode": "v"},
                      bring_signed, postfix),
                 Case("Postfix, signed by OpenDKIM, RSA-2048", PostfixWith, {"mode": "s"},
                      bring_plain, postfix)]
    return rows


def measure(yard, bed, case, messages):
    """Messages a second; and microseconds of the processor a message, of all its processes."""
    count = messages // (POSTFIX_SHARE if case.kind is PostfixWith else 1)
    sinks = [free_port(), free_port()]
    server = case.kind(bed, yard.fresh("identity"), sinks, **case.settings).start()
    try:
        warm = 40
        case.work(bed, server, sinks, warm)  # the DNS's answers are in the cache
        before = server.seconds()
        seconds = case.work(bed, server, sinks, count)
        used = (server.seconds() - before) * 1e6 / count if before is not None else None
        server.check(case, count + warm)
    finally:
        server.end()
    return count / seconds, used


def run(yard, options):
    bed = Bed(yard.fresh("bed"))
    try:
        signatures.run(bed, options)
        rates, used = {}, {}
        for number in range(options.rounds):
            for case in cases():
                rate, micros = measure(yard, bed, case, options.messages)
                rates.setdefault(case.name, []).append(rate)
                used.setdefault(case.name, []).extend([micros] if micros else [])
                note(f"round {number + 1}: {case.name}: {rate:,.0f}/s, {micros or 0:.0f} us")
    finally:
        bed.names.stop()
    print_table(f"Messages of 4 KiB relayed a second: median (least–most) of {options.rounds}"
                " rounds", ["", "rate", "part of that without", "µs of the processor a message"],
                [[case.name, cell(rates[case.name]),
                  ratio(rates[case.name], rates.get(case.base)), cell(used[case.name])]
                 for case in cases()])
    print("\nIncoming: from a stranger, through an alias, to the sink. All checks: SPF of sender and"
          " HELO, the client's\nname, DKIM, ARC, DMARC; verdict, log and Authentication-Results. The"
          " DNS is a Knot on this machine, and\nits answers are in the cache. OpenDKIM checks DKIM"
          " alone, with the key in a file. The processor's time is\nthat of the server's processes;"
          " load generator and sink share the machine's cores. One worker, where\nnothing else is"
          " said; keys are in the keeper, which signs on a thread a core.")
