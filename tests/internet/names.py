"""The DNS of the test internet: an authoritative Knot with a signed root, and a server in front of
it that is dead, slow or lies as a test tells it to."""

import socket
import struct
import subprocess
import threading
import time

from peers import Daemon, program

SERVFAIL, REFUSED = 2, 5
DNSKEY = 48
QUERY_SECONDS = 10

CONFIG = """
server:
    rundir: "{folder}"
    listen: [{listen}]
database:
    storage: "{folder}"
log:
  - target: stderr
    any: info
policy:
  - id: signed
    algorithm: ecdsap256sha256
    zone-max-ttl: 60
zone:
  - domain: "."
    file: "{folder}/root.zone"
    dnssec-signing: on
    dnssec-policy: signed
    zonefile-sync: -1
    journal-content: none
  - domain: "bogus.example."
    file: "{folder}/bogus.zone"
    dnssec-signing: on
    dnssec-policy: signed
    zonefile-sync: -1
    journal-content: none
"""

HEAD = """$TTL 60
@ SOA dns.example. root.example. 1 60 60 600 1
@ NS dns.example.
"""

# The root says that this key signs bogus.example, which it does not.
BOGUS_DELEGATION = f"""
bogus.example. NS dns.example.
bogus.example. DS 4711 13 2 {"5e" * 32}
"""


class Knot(Daemon):
    """Serves `records` (lines of a zone file with names from the root) and a bogus zone."""

    def __init__(self, folder, host, addresses, records, bogus):
        super().__init__(folder)
        self.host = host
        self.address = addresses[0]
        listen = ", ".join(f"{address}@53" for address in addresses)
        self.config = self.folder / "knot.conf"
        self.config.write_text(CONFIG.format(folder=self.folder, listen=listen))
        (self.folder / "root.zone").write_text(HEAD + records + BOGUS_DELEGATION)
        (self.folder / "bogus.zone").write_text(HEAD + bogus)

    def start(self):
        with self.host.inside():
            self.launch(program("knotd"), "-c", self.config, ready=self.is_signed)
        return self

    def is_signed(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            try:
                # The keys of the root with a signature: an answer and more than a hundred bytes.
                return len(ask(client, self.address, DNSKEY)) > 100
            except OSError:
                return False

    def trust_anchor(self):
        """The root's key, as a DS record in full."""
        words = [program("keymgr"), "-c", self.config, ".", "ds"]
        lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        record = next(line for line in lines.splitlines() if " 13 2 " in line)
        return f". 60 IN {record.partition(' ')[2]}\n"


def ask(client, address, kind, name=b"\0"):
    """The answer to one question, as bytes; with signatures."""
    option = b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0)
    client.sendto(struct.pack(">HHHHHH", 7, 0, 1, 0, 0, 1) + name +
                  struct.pack(">HH", kind, 1) + option, (address, 53))
    return client.recv(4096)


class Forwarder:
    """Between a resolver and the real server: passes questions on, and answers as `behave` says:
    a function of (question, answer, is_tcp) that returns what is sent back, or None for nothing. It is
    called in a thread for each question, so that it may also wait."""

    def __init__(self, host, address, upstream):
        self.address, self.upstream = address, upstream
        self.host = host
        self.behave = honest
        self.questions = 0
        with host.inside():
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((address, 53))
            self.tcp = socket.create_server((address, 53))
        for loop in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=loop, daemon=True).start()

    def stop(self):
        for listener in (self.udp, self.tcp):
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # of a datagram socket; it wakes the reader all the same
            listener.close()

    def pass_on(self, question):
        # A new socket belongs to the namespace of its thread.
        with self.host.inside(), socket.create_connection((self.upstream, 53),
                                                          QUERY_SECONDS) as server:
            server.sendall(struct.pack(">H", len(question)) + question)
            return read_framed(server)

    def answer(self, question, is_tcp):
        self.questions += 1
        behave = self.behave
        return behave(question, self.pass_on(question), is_tcp)

    def serve_udp(self):
        while True:
            try:
                question, client = self.udp.recvfrom(4096)
            except OSError:
                return
            if question:
                threading.Thread(target=self.reply, args=[question, client], daemon=True).start()

    def reply(self, question, client):
        try:
            answer = self.answer(question, False)
            if answer:
                self.udp.sendto(answer, client)
        except OSError:
            pass  # the test is over

    def serve_tcp(self):
        while True:
            try:
                client, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=[client], daemon=True).start()

    def talk(self, client):
        try:
            with client:
                client.settimeout(QUERY_SECONDS)
                question = read_framed(client)
                answer = self.answer(question, True)
                if answer:
                    client.sendall(struct.pack(">H", len(answer)) + answer)
        except (OSError, EOFError):
            pass


def read_framed(stream):
    data = b""
    while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
        more = stream.recv(65536)
        if not more:
            raise EOFError
        data += more
    return data[2:]


# --- What a forwarder may do ----------------------------------------------------------------------


def honest(_question, answer, _is_tcp):
    # As a resolver would: recursion is available.
    return answer[:3] + bytes([answer[3] | 0x80]) + answer[4:]


def dead(_question, _answer, _is_tcp):
    return None


def slow(seconds):
    def behave(question, answer, is_tcp):
        time.sleep(seconds)
        return honest(question, answer, is_tcp)

    return behave


def failing(code):
    def behave(question, _answer, _is_tcp):
        return empty(question, 0x8180 | code)

    return behave


def truncating(question, answer, is_tcp):
    """Nothing fits into a datagram: the rest is to be had by TCP."""
    return honest(question, answer, is_tcp) if is_tcp else empty(question, 0x8380)


def garbage(question, _answer, _is_tcp):
    """Counts and pointers that lead nowhere."""
    return question[:2] + b"\x81\x80\0\1\0\xff\0\xff\0\xff" + b"\xc0\x0c" * 40


def of_another_question(question, answer, is_tcp):
    """An honest answer to a question that nobody asked."""
    return bytes([question[0] ^ 0x55]) + honest(question, answer, is_tcp)[1:]


def empty(question, flags):
    """The question again, without records."""
    end = question.index(b"\0", 12) + 5
    return question[:2] + struct.pack(">HHHHH", flags, 1, 0, 0, 0) + question[12:end]
