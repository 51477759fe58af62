"""Clients, servers and operators that do what they should not: nothing falls over, nothing is
lost, and the next honest one is served at once."""

import json
import pathlib
import random
import socket
import struct
import threading
import time

import pytest

from dialogue import Dialogue
from letters import plain
from peers import Script
from server import wait_for

PSS_LIMIT_KIB = 96 << 10
PROMPT_SECONDS = 10
ABUSERS = 300


def connect(port, seconds=20):
    return socket.create_connection(("127.0.0.1", port), timeout=seconds)


def reset(client):
    """Closes with RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def push(client, data):
    """Sends until the server has had enough."""
    try:
        client.sendall(data)
    except OSError:
        pass


def drain(client):
    """Reads to the end; the bytes."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except OSError:
        pass
    return data


def deliver(server, subject):
    """An honest message, which must arrive promptly."""
    start = time.monotonic()
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction("bob@example.net", ["ann@example.org"], plain(subject))
        assert reply.startswith("250 "), reply
    wait_for(lambda: any(f"Subject: {subject}\n".encode() in message.raw
                         for message in server.messages("ann@example.org")), PROMPT_SECONDS)
    assert time.monotonic() - start < PROMPT_SECONDS


def check(server, subject):
    deliver(server, subject)
    assert server.events("child-exited") == []
    server.check_sanitizers()


def pss_kib(server, name):
    """Of the children with that name."""
    total = 0
    for pid, words in server.processes().items():
        if words.startswith(name):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total


def has_sanitizer(server):
    """ASan's shadow and quarantine make figures of memory worthless."""
    pid = next(iter(server.processes()))
    return "libasan" in pathlib.Path(f"/proc/{pid}/maps").read_text()


# --- Clients -------------------------------------------------------------------------------------


def garbage(client, chance):
    push(client, chance.randbytes(chance.randrange(1, 20000)))


def half_open(client, chance):
    push(client, b"EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n")
    client.shutdown(socket.SHUT_WR)
    drain(client)


def broken_off_in_data(client, chance):
    push(client, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n")
    push(client, b"Subject: half\r\n\r\n" + b"text\r\n" * chance.randrange(20000))
    reset(client)


def endless_line(client, chance):
    push(client, b"A" * (1 << 20))


def endless_text_line(client, chance):
    push(client, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n")
    push(client, b"B" * (1 << 20))


def huge_chunk(client, chance):
    push(client, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\n")
    size = chance.choice([2**31, 2**32 + 5, 2**63, 2**64 - 1, 2**64, 10**30, 50 << 20])
    push(client, f"BDAT {size} LAST\r\n".encode() + b"x" * 100000)


def empty_chunks(client, chance):
    push(client, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.org>\r\n")
    push(client, b"BDAT 0\r\n" * 3000 + b"BDAT 1\r\nx" * 3000)


def nul_bytes(client, chance):
    push(client, b"EHLO \0x\r\nMAIL FROM:<\0@b>\r\n\0\0\0\r\nNO\0OP\r\n" + b"\0" * 5000 + b"\r\n")


def early_talker(client, chance):
    push(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)


def gone_at_once(client, chance):
    reset(client)


HABITS = [garbage, half_open, broken_off_in_data, endless_line, endless_text_line, huge_chunk,
          empty_chunks, nul_bytes, early_talker, gone_at_once]


def test_a_crowd_that_misbehaves(launch):
    server = launch(limits={"sessions_per_address": 1000})
    deliver(server, "before")

    def misbehave(number):
        chance = random.Random(number)
        try:
            client = connect(server.mx)
        except OSError:
            return
        with client:
            HABITS[number % len(HABITS)](client, chance)
            if chance.random() < 0.5 and client.fileno() >= 0:
                reset(client)

    for first in range(0, ABUSERS, 50):
        threads = [threading.Thread(target=misbehave, args=[number])
                   for number in range(first, first + 50)]
        for thread in threads:
            thread.start()
        check(server, f"during {first}")
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    check(server, "after")
    subjects = {message.sent.split(b"\n")[2] for message in server.messages("ann@example.org")}
    assert b"Subject: half" not in subjects
    server.wait_queue_empty()
    # No session is left that would hold up the stop until limits.drain.
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < PROMPT_SECONDS


@pytest.mark.parametrize("command", ["NOOP", "RSET", "VRFY ann", "HELP", "NONSENSE"])
def test_replies_that_are_never_read(launch, command):
    server = launch(limits={"sessions_per_address": 1000, "errors": 10000})
    before = pss_kib(server, "worker")
    clients = []
    for _ in range(20):
        client = connect(server.mx)
        client.settimeout(0.2)
        push(client, b"EHLO client.example\r\n" + f"{command}\r\n".encode() * 10000)
        clients.append(client)
    if not has_sanitizer(server):
        assert pss_kib(server, "worker") - before < PSS_LIMIT_KIB
    check(server, "meanwhile")
    for client in clients[1:]:
        reset(client)
    # Whoever reads after all gets what is due, and no command was lost.
    clients[0].settimeout(10)
    clients[0].shutdown(socket.SHUT_WR)
    replies = drain(clients[0]).splitlines()
    assert replies[0].startswith(b"220 ") and len(replies) > 100
    clients[0].close()
    check(server, "after")


def test_who_never_reads_is_not_waited_for_without_end(launch):
    server = launch(limits={"sessions_per_address": 1, "command_timeout": "2s"})
    deaf = connect(server.mx)
    deaf.settimeout(0.2)
    push(deaf, b"EHLO client.example\r\n" + b"HELP\r\n" * 200000)

    def has_gone():
        # Who is turned away may find the connection closed when it says QUIT. Who is not reads to
        # the end: then its own session is over too, and its place free.
        try:
            with Dialogue(server.mx) as dialogue:
                dialogue.send(b"QUIT\r\n")
                return dialogue.greeting.startswith("220 ") and dialogue.rest() != ""
        except (ConnectionError, EOFError):
            return False

    assert not has_gone()
    wait_for(has_gone, PROMPT_SECONDS)
    deaf.close()
    check(server, "after")


def test_a_slow_drip_is_no_burden_and_no_loss(launch):
    server = launch()
    text = b"".join(b"%c" % byte for byte in plain("drip"))
    dialogue = Dialogue(server.mx)
    for byte in b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<drip@example.org>\r\nDATA\r\n":
        dialogue.send(bytes([byte]))
    for at in range(0, len(text), 3):
        dialogue.send(text[at : at + 3])
        time.sleep(0.005)
    check(server, "meanwhile")
    dialogue.send(b".\r\n")
    wait_for(lambda: server.messages("drip@example.org"), 10)
    dialogue.socket.close()


def test_names_cannot_be_tried_without_end(launch):
    server = launch(domains=[{"name": "example.org", "mailboxes": ["ann"]}])
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        names = b"".join(b"RCPT TO:<name%d@example.org>\r\n" % number for number in range(500))
        dialogue.send(names)
        replies = dialogue.rest().splitlines()
    assert replies[-1].startswith("421 4.7.0 ") and len(replies) <= 101
    check(server, "after")


# --- Servers -------------------------------------------------------------------------------------


class Liar(Script):
    """A server that says other words at one point of the dialogue, once, without end, or none and
    hangs up."""

    def __init__(self, point, words, is_endless):
        self.point, self.words, self.is_endless = point, words, is_endless
        self.is_lying = True
        self.session_of = threading.local()
        super().__init__()

    def session(self, client):
        self.session_of.client = client
        super().session(client)

    def answer(self, verb, line, default):
        if verb != self.point or not self.is_lying:
            return super().answer(verb, line, default)
        while self.is_endless:
            self.session_of.client.sendall(self.words.encode())
        if self.words is None:
            raise OSError("hangs up")
        return self.words


POINTS = ["banner", "ehlo", "mail", "rcpt", "data", "end"]
LIES = {
    "hangs up": None,
    "garbage": "\x00\xff\x80 what is this",
    "no code": "ok then",
    "a code too large": "999 so",
    "a reply that never ends": "250-more\r\n" * 1000,
    "a line that never ends": "250 " * 1000,
    "421": "421 4.3.2 I must go",
    "later": "451 4.3.0 later",
    "3xx": "354 go on",
}


def relaying(port):
    return {"routes": [{"to": "*", "via": f"smtp://127.0.0.1:{port}"}]}


def submit(server, to, subject="relayed"):
    with Dialogue(server.submission) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.transaction("bob@example.org", to, plain(subject))
        assert reply.startswith("250 "), reply


def statuses(server):
    return {recipient["address"]: recipient["status"]
            for entry in server.queue_list() for recipient in entry["recipients"]}


@pytest.mark.parametrize("lie", LIES)
def test_servers_that_lie_lose_nothing(launch, lie):
    """At each point in turn; then the same server tells the truth, and gets the message once."""
    peers = {point: Liar(point, LIES[lie], "never ends" in lie) for point in POINTS}
    routes = [{"to": f"{point}.example", "via": f"smtp://127.0.0.1:{peer.port}"}
              for point, peer in peers.items()]
    server = launch(routes=routes)
    # 354 is what DATA is to be answered with.
    honest = [point for point in POINTS if lie == "3xx" and point == "data"]
    for point in POINTS:
        submit(server, [f"c@{point}.example"])
    want = {f"c@{point}.example": "deferred" for point in POINTS if point not in honest}
    wait_for(lambda: statuses(server) == want, 30, f"{lie}: {statuses(server)}")
    for entry in server.queue_list():
        (recipient,) = entry["recipients"]
        assert recipient["attempts"] >= 1 and recipient["reply"] and recipient["next"], recipient
    for peer in peers.values():
        peer.is_lying = False
    server.command("queue", "retry", "all")
    server.wait_queue_empty()
    for point, peer in peers.items():
        assert len(peer.messages) == 1, point
        peer.stop()
    check(server, "after")


def test_some_recipients_later_some_never(launch, script):
    codes = {"later": "450 4.2.0 not now", "never": "550 5.1.1 nobody"}
    peer = script(rcpt=lambda line: codes.get(line.split("<")[1].split("@")[0], "250 2.1.5 ok"))
    server = launch(**relaying(peer.port))
    submit(server, ["good@partner.example", "later@partner.example", "never@partner.example"])
    wait_for(lambda: statuses(server) == {"good@partner.example": "delivered",
                                          "later@partner.example": "deferred",
                                          "never@partner.example": "failed"}, 20)
    server.wait_message("bob@example.org")
    codes.clear()
    server.command("queue", "retry", "all")
    server.wait_queue_empty()
    assert [sorted(envelope[1:]) for envelope, _ in peer.messages] == [
        ["RCPT TO:<good@partner.example>"], ["RCPT TO:<later@partner.example>"]]


class Tired(Script):
    """Closes each connection when a second message comes on it."""

    def session(self, client):
        self.own = getattr(self, "own", threading.local())
        self.own.count = 0
        super().session(client)

    def answer(self, verb, line, default):
        if verb == "mail":
            self.own.count += 1
            if self.own.count > 1:
                raise OSError("hangs up")
        return super().answer(verb, line, default)


def test_a_connection_that_ends_between_messages_delays_none(launch):
    peer = Tired()
    server = launch(**relaying(peer.port), queue={"retry_first": "1h", "connections": 1})
    for number in range(10):
        submit(server, [f"c{number}@partner.example"])
    server.wait_queue_empty()
    assert len(peer.messages) == 10
    assert server.events("deferred") == []
    assert server.events("connection-ended")
    peer.stop()


def test_a_silent_server_does_not_hold_up_a_stop(launch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = launch(**relaying(silent.getsockname()[1]), limits={"drain": "5m"})
        submit(server, ["c@partner.example"])
        peer, _ = silent.accept()
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < PROMPT_SECONDS
        peer.close()


# --- Operators -----------------------------------------------------------------------------------


def test_reloading_under_load_disturbs_nobody(launch):
    server = launch()
    count, is_ending = [0], threading.Event()

    def send():
        while not is_ending.is_set():
            with Dialogue(server.mx) as dialogue:
                dialogue.say("EHLO client.example")
                for _ in range(5):
                    reply = dialogue.transaction("bob@example.net", ["load@example.org"],
                                                 plain("load"))
                    assert reply.startswith("250 "), reply
                    count[0] += 1

    sender = threading.Thread(target=send)
    sender.start()
    for number in range(10):
        server.config["domains"].append({"name": f"d{number}.example", "mailboxes": "any"})
        server.config["limits"] = {"drain": "10s", "recipients": 1000 + number}
        server.write_config()
        server.command("reload")
        with Dialogue(server.mx) as dialogue:
            assert f"RCPTMAX={1000 + number}" in dialogue.say("EHLO client.example")
    is_ending.set()
    sender.join(30)
    assert not sender.is_alive() and count[0] > 0
    server.wait_messages("load@example.org", count[0])
    check(server, "after")


def control(server, seconds=20):
    (path,) = server.folder.rglob("control.sock")
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(seconds)
    client.connect(str(path))
    return client


REQUESTS = {
    "garbage": b"\x00\xff\xfe\r\n",
    "no object": b"[1, 2]\n",
    "empty": b"\n",
    "deep": b"[" * 10000 + b"\n",
    "no such request": b'{"do": "dance"}\n',
    "do is a number": b'{"do": 7}\n',
    "an id that is none": b'{"do": "show", "id": "xyz"}\n',
    "an id that is a number": b'{"do": "delete", "id": 5}\n',
    "no id": b'{"do": "delete"}\n',
    "too long": b'{"do": "' + b"x" * (1 << 20) + b'"}\n',
    "never ends": b" " * (1 << 20),
}


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_that_are_none(launch, request_):
    server = launch()
    client = control(server)
    push(client, REQUESTS[request_])
    answer = drain(client)
    assert not answer or "error" in json.loads(answer.splitlines()[-1])
    client.close()
    assert server.queue_list() == []
    check(server, "after")


def test_an_operator_that_never_reads(launch):
    server = launch(**relaying(1))
    people = [f"{'long' * 10}{number}@partner.example" for number in range(900)]
    for number in range(8):
        submit(server, people, f"number {number}")
    deaf = [control(server) for _ in range(5)]
    for client in deaf:
        client.sendall(b'{"do": "list"}\n')
    for client in [control(server) for _ in range(5)]:
        client.sendall(b'{"do": "list"}\n')
        client.recv(100)
        client.close()
    assert len(server.queue_list()) == 8
    check(server, "meanwhile")
    for client in deaf:
        client.close()
    check(server, "after")
