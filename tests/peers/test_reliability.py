"""Nothing is lost, whatever the machine does: a disk that fills up, one that fails, reloads in the
middle of everything, and a great many messages. Three workers, with the exceptions that say why."""

import contextlib
import json
import os
import pathlib
import re
import signal
import smtplib
import subprocess

import pytest

from letters import large
from load import CountingSink, Load, check_account, delivered, start_again
from peers import Script, need, need_root
from server import Postrider, binary, free_port, wait_for

WORKERS = 3
SETTLE_SECONDS = 60
SPOOL = {"path": "spool", "segment": "4M", "low_water": "16M", "inline_body": "64K"}
QUICK = {"retry_first": "200ms", "retry_max": "1s"}


@pytest.fixture
def sink():
    peer = CountingSink()
    yield peer
    peer.stop()


def config(sink, **more):
    return {"workers": WORKERS, "spool": SPOOL, "queue": QUICK, "log": {"level": "info"},
            "routes": [{"to": "*", "via": f"smtp://127.0.0.1:{sink.port}"}], **more}


def settle(server, load, sink, most_twice=0, note=""):
    load.end()
    server.wait_queue_empty(SETTLE_SECONDS)
    check_account(load, delivered(server, sink), most_twice, note)


# --- Reload --------------------------------------------------------------------------------------


def test_reload_under_load_loses_nothing(launch, sink):
    server = launch(**config(sink))
    before = server.processes()
    load = Load(server, "reload", is_remote=True)
    for number in range(20):
        load.wait_more(20)
        server.config["queue"] = {**QUICK, "connections": 1 + number % 7}
        server.config["log"] = {"level": ["info", "debug"][number % 2]}
        server.write_config()
        server.command("reload")
    settle(server, load, sink, note="20 reloads")
    assert server.processes() == before, "a reload restarts nobody"
    assert len(server.events("reloaded")) == 20


# --- A disk that fills up, and empties -----------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs of its own at the folder."""
    need_root("mounting a small disk needs root")
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def started(server):
    try:
        yield server.start()
        server.stop()
    finally:
        server.give_up()


def free_bytes(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(folder, leave):
    """Somebody else's file, that leaves so many bytes."""
    with open(folder / "of-somebody-else", "wb") as file:
        while free_bytes(folder) > leave:
            file.write(bytes(min(65536, max(4096, free_bytes(folder) - leave))))
            file.flush()


# To below the low-water mark, where new mail is refused in good time; and with next to no mark, to
# the last byte, where segments and files of large bodies cannot be made any more.
@pytest.mark.parametrize("low_water, leave", [("16M", 8 << 20), ("1K", 0)], ids=["low", "full"])
def test_a_disk_that_fills_up_and_empties_loses_nothing(folder, sink, low_water, leave):
    disk = folder / "postrider" / "disk"
    disk.parent.mkdir()
    with small_disk(disk, "96M"):
        server = Postrider(folder / "postrider", **config(
            sink, spool={**SPOOL, "path": "disk/spool", "low_water": low_water}, run="run"))
        with started(server):
            load = Load(server, "disk", is_remote=True)
            load.wait_more(100)
            for _ in range(3):
                fill(disk, leave)
                refused = len(load.refused)
                wait_for(lambda: len(load.refused) > refused + 20, 30, "refusals")
                (disk / "of-somebody-else").unlink()
                load.wait_more(50, 30, "recovery")
            settle(server, load, sink, note=f"disk filled three times, {low_water} of low water")
            codes = {(code, text.split()[0]) for code, text in load.refused}
            assert codes == {(452, b"4.3.1")}, codes


def test_what_is_queued_leaves_while_the_disk_is_full(folder):
    disk = folder / "postrider" / "disk"
    disk.parent.mkdir()
    port, count = free_port(), 60
    with small_disk(disk, "64M"):
        server = Postrider(
            folder / "postrider", run="run", spool={**SPOOL, "path": "disk/spool"}, queue=QUICK,
            routes=[{"to": "*", "via": f"smtp://127.0.0.1:{port}"}])
        with started(server):
            with smtplib.SMTP("127.0.0.1", server.submission, timeout=30) as client:
                for number in range(count):
                    client.sendmail("bob@example.org", ["carol@partner.example"],
                                    large(f"waits {number}", 100000 if number % 2 else 1000))
            fill(disk, 0)
            sink = Script(port=port)
            server.command("queue", "retry", "all")
            server.wait_queue_empty(SETTLE_SECONDS)
            sink.stop()
    subjects = {re.search(rb"^Subject: (.*)\r$", text, re.MULTILINE)[1]
                for _, text in sink.messages}
    assert len(subjects) == len(sink.messages) == count


# --- A disk that fails ---------------------------------------------------------------------------


class FailingDisk:
    """The library that makes a Postrider's disk fail below its spool's shards; see eio_shim.c."""

    def __init__(self, folder, server):
        need("cc")
        library, self.switch = folder / "eio_shim.so", folder / "eio.switch"
        source = pathlib.Path(__file__).with_name("eio_shim.c")
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", library, source],
                       check=True)
        self.become(".")
        # The sanitizer wants to be the first library; behind this one it works as well.
        options = os.environ.get("ASAN_OPTIONS", "")
        server.environment = {
            "LD_PRELOAD": str(library), "EIO_SWITCH": str(self.switch),
            "EIO_UNDER": str(server.folder / "spool") + "/",
            "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}

    def become(self, state):
        """`.`: good, `s`: no sync succeeds, `w`: no write does. In place: it is mapped."""
        with open(self.switch, "r+b" if self.switch.exists() else "wb") as file:
            file.write(state.encode())


@pytest.mark.parametrize("state", ["s", "w"], ids=["sync", "write"])
@pytest.mark.parametrize("end", ["goes on", "killed"])
def test_a_disk_that_fails_for_a_while_loses_nothing(folder, sink, state, end):
    """What a failed sync covered is not answered 250; what was answered is there, even after a
    crash in the middle of it."""
    server = Postrider(folder / "postrider", **config(sink))
    disk = FailingDisk(folder, server)
    rounds = 4
    with started(server):
        load = Load(server, f"eio {state}", is_remote=True)
        load.wait_more(100)
        for _ in range(rounds):
            disk.become(state)
            refused = len(load.refused)
            wait_for(lambda: len(load.refused) > refused + 20, 30, "refusals")
            if end == "killed":
                kill_all(server)
            disk.become(".")
            if end == "killed":
                start_again(server)
            load.wait_more(50, 30, "recovery")
        twice = 0 if end == "goes on" else rounds * 100
        settle(server, load, sink, twice, f"{state}, {end}")
        assert {(code, text.split()[0]) for code, text in load.refused} == {(451, b"4.3.0")}
        assert server.events("spool-error"), "the operator is told"


def kill_all(server):
    """The machine goes off, as far as a program can tell."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


# --- A great many messages -----------------------------------------------------------------------

MESSAGES = int(os.environ.get("MESSAGES", 10000))  # `make soak` has 100,000
COUNT_SECONDS = 600


@pytest.mark.parametrize("workers", [1, WORKERS])
def test_every_message_of_a_great_many_comes_through_once(launch, workers):
    """A tenth of them is put off at first, and one in a hundred loses its connection midway."""
    port = free_port()
    server = launch(
        workers=workers, spool={**SPOOL, "segment": "16M"}, queue=QUICK,
        routes=[{"to": "*", "via": f"smtp://127.0.0.1:{port}"}])
    words = ["bench", "relay", "--server", f"127.0.0.1:{server.submission}",
             "--sink", f"127.0.0.1:{port}", "--to", "user%d@partner.example",
             "--count", str(MESSAGES), "--size", "60:1K,30:2K-16K,10:100K", "--sessions", "40",
             "--tempfail", "10", "--drop", "1", "--wait", "60s", "--json"]
    done = subprocess.run([binary(), *words], capture_output=True, text=True,
                          timeout=COUNT_SECONDS)
    assert done.returncode == 0, (done.stdout, done.stderr, server.log_tail())
    account = json.loads(done.stdout)
    print({**account["sink"], "seconds to take": account["seconds"]})
    assert account["accepted"] == MESSAGES
    assert account["sink"]["recipients"] == MESSAGES
    assert account["sink"]["tempfailed"] > 0 and account["sink"]["dropped"] > 0
    assert {account[name] for name in ("lost", "duplicates", "unasked", "unknown")} == {0}
    server.wait_queue_empty()
