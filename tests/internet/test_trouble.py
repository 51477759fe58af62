"""Other servers as they are on a bad day: down, unreachable, greylisting, breaking off."""

import contextlib
import selectors
import socket
import threading

import pytest

from letters import plain
from peers import Script
from server import wait_for
from world import GOOD, GREYLISTED_TIMES


def send(server, text, recipients, **options):
    with server.client() as client:
        client.sendmail(f"ann@{server.domain}", recipients, text, **options)


def test_a_greylisting_postfix_takes_it_at_a_later_try(internet, launch):
    server = launch()
    people = ["grey@postfix.example", "bob@postfix.example"]
    send(server, plain("to the grey list"), people)
    server.wait_queue_empty()
    neighbour = internet.neighbours["postfix"]
    wait_for(lambda: len(neighbour.messages(b"to the grey list")) == 2, 30, neighbour.output)
    deferred = server.events("deferred", to="grey@postfix.example")
    assert len(deferred) == GREYLISTED_TIMES
    assert all("greylisted" in event["reply"] for event in deferred)
    assert server.events("deferred", to="bob@postfix.example") == []


# --- Breaking off in the middle ------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["banner", "ehlo", "mail", "rcpt", "data", "end"])
def test_421_anywhere_delays_and_loses_nothing(launch, wild, verb):
    answers = iter(["421 4.3.2 closing for maintenance"] * 2)
    usual = {"banner": "220 script.example ESMTP", "data": "354 go on",
             "ehlo": "250-script.example\r\n250 PIPELINING"}.get(verb, "250 2.0.0 ok")
    peer = wild(GOOD, **{verb: lambda line: next(answers, usual)})
    server = launch()
    for number in range(3):
        send(server, plain(f"421 {number}"), ["carol@wild.example", "dora@wild.example"])
    server.wait_queue_empty()
    got = [(line, text) for envelope, text in peer.messages for line in envelope[1:]]
    assert len(got) == len(set(got)) == 6
    assert server.messages(f"ann@{server.domain}") == []


# --- Breaking off at every byte ------------------------------------------------------------------

FIRST_PORT = 20000


class Rationed:
    """A stream that ends when more than `left` bytes have been read from it or written to it."""

    def __init__(self, client, way, left):
        self.client, self.way, self.left = client, way, left
        self.input = b""

    def take(self, way, count):
        """How many of so many bytes may go this way."""
        if way != self.way:
            return count
        allowed = min(count, self.left)
        self.left -= allowed
        return allowed

    def write(self, data):
        allowed = self.take("says", len(data))
        self.client.sendall(data[:allowed])
        if allowed < len(data):
            raise ConnectionResetError

    def flush(self):
        pass

    def __iter__(self):
        return self

    def __next__(self):
        while b"\n" not in self.input:
            room = self.left if self.way == "hears" else 65536
            data = self.client.recv(room) if room else b""
            if not data:
                raise ConnectionResetError  # no end of data, of which a text could have come
            self.take("hears", len(data))
            self.input += data
        line, newline, self.input = self.input.partition(b"\n")
        return line + newline


class Quitters:
    """Servers at a port each: the one at FIRST_PORT + N breaks its first session off after N bytes,
    and serves well from then on."""

    def __init__(self, host, count, way, extensions):
        self.sessions = [0] * count
        self.scripts = [Silent(extensions) for _ in range(count)]
        self.way = way
        self.poll = selectors.DefaultSelector()
        with host.inside():
            for number in range(count):
                listener = socket.create_server((GOOD, FIRST_PORT + number))
                self.poll.register(listener, selectors.EVENT_READ, number)
        self.is_ending = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.is_ending:
            for key, _ in self.poll.select(0.1):
                client, _ = key.fileobj.accept()
                client.settimeout(30)
                threading.Thread(target=self.session, args=[client, key.data], daemon=True).start()

    def session(self, client, number):
        self.sessions[number] += 1
        is_first = self.sessions[number] == 1
        stream = Rationed(client, self.way if is_first else None, number)
        with contextlib.suppress(OSError), client:
            self.scripts[number].talk(stream)

    def stop(self):
        self.is_ending = True
        self.thread.join()
        for key in list(self.poll.get_map().values()):
            key.fileobj.close()
        self.poll.close()


class Silent(Script):
    """The dialogue of a scripted server, without its listener."""

    def __init__(self, extensions):
        lines = ["script.example", *extensions]
        ehlo = "\r\n".join(f"250{' ' if line == lines[-1] else '-'}{line}" for line in lines)
        self.replies = {"ehlo": ehlo}
        self.context = None
        self.messages = []


@pytest.mark.parametrize("way, count", [("says", 180), ("hears", 450)])
@pytest.mark.parametrize("extensions", [["PIPELINING", "8BITMIME"], []], ids=["pipelined", "plain"])
def test_a_server_that_drops_at_every_byte_gets_it_once(internet, launch, way, count, extensions):
    """Twice only where it had taken the text, and the reply that says so was lost."""
    quitters = Quitters(internet.wild, count, way, extensions)
    try:
        server = launch(routes=[
            {"to": f"d{number}.example", "via": f"smtp://{GOOD}:{FIRST_PORT + number}"}
            for number in range(count)])
        with server.client() as client:
            for number in range(count):
                client.sendmail(f"ann@{server.domain}", [f"x@d{number}.example"],
                                plain(f"drop {number}"))
        server.wait_queue_empty(60)
    finally:
        quitters.stop()
    texts = [script.messages for script in quitters.scripts]
    broken = [number for number in range(count) if quitters.sessions[number] > 1]
    once = [number for number in range(count) if len(texts[number]) == 1]
    twice = [number for number in range(count) if len(texts[number]) == 2]
    print(f"{len(broken)} broken off, {len(twice)} twice: {twice}")
    assert len(once) + len(twice) == count
    assert len(broken) > count // 2
    assert all(text.endswith(plain(f"drop {number}"))
               for number in range(count) for _, text in texts[number])
    # Between the final dot and the last byte of its reply.
    assert len(twice) <= (len("250 2.0.0 taken\r\n") if way == "says" else 0)
    assert server.messages(f"ann@{server.domain}") == []
