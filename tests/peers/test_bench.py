"""The load generator and its sink: against Postrider, Postfix's sink and Postfix's load tool."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from dialogue import Dialogue
from peers import Daemon, is_listening, need, program
from server import binary, free_port, wait_for

SECONDS = 120


def bench(*words, status=0):
    """Runs postrider bench … --json and returns what it prints."""
    done = subprocess.run([binary(), "bench", *map(str, words), "--json"], capture_output=True,
                          text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr


@contextlib.contextmanager
def sink(*words):
    """A sink on a free port: has .port, and .figures after the end."""
    process = subprocess.Popen(
        [binary(), "bench", "sink", "--listen", "127.0.0.1:0", "--json", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    try:
        line = process.stderr.readline()
        process.port = int(re.fullmatch(r".*listens on port (\d+)\n", line).group(1))
        yield process
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, (output, errors)
        process.figures = json.loads(output)["sink"]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def at(port):
    return f"127.0.0.1:{port}"


def test_all_that_is_sent_is_counted():
    with sink() as taker:
        sent = bench("send", "--server", at(taker.port), "--count", 500, "--recipients", 3,
                     "--size", "70:2K,25:1K-20K,5:2M")
    assert sent["accepted"] == sent["messages"] == 500
    assert sent["recipients"] == 1500
    assert sent["reply_us"]["count"] == 500
    assert 0 < sent["reply_us"]["p50"] <= sent["reply_us"]["p99"] <= sent["reply_us"]["max"]
    assert taker.figures["messages"] == 500
    assert taker.figures["recipients"] == 1500
    assert taker.figures["bytes"] == sent["bytes"]


def test_the_same_seed_sends_the_same_sizes():
    with sink() as taker:
        words = ("send", "--server", at(taker.port), "--count", 50, "--size", "1K-64K",
                 "--sessions", 1, "--seed")
        assert bench(*words, 5)["bytes"] == bench(*words, 5)["bytes"] != bench(*words, 6)["bytes"]


def test_processes_share_the_work():
    with sink("--processes", "2") as taker:
        sent = bench("send", "--server", at(taker.port), "--count", 501, "--processes", 3,
                     "--messages-per-session", 10)
    assert sent["accepted"] == 501
    assert sent["connections"] >= 51
    assert taker.figures["messages"] == 501


def test_all_of_it_inside_tls():
    with sink("--tls") as taker:
        sent = bench("send", "--server", at(taker.port), "--count", 100, "--tls",
                     "--size", "70:2K,25:1K-20K,5:2M", "--messages-per-session", 10)
        assert bench("send", "--server", at(taker.port), "--count", 5)["accepted"] == 5
    assert sent["accepted"] == 100 and sent["connections"] >= 10
    assert taker.figures["messages"] == 105
    with sink() as taker:
        assert bench("send", "--server", at(taker.port), "--count", 5, "--tls",
                     status=75)["accepted"] == 0


def test_a_schedule_shows_a_stall_in_every_message_it_held_up():
    """One session, each message answered after 50 ms, 100 a second due: each waits longer."""
    with sink("--delay-data", "50ms") as taker:
        sent = bench("send", "--server", at(taker.port), "--count", 20, "--rate", 100,
                     "--arrivals", "even", "--sessions", 1)
    assert sent["accepted"] == 20
    assert sent["latency_since"] == "schedule"
    # The last is due at 190 ms and cannot be answered before 1,000 ms.
    assert sent["reply_us"]["max"] >= 800_000
    assert sent["connections"] == 1


def test_a_sink_misbehaves_as_told():
    with sink("--tempfail", "20", "--reject", "20", "--drop", "10", "--max-messages", "7",
              "--seed", "3") as taker:
        sent = bench("send", "--server", at(taker.port), "--count", 400, status=1)
    figures = taker.figures
    assert sent["accepted"] + sent["refused"] + sent["unanswered"] == 400
    assert sent["accepted"] == figures["messages"]
    assert sent["refused"] == figures["tempfailed"] + figures["rejected"]
    assert sent["unanswered"] == figures["dropped"] > 0
    codes = {reply["code"]: reply for reply in sent["replies"]}
    assert codes[451]["count"] == figures["tempfailed"] > 0
    assert codes[550]["count"] == figures["rejected"] > 0
    assert codes[550]["sample"].startswith("550 5.1.1 ")
    assert figures["connections"] >= 400 // 7


def test_a_sink_greylists_once():
    with sink("--greylist", "100ms") as taker:
        words = ("send", "--server", at(taker.port), "--count", 20, "--users", 20)
        assert bench(*words, status=1)["refused"] == 20

        def is_known():
            done = subprocess.run([binary(), "bench", *map(str, words)], capture_output=True,
                                  timeout=SECONDS)
            return done.returncode == 0

        wait_for(is_known, 30)


def test_a_sink_hides_extensions():
    with sink("--hide", "PIPELINING,8BITMIME,CHUNKING") as taker:
        with Dialogue(taker.port) as dialogue:
            offered = str(dialogue.say("EHLO client.example"))
        assert "SMTPUTF8" in offered
        assert not re.search("PIPELINING|8BITMIME|CHUNKING", offered)
        assert bench("send", "--server", at(taker.port), "--count", 20,
                     "--size", "2M")["accepted"] == 20


def test_idle_sessions_are_held():
    with sink() as taker:
        sent = bench("send", "--server", at(taker.port), "--idle", 200, "--duration", "300ms")
    assert sent["connections"] == 200
    assert taker.figures["connections"] == 200


@pytest.mark.parametrize("processes", [1, 3])
def test_an_interrupt_ends_it_with_its_figures(processes):
    """The server never says a word; the run would take a minute to find out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = subprocess.Popen(
            [binary(), "bench", "send", "--server", at(silent.getsockname()[1]), "--json",
             "--timeout", "1m", "--sessions", "6", "--processes", str(processes)],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        silent.settimeout(SECONDS)
        held = [silent.accept() for _ in range(6)]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # not asked for politely any more
        output, _ = process.communicate(timeout=50)
        for client, _ in held:
            client.close()
    figures = json.loads(output)
    assert process.returncode == 75
    assert (figures["messages"], figures["accepted"], figures["unanswered"]) == (6, 0, 6)


def test_refuses_to_load_others():
    assert "--i-own-it" in bench("send", "--server", "192.0.2.1:25", status=75)["trouble"]
    assert "--i-own-it" in bench("sink", "--listen", "0.0.0.0:0", status=75)


def test_cannot_connect():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sent = bench("send", "--server", at(closed.getsockname()[1]), status=75)
    assert "refused" in sent["trouble"].lower()


def relay_config(sink_port):
    return {
        "routes": [{"to": "partner.example", "via": f"smtp://127.0.0.1:{sink_port}"}],
        "relay": {"networks": ["127.0.0.1/32"]},
        "queue": {"retry_first": "1s"},
    }


def test_postrider_relays_each_once(launch):
    sink_port = free_port()
    server = launch(**relay_config(sink_port))
    got = bench("relay", "--server", at(server.submission), "--sink", at(sink_port),
                "--to", "user%d@partner.example", "--count", 2000, "--recipients", 2)
    assert got["accepted"] == 2000
    assert (got["lost"], got["duplicates"], got["unknown"]) == (0, 0, 0)
    assert got["arrival_us"]["count"] == 2000
    assert got["sink"]["recipients"] == 4000


def test_postrider_loses_nothing_to_a_bad_next_hop(launch):
    sink_port = free_port()
    server = launch(**relay_config(sink_port))
    got = bench("relay", "--server", at(server.submission), "--sink", at(sink_port),
                "--to", "user%d@partner.example", "--count", 200, "--tempfail", 5, "--drop", 5,
                "--max-messages", 20)
    assert got["sink"]["tempfailed"] > 0 and got["sink"]["dropped"] > 0
    assert (got["lost"], got["duplicates"]) == (0, 0)


def test_relay_finds_what_is_lost(launch):
    """The server keeps it all for itself: nothing comes to the sink."""
    server = launch()
    got = bench("relay", "--server", at(server.mx), "--sink", "127.0.0.1:0", "--count", 10,
                "--wait", "200ms", status=1)
    assert (got["accepted"], got["lost"]) == (10, 10)


def test_lmtp_to_postriders_mailboxes(launch):
    server = launch()
    socket_path = server.folder / "spool/run/mailbox.sock"
    sent = bench("send", "--server", f"unix:{socket_path}", "--lmtp", "--count", 100,
                 "--recipients", 2, "--to", "user%d@example.org", "--users", 10)
    assert sent["accepted"] == 100 and sent["recipients"] == 200
    assert sum(len(server.messages(f"user{i}@example.org")) for i in range(10)) == 200


class SmtpSink(Daemon):
    """Postfix's sink; as root it must be told whom to become."""

    def __init__(self, folder):
        super().__init__(folder)
        self.port = free_port()
        words = [program("smtp-sink")]
        if os.geteuid() == 0:
            words += ["-u", "postfix"]
        self.launch(*words, at(self.port), "100", ready=lambda: is_listening(self.port))


@pytest.mark.parametrize("words", [(), ("--messages-per-session", 1), ("--recipients", 5)])
def test_into_postfix_sink(folder, words):
    need("smtp-sink")
    peer = SmtpSink(folder / "smtp-sink")
    try:
        sent = bench("send", "--server", at(peer.port), "--count", 500, *words)
    finally:
        peer.stop()
    assert sent["accepted"] == 500


def test_from_postfix_source():
    need("smtp-source")
    with sink() as taker:
        subprocess.run([program("smtp-source"), "-d", "-s", "10", "-m", "500", "-l", "4096",
                        at(taker.port)], check=True, timeout=SECONDS)
    assert taker.figures["messages"] == 500
