"""An authoritative DNS server of one's own: Knot, with a zone `example`."""

import socket
import textwrap
import threading

from peers import Daemon, need, program
from server import free_port

HEAD = """$ORIGIN example.
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""
# A query for the zone's SOA, recursion not desired (RFC 1035, 4.1).
QUERY = b"\x12\x34\0\0\0\1\0\0\0\0\0\0" + b"\7example\0" + b"\0\6\0\1"


class Knot(Daemon):
    """`zone` is what follows the SOA: names below example. What is below sick.example cannot be
    answered (SERVFAIL). others: zones by name, likewise. On 127.0.0.1, port `port`."""

    def __init__(self, folder, zone, **others):
        need("knotd")
        super().__init__(folder)
        self.port = free_port()
        zones = {"example": textwrap.dedent(zone), **others}
        for name, text in zones.items():
            (self.folder / f"{name}.zone").write_text(HEAD.replace("example", name) + text)
        (self.folder / "knot.conf").write_text(f"""
server:
    rundir: "{self.folder}"
    listen: 127.0.0.1@{self.port}
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "{self.folder}"
template:
  - id: default
    storage: "{self.folder}"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: sick.example
    file: missing.zone
""" + "".join(f"  - domain: {name}\n    file: {name}.zone\n" for name in zones))

    def start(self):
        self.launch(program("knotd"), "-c", str(self.folder / "knot.conf"), ready=self.answers)
        return self

    def answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.1)
            try:
                probe.sendto(QUERY, ("127.0.0.1", self.port))
                reply = probe.recv(512)
            except OSError:
                return False
            return reply[:2] == QUERY[:2] and reply[3] & 0x0F == 0


class Mute:
    """In front of a server at `port`: passes questions on and answers back, but for names below
    silent.example, about which nobody ever says anything."""

    def __init__(self, port):
        self.upstream = ("127.0.0.1", port)
        self.swallowed = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            # A resolver may write letters in any case (0x20).
            if b"\6silent\7example\0" in question.lower():
                self.swallowed += 1
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.settimeout(5)
                try:
                    server.sendto(question, self.upstream)
                    self.socket.sendto(server.recv(4096), client)
                except OSError:
                    pass  # the resolver asks again

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # of a datagram socket; it wakes the reader all the same
        self.socket.close()


class Nobody:
    """A server that has no answer for anybody, and says so at once (SERVFAIL). On 127.0.0.1, port
    `port`."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            # The header and the question come back as an answer (RFC 1035, 4.1.1), what the
            # resolver says of itself behind them does not.
            end = question.index(b"\0", 12) + 5
            self.socket.sendto(question[:2] + b"\x81\x82\0\1\0\0\0\0\0\0" + question[12:end],
                               client)

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # of a datagram socket; it wakes the reader all the same
        self.socket.close()
