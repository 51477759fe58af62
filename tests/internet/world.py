"""The test internet: who is on it, under which names. Addresses and names are those for
documentation (RFC 5737, RFC 3849, RFC 2606), and exist in the network namespaces only."""

import smtplib

import nets
from authority import Authority
from names import Forwarder, Knot
from neighbours import DovecotNeighbour, Exim, Greylist, OpenSMTPD, PostfixNeighbour
from peers import let_others_enter, need
from server import Postrider, wait_for
import roots

DNS, FORWARDER = "192.0.2.53", "192.0.2.54"
GOOD, OTHER = "192.0.2.100", "192.0.2.101"
REFUSING = "192.0.2.109"  # the host is up, and nobody listens
NOWHERE = "192.0.2.66"  # what is sent there gets lost
NOWHERE_6 = "2001:db8::66"
NOWHERES_6 = [f"2001:db8::66:{number}" for number in range(1, 6)]
SIXTH = "2001:db8::100"
GREYLISTED_TIMES = 2

HOSTS = {
    "dns": (DNS, FORWARDER, "2001:db8::53"),
    "here": ("192.0.2.25", "2001:db8::25"),
    "lab": ("192.0.2.26", "2001:db8::26"),
    "postfix": ("192.0.2.11", "2001:db8::11"),
    "exim": ("192.0.2.12", "2001:db8::12"),
    "opensmtpd": ("192.0.2.13", "2001:db8::13"),
    "dovecot": ("192.0.2.14", "2001:db8::14"),
    "wild": (GOOD, OTHER, REFUSING, SIXTH),
}
MAIL_HOSTS = ("here", "lab", "postfix", "exim", "opensmtpd")

RECORDS = f"""
dns.example. A {DNS}
good.wild.example. A {GOOD}
other.wild.example. A {OTHER}
refusing.wild.example. A {REFUSING}
nowhere.wild.example. A {NOWHERE}
six.wild.example. AAAA {NOWHERE_6}
six.wild.example. A {GOOD}
only6.wild.example. AAAA {SIXTH}

wild.example. MX 10 good.wild.example.
grey.postfix.example. MX 10 mx.postfix.example.
refusing.example. MX 10 refusing.wild.example.
refusing.example. MX 20 good.wild.example.
nowhere.example. MX 10 nowhere.wild.example.
nowhere.example. MX 20 good.wild.example.
dual.example. MX 10 six.wild.example.
only6.example. MX 10 only6.wild.example.
equal.example. MX 10 good.wild.example.
equal.example. MX 10 other.wild.example.
implicit.example. A {GOOD}
alias.example. CNAME wild.example.
null.example. MX 0 .
loop.example. MX 10 mx.lab.example.
backup.example. MX 10 good.wild.example.
backup.example. MX 20 mx.lab.example.
backup.example. MX 30 other.wild.example.
hostless.example. MX 10 absent.example.
hosted.example. MX 10 mx.exim.example.
text.example. TXT "neither a host nor mail"
"""

RECORDS += "".join(
    f"many-{number}.example. MX 10 six-{number}.wild.example.\n"
    f"six-{number}.wild.example. AAAA {address}\nsix-{number}.wild.example. A {GOOD}\n"
    for number, address in enumerate(NOWHERES_6))

BOGUS = f"""
@ MX 10 mx
mx A {GOOD}
"""


def need_all():
    import pytest

    reason = nets.why_not()
    if reason:
        pytest.skip(f"a test internet needs root and namespaces: {reason}")
    need("ip", "unshare", "knotd", "keymgr", "postfix", "dovecot")
    for name in roots.PACKAGES:
        if not roots.fetch(name):
            pytest.skip(f"{name} cannot be fetched")


class Internet:
    def __init__(self, folder):
        self.folder = folder
        self.net = nets.Network()
        for name, addresses in HOSTS.items():
            setattr(self, name, self.net.host(name, *addresses))
        records = RECORDS
        for name in MAIL_HOSTS:
            records += f"{name}.example. MX 10 mx.{name}.example.\n"
            for address in HOSTS[name]:
                kind = "AAAA" if ":" in address else "A"
                records += f"mx.{name}.example. {kind} {address}\n"
        self.names = Knot(folder / "dns", self.dns, (DNS, "2001:db8::53"), records, BOGUS)
        self.authority = Authority(folder / "authority")
        let_others_enter(self.authority.folder)
        self.greylist = Greylist(self.postfix, GREYLISTED_TIMES)
        self.neighbours = {
            "postfix": PostfixNeighbour(
                folder / "postfix", self.postfix, DNS, smtpd_restriction_classes="greylisting",
                greylisting="check_policy_service inet:127.0.0.1:10031",
                restrictions=["check_recipient_access inline:{grey@postfix.example=greylisting}"]),
            "exim": Exim(folder / "exim", self.exim, DNS,
                         self.authority.issue("mx.exim.example")),
            "opensmtpd": OpenSMTPD(folder / "opensmtpd", self.opensmtpd, DNS),
            "dovecot": DovecotNeighbour(folder / "dovecot", self.dovecot, DNS),
        }

    def start(self):
        self.names.start()
        self.anchor = self.folder / "root.key"
        self.anchor.write_text(self.names.trust_anchor())
        self.anchor.chmod(0o644)
        self.forwarder = Forwarder(self.dns, FORWARDER, DNS)
        for neighbour in self.neighbours.values():
            neighbour.start()
        return self

    def resolver(self, server):
        """The configuration of a resolver that asks this server, and trusts the root's key."""
        return {"servers": [f"{server}:53"], "trust_anchor": str(self.anchor)}

    def stop(self):
        for server in (*self.neighbours.values(), self.names):
            server.stop()
        self.greylist.stop()
        self.net.close()


class Rider(Postrider):
    """A Postrider on a host of its own, as in production: started as root, on port 25."""

    def __init__(self, internet, host, folder, **config):
        self.host = host
        self.internet = internet
        self.domain = f"{host.name}.example"
        super().__init__(folder, **{
            "hostname": f"mx.{self.domain}",
            "user": "nobody",
            "listen": [{"address": "0.0.0.0:25", "role": "mx"},
                       {"address": "[::]:25", "role": "mx"},
                       {"address": "127.0.0.1:587", "role": "submission"}],
            "domains": [{"name": self.domain, "mailboxes": ["ann", "bob"]}],
            "relay": {"networks": ["127.0.0.0/8"]},
            "routes": [{"to": "dovecot.example", "via": "lmtp://192.0.2.14:24"}],
            "resolver": internet.resolver(DNS),
            "queue": {"retry_first": "200ms", "retry_max": "1s"},
            **config})

    def launch(self):
        with self.host.inside():
            super().launch()

    def arrival(self, person, word, seconds=30):
        """The message for the person here with the word in it, when it is there."""
        address = f"{person}@{self.domain}"

        def found():
            return [message for message in self.messages(address) if word.encode() in message.sent]

        try:
            return wait_for(found, seconds, word)[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def client(self, port=587, seconds=30):
        with self.host.inside():
            return smtplib.SMTP("127.0.0.1", port, timeout=seconds)
