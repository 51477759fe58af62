"""Postrider's SPF and python3-spf agree about mutated records and zones, but for what is listed.

SPF_SEED and SPF_CASES choose others than the usual ones; a failure names its case."""

import ipaddress
import json
import os
import random
import re
import subprocess

import pytest

from server import binary

SEED = int(os.environ.get("SPF_SEED", "7208"))
CASES = int(os.environ.get("SPF_CASES", "200"))
CLIENTS = ["192.0.2.1", "192.0.2.9", "198.51.100.7", "2001:db8::1", "2001:db8:9::9"]
NAMES = [f"d{i}.test" for i in range(6)]
HOSTS = [f"h{i}.test" for i in range(6)]
SENDERS = ["ann", "a-b.c", "x+y=z", ""]
NOW = "1700000000"


# --- Zones ---------------------------------------------------------------------------------------


def macro(dice):
    letter = dice.choice("slodivhSLODIVH" if dice.random() < 0.9 else "pP")
    digits = dice.choice(["", "", "1", "2", "3", "99"])
    return f"%{{{letter}{digits}{dice.choice(['', '', 'r'])}{dice.choice(['', '', '-', '.', '+-'])}}}"


def domain_spec(dice):
    name = dice.choice(NAMES + HOSTS + ["none.test", "slow.test", "broken.test"])
    if dice.random() < 0.3:
        name = f"{macro(dice)}.{name}"
    if dice.random() < 0.05:
        name = macro(dice)
    return name + dice.choice(["", "", "", "", "."])


def cidr(dice):
    return dice.choice(["", "", "", "/24", "/0", "//32", "/16//48", "//0", "/32"])


def mechanism(dice):
    """One term, mostly of good syntax."""
    address4 = dice.choice(["192.0.2.1", "192.0.2.0", "198.51.100.0", "203.0.113.5"])
    address6 = dice.choice(["2001:db8::1", "2001:db8::", "2001:db8:9::", "::1"])
    argument = dice.choice(["", f":{domain_spec(dice)}"])
    body = dice.choice([
        f"a{argument}{cidr(dice)}",
        f"mx{argument}{cidr(dice)}",
        f"ptr{argument}",
        f"include:{domain_spec(dice)}",
        f"include:{dice.choice(NAMES)}",
        f"exists:{domain_spec(dice)}",
        f"ip4:{address4}{dice.choice(['', '/24', '/32', '/1', '/0'])}",
        f"ip6:{address6}{dice.choice(['', '/32', '/64', '/128', '/0'])}",
    ])
    return dice.choice(["", "", "", "+", "-", "~", "?"]) + body


def mutate(dice, record):
    """A slip of the pen."""
    place = dice.randrange(len("v=spf1 "), len(record) + 1)
    rest = record[place:]
    return record[:place] + dice.choice([
        rest[1:],
        dice.choice("%{}/:.=,-+ 09azAZ_\t!") + rest,
        rest[:1].swapcase() + rest[1:],
        rest[:1] + rest,
    ])


def record(dice):
    terms = [mechanism(dice) for _ in range(dice.randrange(6))]
    if dice.random() < 0.7:
        terms.append(dice.choice(["-all", "~all", "?all", "all", "-ALL"]))
    if dice.random() < 0.2:
        terms.insert(dice.randrange(len(terms) + 1), f"redirect={domain_spec(dice)}")
    if dice.random() < 0.2:
        terms.insert(dice.randrange(len(terms) + 1), f"exp={dice.choice(HOSTS)}")
    if dice.random() < 0.1:
        terms.insert(dice.randrange(len(terms) + 1), dice.choice(["x=y", "m.n=%{d}", "op=helo"]))
    text = dice.choice(["v=spf1", "v=spf1", "V=SPF1"]) + " " + " ".join(terms)
    return mutate(dice, text) if dice.random() < 0.2 else text


def zone(dice):
    names = {"slow.test": {"*": "TIMEOUT"}, "broken.test": {"*": "SERVFAIL"}}
    for name in NAMES:
        texts = [["other ", "text"]] if dice.random() < 0.3 else []
        if dice.random() < 0.95:
            text = record(dice)
            cut = dice.randrange(len(text))
            texts.append([text[:cut], text[cut:]])
        if dice.random() < 0.03:
            texts.append("v=spf1 -all")
        names[name] = {"TXT": texts, "A": [dice.choice(CLIENTS[:3])],
                       "MX": [[i, dice.choice(HOSTS)] for i in range(dice.randrange(4))]}
    names[NAMES[0]]["MX"] += [[9, host] for host in HOSTS + HOSTS] if dice.random() < 0.1 else []
    for name in HOSTS:
        names[name] = {"A": dice.sample(CLIENTS[:3], dice.randrange(1, 3)),
                       "AAAA": dice.sample(CLIENTS[3:], dice.randrange(1, 3)),
                       "TXT": [dice.choice(["%{i} is not of %{d}", "see %{S}", "100% wrong"])]}
    for address in CLIENTS:
        if dice.random() < 0.7:
            names[reverse(address)] = {"PTR": dice.sample(NAMES + HOSTS, dice.randrange(1, 4))}
    if dice.random() < 0.3:
        names["h0.test"] = {"CNAME": [dice.choice(["h1.test", "d1.test", "none.test"])]}
    return names


def reverse(address):
    return ipaddress.ip_address(address).reverse_pointer


# --- The two -------------------------------------------------------------------------------------


def ask_postrider(path, client, helo, sender):
    words = [binary(), "verify", "--zone", path, "--time", NOW, "--json", "--ip", client,
             "--helo", helo, "--from", sender]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["spf"]
    return found["result"], found["explanation"]


def lookup_in(names, spf):
    """Its resolver: the answers of the zone. Failures are errors, as from its own."""
    def lookup(name, qtype, strict=True, timeout=20):
        name = name.rstrip(".").lower()
        types = names.get(name, {})
        answer = types.get(qtype, types.get("*", []))
        if "CNAME" in types and qtype not in types:
            return [((name, "CNAME"), types["CNAME"][0])]
        if isinstance(answer, str):
            raise spf.TempError(f"DNS {answer}")
        return [((name, qtype), value_of(qtype, value)) for value in answer]
    return lookup


def value_of(qtype, value):
    if qtype == "TXT":
        return [part.encode() for part in ([value] if isinstance(value, str) else value)]
    return tuple(value) if qtype == "MX" else value


def ask_python(spf, names, client, helo, sender):
    spf.DNSLookup = lookup_in(names, spf)
    query = spf.query(i=client, s=sender, h=helo, receiver="unknown")
    result, _, explanation = query.check()
    if result != "fail" or explanation == spf.EXPLANATIONS["fail"]:
        explanation = ""
    return result, explanation, getattr(query, "prob", "")


# --- The test ------------------------------------------------------------------------------------


def case(number):
    dice = random.Random(f"{SEED}-{number}")
    names = zone(dice)
    sender = dice.choice(SENDERS)
    domain = dice.choice(NAMES)
    return (names, dice.choice(CLIENTS), dice.choice(["h1.test", "mail.h1.test", "d0.test", "host"]),
            f"{sender}@{domain}" if dice.random() < 0.95 else "")


MACRO = r"%(\{[slodiphcrtv]\d*r?[-.+,/_=]*\}|[%_-])"


def records_of(names):
    texts = ["".join(text) for types in names.values() for text in types.get("TXT", [])]
    return "\n".join(text for text in texts if text.lower().startswith("v=spf1"))


def deviation(names, sender, ours, theirs):
    """Why they may differ; None: they may not."""
    problem, texts = theirs[2], records_of(names)
    if "trivial recursion" in problem:
        return "it refuses a record that includes itself though no term gets there (RFC 7208, 4.6.2)"
    if "Void lookup limit" in problem:
        return "it counts each query, of an mx's hosts too; RFC 7208, 4.6.4 counts terms"
    if "Too many DNS lookups" in problem and "redirect=" in texts:
        return "it counts a redirect that is not followed (RFC 7208, 6.1)"
    if sender.startswith("@") and theirs[:2] == (
            ours[0], re.sub("postmaster(@|%40)", r"\1", ours[1])):
        return "it leaves %{s} without local part, which is postmaster (RFC 7208, 4.3)"
    if ours[0] == "permerror" and "\t" in texts:
        return "it takes a tab for a visible character (RFC 7208, 7.1)"
    if ours[0] == "permerror" and "%" in re.sub(MACRO, "", texts, flags=re.I):
        return "it takes what only looks like a macro (RFC 7208, 7.1)"
    if any(name not in ("exp", "redirect")
           for name in re.findall(r" (exp|redirect)=", texts, flags=re.I)):
        return "it knows modifiers in lower case only (RFC 7208, 4.6.1)"
    return None


def test_verdicts(tmp_path):
    spf = pytest.importorskip("spf")
    results, deviations = set(), 0
    path = tmp_path / "zone.json"
    for number in range(CASES):
        names, client, helo, sender = case(number)
        path.write_text(json.dumps(names))
        ours = ask_postrider(path, client, helo, sender)
        theirs = ask_python(spf, names, client, helo, sender)
        results.add(ours[0])
        if ours == theirs[:2]:
            continue
        assert deviation(names, sender, ours, theirs), \
            f"case {number}: {client} {helo} {sender}: {ours}, and python3-spf {theirs}\n{names}"
        deviations += 1
    assert len(results) == 7
    assert deviations < CASES / 20
