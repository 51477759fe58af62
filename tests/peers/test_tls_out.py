"""TLS towards other servers: what each level takes from a good server, and from bad ones; and
posttls-finger, Postfix's tool, finds the same."""

import subprocess

import pytest

from authority import Authority
from letters import plain
from nameserver import Knot
from peers import Postfix, Script, need, program
from server import Postrider, free_port, wait_for
from test_relay import send

NAME = "mx.partner.test"
SECONDS = 20


class Nonsense:
    """In place of an ssl.SSLContext: agrees to STARTTLS, and then is no TLS server."""

    @staticmethod
    def wrap_socket(client, server_side):
        client.recv(4096)  # the ClientHello
        client.sendall(b"\x15\x03\x01\x00\x02\x02\x28")  # the alert handshake_failure
        client.close()
        raise OSError("no TLS")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def identities(authority):
    return {"good": authority.issue(NAME), "expired": authority.issue(NAME, days=-1),
            "self-signed": authority.issue(NAME, is_self_signed=True),
            "wrong-name": authority.issue("mx.other.test")}


def forced(authority, **more):
    return {"level": "forced", "ca": str(authority.file), "names": [NAME], **more}


def case(rule, server, want, *, finger=None, scheme="smtp", tls=None, reason=None):
    """rule, the server, whether its mail arrives ("arrives" or "waits"); what posttls-finger says of
    it; and what must be in the log: of a mail that arrived its tls=, else why it waits."""
    return {"rule": rule, "server": server, "want": want, "finger": finger, "scheme": scheme,
            "tls": tls, "reason": reason}


CASES = {
    "good": case("forced", "good", "arrives", finger="Verified", tls=", verified"),
    "pinned": case("pin", "self-signed", "arrives", finger="Verified", tls=", pinned"),
    "expired": case("forced", "expired", "waits", finger="Untrusted", reason="has expired"),
    "self-signed": case("forced", "self-signed", "waits", finger="Untrusted",
                        reason="the certificate is self-signed"),
    "wrong-name": case("forced", "wrong-name", "waits", finger="Untrusted",
                       reason=f"for other names: mx.other.test; it has to be good for {NAME}"),
    "wrong-key": case("pin", "good", "waits", finger="Untrusted",
                      reason="the certificate's key is none of the pinned ones"),
    "broken": case("forced", "nonsense", "waits", finger="failed|error",
                   reason="the TLS handshake failed"),
    "stripped": case("forced", "stripped", "waits",
                     reason="TLS is required, and the server does not offer STARTTLS"),
    "refused": case("forced", "refused", "waits",
                    reason="TLS is required, and the server refuses STARTTLS: 454 4.7.0 not now"),
    "injected": case("forced", "injected", "waits",
                     reason="it speaks in clear behind its reply to STARTTLS"),
    "may-expired": case("opportunistic", "expired", "arrives", tls=", not verified"),
    "may-stripped": case("opportunistic", "stripped", "arrives",
                         tls="none: the server does not offer STARTTLS"),
    "may-refused": case("opportunistic", "refused", "arrives",
                        tls="none: the server refuses STARTTLS"),
    "may-broken": case("opportunistic", "nonsense", "arrives",
                       tls="none: its TLS handshake failed of late"),
    "may-injected": case("opportunistic", "injected", "waits",
                         reason="it speaks in clear behind its reply to STARTTLS"),
    "never": case("none", "good", "arrives", tls="none: routes.tls"),
    "smtps": case("forced", "good", "arrives", scheme="smtps", tls=", verified"),
    "smtps-expired": case("forced", "expired", "waits", scheme="smtps", reason="has expired"),
    "smtps-any": case("opportunistic", "self-signed", "arrives", scheme="smtps",
                      tls=", not verified"),
}


def start_server(kind, identities, is_implicit):
    if kind == "stripped":
        return Script()
    if kind == "nonsense":
        return Script(context=Nonsense())
    good = identities["good"].context()
    if kind == "refused":
        return Script(context=good, starttls="454 4.7.0 not now")
    if kind == "injected":
        return Script(context=good, starttls="220 go\r\n250-injected.example\r\n250 SIZE 1")
    return Script(context=identities[kind].context(), is_implicit=is_implicit)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, authority, identities):
    """One Postrider with a route for each case, and a message on each."""
    rules = {"forced": forced(authority), "none": "none", "opportunistic": "opportunistic",
             "pin": {"pins": [identities["self-signed"].pin()]}}
    peers = {name: start_server(each["server"], identities, each["scheme"] == "smtps")
             for name, each in CASES.items()}
    routes = [{"to": f"{name}.example", "tls": rules[each["rule"]],
               "via": f"{each['scheme']}://127.0.0.1:{peers[name].port}"}
              for name, each in CASES.items()]
    server = Postrider(tmp_path_factory.mktemp("postrider"), routes=routes,
                       queue={"retry_first": "1h"})
    try:
        server.start()
        for name in CASES:
            send(server, plain(name, to=f"ann@{name}.example"), [f"ann@{name}.example"])
        yield server, peers
        server.stop()
    finally:
        server.give_up()
        for peer in peers.values():
            peer.stop()


def lane_of(server, name):
    return next((entry for entry in server.queue_list()
                 for recipient in entry["recipients"]
                 if recipient["address"] == f"ann@{name}.example"), None)


@pytest.mark.parametrize("name", CASES)
def test_levels(outcome, name):
    server, peers = outcome
    wanted, peer = CASES[name], peers[name]
    if wanted["want"] == "arrives":
        wait_for(lambda: peer.messages, SECONDS, name)
        delivered = wait_for(
            lambda: server.events("delivered", to=f"ann@{name}.example"), SECONDS)[0]
        assert wanted["tls"] in delivered["tls"], delivered
        return
    failed = wait_for(lambda: [event for event in server.events("connect-failed")
                               if f":{peer.port}" in event["lane"]], SECONDS, name)[0]
    assert wanted["reason"] in failed["reason"], failed
    assert not peer.messages
    # The operator sees it in the queue, and in the message's story.
    entry = lane_of(server, name)
    shown = server.command("queue", "show", entry["id"])
    assert wanted["reason"] in " ".join(shown.split()), shown
    assert wanted["reason"] in " ".join(server.command("trace", entry["id"]).split())


def test_clear_text_is_logged(outcome):
    server, peers = outcome

    def lines(name):
        return [event for event in server.events("in-clear")
                if f":{peers[name].port}" in event["lane"]]

    for name in ("may-stripped", "may-refused", "may-broken"):
        assert wait_for(lambda name=name: lines(name), SECONDS)
    assert not lines("never")
    assert [event for event in server.events("tls-failed")
            if f":{peers['may-broken'].port}" in event["lane"]]


@pytest.mark.parametrize("name", [name for name, each in CASES.items() if each["finger"]])
def test_posttls_finger_finds_the_same(outcome, authority, identities, name):
    need("posttls-finger")
    _, peers = outcome
    words = [program("posttls-finger"), "-c", "-t", "5", "-T", "5", "-L", "summary"]
    place = f"[127.0.0.1]:{peers[name].port}"
    if CASES[name]["rule"] == "pin":
        pin = identities["self-signed"].pin()
        colons = ":".join(pin[i:i + 2] for i in range(0, len(pin), 2)).upper()
        words += ["-l", "fingerprint", "-d", "sha256", place, colons]
    else:
        words += ["-l", "secure", "-F", str(authority.file), place, NAME]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    assert any(word in said for word in CASES[name]["finger"].split("|")), said
    assert ("Verified" in said) == (CASES[name]["want"] == "arrives"), said


# --- Real servers --------------------------------------------------------------------------------


def test_postfix_by_name_and_again_by_ticket(folder, launch, authority, identities):
    peer = Postfix(folder / "postfix", smtpd_tls_security_level="may",
                   smtpd_tls_received_header="yes",
                   smtpd_tls_cert_file=identities["good"].certificate,
                   smtpd_tls_key_file=identities["good"].key)
    peer.start()
    try:
        server = launch(
            routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}", "tls": forced(authority),
                     "messages_per_connection": 1, "connections": 1}])
        for number in range(2):
            send(server, plain(f"letter {number}"), ["carol@partner.example"])
            server.wait_queue_empty()
        assert b"using TLSv1.3" in peer.wait_message()
        first, second = server.events("secured")
        assert (first["resumed"], second["resumed"]) == ("0", "1")
        assert {first["verified"], second["verified"]} == {"1"}
        assert all("verified" in event["tls"] for event in server.events("delivered"))
    finally:
        peer.stop()


def test_postfix_sees_our_certificate(folder, launch, authority, identities):
    """Its key signs in the keeper."""
    own = authority.issue("mx.example.org")
    peer = Postfix(folder / "postfix", smtpd_tls_security_level="may", mynetworks="192.0.2.1",
                   smtpd_tls_received_header="yes", smtpd_tls_ask_ccert="yes",
                   smtpd_tls_CAfile=authority.file, smtpd_tls_fingerprint_digest="sha256",
                   smtpd_recipient_restrictions="permit_tls_all_clientcerts, reject",
                   smtpd_tls_cert_file=identities["good"].certificate,
                   smtpd_tls_key_file=identities["good"].key)
    peer.start()
    try:
        server = launch(
            routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}", "tls": forced(authority)}],
            outbound={"client_certificate": {"certificate": str(own.certificate),
                                             "key": str(own.key)}})
        send(server, plain("a letter"), ["carol@partner.example"])
        assert b'Client CN "mx.example.org", Issuer "authority" (verified OK)' in peer.wait_message()
    finally:
        peer.stop()


# --- By MX ---------------------------------------------------------------------------------------

ZONE = """
own MX 10 mx.own
mx.own A 127.0.0.2
hosted MX 10 mx.host
named MX 10 mx.host
mx.host A 127.0.0.3
"""


def test_by_mx_the_domain_is_what_counts(folder, launch, authority):
    """A name that only the DNS gave is no name: whoever forges the DNS has a certificate for his."""
    port = free_port()
    names = Knot(folder / "dns", ZONE).start()
    own = Script(port=port, address="127.0.0.2", context=authority.issue("mx.own.example").context())
    host = Script(port=port, address="127.0.0.3",
                  context=authority.issue("mx.host.example").context())
    try:
        trust = {"level": "forced", "ca": str(authority.file)}
        server = launch(
            routes=[{"to": "*", "via": f"mx:{port}"}],
            resolver={"servers": [f"127.0.0.1:{names.port}"], "dnssec": "off"},
            outbound={"tls": trust,
                      "tls_domains": {"named.example": {**trust, "names": ["mx.host.example"]}}})
        for domain in ("own", "hosted", "named"):
            send(server, plain(domain), [f"ann@{domain}.example"])
        wait_for(lambda: own.messages and host.messages, SECONDS, server.log_tail())
        failed = wait_for(lambda: server.events("connect-failed"), SECONDS)[0]
        assert failed["lane"].startswith(f"mx:10=mx.host.example:{port};tls=forced:")
        assert failed["lane"].endswith(";for=hosted.example")
        assert "has to be good for hosted.example or .hosted.example" in failed["reason"]
        assert [recipient for _, text in host.messages for recipient in _[1:]] == \
            ["RCPT TO:<ann@named.example>"]
    finally:
        own.stop()
        host.stop()
        names.stop()


# --- A delay that the sender hears of ------------------------------------------------------------


def test_the_sender_hears_why_it_is_late(launch, script):
    peer = script()
    server = launch(
        routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}",
                 "tls": {"level": "forced", "names": [NAME]}}],
        queue={"retry_first": "1h", "delay_notice": "1s"})
    send(server, plain("late"), ["ann@partner.example"], sender="bob@example.org")
    notice = server.wait_message("bob@example.org").sent.decode()
    assert "TLS is required, and the server does not offer STARTTLS" in " ".join(notice.split())
    assert "4.7.4" in notice
    assert "an encrypted connection only, and their server has none" in " ".join(notice.split())
