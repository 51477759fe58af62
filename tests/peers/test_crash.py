"""kill -9 of any process, at random, under load: what was answered 250 is delivered at least once,
and nothing that was never sent is."""

import os
import random
import signal
import smtplib
import time

import pytest

from load import CountingSink, Load, check_account, delivered, kill_one
from server import Postrider, wait_for

KILLS = int(os.environ.get("KILLS", 50))  # `make soak` has 200
TWICE_A_KILL = 40  # what may be under way when a process is killed
SETTLE_SECONDS = 60


@pytest.mark.parametrize("workers", [1, 3])
def test_kill_9_of_any_process_loses_nothing(launch, workers):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    sink = CountingSink()
    server = launch(
        workers=workers,
        routes=[{"to": "*", "via": f"smtp://127.0.0.1:{sink.port}"}],
        spool={"path": "spool", "segment": "4M", "low_water": "16M", "inline_body": "64K"},
        queue={"retry_first": "200ms", "retry_max": "1s"},
        log={"level": "info"})
    load = Load(server, seed, is_remote=True)
    killed = []
    for _ in range(KILLS):
        begin = time.monotonic()
        load.wait_more(chance.randrange(1, 40), 30, f"no progress after {killed[-5:]}")
        has_waited = time.monotonic() - begin > 1
        killed.append(kill_one(server, chance, has_waited))
    load.end()
    print({name: killed.count(name) for name in sorted(set(killed))})
    server.restart()
    server.command("queue", "retry", "all")
    server.wait_queue_empty(SETTLE_SECONDS)
    sink.stop()
    check_account(load, delivered(server, sink), KILLS * TWICE_A_KILL, f"SEED={seed}")
    leftovers = list((server.folder / "mail").glob("*/*/tmp/*"))
    assert len(leftovers) <= KILLS * TWICE_A_KILL


def test_a_killed_process_comes_back_by_itself(launch):
    server = launch()
    before = server.processes()
    assert len(before) >= 3, before
    for pid in before:
        os.kill(pid, signal.SIGKILL)

    def all_new():
        now = server.processes()
        return len(now) == len(before) and not set(now) & set(before)

    wait_for(all_new, 20)

    def is_served():
        try:
            with smtplib.SMTP("127.0.0.1", server.mx, timeout=10) as client:
                client.sendmail("bob@example.net", ["ann@example.org"], b"Subject: alive\r\n\r\n")
                return True
        except (OSError, smtplib.SMTPException):
            return False

    wait_for(is_served, 20)
    server.wait_messages("ann@example.org", 1)


def test_children_end_when_the_supervisor_is_killed(folder):
    server = Postrider(folder / "postrider").start()
    children = server.processes()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.process = None
    wait_for(lambda: not [pid for pid in children if os.path.exists(f"/proc/{pid}")], 20)
