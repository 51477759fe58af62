"""Large messages: bytes a second, accepted and relayed, beside what the disk itself takes."""

from contenders import Postrider, TunedPostfix
from loads import SESSIONS, bench, bench_relay, disk_rate
from server import free_port
from yard import cell, note, print_table, ratio

MIB = 1 << 20
# size; messages of Postrider's, of Postfix's; connections
SIZES = [("64K", 6000, 2000, SESSIONS), ("10M", 60, 30, 4)]
DISK_BYTES = 512 * MIB


def accept_rate(kind, folder, size, count, sessions):
    peer = kind(folder).start()
    try:
        sent = bench("send", "--server", f"127.0.0.1:{peer.port}", "--to", peer.away, "--size",
                     size, "--count", count, "--sessions", sessions)
        assert sent["accepted"] == count, sent
        return sent["bytes"] / sent["seconds"] / MIB
    finally:
        peer.end()


def relay_rate(kind, folder, size, count, sessions):
    sink = free_port()
    peer = kind(folder, sink).start()
    try:
        figures, seconds = bench_relay(peer.port, sink, peer.away, "--size", size, "--count",
                                       count, "--sessions", sessions)
        assert figures["accepted"] == count and figures["lost"] == 0, figures
        return figures["bytes"] / seconds / MIB
    finally:
        peer.end()


def measure(yard, options):
    rates = {}
    for number in range(options.rounds):
        for size, ours, theirs, sessions in SIZES:
            disk = disk_rate(yard.fresh("disk"), DISK_BYTES) / MIB
            rates.setdefault((size, "disk"), []).append(disk)
            note(f"round {number + 1}: {size}: the disk {disk:,.0f} MiB/s")
            for kind, count in ((Postrider, ours), (TunedPostfix, theirs)):
                count = max(count // options.quicken, 4)
                for work in (accept_rate, relay_rate):
                    rate = work(kind, yard.fresh(kind.name), size, count, sessions)
                    rates.setdefault((size, kind.name, work), []).append(rate)
                    note(f"round {number + 1}: {size}: {work.__name__} {kind.name}"
                         f" {rate:,.0f} MiB/s")
    return rates


def run(yard, options):
    rates = measure(yard, options)
    lines = []
    for size, _, _, sessions in SIZES:
        for work, name in ((accept_rate, "accepted"), (relay_rate, "relayed")):
            ours, theirs = (rates[size, kind.name, work] for kind in (Postrider, TunedPostfix))
            disk = rates[size, "disk"]
            lines.append([f"{size}iB, {sessions} sessions, {name}", cell(ours), cell(theirs),
                          ratio(ours, theirs), cell(disk), ratio(ours, disk)])
    print_table(f"MiB a second of larger messages: median (least–most) of {options.rounds} rounds",
                ["", "Postrider", "Postfix", "to Postfix", "the disk: a file in order, one"
                 " fdatasync", "to the disk"], lines)
