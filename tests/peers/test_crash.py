"""kill -9 of any process, at random, under load: what was answered 250 is delivered at least once,
and nothing that was never sent is."""

import os
import random
import re
import signal
import smtplib
import threading
import time

from letters import noise
from server import Postrider, wait_for

KILLS = 50
SENDERS = 4
SETTLE_SECONDS = 60
IDENTITY = re.compile(rb"^X-Test-Id: (\S+)$", re.MULTILINE)


class Load:
    """Clients that send until told to stop, and note what they began and what was answered 250."""

    def __init__(self, server, seed):
        self.server = server
        self.begun, self.taken = set(), set()
        self.is_ending = False
        self.threads = [threading.Thread(target=self.run, args=[number, seed], daemon=True)
                        for number in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def run(self, number, seed):
        chance = random.Random(f"{seed} {number}")
        count = 0
        while not self.is_ending:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.mx, timeout=20) as client:
                    for _ in range(chance.randrange(1, 30)):
                        count += 1
                        self.send(client, f"{number}-{count}", chance)
                        if self.is_ending:
                            break
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def send(self, client, identity, chance):
        # Small ones lie in the log, those beyond spool.inline_body in files of their own.
        size = chance.choice([100, 100, 3000, 20000, 200000])
        body = noise(size // 2, count_of(identity)).hex()
        lines = "\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
        text = f"Subject: load\r\nX-Test-Id: {identity}\r\n\r\n{lines}\r\n".encode()
        people = [f"box{chance.randrange(5)}@example.org"]
        if chance.random() < 0.2:
            people.append("second@example.org")
        self.begun.add(identity)
        client.sendmail("bob@example.net", people, text)
        self.taken.update((identity, person) for person in people)

    def end(self):
        self.is_ending = True
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive()


def count_of(identity):
    return int(identity.replace("-", "0"))


def delivered(server):
    """What lies in the Maildirs: (identity, person), as often as it is there."""
    found = []
    for path in (server.folder / "mail").glob("*/*/new/*"):
        raw = path.read_bytes()
        identity = IDENTITY.search(raw)
        assert identity and raw.endswith(b"\n"), path
        size = int(path.name.split(",S=")[1].split(",")[0])
        assert size == len(raw), path
        found.append((identity[1].decode(), path.parts[-3] + "@example.org"))
    return found


def start_again(server):
    """As a service manager does: until it comes up."""
    for _ in range(20):
        server.launch()
        try:
            wait_for(server.is_ready, 30)
            return
        except AssertionError:
            if server.process.poll() is None:
                raise
            time.sleep(0.25)
    raise AssertionError(server.log_tail())


def kill_one(server, chance, has_waited):
    """Kills a child, or (one time in six) the supervisor; gives the name. A child that dies again
    and again is started after ever longer pauses: then it is the supervisor's turn as well."""
    children = server.processes()
    if not children or has_waited or chance.random() < 1 / 6:
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        start_again(server)
        return "supervisor"
    pid = chance.choice(sorted(children))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return "gone"
    return children[pid]


def test_kill_9_of_any_process_loses_nothing(launch):
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    server = launch(
        spool={"path": "spool", "segment": "4M", "low_water": "16M", "inline_body": "64K"},
        queue={"retry_first": "200ms", "retry_max": "1s"},
        log={"level": "info"})
    load = Load(server, seed)
    killed = []
    for _ in range(KILLS):
        goal = len(load.taken) + chance.randrange(1, 40)
        begin = time.monotonic()
        wait_for(lambda: len(load.taken) >= goal, 30, f"no progress after {killed[-5:]}")
        has_waited = time.monotonic() - begin > 1
        killed.append(kill_one(server, chance, has_waited))
    load.end()
    print({name: killed.count(name) for name in sorted(set(killed))}, len(load.taken), "taken")
    server.restart()
    server.command("queue", "retry", "all")
    server.wait_queue_empty(SETTLE_SECONDS)
    found = delivered(server)
    lost = load.taken - set(found)
    assert not lost, f"SEED={seed}: {len(lost)} lost, as {sorted(lost)[:5]}"
    invented = {identity for identity, _ in found} - load.begun
    assert not invented, f"SEED={seed}: never sent: {sorted(invented)[:5]}"
    twice = len(found) - len(set(found))
    assert twice <= KILLS * 40, f"SEED={seed}: {twice} there more than once"
    leftovers = [path for path in (server.folder / "mail").glob("*/*/tmp/*")]
    assert len(leftovers) <= KILLS * 40
    print(f"{len(found)} delivered, {twice} more than once, {len(leftovers)} left in tmp")


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
