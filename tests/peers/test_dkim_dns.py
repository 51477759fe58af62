"""`postrider dns` and `postrider dkim rotate` against a real DNS: what is published, what is not yet,
and when the new keys sign."""

import json

import pytest

from nameserver import HEAD, Knot
from server import Postrider

HOST = "mx.shop.example"


def strings(record):
    return " ".join(f'"{record[at : at + 255]}"' for at in range(0, len(record), 255))


class Shop:
    """A server for shop.example, and the zone that it lies in."""

    def __init__(self, folder):
        self.knot = Knot(folder / "knot", "")
        self.server = Postrider(
            folder / "server", hostname=HOST,
            domains=[{"name": "shop.example", "mailboxes": "any"}],
            resolver={"servers": [f"127.0.0.1:{self.knot.port}"], "dnssec": "off"})
        self.is_up = False

    def publish(self, *lines):
        if self.is_up:
            self.knot.stop()
        zone = "".join(f"{line}\n" for line in lines)
        (self.knot.folder / "example.zone").write_text(HEAD + zone)
        self.knot.start()
        self.is_up = True

    def records(self, state):
        return [f"{key['name']}. TXT {strings(key['record'])}"
                for key in self.server.json("dkim", "list") if key["state"] == state]

    def check(self, status):
        out = self.server.command("dns", "check", "shop.example", "--json", status=status)
        return {(row["name"], row["type"]): row for row in json.loads(out) if not row["optional"]}

    def states(self):
        return [key["state"] for key in self.server.json("dkim", "list")]


@pytest.fixture
def shop(folder):
    shop = Shop(folder)
    yield shop
    shop.knot.stop()


BASE = ("shop MX 10 mx.shop", "mx.shop A 192.0.2.7", 'shop TXT "v=spf1 mx -all"',
        '_dmarc.shop TXT "v=DMARC1; p=reject"')


def test_dns_check_tells_what_is_there(shop):
    shop.publish()
    missing = shop.check(1)
    assert {row["state"] for row in missing.values()} >= {"missing"}
    assert "dkim new" in missing[("*._domainkey.shop.example", "TXT")]["remedy"]
    keys = shop.server.json("dkim", "new", "shop.example")
    shop.publish(*BASE, *shop.records("active"))
    good = shop.check(75)  # nobody answers for the address's name
    states = {name: row["state"] for name, row in good.items()}
    assert states.pop(("7.2.0.192.in-addr.arpa", "PTR")) == "unknown"
    assert set(states.values()) == {"good"} and len(states) == 4 + len(keys)
    shown = json.loads(shop.server.command("dns", "show", "shop.example", "--json"))
    assert {row["name"] for row in shown} >= {key["name"] for key in keys}
    shop.publish("shop MX 5 mx.other", "mx.shop A 192.0.2.7", 'shop TXT "v=spf1 a:other.example -all"',
                 '_dmarc.shop TXT "v=DMARC1; p=reject"', '_dmarc.shop TXT "v=DMARC1; p=none"',
                 f"{keys[0]['name']}. TXT \"v=DKIM1; p=\"", shop.records("active")[1])
    bad = shop.check(1)
    assert {name for name, row in bad.items() if row["state"] == "different"} == {
        ("shop.example", "MX"), ("shop.example", "TXT"), ("_dmarc.shop.example", "TXT"),
        (keys[0]["name"], "TXT")}
    assert bad[(keys[1]["name"], "TXT")]["state"] == "good"
    assert "192.0.2.7: fail" in bad[("shop.example", "TXT")]["found"]


def test_the_printed_zone_is_what_the_check_wants(shop):
    shop.server.json("dkim", "new", "shop.example")
    printed = shop.server.command("dns", "show", "shop.example")
    shop.publish("mx.shop A 192.0.2.7", "$ORIGIN .", printed)
    out = shop.server.command("dns", "check", "shop.example", "--json", status=75)
    rows = [row for row in json.loads(out) if row["type"] != "PTR"]
    assert {row["state"] for row in rows} == {"good"}
    assert {row["for"] for row in rows} == {"mx", "host", "spf", "helo", "dkim", "dmarc", "tlsrpt"}
    table = shop.server.command("dns", "show", "shop.example", "--table").splitlines()
    assert [line.split(None, 2)[:2] for line in table if " MX " in line] == [["@", "MX"]]
    (key,) = (line for line in table if "k=rsa" in line)
    assert key.split()[0].endswith("r._domainkey") and '"' not in key


def test_rotation_waits_for_the_records(shop):
    shop.server.json("dkim", "new", "shop.example")
    old = shop.records("active")
    shop.publish(*BASE, *old)
    shop.server.command("dkim", "rotate", "shop.example", status=75)
    assert shop.states() == ["active", "active", "new", "new"]
    shop.server.command("dkim", "rotate", "shop.example", status=75)
    new = shop.records("new")
    shop.publish(*BASE, *old, new[0])
    shop.server.command("dkim", "rotate", "shop.example", status=75)
    assert shop.states() == ["active", "active", "new", "new"]
    shop.publish(*BASE, *old, *new)
    shop.server.command("dkim", "rotate", "shop.example", "--wait", "1s")
    assert shop.states() == ["retired", "retired", "active", "active"]
    shop.server.command("dkim", "retire", "shop.example", status=1)
    assert len(shop.states()) == 4
