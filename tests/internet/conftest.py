"""One test internet for all tests: names, neighbours, and the hosts of Postriders."""

import os
import pathlib
import shutil
import tempfile

import pytest

import world
from peers import Script


@pytest.fixture(scope="session")
def internet():
    world.need_all()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-internet."))
    folder.chmod(0o711)
    made = world.Internet(folder)
    try:
        yield made.start()
    finally:
        made.stop()
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def here(internet):
    """The Postrider of here.example, for tests that do not mind each other's mail."""
    server = world.Rider(internet, internet.here, internet.folder / "here")
    try:
        yield server.start()
        server.stop()
    finally:
        server.give_up()


@pytest.fixture
def launch(internet, folder):
    """launch(**config) starts the Postrider of lab.example; it must end well after the test."""
    servers = []

    def make(**config):
        servers.append(world.Rider(internet, internet.lab, folder / "lab", **config))
        return servers[-1].start()

    yield make
    try:
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.give_up()


@pytest.fixture
def wild(internet):
    """wild(address, **replies) starts a scripted server on the wild host's address, port 25."""
    peers = []

    def make(address, kind=Script, **arguments):
        with internet.wild.inside():
            peers.append(kind(port=25, address=address, **arguments))
        return peers[-1]

    yield make
    for peer in peers:
        peer.stop()
