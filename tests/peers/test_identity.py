"""Is mail from whom it says: a real DNS with SPF, DKIM and DMARC records, messages signed by dkimpy, and
what becomes of those that are not."""

import contextlib
import email
import email.policy
import json
import smtplib
import socket
import subprocess
import threading

import pytest

from letters import large, plain
from nameserver import Knot, Mute
from peers import Script
from server import binary, free_port, wait_for

dkim = pytest.importorskip("dkim")

GOOD, STRANGER = "127.0.0.2", "127.0.0.9"  # the domains' own server, and anybody
FORGED = [
    "Authentication-Results: mx.example.org; dmarc=pass header.from=bank.example\r\n",
    "AUTHENTICATION-results:(a)\r\n\t\"MX.example.org\" 1; spf=pass\r\n",
    "X-Postrider-Junk: no\r\n",
]
KEPT = "Authentication-Results: mx.elsewhere.example; spf=pass smtp.mailfrom=x@bank.example\r\n"
ZONE = """
    bank TXT "v=spf1 ip4:127.0.0.2 -all"
    _dmarc.bank TXT "v=DMARC1; p=reject"
    s1._domainkey.bank TXT ( {bank} )
    shop TXT "v=spf1 ip4:127.0.0.2 -all"
    _dmarc.shop TXT "v=DMARC1; p=quarantine; sp=none"
    free TXT "v=spf1 -all"
    good A 127.0.0.2
    lists TXT "v=spf1 ip4:127.0.0.9 -all"
    s1._domainkey.lists TXT ( {lists} )
"""


def make_key():
    """A private key as PEM, and the strings of its record."""
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                          "rsa_keygen_bits:2048", "-quiet"], capture_output=True, check=True).stdout
    lines = subprocess.run(["openssl", "pkey", "-pubout"], input=pem, capture_output=True,
                           check=True).stdout.decode().splitlines()[1:-1]
    record = "v=DKIM1; k=rsa; p=" + "".join(lines)
    return pem, " ".join(f'"{record[at:at + 200]}"' for at in range(0, len(record), 200))


class World:
    """The DNS; makes Postriders that check what comes from 127.0.0.0/8."""

    def __init__(self, folder):
        self.launch = None
        self.bank, bank = make_key()
        self.lists, lists = make_key()
        self.lists_public = lists.replace('"', "").replace(" ", "").split("p=")[1].encode()
        self.names = Knot(folder / "dns", ZONE.format(bank=bank, lists=lists)).start()

    def server(self, names=None, **verify):
        port = names or self.names.port
        return self.launch(resolver={"servers": [f"127.0.0.1:{port}"], "dnssec": "off"},
                           verify={"trusted_networks": [], **verify})

    def sign(self, text, domain="bank.example"):
        key = {"bank.example": self.bank, "lists.example": self.lists}[domain]
        return dkim.sign(text, b"s1", domain.encode(), key,
                         canonicalize=(b"relaxed", b"relaxed")) + text


@pytest.fixture(scope="module")
def internet(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("identity"))
    yield made
    made.names.stop()


@pytest.fixture
def world(internet, launch):
    internet.launch = launch
    return internet


def send(server, text, sender, client=STRANGER, helo="client.example"):
    """The last reply, as "550 5.7.26 …"."""
    with smtplib.SMTP("127.0.0.1", server.mx, source_address=(client, 0), timeout=60) as session:
        session.ehlo(helo)
        session.mail(sender)
        session.rcpt("ann@example.org")
        code, reply = session.data(text)
        return f"{code} {reply.decode()}"


def fields_of(message, name="authentication-results"):
    return email.message_from_bytes(message.raw, policy=email.policy.default).get_all(name, [])


def in_junk(server):
    folder = server.maildir("ann@example.org") / ".Junk" / "new"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_what_is_shown_to_be_its_own_is_taken(world):
    server = world.server(received_spf="on")
    text = plain("by SPF", sender="boss@bank.example")
    assert send(server, "".join(FORGED).encode() + KEPT.encode() + text, "boss@bank.example",
                GOOD).startswith("250 ")
    message = server.wait_message("ann@example.org")
    ours, kept = fields_of(message)
    assert ours.startswith("mx.example.org;") and "spf=pass smtp.mailfrom=boss@bank.example" in ours
    assert "spf=none (client.example does not exist) smtp.helo=client.example" in ours
    assert "dmarc=pass (p=reject at _dmarc.bank.example) header.from=bank.example" in ours
    assert kept.startswith("mx.elsewhere.example;")
    spf, helo = fields_of(message, "received-spf")
    assert spf.startswith("pass ") and "client-ip=127.0.0.2; identity=mailfrom" in spf
    assert helo.startswith("none ") and "identity=helo;\thelo=client.example" in helo
    assert not fields_of(message, "x-postrider-junk")
    assert message.sent.endswith((KEPT.encode() + text).replace(b"\r\n", b"\n"))
    verdict, = server.events("verdict")
    assert verdict["dmarc"] == verdict["spf"] == "pass" and verdict["action"] == "accept"
    assert server.events("accepted", id=verdict["id"])

    # Signatures are checked before anything is cut out, and over bodies that are kept in files.
    signed = world.sign(large("by DKIM", 2 << 20).replace(b"bob@example.org", b"boss@bank.example"))
    assert send(server, FORGED[0].encode() + signed, "x@elsewhere.invalid").startswith("250 ")
    message, = [each for each in server.wait_messages("ann@example.org", 2)
                if b"Subject: by DKIM\n" in each.raw]
    results = fields_of(message)
    assert len(results) == 1 and "dkim=pass" in results[0] and "header.d=bank.example" in results[0]
    assert "dmarc=pass" in results[0] and "spf=" in results[0]


def test_what_is_not_is_refused_or_junk(world):
    server = world.server()
    text = plain("forged", sender="Boss <boss@bank.example>")
    reply = send(server, text, "eve@lists.example")
    assert reply.startswith("550 5.7.26 DMARC: bank.example asks for reject (p=reject at "
                            "_dmarc.bank.example)"), reply
    assert "SPF is pass for lists.example from 127.0.0.9" in reply
    signed = world.sign(text).replace(b"Hello", b"Pay me")
    assert "no DKIM signature is good" in send(server, signed, "boss@bank.example")
    refused = server.events("refused", rule="dmarc", status="5.7.26")
    assert len(refused) == 2 and all(each["text"].startswith("DMARC: ") for each in refused)

    # Subdomains of shop may do as they like; the domain itself may not.
    assert send(server, plain("below", sender="a@x.shop.example"), "").startswith("250 ")
    done = subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{server.mx}", "--local-interface", STRANGER, "--silent", "2",
         "--from", "eve@evil.invalid", "--to", "ann@example.org", "--header-From",
         "sales@shop.example", "--header-Subject", "quarantine"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    junk, = wait_for(lambda: in_junk(server), 10)
    raw = junk.read_bytes()
    assert b"\nX-Postrider-Junk: yes (dmarc)\n" in raw and b"policy.dmarc=quarantine" in raw
    assert (junk.parent.parent / "maildirfolder").exists()
    # No DMARC record, and SPF says that it is not theirs.
    assert send(server, plain("by SPF alone", sender="a@free.example"),
                "a@free.example").startswith("250 ")
    wait_for(lambda: len(in_junk(server)) == 2, 10)
    assert [each["rule"] for each in server.events("verdict", action="junk")] == ["dmarc", "spf"]
    assert len(server.wait_messages("ann@example.org")) == 1


def test_the_name_in_helo(world):
    server = world.server()
    rows = [  # HELO, reverse-path, client; spf and spf_helo; results that the field has
        ("bank.example", "a@lists.example", STRANGER, "pass", "fail",
         ["spf=pass smtp.mailfrom=a@lists.example", "spf=fail smtp.helo=bank.example"]),
        ("bank.example", "a@shop.example", GOOD, "pass", "pass",
         ["spf=pass smtp.mailfrom=a@shop.example", "spf=pass smtp.helo=bank.example"]),
        ("[127.0.0.9]", "a@lists.example", STRANGER, "pass", "",
         ["spf=pass smtp.mailfrom=a@lists.example"]),
        ("lists.example", "", STRANGER, "pass", "pass", ["spf=pass smtp.helo=lists.example"]),
    ]
    for count, (helo, sender, client, spf, spf_helo, results) in enumerate(rows, 1):
        text = plain(f"row {count}", sender="a@x.shop.example")
        assert send(server, text, sender, client, helo).startswith("250 ")
        message, = [each for each in server.wait_messages("ann@example.org", count)
                    if f"Subject: row {count}\n".encode() in each.raw]
        field, = fields_of(message)
        found = [each.strip() for each in field.split(";") if each.strip().startswith("spf=")]
        assert found == results, field
        verdict = server.events("verdict")[-1]
        assert (verdict["spf"], verdict.get("spf_helo", ""), verdict["helo"]) == (spf, spf_helo, helo)
        assert verdict["action"] == "accept"
    server = world.server(helo_fail="refuse")
    for sender in ("a@lists.example", ""):
        assert send(server, plain("forged HELO", sender="a@x.shop.example"), sender,
                    helo="bank.example").startswith(
            "550 5.7.23 SPF: 127.0.0.9 may not call itself bank.example by its record, v=spf1 ")
    assert len(server.events("refused", rule="helo")) == 2


def test_another_lmtp_server_is_told_by_a_detail(world):
    peer = Script(lhlo="250 script.example")
    try:
        server = world.launch(
            resolver={"servers": [f"127.0.0.1:{world.names.port}"], "dnssec": "off"},
            verify={"trusted_networks": []},
            deliver={"lmtp": f"lmtp://127.0.0.1:{peer.port}", "junk_detail": "+Junk"})
        assert send(server, plain("junk", sender="a@shop.example"), "").startswith("250 ")
        assert send(server, plain("good", sender="a@shop.example"), "a@shop.example",
                    GOOD).startswith("250 ")
        server.wait_queue_empty()
        taken = {envelope[1]: text for envelope, text in peer.messages}
        assert b"\r\nX-Postrider-Junk: yes (dmarc)\r\n" in taken["RCPT TO:<ann+Junk@example.org>"]
        assert b"X-Postrider-Junk" not in taken["RCPT TO:<ann@example.org>"]
    finally:
        peer.stop()


@pytest.mark.parametrize("head, why", [
    ("From: a@free.invalid\r\nFrom: boss@bank.example\r\n", "there is more than one From field"),
    ("From: a@free.invalid, boss@bank.example\r\n", "DMARC: bank.example asks for reject"),
    ("From: boss@bank.example <eve@evil.invalid>\r\n", "DMARC: bank.example asks for reject"),
    ("From: =?utf-8?q?boss=40bank.example?=\r\n", "has no address with a domain"),
    ("From: \"boss@bank.example\r\n", "a quoted string does not end"),
    ("Subject: none\r\n", "there is no From field"),
])
def test_authors_that_readers_would_see(world, head, why):
    server = world.server()
    reply = send(server, head.encode() + b"To: ann@example.org\r\n\r\nHello\r\n", "eve@lists.example")
    assert reply.startswith("550 5.") and why in reply, reply
    assert server.events("verdict", action="refuse")


def test_a_field_behind_a_lone_newline(world):
    """Only BINARYMIME lets one in; in a Maildir it would end a line."""
    server = world.server()
    text = b"From: a@free.invalid\r\nX: y\nFrom: boss@bank.example\r\n\r\nHello\r\n"
    with smtplib.SMTP("127.0.0.1", server.mx, source_address=(STRANGER, 0), timeout=60) as session:
        session.ehlo("client.example")
        assert session.docmd("MAIL", "FROM:<eve@lists.example> BODY=BINARYMIME")[0] == 250
        session.rcpt("ann@example.org")
        session.send(f"BDAT {len(text)} LAST\r\n".encode() + text)
        code, reply = session.getreply()
    assert code == 550 and b"a CR, LF or NUL where none can be" in reply, (code, reply)


def test_the_dns_does_not_say(world):
    server = world.server()
    text = plain("sick", sender="a@x.sick.example")
    assert send(server, text, "a@x.sick.example").startswith("250 ")
    results, = fields_of(server.wait_message("ann@example.org"))
    assert "dmarc=temperror" in results and "spf=temperror" in results
    server = world.server(dns_error="defer")
    assert send(server, text, "a@x.sick.example").startswith(
        "451 4.7.26 DMARC: the DNS does not answer for what shows whether x.sick.example sent this")


def test_only_the_message_itself_waits(world):
    """A DNS that never answers: others come and go meanwhile, and the wait is bounded."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        server = world.server(names=silent.getsockname()[1], timeout="3s")
        replies = []
        waits = threading.Thread(target=lambda: replies.append(
            send(server, plain("waits", sender="boss@bank.example"), "boss@bank.example")))
        waits.start()
        silent.settimeout(30)
        silent.recv(512)
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=30) as session:
            session.sendmail("bob@example.org", ["ann@example.org"], plain("goes on"))
        server.wait_message("ann@example.org")
        assert not replies
        waits.join(30)
        assert replies[0].startswith("250 ")
        verdict, = server.events("verdict")
        assert verdict["dmarc"] == verdict["spf"] == "temperror"


def test_a_silent_name_holds_up_no_other(world):
    """Others are checked by the same listener and the same DNS meanwhile; whoever stops the server
    does not wait for it either."""
    mute = Mute(world.names.port)
    try:
        server = world.server(names=mute.port, timeout="5m")
        text = plain("waits", sender="a@silent.example")

        def wait():
            with contextlib.suppress(smtplib.SMTPException):  # its QUIT comes too late
                send(server, text, "a@silent.example")

        waits = threading.Thread(target=wait)
        waits.start()
        wait_for(lambda: mute.swallowed, 30)
        for number in range(3):
            other = world.sign(plain(f"goes on {number}", sender="boss@bank.example"))
            assert send(server, other, "boss@bank.example", GOOD).startswith("250 ")
        server.wait_messages("ann@example.org", 3)
        assert len(server.events("verdict", spf="pass", dkim="pass", dmarc="pass")) == 3
        assert waits.is_alive()
        server.stop()
        waits.join(30)
        verdict, = server.events("verdict", spf="temperror", dmarc="temperror")
        assert server.events("accepted", id=verdict["id"])
    finally:
        mute.stop()


def test_what_is_let_through(world):
    text = plain("list", sender="boss@bank.example")
    server = world.server(forwarders=[f"{STRANGER}/32"])
    assert send(server, text, "list@lists.example").startswith("250 ")
    assert server.events("verdict", dmarc="fail", action="accept", override="forwarder")
    server = world.server(allow=["bank.example"])
    assert send(server, text, "list@lists.example").startswith("250 ")
    assert server.events("verdict", dmarc="fail", action="accept", override="allow")
    server = world.server(mode="mark")
    assert send(server, text, "list@lists.example").startswith("250 ")
    results, = fields_of(server.wait_message("ann@example.org"))
    assert "dmarc=fail" in results and "policy.dmarc=reject" in results
    assert server.events("verdict", dmarc="fail", action="accept", rule="dmarc")


def test_mail_that_is_passed_on_is_sealed(world):
    """dkimpy finds our seal good, alone and on top of another one; nothing else is sealed."""
    far = Script(ehlo="250 far.example")
    try:
        server = world.launch(
            resolver={"servers": [f"127.0.0.1:{world.names.port}"], "dnssec": "off"},
            verify={"trusted_networks": [], "seal": "example.org"},
            domains=[{"name": "example.org", "mailboxes": "any",
                      "aliases": {"all": ["ann@example.org", "ann@far.example"]}}],
            routes=[{"to": "far.example", "via": f"smtp://127.0.0.1:{far.port}"}])

        def record_of(name, timeout=5):
            if name == b"s1._domainkey.lists.example.":
                return b"v=DKIM1; p=" + world.lists_public
            keys = {key["name"]: key["record"] for key in server.json("dkim", "list")}
            return keys[name.decode().rstrip(".")].encode()

        def pass_on(text, sender, to="all"):
            count = len(far.messages)
            with smtplib.SMTP("127.0.0.1", server.mx, source_address=(GOOD, 0), timeout=60) as session:
                session.ehlo("bank.example")
                session.sendmail(sender, [f"{to}@example.org"], text)
            if to == "all":
                wait_for(lambda: len(far.messages) > count, 20)
                return far.messages[-1][1]
            return server.wait_messages(f"{to}@example.org")[0].raw
        text = world.sign(large("sealed", 2 << 20).replace(b"bob@example.org", b"boss@bank.example"))
        assert b"ARC-Seal" not in pass_on(text, "boss@bank.example"), "there is no key yet"
        assert "make one" in server.events("seal-failed", domain="example.org")[0]["reason"]
        server.json("dkim", "new", "example.org")
        sent = pass_on(text, "boss@bank.example")
        result, sets, _ = dkim.ARC(sent).verify(dnsfunc=record_of)
        assert (result, len(sets)) == (dkim.CV_Pass, 1), sets
        assert email.message_from_bytes(sent)["ARC-Seal"].count("cv=none") == 1
        results = " ".join(email.message_from_bytes(sent)["ARC-Authentication-Results"].split())
        assert results.startswith("i=1; mx.example.org; iprev=") and "dmarc=pass" in results
        assert server.events("sealed", domain="example.org")
        assert b"ARC-Seal" not in pass_on(text, "boss@bank.example", to="carol"), "it stays here"

        sealed = b"".join(dkim.arc_sign(
            b"Authentication-Results: lists.example; dmarc=pass header.from=bank.example\r\n" + text,
            b"s1", b"lists.example", world.lists, b"lists.example")) + text
        sent = pass_on(FORGED[0].encode() + sealed, "boss@bank.example")
        result, sets, _ = dkim.ARC(sent).verify(dnsfunc=record_of)
        assert (result, len(sets)) == (dkim.CV_Pass, 2), sets
        broken_chain = sealed.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=1; x=y", 1)
        assert pass_on(broken_chain, "boss@bank.example").count(b"ARC-Seal:") == 1
    finally:
        far.stop()


def test_listeners_and_domains_have_their_own_policy(world):
    """Recipients of one domain get what it wants; of several, what differs is junk."""
    port = free_port()
    domains = {"strict.example": {"spf_fail": "refuse"}, "mild.example": {"reject": "accept"},
               "marking.example": "mark", "plain.example": "default"}
    server = world.launch(
        resolver={"servers": [f"127.0.0.1:{world.names.port}"], "dnssec": "off"},
        verify={"trusted_networks": [], "quarantine": "refuse"},
        domains=[{"name": name, "mailboxes": "any", "verify": wish}
                 for name, wish in domains.items()])
    server.stop()
    server.config["listen"].append({"address": f"127.0.0.1:{port}", "role": "mx",
                                    "verify": {"reject": "junk", "mode": "enforce"}})
    server.write_config()
    server.start()

    def answer(author, *names, port=server.mx):
        with smtplib.SMTP("127.0.0.1", port, source_address=(STRANGER, 0), timeout=60) as session:
            session.ehlo("client.example")
            session.mail(f"x@{author}")
            for name in names:
                session.rcpt(f"ann@{name}.example")
            code = session.data(plain("policies", sender=f"a@{author}"))[0]
        return code, server.events("verdict")[-1]["action"]
    rows = [  # author, recipients' domains, reply, action
        ("bank.example", ["plain"], 550, "refuse"), ("bank.example", ["mild"], 250, "accept"),
        ("bank.example", ["marking"], 250, "accept"), ("bank.example", ["plain", "mild"], 250, "junk"),
        ("bank.example", ["plain", "marking"], 250, "junk"),
        ("bank.example", ["plain", "strict"], 550, "refuse"),
        ("bank.example", ["mild", "marking"], 250, "accept"),
        ("free.example", ["plain"], 250, "junk"), ("free.example", ["strict"], 550, "refuse"),
        ("free.example", ["strict", "plain"], 250, "junk"),
        ("shop.example", ["plain", "mild", "strict"], 550, "refuse"),
    ]
    assert [answer(author, *names) for author, names, *_ in rows] == [tuple(row[2:]) for row in rows]
    assert answer("bank.example", "plain", port=port) == (250, "junk")
    assert answer("bank.example", "mild", port=port) == (250, "accept")
    assert answer("shop.example", "plain", port=port) == (550, "refuse")
    assert "takes off, mark, enforce" in broken(server, {"verify": "loud"})
    assert '"domains.verify.reject" takes' in broken(server, {"verify": {"reject": "loud"}})


def broken(server, words):
    """What is said of a configuration whose first domain has these keys."""
    server.config["domains"][0].update(words)
    server.write_config()
    done = subprocess.run([binary(), "check", "--config", server.config_path], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 or done.returncode == 78, done
    return done.stdout + done.stderr


NAMES = ['"boss@bank.example" <eve@lists.example>',
         "boss=?utf-8?q?=40bank?= =?utf-8?b?LmV4YW1wbGU=?= <eve@lists.example>",
         "eve@lists.example (boss@bank.example)"]


def test_names_that_show_another_address(world):
    server = world.server()
    for number, name in enumerate(NAMES, 1):
        text = plain(f"name {number}").replace(b"bob@example.org", name.encode())
        assert send(server, text, "eve@lists.example").startswith("250 ")
        message, = [each for each in server.wait_messages("ann@example.org", number)
                    if f"Subject: name {number}\n".encode() in each.raw]
        results = " ".join(fields_of(message)[0].split())
        assert "From shows boss@bank.example" in results and "header.from=lists.example" in results
    verdicts = server.events("verdict", shown="boss@bank.example", action="accept")
    assert len(verdicts) == len(NAMES)
    assert "(From shows boss@bank.example)" in server.command("trace", verdicts[0]["id"])
    path = server.folder / "shown.eml"
    path.write_bytes(text)
    words = [binary(), "verify", path, "--ip", STRANGER, "--from", "eve@lists.example"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert "From shows boss@bank.example to people" in done.stdout, done
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["dmarc"]["shown"] == "boss@bank.example"
    # A reader has it in the address itself, and so has DMARC.
    assert send(server, text.replace(NAMES[-1].encode(), b"boss@bank.example <eve@lists.example>"),
                "eve@lists.example").startswith("550 5.7.26")
    server = world.server(misleading_name="refuse")
    assert send(server, text, "eve@lists.example").startswith(
        "550 5.7.1 From: it shows boss@bank.example, but the message is from lists.example. ")


def test_mail_programs_find_nothing_out(world):
    server = world.server()
    text = plain("submitted")
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=30) as session:
        session.sendmail("bob@example.org", ["ann@example.org"],
                         "".join(FORGED[:2]).encode() + KEPT.encode() + text)
    message = server.wait_message("ann@example.org")
    assert fields_of(message) == [KEPT.split(": ", 1)[1].strip()]
    assert message.sent == (KEPT.encode() + text).replace(b"\r\n", b"\n")
    assert not server.events("verdict")


def test_forged_results_are_cut_where_nothing_is_checked(world):
    server = world.server(mode="off", trusted_networks=[f"{GOOD}/32"])
    text = plain("forged results", sender="boss@bank.example")
    assert send(server, "".join(FORGED).encode() + KEPT.encode() + text,
                "boss@bank.example").startswith("250 ")
    assert server.wait_message("ann@example.org").sent == (KEPT.encode() + text).replace(b"\r\n", b"\n")
    assert send(server, FORGED[0].encode() + text, "boss@bank.example", GOOD).startswith("250 ")
    assert FORGED[0].encode().replace(b"\r\n", b"\n") in \
        server.wait_messages("ann@example.org", 2)[1].raw, "a server of ours is believed"
    assert not server.events("verdict")


def test_short_keys_do_not_count(world):
    server = world.server(rsa_bits=3072)
    text = world.sign(plain("by a key of 2048 bits", sender="boss@bank.example"))
    assert "no DKIM signature is good" in send(server, text, "eve@lists.example")
    assert server.events("verdict", dkim="policy", action="refuse")


def test_a_trusted_seal_overrides(world):
    """A list that changed the text, and says by ARC that it was good when it came there."""
    changed = (b"Authentication-Results: lists.example; dmarc=pass header.from=bank.example\r\n" +
               plain("list", "[list] Hello", sender="boss@bank.example"))
    sealed = b"".join(dkim.arc_sign(changed, b"s1", b"lists.example", world.lists,
                                    b"lists.example")) + changed
    server = world.server(trusted_sealers=["lists.example"])
    assert send(server, sealed, "list@lists.example").startswith("250 ")
    results, = [each for each in fields_of(server.wait_message("ann@example.org"))
                if each.startswith("mx.example.org")]
    assert "arc=pass" in results and "overridden: arc" in results
    assert send(server, sealed.replace(b"[list]", b"[LIST]"),
                "list@lists.example").startswith("550 5.7.26")
    server = world.server()
    assert send(server, sealed, "list@lists.example").startswith("550 5.7.26")
