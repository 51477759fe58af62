"""Full TLS handshakes a second, and what each costs the server: connect, EHLO, STARTTLS, EHLO, and
away."""

import concurrent.futures
import os
import pathlib
import socket
import ssl
import time

from contenders import SHARES, EximWithTls, is_here, postfix_with_tls, with_tls
from loads import SESSIONS, timed
from memory import family
from yard import cell, note, print_table, ratio

HANDSHAKES = 10000
KINDS = {"Postrider": with_tls, "Postfix": postfix_with_tls, "Exim": EximWithTls}


def shake(port, times):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it resumes nothing by itself
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            plain.recv(4096)
            for line in (b"EHLO client.example\r\n", b"STARTTLS\r\n"):
                plain.sendall(line)
                reply = plain.recv(4096)
            assert reply.startswith(b"220"), reply
            with context.wrap_socket(plain) as secure:
                secure.sendall(b"EHLO client.example\r\n")
                reply = secure.recv(4096)
                assert reply.startswith(b"250"), reply


def processor_seconds(pid):
    """Of the process, of all below it, and of those of them that have ended."""
    ticks = 0
    for member in family(pid):
        words = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, words[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(kind, folder, count):
    """Handshakes a second, and the server's milliseconds of processor for one."""
    each = max(count // SESSIONS, 1)
    peer = kind(folder).start()
    try:
        before = processor_seconds(peer.process.pid)
        with concurrent.futures.ProcessPoolExecutor(SESSIONS) as pool:
            seconds = timed(
                lambda: list(pool.map(shake, [peer.port] * SESSIONS, [each] * SESSIONS)))
        time.sleep(1)  # the last processes end
        used = processor_seconds(peer.process.pid) - before
    finally:
        peer.end()
    return SESSIONS * each / seconds, 1000 * used / (SESSIONS * each)


def run(yard, options):
    rates, costs = {name: [] for name in KINDS}, {name: [] for name in KINDS}
    for number in range(options.rounds):
        for name, kind in KINDS.items():
            if not is_here(kind):
                continue
            count = HANDSHAKES // options.quicken // SHARES[name]
            rate, used = measure(kind, yard.fresh(name), count)
            rates[name].append(rate)
            costs[name].append(used)
            note(f"round {number + 1}: handshakes: {name} {rate:,.0f}/s, {used:.2f} ms")
    print_table(f"Full TLS handshakes, {SESSIONS} at a time: median (least–most) of"
                f" {options.rounds} rounds", ["", *KINDS], [
                    ["a second", *(cell(rates[name]) for name in KINDS)],
                    ["Postrider to it", *(ratio(rates["Postrider"], rates[name])
                                          for name in KINDS)],
                    ["ms of the server's processor time",
                     *(cell(costs[name], "{:.2f}") for name in KINDS)]])
    print("\nBy STARTTLS, with ECDSA on P-256; the key of Postrider is in its keeper. The clients"
          " are in\nPython and take part of the cores: the larger one, the faster the server."
          " OpenSMTPD is not here:\nof Debian's 6.8.0, every handshake fails under OpenSSL 3.")
