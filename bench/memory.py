"""Memory: PSS of all processes, with idle sessions, and with a long queue; and what a long queue
costs beyond memory."""

import os
import pathlib
import socket
import ssl
import statistics
import time

from contenders import Postrider, TunedPostfix, postfix_with_tls, with_tls
from loads import SESSIONS, SIZE, bench_send
from server import children_of
from yard import cell, note, print_table

IDLE = 10000
POSTFIX_IDLE = 500  # a process each
QUEUE_RATIO = 100
BLOCK = 20000  # messages that are timed at once
BLOCKS = 6


def family(pid):
    return [pid, *(other for child in children_of(pid) for other in family(child))]


def pss_mib(pid):
    total = 0
    for member in family(pid):
        for line in pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def secure(session):
    """Goes on inside TLS."""
    session.sendall(b"STARTTLS\r\n")
    session.recv(512)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    session = context.wrap_socket(session)
    session.sendall(b"EHLO client.example\r\n")
    session.recv(2048)
    return session


def idle_memory(peer, count, has_tls):
    """Without and with so many sessions that have said EHLO: MiB."""
    pid = peer.process.pid
    before = pss_mib(pid)
    sessions = []
    for _ in range(count):
        session = socket.create_connection(("127.0.0.1", peer.port), timeout=60)
        greeting = session.recv(512)
        assert greeting.startswith(b"220 "), f"session {len(sessions) + 1}: {greeting}"
        session.sendall(b"EHLO client.example\r\n")
        session.recv(2048)
        sessions.append(secure(session) if has_tls else session)
    time.sleep(1)
    after = pss_mib(pid)
    for session in sessions:
        session.close()
    return before, after


def run_idle(yard, options):
    lines = []
    for name, kind, count, settings in (
            ("Postrider", Postrider, IDLE, {}),
            ("Postrider, inside TLS", with_tls, IDLE, {}),
            ("Postfix", TunedPostfix, POSTFIX_IDLE, {"default_process_limit": "2000"}),
            ("Postfix, inside TLS", postfix_with_tls, POSTFIX_IDLE,
             {"default_process_limit": "2000"})):
        count //= options.quicken
        peer = kind(yard.fresh(name.split(",")[0]), **settings).start()
        try:
            before, after = idle_memory(peer, count, "TLS" in name)
        finally:
            peer.end()
        each = (after - before) / count
        lines.append([name, f"{before:.1f}", f"{count:,}: {after:.1f}", f"{each * 1024:.1f}",
                      f"{before + each * IDLE:,.0f}"])
    print_table("Memory of idle sessions: PSS of all processes, MiB",
                ["", "no session", "with idle sessions", "KiB a session",
                 f"{IDLE:,} sessions (goal: under 100)"], lines)


# --- A long queue --------------------------------------------------------------------------------


def fill(server, messages):
    """So many messages more for a host that refuses connections. The rate."""
    return messages / bench_send(server.port, "user%d@y.example", messages)


def timed_fill(server, options):
    os.sync()  # what came before is not to be paid for now
    return fill(server, BLOCK // options.quicken)


def accept_rates(yard, server, short, options):
    """Of a long queue and of short ones, taking turns, and taking turns at going first."""
    rates = {"long": [], "short": []}
    for number in range(BLOCKS):
        other = Postrider(yard.fresh("short")).start()
        try:
            fill(other, short)
            turns = [("short", other), ("long", server)]
            for name, subject in turns if number % 2 == 0 else reversed(turns):
                rates[name].append(timed_fill(subject, options))
        finally:
            other.end()
        note(f"block {number + 1}: {rates['short'][-1]:,.0f}/s and {rates['long'][-1]:,.0f}/s")
    return rates


def restart(server, is_cold):
    """Seconds to event=ready. Cold: nothing of the spool is in memory."""
    server.stop()
    os.sync()
    if is_cold:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
    begin = time.monotonic()
    server.start()
    return time.monotonic() - begin


def run_queue(yard, options):
    server = Postrider(yard.fresh("long")).start()
    try:
        empty = pss_mib(server.process.pid)
        filled = fill(server, options.queued)
        full = pss_mib(server.process.pid)
        note(f"{options.queued:,} queued at {filled:,.0f}/s: {full:.1f} MiB")
        warm, cold = restart(server, False), restart(server, True)
        found = server.json("queue", "stats")["messages"]
        assert found == options.queued, f"{found} messages are there after the restart"
        again = pss_mib(server.process.pid)
        rates = accept_rates(yard, server, options.queued // QUEUE_RATIO, options)
    finally:
        server.end()
    slower = 1 - statistics.median(rates["long"]) / statistics.median(rates["short"])
    print_table(f"A queue of {options.queued:,} messages of {SIZE} bytes", ["", "", "goal"], [
        ["PSS of all processes, empty queue", f"{empty:.1f} MiB", ""],
        ["the same, queue filled", f"{full:.1f} MiB, {(full - empty) * 2**20 / options.queued:.0f}"
         " bytes a message", "under 400 MiB"],
        ["the same, after a restart", f"{again:.1f} MiB", "under 400 MiB"],
        ["restart to event=ready", f"{warm:.2f} s; {cold:.2f} s with nothing of"
         " the spool in memory", "under 10 s"],
        [f"accept, {SESSIONS} sessions, pipelined, while it filled", f"{filled:,.0f}/s", ""],
        [f"the same with {options.queued // QUEUE_RATIO:,} queued", f"{cell(rates['short'])}/s",
         ""],
        [f"the same with {options.queued:,} queued", f"{cell(rates['long'])}/s,"
         f" {100 * slower:.1f} % slower", "less than 10 %"],
    ])
