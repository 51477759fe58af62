"""Mail by MX: a real authoritative DNS, and hosts at 127.0.0.2 and up that take mail, or do not."""

import email
import email.policy
import socket
import threading

import pytest

from letters import plain
from nameserver import Knot, Mute
from peers import Script
from server import free_port, wait_for
from test_relay import send

QUICK = {"retry_first": "300ms", "retry_max": "500ms"}


class Internet:
    """A zone, the hosts in it, and a Postrider that sends by MX to their port."""

    def __init__(self, folder, launch, zone, port=None, **config):
        self.port = port or free_port()
        self.names = Knot(folder / "dns", zone)
        self.peers = []
        self.server = launch(
            routes=[{"to": "*", "via": f"mx:{self.port}"}],
            resolver={"servers": [f"127.0.0.1:{self.names.port}"], "dnssec": "off"},
            **{"queue": QUICK, "outbound": {"idle": "300ms"}, **config})

    def host(self, number, **replies):
        """A host at 127.0.0.`number`."""
        peer = Script(port=self.port, address=f"127.0.0.{number}", **replies)
        self.peers.append(peer)
        return peer

    def send(self, subject, *to, **options):
        send(self.server, plain(subject), list(to), **options)

    def stop(self):
        for peer in self.peers:
            peer.stop()
        self.names.stop()


@pytest.fixture
def internet(folder, launch):
    """internet(zone) starts the DNS and a Postrider that asks it."""
    made = []

    def make(zone, **config):
        made.append(Internet(folder, launch, zone, **config))
        made[-1].names.start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


def bounce_of(server, status, sender="bob@example.org"):
    """The bounce that the sender got: its fields for programs, which say this status."""
    message = server.wait_message(sender)
    report = email.message_from_bytes(message.sent, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    text = report.as_string()
    assert f"Status: {status}\n" in text.replace("\r\n", "\n"), text
    return text


# --- Where mail goes -----------------------------------------------------------------------------


THREE = """
three MX 10 first
three MX 20 second
three MX 30 third
first A 127.0.0.2
second A 127.0.0.3
third A 127.0.0.4
"""


def test_the_best_host_gets_it(internet):
    net = internet(THREE)
    first, second, third = net.host(2), net.host(3), net.host(4)
    net.send("to the best", "carol@three.example")
    net.server.wait_queue_empty()
    assert len(first.messages) == 1 and not second.sessions and not third.sessions
    (event,) = net.server.events("delivered", to="carol@three.example")
    assert event["host"] == f"first.example[127.0.0.2]:{net.port}"


def hosts_that_do_not_take_it(net):
    """Each kind of host that mail passes by, at 127.0.0.2."""
    blocked = threading.Event()

    def silence(line):
        blocked.wait(30)
        return "220 too late"

    return {"dead": None, "refusing": {"banner": "554 5.3.2 go away"},
            "busy": {"banner": "421 4.3.2 too busy"}, "speechless": {"ehlo": "550 no", "helo": "550 no"},
            "silent": {"banner": silence}}


@pytest.mark.parametrize("kind", ["dead", "refusing", "busy", "speechless", "silent"])
def test_the_next_host_gets_what_the_best_does_not_take(internet, kind):
    net = internet(THREE, outbound={"greeting_timeout": "1s", "idle": "300ms"})
    replies = hosts_that_do_not_take_it(net)[kind]
    if replies is not None:
        net.host(2, **replies)
    second, third = net.host(3), net.host(4)
    net.send("to the next", "carol@three.example")
    net.server.wait_queue_empty()
    assert len(second.messages) == 1 and not third.sessions
    (event,) = net.server.events("host-failed")
    assert event["host"] == f"first.example[127.0.0.2]:{net.port}"
    assert not net.server.events("deferred")
    # It is remembered: the next connection begins with the other.
    wait_for(lambda: net.server.json("queue", "stats")["connections"] == 0, 20)
    net.send("to the next again", "dave@three.example")
    net.server.wait_queue_empty()
    assert len(second.messages) == 2
    assert len(net.server.events("host-failed")) == 1


def test_all_hosts_down_defers_and_names_the_last(internet):
    net = internet(THREE)
    net.send("nobody there", "carol@three.example")
    (event,) = wait_for(lambda: net.server.events("connect-failed")[:1], 20)
    assert event["reason"] == (f"cannot connect to third.example[127.0.0.4]:{net.port}: "
                               "Connection refused (3 addresses tried)")
    peer = net.host(3)
    net.server.wait_queue_empty()
    assert len(peer.messages) == 1


def test_equals_share_the_mail(internet):
    net = internet("""
        equal MX 10 one
        equal MX 10 two
        one A 127.0.0.2
        two A 127.0.0.3
        """, queue={**QUICK, "messages_per_connection": 1})
    one, two = net.host(2), net.host(3)
    for number in range(40):
        net.send(f"number {number}", "carol@equal.example")
    net.server.wait_queue_empty()
    assert len(one.messages) + len(two.messages) == 40
    assert len(one.messages) >= 5 and len(two.messages) >= 5


def test_a_domain_without_mx_is_its_own_host(internet):
    net = internet("implicit A 127.0.0.2\n")
    peer = net.host(2)
    net.send("implicit", "carol@implicit.example")
    net.server.wait_queue_empty()
    assert len(peer.messages) == 1


def test_aliases_are_followed(internet):
    net = internet(THREE + "other CNAME three\nto-alias MX 5 alias\nalias CNAME second\n")
    first, second = net.host(2), net.host(3)
    net.send("by CNAME", "carol@other.example")
    net.server.wait_queue_empty()
    net.send("MX to a CNAME", "carol@to-alias.example")
    net.server.wait_queue_empty()
    assert len(first.messages) == 1 and len(second.messages) == 1


def test_ipv6_that_leads_nowhere_is_no_hindrance(internet):
    net = internet("both MX 5 host\nhost AAAA ::1\nhost A 127.0.0.2\n")
    peer = net.host(2)
    net.send("over IPv4", "carol@both.example")
    net.server.wait_queue_empty()
    assert len(peer.messages) == 1
    (event,) = net.server.events("host-failed")
    assert event["host"] == f"host.example[::1]:{net.port}"


def test_ipv6_comes_first(internet):
    net = internet("both MX 5 host\nhost AAAA ::1\nhost A 127.0.0.2\n")
    peer = net.host(2)
    try:
        probe = socket.create_server(("::1", net.port), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    probe.close()
    six = Script(port=net.port, address="::1")
    net.peers.append(six)
    net.send("over IPv6", "carol@both.example")
    net.server.wait_queue_empty()
    assert len(six.messages) == 1 and not peer.sessions


def test_an_address_literal_is_a_host(internet):
    net = internet("")
    peer = net.host(2)
    net.send("literal", "carol@[127.0.0.2]")
    net.server.wait_queue_empty()
    assert len(peer.messages) == 1
    (event,) = net.server.events("delivered", to="carol@[127.0.0.2]")
    assert event["host"] == f"[127.0.0.2]:{net.port}"


def test_an_internationalised_domain_is_found(internet):
    net = internet("xn--bcher-kva MX 5 host\nhost A 127.0.0.2\n")
    peer = net.host(2)
    net.send("IDN", "carol@bücher.example", mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    net.server.wait_queue_empty()
    assert len(peer.messages) == 1


def test_domains_of_one_host_share_its_connection(internet):
    zone = "host A 127.0.0.2\n" + "".join(f"d{number} MX 5 host\n" for number in range(30))
    net = internet(zone, queue={**QUICK, "connections": 1})
    peer = net.host(2)
    for number in range(30):
        net.send(f"number {number}", f"carol@d{number}.example")
    net.server.wait_queue_empty()
    assert len(peer.messages) == 30
    assert peer.sessions <= 3


def test_a_real_postfix_as_mx(internet, postfix):
    net = internet("partner MX 5 dead\npartner MX 10 host\ndead A 127.0.0.9\nhost A 127.0.0.1\n",
                   port=postfix.port)
    net.send("to Postfix", "carol@partner.example")
    assert b"Subject: to Postfix" in postfix.wait_message()
    net.server.wait_queue_empty()


# --- What comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize("domain, status, words", [
    ("null.example", "5.1.10", "takes no mail"),
    ("gone.example", "5.1.2", "does not exist"),
    ("loop.example", "5.4.6", "loops back"),
    ("empty.example", "5.4.4", "neither MX records nor an address"),
    ("dangling.example", "5.4.4", "has no address"),
])
def test_what_the_dns_forbids_bounces(internet, domain, status, words):
    net = internet("""
        null MX 0 .
        loop MX 10 mx.example.org.
        empty TXT "nothing here"
        dangling MX 10 nowhere
        """)
    net.send("comes back", f"carol@{domain}")
    text = bounce_of(net.server, status)
    net.server.wait_queue_empty()
    assert words in text.replace("\n", " ").replace("  ", " ")
    (event,) = net.server.events("resolve-failed", domain=domain)
    assert event["status"] == status
    (event,) = net.server.events("failed", to=f"carol@{domain}")
    assert event["status"] == status and words in event["reply"] and event["id"]


def test_a_bounce_names_the_host_that_refused(internet):
    net = internet(THREE)
    net.host(2, rcpt="550 5.1.1 nobody of that name")
    net.send("comes back", "carol@three.example")
    text = bounce_of(net.server, "5.1.1")
    assert "Remote-MTA: dns; first.example" in text


# --- What is tried again -------------------------------------------------------------------------


def test_a_host_that_breaks_off_loses_the_message_to_another(internet):
    net = internet(THREE)
    first = net.host(2, rcpt="421 4.3.2 going down")
    second = net.host(3)
    net.send("in the middle", "carol@three.example")
    net.server.wait_queue_empty()
    assert first.sessions == 1 and len(second.messages) == 1
    assert net.server.events("connection-ended")
    assert not net.server.events("deferred")


def test_hosts_that_all_break_off_defer(internet):
    net = internet(THREE)
    hosts = [net.host(number, rcpt="421 4.3.2 going down") for number in (2, 3, 4)]
    net.send("in the middle", "carol@three.example")
    (event,) = wait_for(lambda: net.server.events("deferred"), 20)
    assert event["host"] == f"third.example[127.0.0.4]:{net.port}"
    assert [host.sessions for host in hosts] == [1, 1, 1]


def test_a_dead_dns_delays_and_loses_nothing(internet):
    net = internet(THREE)
    peer = net.host(2)
    net.names.stop()
    net.send("waits for the DNS", "carol@three.example")
    event = wait_for(lambda: net.server.events("resolve-failed"), 60)[0]
    assert event["status"] == "4.4.3"
    (entry,) = net.server.queue_list()
    assert "DNS" in entry["recipients"][0]["reply"]
    net.names.start()

    def delivered():
        net.server.command("queue", "retry", "all")
        return peer.messages

    wait_for(delivered, 60)
    net.server.wait_queue_empty()


def test_a_domain_that_fails_waits_and_others_do_not(internet):
    net = internet(THREE)
    peer = net.host(2)
    net.send("SERVFAIL", "carol@x.sick.example")
    net.send("fine", "carol@three.example")
    wait_for(lambda: peer.messages, 30)
    event = wait_for(lambda: net.server.events("resolve-failed"), 60)[0]
    assert event["domain"] == "x.sick.example" and event["status"] == "4.4.3"
    assert len(net.server.queue_list()) == 1


def test_names_that_never_answer_hide_no_others(internet):
    net = internet(THREE)
    peer = net.host(2)
    mute = Mute(net.names.port)
    try:
        net.server.config["resolver"]["servers"] = [f"127.0.0.1:{mute.port}"]
        net.server.write_config()
        net.server.command("reload")
        for hundred in range(20):
            net.send("silent", *[f"carol@{hundred}-{one}.silent.example" for one in range(100)])
        wait_for(lambda: mute.swallowed >= 2000, 60)
        net.send("heard", "carol@three.example")
        wait_for(lambda: peer.messages, 30)
        assert len(net.server.queue_list()) == 20
    finally:
        mute.stop()
