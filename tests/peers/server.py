"""Postrider as its tests see it: a configuration in a folder, a process, its log, its Maildirs."""

import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "assertion failed")
START_SECONDS = 30
STOP_SECONDS = 40


def binary():
    """The program under test: $POSTRIDER, or what `make test` built, or `make`."""
    given = os.environ.get("POSTRIDER")
    if given:
        return pathlib.Path(given).resolve()
    builds = [ROOT / "build-test/postrider", ROOT / "build/postrider"]
    found = [path for path in builds if path.exists()]
    assert found, "no postrider is built: make, or make test"
    return found[0]


def wait_for(condition, seconds, what=None):
    """Waits until condition() gives something true, and returns that. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


class Ports:
    """Ports for servers, which begin to listen later: out of a block that is this process's own as
    long as it holds the block's first port, below those that the kernel gives to connections. So
    neither another test nor a connection of some client gets one of them meanwhile."""

    FIRST, LAST, BLOCK = 10000, 30000, 500

    def __init__(self):
        self.hold = None
        self.next = None

    def claim(self):
        for base in range(self.FIRST, self.LAST, self.BLOCK):
            hold = socket.socket()
            try:
                hold.bind(("127.0.0.1", base))
            except OSError:
                hold.close()
                continue
            self.hold, self.next = hold, base + 1
            return
        raise AssertionError("no block of ports is free")

    def take(self):
        if not self.hold:
            self.claim()
        base = self.hold.getsockname()[1]
        for _ in range(self.BLOCK):
            port = self.next
            self.next = port + 1 if port + 1 < base + self.BLOCK else base + 1
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
        raise AssertionError("no port of the block is free")


PORTS = Ports()


def free_port():
    """A port that nobody listens on, and that is given again only after hundreds of others."""
    return PORTS.take()


def parse_logfmt(line):
    """The fields of one log line."""
    fields = {}
    try:
        words = shlex.split(line)
    except ValueError:
        return fields
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            fields[name] = value
    return fields


class Message:
    """A file in a Maildir, taken apart: the trace fields in front, and what was sent."""

    def __init__(self, path):
        self.path = path
        self.raw = path.read_bytes()
        self.trace = []
        rest = self.raw
        for name in (b"return-path", b"delivered-to", b"received"):
            field, rest_after = self._first_field(rest)
            if field.split(b":", 1)[0].lower() != name:
                break
            self.trace.append(field)
            rest = rest_after
        self.sent = rest

    @staticmethod
    def _first_field(text):
        end = text.find(b"\n") + 1
        while end and text[end : end + 1] in (b" ", b"\t"):
            end = text.find(b"\n", end) + 1
        return text[:end], text[end:]

    @property
    def return_path(self):
        return self.trace[0].split(b":", 1)[1].strip().decode()

    @property
    def received(self):
        return self.trace[2].decode()


class Postrider:
    """A server with its own folder. `config` holds what differs from the defaults below."""

    def __init__(self, folder, **config):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.mx = free_port()
        self.submission = free_port()
        self.process = None
        self.environment = {}  # beyond that of the tests
        self.log_path = self.folder / "log"
        self.config_path = self.folder / "postrider.yaml"
        self.config = {
            "hostname": "mx.example.org",
            "listen": [
                {"address": f"127.0.0.1:{self.mx}", "role": "mx"},
                {"address": f"127.0.0.1:{self.submission}", "role": "submission"},
            ],
            "domains": [{"name": "example.org", "mailboxes": "any"}],
            "deliver": {"mailbox": "mail"},
            "spool": {"path": "spool", "segment": "4M", "low_water": "16M"},
            "queue": {"retry_first": "1h"},
            "limits": {"drain": "10s"},
        }
        self.config.update(config)
        self.write_config()

    # --- its life -----------------------------------------------------------------------------

    def write_config(self):
        """One key a line; the values are flow style, which JSON is a part of."""
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in self.config.items()]
        self.config_path.write_text("".join(lines))

    def launch(self):
        """Starts the process and does not wait for anything."""
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [binary(), "serve", "--config", self.config_path],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                env={**os.environ, "TZ": "UTC", **self.environment}, start_new_session=True)

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}\n{self.log_tail()}")
        return b"event=ready" in self.log_path.read_bytes()[self.log_start :]

    def start(self):
        self.launch()
        try:
            wait_for(self.is_ready, START_SECONDS, "event=ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None
        return self

    def stop(self):
        """SIGTERM; it must end well."""
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"SIGTERM did not end it\n{self.log_tail()}") from None
        assert status == 0, f"status {status}\n{self.log_tail()}"
        self.check_sanitizers()

    def restart(self):
        self.stop()
        self.start()

    def give_up(self):
        """At the end of a test that failed: leaves nothing running."""
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None

    def processes(self):
        """Process ids by name: the supervisor's children, named as in the log."""
        found = {}
        for pid in children_of(self.process.pid):
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            has_begun = words[1:2] == [b"child"]
            found[pid] = b" ".join(words[2:4]).decode() if has_begun else "(starting)"
        return found

    def check_sanitizers(self):
        text = self.log_path.read_text(errors="replace")
        for word in SANITIZER_WORDS:
            assert word not in text, text[text.index(word) - 200 :][:6000]

    # --- what it says -------------------------------------------------------------------------

    def log_tail(self):
        if not self.log_path.exists():
            return "(no log)"
        return self.log_path.read_text(errors="replace")[-6000:]

    def events(self, event, **wanted):
        """The log lines of an event whose fields are as wanted."""
        found = []
        for line in self.log_path.read_text(errors="replace").splitlines():
            if f"event={event}" not in line:
                continue
            fields = parse_logfmt(line)
            if fields.get("event") == event and all(
                    fields.get(name) == value for name, value in wanted.items()):
                found.append(fields)
        return found

    def command(self, *words, status=0, seconds=30):
        """Runs a subcommand and returns its standard output."""
        done = subprocess.run(
            [binary(), *words, "--config", self.config_path], capture_output=True, text=True,
            timeout=seconds, stdin=subprocess.DEVNULL)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr,
                                           self.log_tail())
        return done.stdout

    def json(self, *words):
        return json.loads(self.command(*words, "--json"))

    def queue_list(self):
        return self.json("queue", "list")

    def wait_queue_empty(self, seconds=30):
        try:
            wait_for(lambda: self.queue_list() == [], seconds)
        except AssertionError:
            raise AssertionError(f"the queue is not empty: {self.queue_list()}"
                                 f"\n{self.log_tail()}") from None

    # --- what it delivered --------------------------------------------------------------------

    def maildir(self, address):
        local, _, domain = address.rpartition("@")
        return self.folder / "mail" / domain / local

    def messages(self, address):
        new = self.maildir(address) / "new"
        return [Message(path) for path in sorted(new.iterdir())] if new.exists() else []

    def wait_messages(self, address, count=1, seconds=30):
        new = self.maildir(address) / "new"

        def enough():
            return new.exists() and len(list(new.iterdir())) >= count

        try:
            wait_for(enough, seconds)
        except AssertionError:
            raise AssertionError(f"no {count} messages for {address}\n{self.log_tail()}") from None
        messages = self.messages(address)
        assert len(messages) == count
        return messages

    def wait_message(self, address, seconds=30):
        return self.wait_messages(address, 1, seconds)[0]


def children_of(pid):
    found = []
    for entry in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in entry.read_text().split()]
        except OSError:
            pass
    return found
