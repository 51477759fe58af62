"""DMARC beside OpenDMARC's library: over thousands of records made at random (the seed is fixed), both say
the same.

Left out is what OpenDMARC 1.4.2 does otherwise than RFC 7489 has it: it takes a subdomain of the author for
aligned in strict mode too, and a top-level domain for aligned with what is below; of records that are broken it
reads words by their first letters and does without the version."""

import ctypes
import ctypes.util
import os
import pathlib
import random
import subprocess

import pytest

TOOL = pathlib.Path(os.environ["POSTRIDER"]).resolve().parent / "tests/dmarc_tool"
COUNT = 4000
ORGANIZATION = "example.com"
AUTHORS = ["example.com", "news.example.com", "a.b.example.com"]
IDENTIFIERS = ["", "example.com", "news.example.com", "x.b.example.com", "example.net",
               "notexample.com", "example.com.example.net", "EXAMPLE.com"]
PASS = 1  # a result of SPF and of DKIM, as opendmarc/dmarc.h has it
SPF_FROM_MAIL, ALIGNED = 1, 4
ENFORCE = {14: "absent", 15: "pass", 16: "reject", 17: "quarantine", 18: "none"}


class OpenDmarc:
    """libopendmarc, which takes a record from us and asks no DNS."""

    class Library(ctypes.Structure):
        _fields_ = [("tld_type", ctypes.c_int), ("tld_source_file", ctypes.c_char * 4096),
                    ("nscount", ctypes.c_int), ("nsaddr_list", ctypes.c_char * 16 * 16)]

    def __init__(self, suffixes):
        name = ctypes.util.find_library("opendmarc")
        if not name:
            pytest.skip("no libopendmarc here")
        self.library = ctypes.CDLL(name)
        self.library.opendmarc_policy_connect_init.restype = ctypes.c_void_p
        self.settings = self.Library(tld_type=1, tld_source_file=str(suffixes).encode())
        assert self.library.opendmarc_policy_library_init(ctypes.byref(self.settings)) == 0

    def check(self, author, spf, dkim, domain, record):
        """What is to be enforced, and whether SPF and DKIM are aligned."""
        call = self.library
        context = ctypes.c_void_p(call.opendmarc_policy_connect_init(b"192.0.2.1", 0))
        try:
            assert call.opendmarc_policy_store_from_domain(context, author.encode()) == 0
            if spf:
                call.opendmarc_policy_store_spf(context, spf.encode(), PASS, SPF_FROM_MAIL, b"")
            if dkim:
                call.opendmarc_policy_store_dkim(context, dkim.encode(), b"s", PASS, b"")
            above = domain.encode() if domain != author else None
            assert call.opendmarc_policy_store_dmarc(context, record.encode(), domain.encode(),
                                                     above) == 0
            policy = ENFORCE[call.opendmarc_get_policy_to_enforce(context)]
            aligned = ctypes.c_int(), ctypes.c_int()
            call.opendmarc_policy_fetch_alignment(context, *map(ctypes.byref, aligned))
            return policy, aligned[1].value == ALIGNED, aligned[0].value == ALIGNED
        finally:
            call.opendmarc_policy_connect_shutdown(context)


def ours(cases):
    done = subprocess.run([TOOL], input="".join("\t".join(case) + "\n" for case in cases),
                          capture_output=True, text=True, check=True)
    answers = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return [(result, policy, spf == "1", dkim == "1") for result, policy, spf, dkim in answers]


def make_record(chance):
    """A good record; tags behind p in any order, blanks and letter case at random."""
    def blank():
        return chance.choice(["", "", " ", "  ", "\t"])

    def case(word):
        return chance.choice([word, word, word.upper(), word.capitalize()])

    policies = ["none", "quarantine", "reject"]
    tags = [f"{name}{blank()}={blank()}{case(chance.choice(values))}" for name, values in [
        ("sp", policies), ("adkim", "r"), ("aspf", "r"), ("fo", ["0", "1", "d", "s", "1:d:s"]),
        ("rua", ["mailto:a@example.com", "mailto:a@example.com!10m,mailto:b@example.net"]),
        ("ruf", ["mailto:c@example.com"])] if chance.random() < 0.4]
    chance.shuffle(tags)
    tags.insert(0, f"p={blank()}{case(chance.choice(policies))}")
    return f"{blank()};{blank()}".join(["v=DMARC1", *tags]) + chance.choice(["", ";", "; "])


def make_cases(chance):
    return [(chance.choice(AUTHORS), chance.choice(IDENTIFIERS), chance.choice(IDENTIFIERS),
             ORGANIZATION, make_record(chance)) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def opendmarc(tmp_path_factory):
    suffixes = tmp_path_factory.mktemp("opendmarc") / "suffixes"
    suffixes.write_text("com\nnet\n")
    return OpenDmarc(suffixes)


def is_same(theirs, mine):
    result, policy, spf, dkim = mine
    enforce, their_spf, their_dkim = theirs
    if result == "pass":
        return enforce == "pass" and (spf, dkim) == (their_spf, their_dkim)
    return result == "fail" and enforce == policy


def test_records(opendmarc):
    cases = make_cases(random.Random(9989))
    wrong = [(case, theirs, mine) for case, mine in zip(cases, ours(cases))
             if not is_same(theirs := opendmarc.check(*case), mine)]
    assert not wrong, (len(wrong), wrong[:5])
