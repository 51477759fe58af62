"""Clients that send while a test breaks things, and the account afterwards: every id answered 250
is delivered, and nothing that was never sent is."""

import os
import random
import re
import signal
import smtplib
import threading
import time

from letters import noise
from peers import Script
from server import wait_for

SENDERS = 4
BOXES = 5
IDENTITY = re.compile(rb"^X-Test-Id: (\S+)$", re.MULTILINE)


class Load:
    """Clients that send until told to stop, and note what they began and what was answered 250: as
    (identity, recipient). Most of it is for mailboxes, some for partner.example."""

    def __init__(self, server, seed, senders=SENDERS, is_remote=False):
        self.server = server
        self.is_remote = is_remote
        self.begun, self.taken = set(), set()
        self.refused = []  # replies to what was not taken, as (code, text)
        self.is_ending = False
        self.threads = [threading.Thread(target=self.run, args=[number, seed], daemon=True)
                        for number in range(senders)]
        for thread in self.threads:
            thread.start()

    def run(self, number, seed):
        chance = random.Random(f"{seed} {number}")
        count = 0
        while not self.is_ending:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.submission, timeout=20) as client:
                    for _ in range(chance.randrange(1, 30)):
                        count += 1
                        self.send(client, f"{number}-{count}", chance)
                        if self.is_ending:
                            break
            except smtplib.SMTPRecipientsRefused as error:
                self.refused += error.recipients.values()
                time.sleep(0.02)
            except smtplib.SMTPResponseException as error:
                self.refused.append((error.smtp_code, error.smtp_error))
                time.sleep(0.02)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def send(self, client, identity, chance):
        # Small ones lie in the log, those beyond spool.inline_body in files of their own.
        size = chance.choice([100, 100, 3000, 20000, 200000])
        body = noise(size // 2, int(identity.replace("-", "0"))).hex()
        lines = "\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
        text = f"Subject: load\r\nX-Test-Id: {identity}\r\n\r\n{lines}\r\n".encode()
        people = [f"box{chance.randrange(BOXES)}@example.org"]
        if chance.random() < 0.2:
            people.append("second@example.org")
        if self.is_remote and chance.random() < 0.5:
            people.append("carol@partner.example")
        self.begun.add(identity)
        client.sendmail("bob@example.net", people, text)
        self.taken.update((identity, person) for person in people)

    def wait_more(self, count, seconds=30, what=None):
        """Until so many more were taken."""
        goal = len(self.taken) + count
        wait_for(lambda: len(self.taken) >= goal, seconds, what)

    def end(self):
        self.is_ending = True
        for thread in self.threads:
            thread.join(40)
            assert not thread.is_alive()


class CountingSink(Script):
    """Takes all, and keeps nothing but the identities."""

    def __init__(self, **arguments):
        self.found = []
        super().__init__(**arguments)

    def read_text(self, stream):
        text = Script.read_text(stream)
        # The end of data may be that of a connection: then nothing was taken.
        if text.endswith(b"\r\n"):
            self.found.append(IDENTITY.search(text.replace(b"\r\n", b"\n"))[1].decode())
        return b""


def delivered(server, sink=None):
    """What lies in the Maildirs and went to the sink: (identity, recipient), as often as it did."""
    found = []
    for path in (server.folder / "mail").glob("*/*/new/*"):
        raw = path.read_bytes()
        identity = IDENTITY.search(raw)
        assert identity and raw.endswith(b"\n"), path
        size = int(path.name.split(",S=")[1].split(",")[0])
        assert size == len(raw), path
        found.append((identity[1].decode(), path.parts[-3] + "@example.org"))
    if sink:
        found += [(identity, "carol@partner.example") for identity in sink.found]
    return found


def check_account(load, found, most_twice, note=""):
    """Nothing is lost, nothing made up, and not more than so many are there twice."""
    lost = load.taken - set(found)
    assert not lost, f"{note}: {len(lost)} lost, as {sorted(lost)[:5]}"
    invented = {identity for identity, _ in found} - load.begun
    assert not invented, f"{note}: never sent: {sorted(invented)[:5]}"
    twice = len(found) - len(set(found))
    assert twice <= most_twice, f"{note}: {twice} there more than once"
    print(f"{note}: {len(load.taken)} taken, {len(found)} delivered, {twice} more than once")


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


def kill_supervisor(server):
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    start_again(server)


def kill_one(server, chance, has_waited):
    """Kills a child, or (one time in six) the supervisor; gives the name. A child that dies again
    and again is started after ever longer pauses: then it is the supervisor's turn as well."""
    children = server.processes()
    if not children or has_waited or chance.random() < 1 / 6:
        kill_supervisor(server)
        return "supervisor"
    pid = chance.choice(sorted(children))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return "gone"
    return children[pid]
