"""Accounts: the commands, mailboxes of the directory, and the keeper's life."""

import json
import os
import signal
import smtplib
import sqlite3
import subprocess

from server import Postrider, binary, wait_for

CHEAP = {"hash_cost": 1}


def by_directory(**config):
    return {"domains": [{"name": "example.org", "mailboxes": "directory", "delimiter": "+",
                         "aliases": {"info": "ann@example.org"}}],
            "auth": CHEAP, **config}


def rcpt(server, address):
    """The code that RCPT is answered with."""
    with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
        client.ehlo()
        client.mail("bob@example.net")
        return client.rcpt(address)[0]


def keeper_of(server):
    return next((pid for pid, words in server.processes().items() if words == "keeper 0"), None)


def user(server, *words, **options):
    return server.command("user", *words, **options)


def add_by_stdin(server, address, text, command="add"):
    return subprocess.run(
        [binary(), "user", command, address, "--password-stdin", "--config", server.config_path],
        input=text, capture_output=True, timeout=30)


# --- Commands ------------------------------------------------------------------------------------

def test_accounts_are_made_and_changed_while_nothing_runs(folder):
    server = Postrider(folder / "postrider", auth=CHEAP)
    made = add_by_stdin(server, "Ann@Example.org", b"open sesame\r\nmore\n")
    assert made.returncode == 0, made.stderr
    user(server, "add", "ann@example.org", "--generate", status=1)
    user(server, "add", "box@example.org", "--no-password")
    generated = server.json("user", "passwd", "box@example.org", "--generate")
    assert len(generated["password"]) == 28
    app = server.json("user", "app-password", "ann@example.org", "Ann's phone")
    assert app["password"] not in user(server, "list")
    user(server, "app-password", "ann@example.org", "Ann's phone", status=1)
    user(server, "grant", "ann@example.org", "Sales@example.org")
    user(server, "grant", "ann@example.org", "@bücher.example")
    user(server, "limit", "ann@example.org", "5", "7")
    user(server, "disable", "box@example.org")
    ann, box = server.json("user", "list")
    assert (ann["address"], ann["own"]) == ("ann@example.org",
                                            ["@xn--bcher-kva.example", "sales@example.org"])
    assert [entry["name"] for entry in ann["app_passwords"]] == ["Ann's phone"]
    assert (ann["messages_per_day"], ann["recipients_per_day"]) == (5, 7)
    assert box["disabled"] and not ann["disabled"]
    user(server, "enable", "box@example.org")
    user(server, "grant", "--remove", "ann@example.org", "sales@example.org")
    user(server, "app-password", "--remove", "ann@example.org", "Ann's phone")
    user(server, "remove", "box@example.org")
    (ann,) = server.json("user", "list")
    assert ann["own"] == ["@xn--bcher-kva.example"] and ann["app_passwords"] == []


def test_what_is_refused_names_the_reason(folder):
    server = Postrider(folder / "postrider", auth=CHEAP)
    for status, words in ((1, ["passwd", "no@example.org", "--generate"]),
                          (1, ["disable", "no@example.org"]), (1, ["remove", "no@example.org"]),
                          (1, ["add", "ann@example.org"]),  # there is no terminal
                          (2, ["add", "ann", "--generate"]), (2, ["add"]),
                          (2, ["grant", "ann@example.org", "no address"]),
                          (2, ["limit", "ann@example.org", "few", "7"]), (2, ["frobnicate"])):
        user(server, *words, status=status)
    for text in (b"", b"\n", b"a\x07b\n", b"\xff\n", b"x" * 501 + b"\n"):
        assert add_by_stdin(server, "ann@example.org", text).returncode == 1, text
    assert server.json("user", "list") == []


def test_no_password_is_in_the_directory(folder):
    server = Postrider(folder / "postrider", auth=CHEAP)
    add_by_stdin(server, "ann@example.org", b"open sesame\n")
    app = server.json("user", "app-password", "ann@example.org", "phone")["password"]
    path = server.folder / "spool/accounts/accounts.db"
    content = path.read_bytes()
    assert b"open sesame" not in content and app.encode() not in content
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    with sqlite3.connect(path) as database:
        ((hash_,),) = database.execute("SELECT hash FROM account").fetchall()
    assert hash_.startswith("$y$")


# --- The directory -------------------------------------------------------------------------------

def test_who_has_an_account_has_a_mailbox(launch):
    server = launch(**by_directory())
    assert rcpt(server, "ann@example.org") == 550
    user(server, "add", "ann@example.org", "--no-password")
    wait_for(lambda: rcpt(server, "ann@example.org") == 250, 20)
    assert rcpt(server, "bob@example.org") == 550
    for to in ("ann@example.org", "Ann+list@example.org", "info@example.org"):
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            client.sendmail("bob@example.net", [to], b"Subject: hello\r\n\r\n")
    server.wait_messages("ann@example.org", 3)
    user(server, "disable", "ann@example.org")
    user(server, "add", "bob@example.org", "--no-password")
    wait_for(lambda: rcpt(server, "bob@example.org") == 250, 20)
    assert rcpt(server, "ann@example.org") == 250, "a disabled account still gets mail"
    user(server, "remove", "ann@example.org")
    wait_for(lambda: rcpt(server, "ann@example.org") == 550, 20)
    assert server.events("refused", rule="unknown-mailbox")


def test_a_reload_brings_the_directory_in(launch):
    server = launch(auth=CHEAP)
    user(server, "add", "ann@example.org", "--no-password")
    assert rcpt(server, "zed@example.org") == 250
    server.config.update(by_directory())
    server.write_config()
    server.command("reload")
    wait_for(lambda: rcpt(server, "ann@example.org") == 250, 20)
    assert rcpt(server, "zed@example.org") == 550


# --- The keeper ----------------------------------------------------------------------------------

def test_a_killed_keeper_comes_back(launch):
    server = launch(**by_directory())
    user(server, "add", "ann@example.org", "--no-password")
    wait_for(lambda: rcpt(server, "ann@example.org") == 250, 20)
    old = keeper_of(server)
    os.kill(old, signal.SIGKILL)
    # What was known stays known meanwhile.
    assert rcpt(server, "ann@example.org") == 250
    wait_for(lambda: keeper_of(server) not in (old, None), 20)
    user(server, "add", "bob@example.org", "--no-password")
    wait_for(lambda: rcpt(server, "bob@example.org") == 250, 20)


def test_a_directory_that_is_none_ends_the_start(folder):
    server = Postrider(folder / "postrider", **by_directory())
    accounts = server.folder / "spool/accounts"
    accounts.mkdir(parents=True)
    accounts.chmod(0o700)
    (accounts / "accounts.db").write_bytes(b"no database " * 1000)
    server.launch()
    assert server.process.wait(30) == 1
    server.process = None
    (failed,) = server.events("keeper-failed")
    assert "accounts.db" in failed["reason"]


def test_the_keeper_sees_nothing_but_its_files(launch):
    server = launch()
    pid = keeper_of(server)
    status = dict(line.split(":\t", 1)
                  for line in open(f"/proc/{pid}/status", encoding="utf-8") if ":\t" in line)
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    limits = open(f"/proc/{pid}/limits", encoding="utf-8").read()
    assert [line.split()[4] for line in limits.splitlines() if line.startswith("Max core")] == ["0"]
    server.stop()
    assert json.loads(server.command("user", "list", "--json")) == []
