"""Messages a second: accepted, relayed, delivered to a Maildir."""

import os
from typing import Callable, NamedTuple

from contenders import (SHARES, Exim, OpenSMTPD, Postrider, TunedPostfix, is_here,
                        postfix_with_tls, with_tls, without_syncs)
from loads import (LIMIT_SECONDS, SESSIONS, SIZE, SmtpSink, bench_relay, bench_send, smtp_source,
                   sync_seconds, timed)
from server import free_port, wait_for
from yard import cell, note, print_table, ratio

NO_DISK = "smtp-sink, no disk"


def accept(kind, folder, messages, row, sessions):
    """None stands for smtp-sink."""
    if kind is None:
        sink = SmtpSink()
        try:
            return timed(lambda: row.send(sink.port, "b@y.example", messages, sessions))
        finally:
            sink.stop()
    peer = kind(folder).start()
    try:
        seconds = timed(lambda: row.send(peer.port, peer.away, messages, sessions))
        if isinstance(peer, Postrider):
            queued = peer.json("queue", "stats")["messages"]
            assert queued == messages, f"{queued} of {messages} messages are in the queue"
        return seconds
    finally:
        peer.end()


def relay_counted(kind, folder, messages, row, sessions):
    """smtp-sink ends when it has taken so many; which ones, it does not know."""
    sink = SmtpSink(messages)
    peer = kind(folder, sink.port).start()
    try:
        return timed(lambda: (row.send(peer.port, peer.away, messages, sessions),
                              sink.wait()))
    finally:
        peer.end()
        sink.stop()


def relay(kind, folder, messages, row, sessions):
    """Each message must arrive, and once."""
    sink = free_port()
    peer = kind(folder, sink).start()
    try:
        figures, seconds = bench_relay(peer.port, sink, peer.away, "--count", messages,
                                       "--size", SIZE, "--sessions", sessions,
                                       *(["--tls"] if row.group == "tls" else []))
        assert figures["accepted"] == messages and figures["lost"] == 0, figures
        return seconds
    finally:
        peer.end()


def maildir(kind, folder, messages, row, sessions):
    peer = kind(folder).start()

    def is_filled():
        return peer.new.exists() and len(os.listdir(peer.new)) >= messages

    try:
        return timed(lambda: (row.send(peer.port, peer.here, messages, sessions),
                              wait_for(is_filled, LIMIT_SECONDS, peer.new)))
    finally:
        peer.end()


def one_a_connection(*words):
    smtp_source(*words, is_single=True)


def inside_tls(*words):
    bench_send(*words, words=["--tls"])


def handshake_each(*words):
    bench_send(*words, words=["--tls", "--messages-per-session", 1])


class Row(NamedTuple):
    group: str
    name: str
    work: Callable
    send: Callable
    kinds: tuple
    sessions: int = SESSIONS
    is_durable: bool = True


TWO = (None, Postrider, TunedPostfix)
ALL = (Postrider, TunedPostfix, Exim, OpenSMTPD)
TLS = (with_tls, postfix_with_tls)
NAMES = {without_syncs: "Postrider", with_tls: "Postrider", postfix_with_tls: "Postfix"}
ROWS = [
    Row("accept", "accept, 20 sessions", accept, smtp_source, TWO),
    Row("accept", "accept, 100 sessions", accept, smtp_source, TWO, 100),
    Row("accept", "accept, 20 sessions, pipelined", accept, bench_send, TWO),
    Row("relaxed", "accept without syncs, 20 sessions", accept, smtp_source, (None, without_syncs),
        is_durable=False),
    Row("single", "accept, one message a connection", accept, one_a_connection, TWO),
    Row("relay", "relay, by smtp-source to smtp-sink", relay_counted, smtp_source, ALL),
    Row("relay", "relay, by postrider bench", relay, None, ALL),
    Row("relay", "the same without syncs", relay, None, (without_syncs, OpenSMTPD),
        is_durable=False),
    Row("tls", "accept inside TLS, one message a connection", accept, handshake_each, TLS),
    Row("tls", "accept inside TLS, 20 sessions, pipelined", accept, inside_tls, TLS),
    Row("tls", "relay inside TLS, by postrider bench", relay, None, TLS),
    Row("maildir", "to a Maildir, by smtp-source", maildir, smtp_source, ALL),
    Row("maildir", "to a Maildir, by postrider bench", maildir, bench_send, ALL),
]
COLUMNS = [NO_DISK, "Postrider", "Postfix", "Exim", "OpenSMTPD"]


def column(kind):
    return NO_DISK if kind is None else NAMES.get(kind) or kind.name


def measure(yard, rounds, messages, rows):
    """Rates by row and column."""
    rates = {}
    for number in range(rounds):
        for row in rows:
            bound = row.sessions / sync_seconds(yard.fresh("sync"), row.sessions)
            rates.setdefault((row, "bound"), []).append(bound)
            for kind in row.kinds:
                if not is_here(kind):
                    continue
                name = column(kind)
                count = max(messages // SHARES.get(name, 1), 10)
                sessions = min(row.sessions, getattr(kind, "sessions", row.sessions))
                seconds = row.work(kind, yard.fresh(name.split(",")[0]), count, row, sessions)
                rate = count / seconds
                rates.setdefault((row, name), []).append(rate)
                note(f"round {number + 1}: {row.name}: {name} {rate:,.0f}/s")
    return rates


def run(yard, options):
    rows = [row for row in ROWS if row.group in options.groups]
    rates = measure(yard, options.rounds, options.messages, rows)
    heads = ["", *COLUMNS, "Postrider to Postfix", "to Exim", "to OpenSMTPD", "to smtp-sink",
             "one sync after the other"]
    lines = []
    for row in rows:
        found = {name: rates.get((row, name)) for name in COLUMNS}
        lines.append([
            row.name, *(cell(found[name]) for name in COLUMNS),
            *(ratio(found["Postrider"], found[name])
              for name in ("Postfix", "Exim", "OpenSMTPD", NO_DISK)),
            cell(rates.get((row, "bound"))) if row.is_durable else "–"])
    print_table(f"Messages of {SIZE} bytes a second: median (least–most) of {options.rounds}"
                " rounds", heads, lines)
    print("\nDurable here: Postrider, but for the rows without syncs; Postfix; Exim. OpenSMTPD does"
          " not sync\nbefore its 250, and has 5 sessions (more at once than it lets wait are lost"
          " for seconds); smtp-sink\nwrites nothing. A relayed message counts"
          " when the sink has it, one\nfor a Maildir when it is in new/. The last column is what"
          " the disk alone allowed in the same rounds: a\nsync of one message a session, one sync"
          " after the other, with nothing else to do.")
