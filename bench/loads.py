"""What puts load on a server and takes what it relays: Postfix's smtp-source and smtp-sink, with
which older figures were made, and `postrider bench`, which pipelines; and what the disk can do."""

import json
import os
import statistics
import subprocess
import time

from peers import is_listening, program
from server import binary, free_port, wait_for

LIMIT_SECONDS = 900
SESSIONS = 20
SIZE = 4096


def smtp_source(port, recipient, messages, sessions=SESSIONS, is_single=False):
    """Four round trips a message. Single: one message a connection."""
    words = [program("smtp-source"), "-s", str(sessions), "-m", str(messages), "-l", str(SIZE),
             "-f", "a@client.example", "-t", recipient, "-M", "client.example"]
    if not is_single:
        words.append("-d")
    subprocess.run([*words, f"127.0.0.1:{port}"], check=True, timeout=LIMIT_SECONDS)


class SmtpSink:
    """Takes and forgets. It ends after `messages`, if given."""

    def __init__(self, messages=None):
        self.port = free_port()
        count = ["-M", str(messages)] if messages else []
        self.process = subprocess.Popen(
            [program("smtp-sink"), "-u", "nobody", "-m", "2000", *count,
             f"127.0.0.1:{self.port}", "1024"], stderr=subprocess.DEVNULL)
        wait_for(lambda: is_listening(self.port), 10)

    def wait(self):
        self.process.wait(LIMIT_SECONDS)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()


def bench(*words):
    """postrider bench …: its figures. What it did not get through it says in them."""
    done = subprocess.run([binary(), "bench", *map(str, words), "--json"], capture_output=True,
                          text=True, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1), (words, done.stderr)
    return json.loads(done.stdout)


def bench_send(port, recipient, messages, sessions=SESSIONS, words=(), host="127.0.0.1"):
    """All must be answered 250. Gives the seconds it took."""
    sent = bench("send", "--server", f"{host}:{port}", "--to", recipient, "--count", messages,
                 "--sessions", sessions, "--size", SIZE, *words)
    assert sent["accepted"] == messages, sent
    return sent["seconds"]


def bench_relay(port, sink, recipient, *words, host="127.0.0.1"):
    """Its figures, and the seconds until all had arrived at the sink."""
    begin = time.monotonic()
    figures = bench("relay", "--server", f"{host}:{port}", "--sink", f"127.0.0.1:{sink}",
                    "--to", recipient, "--wait", "60s", *words)
    return figures, time.monotonic() - begin


def timed(work):
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def sync_seconds(path, messages):
    """What one fdatasync of so many messages takes, over blocks that were written before: the
    median of 100. A durable server with that many sessions, each waiting for its reply, can at
    best do one such sync after the other."""
    size = messages * (SIZE + 600)
    times = []
    with open(path, "w+b") as file:
        file.write(bytes(100 * size))
        os.fsync(file.fileno())
        for number in range(100):
            begin = time.monotonic()
            os.pwrite(file.fileno(), bytes(size), number * size)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begin)
    return statistics.median(times)


def disk_rate(path, size):
    """Bytes a second that the disk takes: a new file of that size, written in order and synced."""
    block = os.urandom(1 << 20)
    begin = time.monotonic()
    with open(path, "w+b", buffering=0) as file:
        for _ in range(size >> 20):
            file.write(block)
        os.fdatasync(file.fileno())
    return size / (time.monotonic() - begin)
