"""How long a message takes, at a steady rate that leaves the server idle in between or does not:
from the instant its schedule has for it until its 250, and until it is at the sink."""

import statistics

from contenders import Postrider, TunedPostfix
from loads import SIZE, bench_relay
from server import free_port
from yard import note, print_table

# messages a second; seconds
OFFERS = [(1, 30), (200, 20), (1000, 20)]
POINTS = ("p50", "p99", "p99_9")


def measure(kind, folder, rate, seconds):
    sink = free_port()
    peer = kind(folder, sink).start()
    try:
        # The first message makes connections and processes; an idle system has had it.
        bench_relay(peer.port, sink, peer.away, "--count", 5, "--size", SIZE)
        figures, _ = bench_relay(peer.port, sink, peer.away, "--rate", rate, "--duration",
                                 f"{seconds}s", "--count", rate * seconds, "--size", SIZE)
        return figures
    finally:
        peer.end()


def milliseconds(runs, which):
    words = []
    for point in POINTS:
        value = statistics.median(figures[which][point] for figures in runs) / 1000
        words.append(f"{value:,.2f}" if value < 100 else f"{value:,.0f}")
    return " / ".join(words)


def trouble(runs):
    words = [f"{sum(figures[name] for figures in runs)} {name}"
             for name in ("refused", "unanswered", "lost", "duplicates")
             if any(figures[name] for figures in runs)]
    return ", ".join(words) or "none"


def run(yard, options):
    found = {}
    for number in range(options.rounds):
        for rate, seconds in OFFERS:
            seconds = max(seconds // options.quicken, 3)
            for kind in (Postrider, TunedPostfix):
                figures = measure(kind, yard.fresh(kind.name), rate, seconds)
                found.setdefault((rate, kind.name), []).append(figures)
                note(f"round {number + 1}: {rate}/s: {kind.name}"
                     f" {milliseconds([figures], 'arrival_us')} ms")
    lines = []
    for (rate, name), runs in found.items():
        lines.append([f"{rate:,}", name, f"{runs[0]['accepted']:,}",
                      milliseconds(runs, "reply_us"), milliseconds(runs, "arrival_us"),
                      trouble(runs)])
    print_table(f"Latency in ms, p50 / p99 / p99.9: medians of {options.rounds} rounds",
                ["offered a second", "", "messages a round", "to the 250", "to the sink",
                 "trouble"], lines)
    print(f"\nMessages of {SIZE} bytes, by a Poisson schedule that does not wait for the server:"
          " where it cannot keep\nup, they wait longer and longer, which is then what the figures"
          " say.")
