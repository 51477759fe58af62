"""What a message costs: instructions (callgrind) and system calls (strace -c) of the worker and of
the mailbox process, and where they go. Neither depends on how busy the machine is."""

import os
import pathlib
import re
import shutil
import subprocess

from contenders import Postrider
from identity import DOMAIN, OURS, Bed, Relay
from loads import SIZE, bench_relay, bench_send
from server import ROOT, binary, free_port, wait_for
from yard import note, print_table

MESSAGES = 1000
TOP = 12
CALL = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)
FUNCTION = re.compile(r"^ *([\d,]+) \( *[\d.]+%\) +\S*?:(\S+)", re.MULTILINE)


def accept(peer, sink, messages):
    bench_send(peer.port, peer.away, messages)


def relay(peer, sink, messages):
    figures, _ = bench_relay(peer.port, sink, peer.away, "--count", messages, "--size", SIZE)
    assert figures["accepted"] == messages and figures["lost"] == 0, figures


def deliver(peer, sink, messages):
    bench_send(peer.port, peer.here, messages)
    wait_for(lambda: peer.new.exists() and len(os.listdir(peer.new)) >= messages, 600)


def accept_checked(peer, sink, messages):
    bench_send(peer.outside, f"b@{OURS}", messages,
               words=["--from", f"ann@{DOMAIN}", "--letter", peer.bed.letters["4 KiB", "rsa"]])


def accept_signed(peer, sink, messages):
    bench_send(peer.inside, "b@z.example", messages, host="[::1]",
               words=["--from", f"bob@{OURS}", "--letter", peer.bed.submitted])


# name; what is done; which process; the folder that it may write to
MEASURES = [
    ("accept", accept, "worker", "spool/0"),
    ("accept, all checks, RSA-2048", accept_checked, "worker", "spool/0"),
    ("accept, signed by RSA-2048 and Ed25519", accept_signed, "worker", "spool/0"),
    ("accept and relay", relay, "worker", "spool/0"),
    ("accept and deliver: the worker", deliver, "worker", "spool/0"),
    ("accept and deliver: the mailbox process", deliver, "mailbox", "mail"),
]


def make_server(bed, folder, work, sink):
    if work is accept_checked:
        return Relay(bed, folder, [free_port(), free_port()], mode="enforce")
    if work is accept_signed:
        return Relay(bed, folder, [free_port(), free_port()], keys=["rsa", "ed25519"])
    return Postrider(folder, sink if work is relay else None)


# --- Instructions --------------------------------------------------------------------------------


def build_shim(folder):
    """Valgrind does not know what /proc/self/exe leads to, by which the children are started."""
    shim = folder / "exec_shim.so"
    subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", shim,
                    ROOT / "bench/exec_shim.c"], check=True)
    return shim


def write_wrapper(path, process, place):
    path.write_text(f"""#!/bin/sh
[ "$2" != {process} ] || exec valgrind -q --tool=callgrind --vgdb=no \\
    --callgrind-out-file={place}/callgrind.out {binary()} "$@"
exec {binary()} "$@"
""")
    path.chmod(0o755)
    return path


def instructions(yard, bed, measure, messages):
    """In all, and by function, of one process that did so many messages and ended."""
    _, work, process, place = measure
    sink = free_port()
    peer = make_server(bed, yard.fresh("callgrind"), work, sink)
    place = peer.folder / place
    place.mkdir(parents=True, mode=0o700, exist_ok=True)
    peer.environment = {
        "LD_PRELOAD": str(build_shim(peer.folder)),
        "EXEC_SHIM": str(write_wrapper(peer.folder / "wrapper", process, place))}
    peer.start()
    try:
        work(peer, sink, messages)
        peer.stop()
    finally:
        peer.end()
    text = subprocess.run(["callgrind_annotate", "--threshold=100", place / "callgrind.out"],
                          check=True, capture_output=True, text=True).stdout
    found = {}
    for count, name in FUNCTION.findall(text):
        name = name.split("'")[0]
        found[name] = found.get(name, 0) + int(count.replace(",", ""))
    return found


def difference(yard, bed, measure, messages):
    """By function, for one message: what starting and ending cost goes out."""
    few, many = (instructions(yard, bed, measure, count) for count in (messages // 5, messages))
    extra = messages - messages // 5
    return {name: (many[name] - few.get(name, 0)) / extra for name in many}


def print_instructions(yard, bed, options):
    missing = [name for name in ("valgrind", "callgrind_annotate", "cc") if not shutil.which(name)]
    if missing:
        print(f"\nInstructions a message: not measured, {', '.join(missing)} missing.")
        return
    lines = []
    for measure in MEASURES:
        found = difference(yard, bed, measure, MESSAGES // options.quicken)
        top = sorted(found.items(), key=lambda item: -item[1])[:TOP]
        lines.append([measure[0], f"{sum(found.values()):,.0f}",
                      ", ".join(f"{name} {count:,.0f}" for name, count in top)])
        note(f"{measure[0]}: {sum(found.values()):,.0f} instructions a message")
    print_table(f"Instructions a message of {SIZE} bytes, 20 sessions, pipelined",
                ["", "in all", "most of them"], lines)


# --- System calls --------------------------------------------------------------------------------


def system_calls(yard, bed, measure, messages):
    """By name, of a process and its threads while it did so many messages."""
    _, work, process, _ = measure
    sink = free_port()
    peer = make_server(bed, yard.fresh("strace"), work, sink)
    output = pathlib.Path(f"{peer.folder}/strace")
    peer.start()
    try:
        work(peer, sink, 20)  # connections, threads and folders are there
        pid = next(pid for pid, name in peer.processes().items() if name.startswith(process))
        tracer = subprocess.Popen(["strace", "-q", "-c", "-f", "-p", str(pid), "-o", output],
                                  stderr=subprocess.DEVNULL)
        status = pathlib.Path(f"/proc/{pid}/status")
        wait_for(lambda: f"TracerPid:\t{tracer.pid}" in status.read_text(), 10)
        work(peer, sink, messages)
        tracer.terminate()
        tracer.wait(30)
    finally:
        peer.end()
    return {name: int(count) / messages for count, name in CALL.findall(output.read_text())
            if name != "total"}


def print_system_calls(yard, bed, options):
    if not shutil.which("strace"):
        print("\nSystem calls a message: not measured, strace is missing.")
        return
    lines = []
    for measure in MEASURES:
        found = system_calls(yard, bed, measure, MESSAGES // options.quicken)
        top = sorted(found.items(), key=lambda item: -item[1])[:TOP]
        lines.append([measure[0], f"{sum(found.values()):.2f}",
                      ", ".join(f"{name} {count:.2f}" for name, count in top)])
        note(f"{measure[0]}: {sum(found.values()):.2f} system calls a message")
    print_table(f"System calls a message of {SIZE} bytes, 20 sessions, pipelined",
                ["", "in all", "most of them"], lines)


def run(yard, options):
    bed = Bed(yard.fresh("bed"))
    try:
        print_instructions(yard, bed, options)
        print_system_calls(yard, bed, options)
    finally:
        bed.names.stop()
