"""Fifty mistakes that people make, each against the real program: what it answers is what
docs/mistakes.md says, but for ports, paths, times and the like.

POSTRIDER_UPDATE=1 writes docs/mistakes.md anew. Read what has changed: each answer has to say what
is wrong, where, and what to do next."""

import base64
import os
import pathlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import textwrap

import pytest

from accounts import user
from authority import Authority
from dialogue import Dialogue
from nameserver import Knot
from peers import Script
from server import ROOT, Postrider, binary, free_port, wait_for

DOCUMENT = ROOT / "docs/mistakes.md"
IS_UPDATE = bool(os.environ.get("POSTRIDER_UPDATE"))
IS_ROOT = os.geteuid() == 0
WIDTH = 100
ANN, PASSWORD = "ann@example.org", "correct horse"

INTRODUCTION = """\
# Mistakes, and what Postrider says to them

Every answer below is what the program really says; `tests/peers/test_mistakes.py` makes each of
these mistakes and compares. Each says what is wrong, where, and what to do next. Looking for yours?
Search this page for a part of the message, or ask `postrider trace` about a message, an address or a
host. Ports, paths, times and ids are examples; long lines are broken to fit.
"""

MISTAKES = []  # (part, title, function, needs root)


def mistake(part, title, needs_root=False):
    def add(function):
        MISTAKES.append((part, title, function, needs_root))
        return function
    return add


class Proxied(Dialogue):
    """A client that comes from elsewhere."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 587\r\n")
        self.input = b""
        self.greeting = self.reply()


class Ground:
    """Where the mistakes are made: a folder, and servers that are started when one is needed."""

    def __init__(self, folder):
        self.folder = folder
        self.words = []  # (what stands in an output, what the document has)
        self.ends = []
        self.folders = []
        self.made = 0
        self.authority = Authority(folder / "authority")
        self.identity = self.authority.issue("mx.example.org", "localhost")
        shutil.copy(self.identity.certificate, folder / "mx.pem")
        shutil.copy(self.identity.key, folder / "mx.key")
        self.parts = {}

    def __getattr__(self, name):
        """A part that is made once: the result of make_NAME."""
        if name.startswith("make_"):
            raise AttributeError(name)
        if name not in self.parts:
            self.parts[name] = None
            self.parts[name] = getattr(self, f"make_{name}")()
        assert self.parts[name], f"{name} could not be made"
        return self.parts[name]

    def say(self, real, shown):
        self.words.append((str(real), shown))

    def port(self, shown):
        port = free_port()
        self.say(f":{port}", f":{shown}")
        return port

    # --- commands ---------------------------------------------------------------------------------

    def run(self, *words, config=None, data=None, as_nobody=False, shown=None):
        """A command as it is typed, what it prints, and its exit status."""
        command = [str(binary()), *map(str, words)]
        if config:
            command += ["--config", str(config)]
        prefix = ["setpriv", "--reuid", "65534", "--clear-groups"] if as_nobody else []
        done = subprocess.run([*prefix, *command], input=data, capture_output=True, text=True,
                              timeout=60, cwd=self.folder, env={**os.environ, "TZ": "UTC"})
        typed = shown or " ".join(["postrider", *(f'"{word}"' if " " in str(word) else str(word)
                                                   for word in words)])
        return f"$ {typed}\n{done.stdout}{done.stderr}(exit status {done.returncode})"

    def check(self, text, name="postrider.yaml"):
        """What a server says that is to start with this configuration."""
        path = self.config(text)
        return self.serve(path)

    def config(self, text):
        self.made += 1
        folder = self.folder / f"config{self.made}"
        folder.mkdir()
        path = folder / "postrider.yaml"
        path.write_text(textwrap.dedent(text))
        self.say(folder, "/etc/postrider")
        return path

    def open_config(self, text):
        """The same where everybody may read it."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-mistakes-"))
        self.folders.append(folder)
        folder.chmod(0o755)
        (folder / "postrider.yaml").write_text(text)
        self.say(folder, "/etc/postrider")
        return folder / "postrider.yaml"

    def serve(self, path, as_nobody=False):
        """Starts a server that cannot start: its errors."""
        out = self.run("serve", config=path, shown="postrider serve", as_nobody=as_nobody)
        return "\n".join(line for line in out.splitlines()
                         if "level=" not in line or "level=error" in line)

    # --- servers ----------------------------------------------------------------------------------

    def postrider(self, name, **config):
        server = Postrider(self.folder / name, **config)
        self.say(server.folder, "/etc/postrider")
        self.ends.append(server)
        return server

    def make_names(self):
        names = Knot(self.folder / "names", """
            null MX 0 .
            partner MX 10 mx.partner
            mx.partner A 127.0.0.2
            wrong MX 10 mx.else
            wrong TXT "v=spf1 -all"
            mx.else A 192.0.2.9
            """)
        names.start()
        self.ends.append(names)
        return names

    def make_server(self):
        """example.org, with an account, TLS, and ways to peers that say no."""
        self.say(":" + str(self.parts.setdefault("down", free_port())), ":2600")
        server = self.postrider(
            "server", domains=[{"name": "example.org", "mailboxes": ["ann", "bob"]}],
            tls={"certificate": str(self.folder / "mx.pem"), "key": str(self.folder / "mx.key")},
            limits={"drain": "10s", "message_size": "64K"},
            auth={"hash_cost": 1},
            outbound={"connect_timeout": "1s"},
            queue={"retry_first": "1h", "retry_max": "1h"},
            resolver={"servers": [f"127.0.0.1:{self.names.port}"], "dnssec": "off"},
            routes=self.routes)
        self.say(f":{server.mx}", ":25")
        self.say(f":{server.submission}", ":587")
        server.implicit = self.port(465)
        server.config["listen"][1]["tls"] = "required"
        server.config["listen"].append({"address": f"127.0.0.1:{server.implicit}",
                                        "role": "submission", "tls": "implicit"})
        server.write_config()
        server.start()
        for name in ("ann", "bob", "dora"):
            user(server, "add", f"{name}@example.org", password=PASSWORD)
        return server

    def script(self, shown, **replies):
        peer = Script(**replies)
        self.say(f":{peer.port}", f":{shown}")
        self.ends.append(peer)
        return peer

    def make_routes(self):
        """Where mail for the domains of part "deliveries" goes."""
        greylist = self.script(2601, rcpt="451 4.7.1 Greylisted, please try again in 5 minutes")
        unknown = self.script(2602, rcpt="550 5.1.1 <carol@unknown.example>: User unknown")
        stranger = Authority(self.folder / "stranger").issue("mx.forced.example")
        forced = self.script(2603, context=stranger.context())
        login = self.script(2604, context=self.identity.context(),
                            ehlo="250-smart.example\r\n250-AUTH PLAIN\r\n250 STARTTLS",
                            auth="535 5.7.8 Error: authentication failed")
        (self.folder / "password").write_text("not this one\n")
        (self.folder / "password").chmod(0o600)
        tls = {"level": "forced", "ca": str(self.authority.file), "names": ["localhost"]}
        silent = socket.socket()
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        # What is not taken fills the little that waits; whoever comes then has no answer at all.
        fill = [socket.socket() for _ in range(4)]
        for one in fill:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        self.parts["silent"] = [silent, *fill]
        self.say(f":{port}", ":2605")
        self.say(self.folder / "password", "/etc/postrider/password")
        self.say(self.folder / "no-password", "/etc/postrider/no-password")
        return [
            {"to": "down.example", "via": f"smtp://127.0.0.1:{self.parts['down']}"},
            {"to": "greylist.example", "via": f"smtp://127.0.0.1:{greylist.port}"},
            {"to": "unknown.example", "via": f"smtp://127.0.0.1:{unknown.port}"},
            {"to": "forced.example", "via": f"smtp://127.0.0.1:{forced.port}",
             "tls": {"level": "forced", "names": ["mx.forced.example"]}},
            {"to": "smarthost.example", "via": f"smtp://127.0.0.1:{login.port}", "tls": tls,
             "user": "us@own.example", "password_file": str(self.folder / "password")},
            {"to": "unreadable.example", "via": f"smtp://127.0.0.1:{login.port}", "tls": tls,
             "user": "we@own.example", "password_file": str(self.folder / "no-password")},
            {"to": "silent.example", "via": f"smtp://127.0.0.1:{port}"},
            {"to": "*", "via": "mx:2606"},
        ]

    def end(self):
        for one in reversed(self.ends):
            if isinstance(one, Postrider):
                try:
                    one.stop()
                finally:
                    one.give_up()
            else:
                one.stop()
        for one in self.parts.get("silent", []):
            one.close()
        for folder in self.folders:
            shutil.rmtree(folder)

    # --- clients ----------------------------------------------------------------------------------

    def talk(self, port, *lines, secure=False, by=Dialogue):
        """What a client says and hears."""
        shown = []
        with by(port) as dialogue:
            dialogue.say("EHLO client.example")
            if secure:
                dialogue.say("STARTTLS")
                context = ssl.create_default_context(cafile=str(self.authority.file))
                dialogue.socket = context.wrap_socket(dialogue.socket, server_hostname="localhost")
                dialogue.say("EHLO client.example")
            for line in lines:
                reply = dialogue.say(line)
                if line.startswith("AUTH"):
                    line = "AUTH PLAIN …"
                shown += [f"C: {line}", *(f"S: {part}" for part in reply.split("\n"))]
        return "\n".join(shown)

    def login(self, address=ANN, password=PASSWORD):
        secret = base64.b64encode(f"\0{address}\0{password}".encode()).decode()
        return f"AUTH PLAIN {secret}"

    def send(self, to, sender=ANN):
        """Mail from an account of the server; the id that it has."""
        server = self.server
        before = len(server.events("accepted"))
        context = ssl.create_default_context(cafile=str(self.authority.file))
        with smtplib.SMTP("localhost", server.submission, local_hostname="client.example",
                          timeout=60) as client:
            client.starttls(context=context)
            client.login(sender, PASSWORD)
            client.sendmail(sender, [to], f"From: {sender}\r\nTo: {to}\r\n\r\nx\r\n")
        return wait_for(lambda: server.events("accepted")[before:], 20)[0]["id"]

    def trace(self, wanted, *, until, server=None):
        """The story, once it has `until` in it (a text, or several)."""
        server = server or self.server
        wants = [until] if isinstance(until, str) else until

        def told():
            text = self.run("trace", wanted, config=server.config_path,
                            shown=f"postrider trace {wanted}")
            return text if all(want in text for want in wants) else None

        return wait_for(told, 20, until)

    # --- the document -----------------------------------------------------------------------------

    def normal(self, text):
        text = text.replace(str(binary()), "postrider")
        for real, shown in sorted(self.words, key=lambda pair: -len(pair[0])):
            text = re.sub(re.escape(real) + r"(?!\d)", shown, text)
        text = text.replace(str(self.folder), "/etc/postrider")
        text = re.sub(r"\b0[0-9a-hjkmnp-tv-z]{12}\b", "0sb8qwbwc0000", text)
        text = re.sub(r"\w{3} \d{4}-\d\d-\d\d \(UTC\+00:00\)", "Wed 2026-11-25 (UTC+00:00)", text)
        text = re.sub(r"^  \d\d:\d\d:\d\d\.\d{3}  .{7}  ", "  03:12:45.678  ", text, flags=re.M)
        text = re.sub(r"^ {25}", " " * 16, text, flags=re.M)
        text = re.sub(r"^  now {20}", "  now           ", text, flags=re.M)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(in \w+\)", "2026-11-25 04:12:45 (in 59m)",
                      text)
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "2026-11-25T03:12:45Z", text)
        text = re.sub(r"after \d+(ms|s)\b", r"after 12ms", text)
        text = re.sub(r"process \d+", "process 1234", text)
        text = re.sub(r"\d+ bytes", "340 bytes", text)
        text = re.sub(r"pid=\d+", "pid=1234", text)
        text = re.sub(r"tls=(\w+):[0-9a-f]{16}", r"tls=\1:9b1c2d3e4f506172", text)
        text = re.sub(r"\b2\d{7}([re]\d?)\._domainkey", r"20261125\1._domainkey", text)
        text = re.sub(r"delay_ms=\d+", "delay_ms=12", text)
        lines = []
        for line in text.rstrip().split("\n"):
            indent = " " * (len(line) - len(line.lstrip()))
            if indent == "  ":
                indent = " " * 16
            lines += textwrap.wrap(line, WIDTH, subsequent_indent=indent or "    ",
                                   break_long_words=False, break_on_hyphens=False,
                                   drop_whitespace=True, replace_whitespace=False) or [""]
        return "\n".join(line.rstrip() for line in lines)


# --- On the command line --------------------------------------------------------------------------

PART = "The command line"


@mistake(PART, "A command that does not exist")
def no_command(ground):
    return ground.run("queue", "lits")


@mistake(PART, "An option that does not exist")
def no_option(ground):
    return ground.run("queue", "list", "--sender", ANN)


@mistake(PART, "A value that the option does not take")
def bad_value(ground):
    return ground.run("queue", "list", "--older", "yesterday",
                      config=ground.config("hostname: mx.example.org\n"
                                           "listen: [{address: '127.0.0.1:2525'}]\n"),
                      shown="postrider queue list --older yesterday")


@mistake(PART, "No message is named")
def no_word(ground):
    return ground.run("queue", "show")


@mistake(PART, "No configuration where it is looked for")
def no_file(ground):
    return ground.run("queue", "list", "--config", "/etc/postrider/postrider.yml")


# --- The configuration ----------------------------------------------------------------------------

PART = "The configuration"
GOOD = """\
hostname: mx.example.org
listen: [{address: "127.0.0.1:2525"}]
spool: spool
deliver: {mailbox: mail}
"""


def wrong(title, lines, without=()):
    """A mistake in a configuration: lines that are added, keys that are left out."""
    @mistake(PART, title)
    def check(ground):
        kept = [line for line in GOOD.splitlines() if line.split(":")[0] not in without]
        text = "\n".join([*kept, *lines]) + "\n"
        shown = "\n".join(f"    {line}".replace("\t", "<TAB>") for line in lines)
        return (f"postrider.yaml, from line {len(kept) + 1}:\n{shown}\n" if lines else "") \
            + ground.check(text)


wrong("A key that is written wrong", ["limit: {message_size: 20M}"])
wrong("A key that does not exist", ["log: {colour: on}"])
wrong("A value of another kind", ["workers: many"])
wrong("A size without a meaning", ["limits: {message_size: 20 megabytes}"])
wrong("A word that is none of those", ["log: {level: verbose}"])
wrong("A tab for indentation", ["log:", "\tlevel: debug"])
wrong("A key twice", ["spool: /var/spool/other"])
wrong("A quote that is not closed", ["user: \"postrider"])
wrong("No host name", [], without=["hostname"])
wrong("A host name that is none", ["hostname: mail server"], without=["hostname"])
wrong("Nothing to listen on", [], without=["listen"])
wrong("A port without an address", ["listen: [{address: 25}]"], without=["listen"])
wrong("A port that does not exist", ["listen: [{address: \"0.0.0.0:250000\"}]"], without=["listen"])
wrong("One port twice", ["listen: [{address: \"0.0.0.0:25\"}, {address: \"127.0.0.1:25\"}]"],
      without=["listen"])
wrong("TLS without a certificate", ["listen: [{address: \"0.0.0.0:465\", role: submission, tls: "
                                    "implicit}]"], without=["listen"])
wrong("Mail to two places", ["deliver: {mailbox: mail, lmtp: \"unix:/run/dovecot/lmtp\"}"],
      without=["deliver"])
wrong("A local domain with a route", ["domains: [{name: example.org, mailboxes: any}]",
                                      "routes: [{to: example.org, via: \"smtp://10.0.0.5\"}]"])
wrong("A network that is none", ["relay: {networks: [\"192.168.0.0/33\"]}"])


# --- Files ----------------------------------------------------------------------------------------

PART = "Files"


def certificate(ground, name, key):
    return ground.check(GOOD + f"tls: {{certificate: {name}, key: {key}}}\n")


@mistake(PART, "The certificate's file is not there")
def no_certificate(ground):
    return certificate(ground, "/etc/ssl/mx.pem", ground.folder / "mx.key")


@mistake(PART, "The key's file is not there")
def no_key(ground):
    return certificate(ground, ground.folder / "mx.pem", "/etc/ssl/private/mx.key")


@mistake(PART, "The key is of another certificate")
def other_key(ground):
    other = ground.authority.issue("other.example.org")
    ground.say(other.key, "/etc/postrider/other.key")
    return certificate(ground, ground.folder / "mx.pem", other.key)


@mistake(PART, "Certificate and key are mixed up")
def swapped(ground):
    return certificate(ground, ground.folder / "mx.key", ground.folder / "mx.pem")


@mistake(PART, "The certificate has expired")
def expired(ground):
    old = ground.authority.issue("mx.example.org", days=-1)
    ground.say(old.certificate, "/etc/postrider/mx.pem")
    return certificate(ground, old.certificate, old.key)


@mistake(PART, "Everybody may read the key")
def open_key(ground):
    key = ground.folder / "open.key"
    shutil.copy(ground.folder / "mx.key", key)
    key.chmod(0o644)
    config = ground.config(GOOD + f"tls: {{certificate: {ground.folder}/mx.pem, key: {key}}}\n")
    out = ground.run("check", config=config, shown="postrider check")
    # What else it finds is not the matter here.
    return "\n".join(line for line in out.splitlines() if line.startswith("$") or "open.key" in line)


@mistake(PART, "The spool's folder cannot be made")
def no_spool(ground):
    (ground.folder / "file").write_text("not a folder\n")
    return ground.serve(ground.config(GOOD.replace("spool: spool",
                                                   f"spool: {ground.folder}/file/spool")))


@mistake(PART, "The spool belongs to somebody else", needs_root=True)
def denied_spool(ground):
    config = ground.open_config(GOOD)
    (config.parent / "spool").mkdir(0o700)
    return ground.serve(config, as_nobody=True)


@mistake(PART, "The disk is full")
def full_disk(ground):
    server = ground.postrider("full", spool={"path": "spool", "low_water": "1024G"})
    ground.say(f":{server.mx}", ":25")
    server.start()
    reply = ground.talk(server.mx, "MAIL FROM:<bob@partner.example>")
    return reply + "\n\n" + ground.trace("bob@partner.example", until="low-water", server=server)


@mistake(PART, "A part of the spool is damaged")
def damaged(ground):
    server = ground.postrider("damaged", routes=[{"to": "*", "via": "smtp://127.0.0.1:9"}])
    server.start()
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        for _ in range(3):
            client.sendmail(ANN, ["carol@partner.example"], "x\r\n" * 500)
    server.stop()
    segment = next(path for path in (server.folder / "spool/0").iterdir()
                   if path.is_file() and b"carol@partner" in path.read_bytes())
    data = bytearray(segment.read_bytes())
    data[data.index(b"carol@partner")] ^= 0xFF
    segment.write_bytes(data)
    return ground.serve(server.config_path)


@mistake(PART, "The keyring is damaged")
def broken_keyring(ground):
    config = ground.config(GOOD)
    ground.run("dkim", "new", "example.org", config=config)
    keyring = config.parent / "spool/keys/dkim"
    keyring.write_text(keyring.read_text().replace(" rsa ", " rot13 "))
    return ground.serve(config)


# --- Starting and commands ------------------------------------------------------------------------

PART = "Starting, and commands to the server"


@mistake(PART, "The port is in use")
def port_in_use(ground):
    with socket.create_server(("127.0.0.1", ground.port(25))) as other:
        port = other.getsockname()[1]
        return ground.serve(ground.config(GOOD.replace("2525", str(port))))


@mistake(PART, "A port below 1024 without the right to it", needs_root=True)
def low_port(ground):
    config = ground.open_config(GOOD.replace("2525", "25"))
    for name in ("spool", "mail"):
        (config.parent / name).mkdir()
        os.chown(config.parent / name, 65534, 65534)
    return ground.serve(config, as_nobody=True)


@mistake(PART, "An address that this host does not have")
def foreign_address(ground):
    return ground.serve(ground.config(GOOD.replace("127.0.0.1:2525", "192.0.2.1:2525")))


@mistake(PART, "A second server on the same spool")
def second(ground):
    server = ground.server
    config = ground.config(GOOD.replace("2525", str(free_port()))
                           .replace("spool: spool", f"spool: {server.folder}/spool"))
    return ground.serve(config)


@mistake(PART, "The server is not running")
def not_running(ground):
    return ground.run("queue", "list", config=ground.config(GOOD), shown="postrider queue list")


@mistake(PART, "Reloading a configuration with a mistake")
def bad_reload(ground):
    server = ground.server
    good = server.config_path.read_text()
    server.config_path.write_text(good + "hostnam: mx2.example.org\n")
    try:
        return ground.run("reload", config=server.config_path, shown="postrider reload")
    finally:
        server.config_path.write_text(good)


@mistake(PART, "An account twice")
def account_twice(ground):
    return ground.run("user", "add", "--password-stdin", ANN, data="secret words\n",
                      config=ground.server.config_path, shown=f"postrider user add {ANN}")


@mistake(PART, "An account that does not exist")
def no_account(ground):
    return ground.run("user", "passwd", "--password-stdin", "zoe@example.org", data="secret words\n",
                      config=ground.server.config_path, shown="postrider user passwd zoe@example.org")


@mistake(PART, "A message that is not in the queue")
def no_message(ground):
    return ground.run("queue", "show", "0sb8qwbwc0000", config=ground.server.config_path,
                      shown="postrider queue show 0sb8qwbwc0000")


# --- Clients --------------------------------------------------------------------------------------

PART = "Those who send"


@mistake(PART, "A wrong password")
def wrong_password(ground):
    reply = ground.talk(ground.server.submission, ground.login(password="wrong"), secure=True)
    event = wait_for(lambda: ground.server.events("login-failed", user=ANN), 20)[-1]
    return reply + "\n\n" + ground.trace(event["session"], until="could not log in")


@mistake(PART, "A login outside TLS")
def clear_login(ground):
    return ground.talk(ground.server.submission, ground.login())


@mistake(PART, "Submission without a login")
def no_login(ground):
    return ground.talk(ground.relay.submission, "MAIL FROM:<ann@example.org>", secure=True, by=Proxied)


@mistake(PART, "Sending as somebody else")
def somebody_else(ground):
    return ground.talk(ground.server.submission, ground.login(), "MAIL FROM:<bob@example.org>",
                       secure=True)


@mistake(PART, "Relaying is refused")
def relaying(ground):
    reply = ground.talk(ground.server.mx, "MAIL FROM:<bob@relaying.example>",
                        "RCPT TO:<carol@partner.example>")
    return reply + "\n\n" + ground.trace("bob@relaying.example", until="relaying denied")


@mistake(PART, "Nobody has that address")
def unknown_recipient(ground):
    return ground.talk(ground.server.mx, "MAIL FROM:<bob@partner.example>",
                       "RCPT TO:<anne@example.org>")


@mistake(PART, "The message is too large")
def too_large(ground):
    return ground.talk(ground.server.mx, "MAIL FROM:<bob@partner.example> SIZE=20000000")


@mistake(PART, "The account has sent what it may in a day")
def quota(ground):
    user(ground.server, "limit", "dora@example.org", "2", "100")
    for _ in range(2):
        ground.send("bob@example.org", sender="dora@example.org")
    return ground.talk(ground.server.submission, ground.login("dora@example.org"),
                       "MAIL FROM:<dora@example.org>", "RCPT TO:<ann@example.org>", "DATA",
                       "From: dora@example.org\r\n\r\nx\r\n.", secure=True)


@mistake(PART, "TLS spoken to a port that begins without it")
def tls_to_plain(ground):
    with socket.create_connection(("127.0.0.1", ground.server.submission), timeout=30) as client:
        with pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    event = wait_for(lambda: [event for event in ground.server.events("refused")
                              if event["rule"] == "TLS"], 20)[-1]
    return ground.trace(event["session"], until="(rule TLS)")


@mistake(PART, "A port where TLS begins at once, spoken to without it")
def plain_to_tls(ground):
    with socket.create_connection(("127.0.0.1", ground.server.implicit), timeout=30) as client:
        client.sendall(b"EHLO client.example\r\n")
        client.recv(100)
    event = wait_for(lambda: ground.server.events("tls-failed"), 20)[-1]
    return ground.trace(event["session"], until="handshake")


# --- Deliveries -----------------------------------------------------------------------------------

PART = "Mail that does not arrive"


def undelivered(title, address, until):
    @mistake(PART, title)
    def deliver(ground):
        return ground.trace(ground.send(address), until=["What helps: ", until])


undelivered("Nobody listens there", "carol@down.example", "because: ")
undelivered("No answer at all", "carol@silent.example", "because: ")
undelivered("The domain does not exist", "carol@nowhere.example", "told its sender")
undelivered("The domain takes no mail", "carol@null.example", "told its sender")
undelivered("The DNS does not answer", "carol@sick.example", "because: ")
undelivered("The certificate cannot be verified", "carol@forced.example", "because: ")
undelivered("Greylisting", "carol@greylist.example", "because: ")
undelivered("The recipient is unknown there", "carol@unknown.example", "told its sender")
undelivered("The smarthost wants another password", "carol@smarthost.example", "because: ")
undelivered("The smarthost's password is not to be read", "carol@unreadable.example", "because: ")


# --- Keys and the DNS -----------------------------------------------------------------------------

PART = "Keys and the DNS"


@mistake(PART, "Keys are changed before the DNS has them")
def early_rotation(ground):
    config = ground.dns_config
    ground.run("dkim", "new", "partner.example", config=config)
    ground.run("dkim", "new", "partner.example", config=config)
    return ground.run("dkim", "rotate", "partner.example", config=config,
                      shown="postrider dkim rotate partner.example")


@mistake(PART, "A file that is no key")
def no_such_key(ground):
    return ground.run("dkim", "import", "partner.example", "mail", ground.folder / "mx.pem",
                      config=ground.dns_config,
                      shown="postrider dkim import partner.example mail mx.pem")


@mistake(PART, "DNS records that are missing or wrong")
def wrong_records(ground):
    return ground.run("dns", "check", "wrong.example", config=ground.dns_config,
                      shown="postrider dns check wrong.example")


def make_dns_config(self):
    return self.config(GOOD + "domains: [{name: wrong.example, mailboxes: any}, "
                       "{name: partner.example, mailboxes: any}]\n"
                       f"resolver: {{servers: [\"127.0.0.1:{self.names.port}\"], dnssec: off}}\n")


def make_relay(self):
    """Submission that not even this host may use without a login."""
    server = self.postrider(
        "relay", tls={"certificate": str(self.folder / "mx.pem"), "key": str(self.folder / "mx.key")})
    server.config["listen"][1].update({"tls": "required", "proxy": ["127.0.0.1"]})
    server.config["auth"] = {"hash_cost": 1}
    server.write_config()
    server.start()
    user(server, "add", ANN, password=PASSWORD)
    return server


Ground.make_dns_config = make_dns_config
Ground.make_relay = make_relay


# --- The test -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    ground = Ground(tmp_path_factory.mktemp("mistakes"))
    try:
        yield ground
    finally:
        ground.end()


WRITTEN = {}  # the sections, by their titles


def section(title, text):
    return f"### {title}\n\n```text\n{text}\n```\n"


@pytest.mark.parametrize("row", MISTAKES, ids=lambda row: row[2].__name__ + "-" + row[1][:30])
def test_mistake(ground, row):
    _, title, function, needs_root = row
    if needs_root and not IS_ROOT:
        pytest.skip("needs root, to be somebody else")
    WRITTEN[title] = section(title, ground.normal(function(ground)))
    if not IS_UPDATE:
        assert WRITTEN[title] in DOCUMENT.read_text(), WRITTEN[title]


def test_the_document_has_these_and_no_others():
    assert len(MISTAKES) >= 50 and len({row[1] for row in MISTAKES}) == len(MISTAKES)
    if IS_UPDATE:
        parts = list(dict.fromkeys(row[0] for row in MISTAKES))
        text = INTRODUCTION
        for part in parts:
            text += f"\n## {part}\n"
            text += "".join("\n" + WRITTEN[row[1]] for row in MISTAKES if row[0] == part)
        DOCUMENT.write_text(text)
    text = DOCUMENT.read_text()
    assert re.findall(r"^### (.*)", text, flags=re.M) == [row[1] for row in MISTAKES]
