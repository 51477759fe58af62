"""Fixtures: servers that end with their test."""

import pytest

from peers import Dovecot, Postfix, Script
from server import Postrider


@pytest.fixture
def launch(folder):
    """launch(**config) starts a Postrider; it is stopped, and must end well, after the test."""
    servers = []

    def make(**config):
        server = Postrider(folder / f"postrider{len(servers)}", **config)
        servers.append(server)
        return server.start()

    yield make
    try:
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.give_up()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One Postrider for the tests of a module that do not mind each other's mail."""
    server = Postrider(
        tmp_path_factory.mktemp("shared"),
        domains=[
            {"name": "example.org", "mailboxes": "any"},
            {"name": "bücher.example", "mailboxes": "any"},
            {"name": "listed.example", "mailboxes": ["ann", "bob"], "delimiter": "+",
             "aliases": {"postmaster": "ann@listed.example",
                         "team": ["ann@listed.example", "bob@listed.example"],
                         "chain": "team@listed.example",
                         "loop": "pool@listed.example", "pool": "loop@listed.example"}},
            {"name": "caught.example", "mailboxes": ["ann"], "catch_all": "ann@caught.example"},
        ],
        limits={"drain": "10s", "message_size": "64M"})
    try:
        yield server.start()
        server.stop()
    finally:
        server.give_up()


@pytest.fixture
def postfix(folder):
    peer = Postfix(folder / "postfix")
    yield peer.start()
    peer.stop()


@pytest.fixture
def dovecot(folder):
    peer = Dovecot(folder / "dovecot")
    yield peer.start()
    peer.stop()


@pytest.fixture
def script():
    """script(**replies) starts a scripted server."""
    peers = []

    def make(**arguments):
        peers.append(Script(**arguments))
        return peers[-1]

    yield make
    for peer in peers:
        peer.stop()
