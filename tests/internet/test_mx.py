"""Where mail goes by MX, in a signed DNS that is whole, and in one that is dead, slow or lies."""

import pytest

import names
from letters import plain
from peers import Script
from server import wait_for
from world import DNS, FORWARDER, GOOD, NOWHERE, NOWHERE_6, NOWHERES_6, OTHER, SIXTH


def send(server, subject, recipients):
    with server.client() as client:
        client.sendmail(f"ann@{server.domain}", recipients, plain(subject))


def subjects(peer):
    """What a scripted server took, as often as it did."""
    return [text.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for _, text in peer.messages]


# --- Which host ----------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["wild", "refusing", "implicit", "alias"])
def test_the_host_that_is_up_gets_it(launch, wild, domain):
    peer = wild(GOOD)
    server = launch()
    send(server, domain, [f"carol@{domain}.example"])
    server.wait_queue_empty()
    assert subjects(peer) == [domain]


def test_a_host_that_swallows_everything_holds_up_no_more_than_a_timeout(internet, launch, wild):
    internet.lab.lose(NOWHERE)
    peer = wild(GOOD)
    server = launch(outbound={"connect_timeout": "1s"})
    send(server, "past nowhere", ["carol@nowhere.example"])
    server.wait_queue_empty()
    assert subjects(peer) == ["past nowhere"]


def test_ipv6_that_leads_nowhere_is_passed_by(internet, launch, wild):
    internet.lab.lose(NOWHERE_6)
    peer = wild(GOOD)
    server = launch(outbound={"connect_timeout": "1h"})
    send(server, "dual", ["carol@dual.example"])
    server.wait_queue_empty()
    assert subjects(peer) == ["dual"]
    assert len(server.events("host-failed")) == 1


def test_ipv6_that_leads_nowhere_is_found_out_once(internet, launch, wild):
    for address in NOWHERES_6:
        internet.lab.lose(address)
    peer = wild(GOOD)
    server = launch(outbound={"connect_timeout": "500ms"})
    for number in range(len(NOWHERES_6)):
        send(server, f"many {number}", [f"carol@many-{number}.example"])
        server.wait_queue_empty()
    assert len(peer.messages) == len(NOWHERES_6)
    assert [event["host"].partition("[")[0] for event in server.events("host-failed")] == [
        f"six-{number}.wild.example" for number in range(3)]


def test_a_host_with_ipv6_alone_gets_it(launch, wild):
    peer = wild(SIXTH)
    server = launch()
    send(server, "six", ["carol@only6.example"])
    server.wait_queue_empty()
    assert subjects(peer) == ["six"]


def test_equal_hosts_share(launch, wild):
    peers = [wild(GOOD), wild(OTHER)]
    server = launch(queue={"retry_first": "200ms", "messages_per_connection": 1})
    for number in range(40):
        send(server, f"equal {number}", ["carol@equal.example"])
    server.wait_queue_empty()
    counts = [len(peer.messages) for peer in peers]
    assert sum(counts) == 40 and min(counts) >= 1, counts


def test_a_backup_gives_only_to_better_hosts(launch, wild):
    other = wild(OTHER)
    server = launch()
    send(server, "backup", ["carol@backup.example"])
    wait_for(lambda: server.events("connect-failed") or server.events("deferred"), 30)
    peer = wild(GOOD)
    server.wait_queue_empty()
    assert subjects(peer) == ["backup"]
    assert other.messages == []


@pytest.mark.parametrize("domain, status", [
    ("null.example", "5.1.10"), ("loop.example", "5.4.6"), ("absent.example", "5.1.2"),
    ("hostless.example", "5.4.4")])
def test_what_the_names_forbid_is_bounced(launch, domain, status):
    server = launch()
    send(server, domain, [f"carol@{domain}"])
    server.wait_queue_empty()
    assert [event["status"] for event in server.events("resolve-failed")] == [status]
    assert [event["status"] for event in server.events("failed")] == [status]
    bounce = server.arrival("ann", domain)
    assert bounce.return_path == "<>"
    assert f"Status: {status}\n".encode() in bounce.sent


# --- DNSSEC, and servers of names on a bad day ---------------------------------------------------


def test_a_forged_zone_is_not_believed(launch, wild):
    peer = wild(GOOD)
    server = launch()
    send(server, "bogus", ["carol@bogus.example"])
    wait_for(lambda: server.events("resolve-failed", status="4.7.5"), 30)
    assert peer.messages == []
    (entry,) = server.queue_list()
    assert entry["recipients"][0]["status"] == "deferred"
    server.command("queue", "delete", entry["id"])


def test_a_smarthost_with_a_forged_address_is_not_believed(launch, wild):
    peer = wild(GOOD)
    server = launch(routes=[{"to": "*", "via": "smtp://mx.bogus.example:25"}])
    send(server, "bogus", ["carol@wild.example"])
    (event,) = wait_for(lambda: server.events("connect-failed")[:1], 30)
    assert event["status"] == "4.7.5" and "a false answer (by DNSSEC)" in event["reason"]
    assert peer.messages == []
    (entry,) = server.queue_list()
    server.command("queue", "delete", entry["id"])


@pytest.mark.parametrize("dnssec, known", [("validate", "secure"), ("off", "insecure")])
def test_what_is_signed_is_known_to_be(internet, launch, wild, dnssec, known):
    wild(GOOD)
    server = launch(log={"level": "debug"}, resolver={**internet.resolver(DNS), "dnssec": dnssec})
    send(server, dnssec, ["carol@wild.example"])
    server.wait_queue_empty()
    (event,) = server.events("resolved", domain="wild.example")
    assert event["dnssec"] == known


BAD = {
    "dead": names.dead, "garbage": names.garbage, "servfail": names.failing(names.SERVFAIL),
    "refused": names.failing(names.REFUSED), "answers nobody asked for": names.of_another_question}


@pytest.mark.parametrize("behave", BAD.values(), ids=BAD.keys())
def test_mail_waits_for_the_dns_and_then_flows(internet, launch, wild, behave):
    peer = wild(GOOD)
    internet.forwarder.behave = behave
    try:
        server = launch(resolver=internet.resolver(FORWARDER))
        for number in range(5):
            send(server, f"waits {number}", ["carol@wild.example"])
        wait_for(lambda: server.events("resolve-failed", status="4.4.3"), 60)
        assert len(server.queue_list()) == 5
        assert peer.messages == [] and server.events("failed") == []
        # Bounded, however many messages wait.
        assert internet.forwarder.questions < 2000
    finally:
        internet.forwarder.behave = names.honest
    server.wait_queue_empty(90)
    assert sorted(subjects(peer)) == [f"waits {number}" for number in range(5)]


@pytest.mark.parametrize("behave", [names.truncating, names.slow(1)], ids=["truncating", "slow"])
def test_a_slow_or_truncating_dns_is_enough(internet, launch, wild, behave):
    peer = wild(GOOD)
    internet.forwarder.behave = behave
    try:
        server = launch(resolver=internet.resolver(FORWARDER))
        send(server, "patience", ["carol@wild.example"])
        # And what needs no DNS does not wait for it.
        send(server, "at home", [f"bob@{server.domain}"])
        server.arrival("bob", "at home", 5)
        server.wait_queue_empty(60)
    finally:
        internet.forwarder.behave = names.honest
    assert subjects(peer) == ["patience"]
