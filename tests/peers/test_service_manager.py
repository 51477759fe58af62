"""What a service manager such as systemd sees of the server: that it is ready, reloads, stops and
lives, and that it takes the sockets which are listening already."""

import contextlib
import fcntl
import os
import signal
import smtplib
import socket
import subprocess

import pytest

from server import Postrider, binary, free_port, wait_for


class Manager:
    """Hears what the server says, and starts it with sockets in the descriptors from 3 on."""

    def __init__(self, folder, abstract=False):
        self.name = f"\0postrider-test-{os.getpid()}" if abstract else str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name)
        self.socket.settimeout(30)
        self.environment = {"NOTIFY_SOCKET": self.name.replace("\0", "@")}

    def hear(self):
        """The next message, as a dictionary."""
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def launch(self, server, sockets=()):
        """The shell is there to give LISTEN_PID the number of the process that the server is, and
        to put the sockets in their places, which copies with high numbers are not in the way of."""
        copies = [fcntl.fcntl(listening, fcntl.F_DUPFD, 50) for listening in sockets]
        moves = " ".join(f"{place + 3}<&{copy} {copy}<&-" for place, copy in enumerate(copies))
        script = f'LISTEN_PID=$$ exec "$0" serve --config "$1" {moves}'
        with open(server.log_path, "ab") as log:
            server.log_start = log.tell()
            server.process = subprocess.Popen(
                ["bash", "-c", script, binary(), server.config_path], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
                pass_fds=copies,
                env={**os.environ, **self.environment, "LISTEN_FDS": str(len(sockets))})
        for copy in copies:
            os.close(copy)
        return server


@pytest.fixture
def servers():
    with contextlib.ExitStack() as stack:
        def add(server):
            stack.callback(server.give_up)
            return server
        yield add


def listening(address, family=socket.AF_INET):
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    bound.listen(50)
    return bound


@pytest.mark.parametrize("abstract", [False, True])
def test_states(folder, servers, abstract):
    manager = Manager(folder, abstract)
    server = servers(Postrider(folder / "server"))
    manager.launch(server)
    ready = manager.hear()
    assert ready["READY"] == "1"
    assert ready["STATUS"] == f"Serving mx.example.org on 127.0.0.1:{server.mx} and more"

    server.command("reload")
    reloading = manager.hear()
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.hear() == ready

    server.config["no_such_key"] = 1
    server.write_config()
    server.process.send_signal(signal.SIGHUP)
    assert "RELOADING" in manager.hear()
    failed = manager.hear()
    assert failed["READY"] == "1"
    assert "; the last reload failed: " in failed["STATUS"]
    assert "no_such_key" in failed["STATUS"]

    server.stop()
    stopping = manager.hear()
    assert stopping["STOPPING"] == "1"
    assert int(stopping["EXTEND_TIMEOUT_USEC"]) > 10_000_000  # limits.drain


def test_cannot_start(folder, servers):
    manager = Manager(folder)
    server = servers(Postrider(folder / "server", no_such_key=1))
    manager.launch(server)
    assert "no_such_key" in manager.hear()["STATUS"]
    assert server.process.wait(30) == 78

    with listening(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = servers(Postrider(folder / "other", listen=[{"address": f"127.0.0.1:{port}"}]))
        manager.launch(server)
        status = manager.hear()["STATUS"]
        assert status.startswith(
            f"Cannot start: listen on 127.0.0.1:{port}: another program has this port; see")
        assert server.process.wait(30) == 1


def test_watchdog(folder, servers):
    manager = Manager(folder)
    manager.environment["WATCHDOG_USEC"] = "400000"
    server = servers(Postrider(folder / "server"))
    manager.launch(server)
    heard = [manager.hear() for _ in range(5)]
    assert sum(message.get("WATCHDOG") == "1" for message in heard) >= 4
    for pid in server.processes():
        environment = open(f"/proc/{pid}/environ", encoding="utf-8").read()
        assert "NOTIFY_SOCKET" not in environment and "WATCHDOG" not in environment
    server.stop()


@pytest.mark.parametrize("workers", [1, 3])
def test_inherited_sockets(folder, servers, workers):
    """One listener is inherited, one is bound, and a socket that nobody wants is told of. A client
    that comes while no server runs is served by the next one."""
    manager = Manager(folder)
    server = servers(Postrider(folder / "server", workers=workers))
    with listening(("127.0.0.1", server.mx)) as mx, listening(("127.0.0.1", 0)) as unused:
        early = socket.create_connection(("127.0.0.1", server.mx), timeout=30)
        manager.launch(server, [mx, unused])
        assert manager.hear()["READY"] == "1"
        assert early.recv(1000).startswith(b"220 mx.example.org ")
        early.close()
        assert [event["address"] for event in server.events("socket-inherited")] == [
            f"127.0.0.1:{server.mx}"]
        assert [event["address"] for event in server.events("socket-unused")] == [
            f"127.0.0.1:{unused.getsockname()[1]}"]
        for number in range(5 * workers):
            with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
                client.sendmail("ann@example.net", "bob@example.org",
                                f"From: <ann@example.net>\r\nSubject: {number}\r\n\r\nHello\r\n")
        server.wait_messages("bob@example.org", 5 * workers)
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=30) as client:
            assert client.noop()[0] == 250
        server.stop()
        assert "STOPPING" in manager.hear()

        # Nobody is refused meanwhile.
        early = socket.create_connection(("127.0.0.1", server.mx), timeout=30)
        manager.launch(server, [mx])
        assert early.recv(1000).startswith(b"220 ")
        early.close()
        server.stop()


def test_inherited_for_both_families(folder, servers):
    """A socket unit's plain ListenStream=25 takes IPv4 as well, so that it is in the way."""
    port = free_port()
    server = servers(Postrider(folder / "server", listen=[
        {"address": f"0.0.0.0:{port}"}]))
    with listening(("::", port), socket.AF_INET6) as both:
        Manager(folder).launch(server, [both])
        assert server.process.wait(30) == 1
    assert "BindIPv6Only=ipv6-only" in server.events("start-failed")[0]["reason"]


def test_socket_activate(folder, servers):
    """systemd's own tool hands over what systemd would."""
    server = servers(Postrider(folder / "server"))
    with open(server.log_path, "ab") as log:
        server.log_start = 0
        server.process = subprocess.Popen(
            ["systemd-socket-activate", f"--listen=127.0.0.1:{server.mx}",
             f"--listen=127.0.0.1:{server.submission}", binary(), "serve", "--config",
             server.config_path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            start_new_session=True)

    def connect():
        try:
            return socket.create_connection(("127.0.0.1", server.mx), timeout=30)
        except ConnectionRefusedError:
            return None

    with wait_for(connect, 30) as client:
        assert client.recv(1000).startswith(b"220 ")
    assert len(server.events("socket-inherited")) == 2
    server.stop()
