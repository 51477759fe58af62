"""Accounts: the commands, mailboxes of the directory, floods and bans, and the keeper's life."""

import base64
import json
import os
import signal
import smtplib
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

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


# --- Logins ---------------------------------------------------------------------------------------

PASSWORD = "open sesame"


def with_logins(launch, names=("ann",), **auth):
    server = launch(auth={**CHEAP, "cleartext": "loopback", **auth}, log={"level": "debug"})
    for name in names:
        add_by_stdin(server, f"{name}@example.org", PASSWORD.encode())
    return server


def client_from(server, source):
    return smtplib.SMTP("127.0.0.1", server.submission, timeout=60, source_address=(source, 0))


def plain(name, password):
    return "AUTH PLAIN " + base64.b64encode(f"\0{name}\0{password}".encode()).decode()


def log_in(server, name="ann@example.org", password=PASSWORD, source="127.0.0.1"):
    """The reply to one try, or None where the connection broke."""
    try:
        with client_from(server, source) as client:
            client.ehlo()
            return client.docmd(plain(name, password))
    except (OSError, smtplib.SMTPException):
        return None


def test_what_is_not_there_costs_and_says_the_same(launch):
    server = with_logins(launch, ("ann", "gone"))
    user(server, "add", "box@example.org", "--no-password")
    user(server, "disable", "gone@example.org")
    replies = [log_in(server, name, word)
               for name, word in (("ann@example.org", "wrong"), ("bob@example.org", PASSWORD),
                                  ("box@example.org", PASSWORD), ("gone@example.org", PASSWORD),
                                  ("no address", PASSWORD), ("ann@example.org", "x" * 900))]
    assert len(set(replies)) == 1 and replies[0][0] == 535, replies
    # As many hashes as tries, whoever was asked for.
    assert len(server.events("password-hashed")) == len(replies)
    reasons = [event["reason"] for event in server.events("login-failed")]
    assert reasons == ["wrong password", "no such account", "the account has no password",
                       "the account is disabled", "no such account", "wrong password"]
    assert PASSWORD not in server.log_path.read_text()


def test_an_app_password_lets_in_until_it_is_taken_away(launch):
    server = with_logins(launch)
    word = server.json("user", "app-password", "ann@example.org", "phone")["password"]
    assert log_in(server, password=word)[0] == 235
    assert log_in(server, password=word.upper().replace("-", " "))[0] == 235
    assert server.events("password-hashed") == []
    (ann,) = server.json("user", "list")
    assert ann["app_passwords"][0]["used"]
    user(server, "app-password", "--remove", "ann@example.org", "phone")
    assert log_in(server, password=word)[0] == 535


def test_a_flood_of_guesses_holds_up_nobody(launch):
    server = with_logins(launch)
    stop = threading.Event()
    codes = []

    def guess(number):
        while not stop.is_set():
            reply = log_in(server, password=f"guess {number}")
            codes.append(reply and reply[0])

    with client_from(server, "127.0.1.1") as client, ThreadPoolExecutor(24) as pool:
        client.ehlo()
        assert client.docmd(plain("ann@example.org", PASSWORD))[0] == 235
        try:
            for number in range(24):
                pool.submit(guess, number)
            wait_for(lambda: len(codes) > 100, 30)
            for number in range(20):
                client.sendmail("ann@example.org", ["ann@example.org"],
                                f"Subject: {number}\r\n\r\n")
            # Of another network, a login has its turn too.
            assert log_in(server, source="127.0.2.1")[0] == 235
        finally:
            stop.set()
    server.wait_messages("ann@example.org", 20)
    assert set(codes) <= {535, 454}, set(codes)


def test_logins_under_a_dying_keeper_are_never_called_wrong(launch):
    server = with_logins(launch, hash_cost=4)
    stop = threading.Event()
    codes = []

    def work():
        while not stop.is_set():
            reply = log_in(server)
            codes.append(reply and reply[0])

    with ThreadPoolExecutor(8) as pool:
        try:
            for _ in range(8):
                pool.submit(work)
            for _ in range(3):
                before = codes.count(235)
                wait_for(lambda: codes.count(235) > before + 4, 30)
                old = wait_for(lambda: keeper_of(server), 20)
                os.kill(old, signal.SIGKILL)
                wait_for(lambda: keeper_of(server) not in (old, None), 20)
            before = codes.count(235)
            wait_for(lambda: codes.count(235) > before + 4, 30)
        finally:
            stop.set()
    assert set(codes) <= {235, 454}, set(codes)
    assert server.events("login-failed", reason="wrong password") == []


def test_who_guesses_too_often_is_banned_until_that_is_lifted(launch):
    server = with_logins(launch, unbanned=[])

    def banned(source):
        reply = log_in(server, source=source)
        return reply is None or reply[0] in (421, 454)

    # Answers come later and later; nobody has to wait for them.
    guessers = [client_from(server, "127.0.3.1") for _ in range(12)]
    for guesser in guessers:
        guesser.ehlo()
        guesser.send(plain("ann@example.org", "guess") + "\r\n")
    wait_for(lambda: server.events("banned", banned="address", client="127.0.3.1"), 30)
    for guesser in guessers:
        guesser.close()
    assert banned("127.0.3.1") and not banned("127.0.4.1")
    (ban,) = wait_for(lambda: server.json("ban", "list"), 20)
    assert (ban["kind"], ban["key"], ban["bans"]) == ("address", "127.0.3.1", 1)
    assert "127.0.3.1" in server.command("ban", "list")
    server.restart()
    assert banned("127.0.3.1"), "a restart lifts nothing"
    server.command("ban", "lift", "127.0.3.2", status=1)
    server.command("ban", "lift", "127.0.3.1")
    wait_for(lambda: not banned("127.0.3.1"), 20)
    assert server.json("ban", "list") == []
    assert server.events("login-banned", client="127.0.3.1")


# --- Dovecot --------------------------------------------------------------------------------------

def test_dovecot_says_who_may_log_in(launch, dovecot):
    server = launch(auth={**CHEAP, "cleartext": "loopback", "dovecot": str(dovecot.auth)})
    user(server, "add", "gone@example.org", "--no-password")
    user(server, "disable", "gone@example.org")
    with client_from(server, "127.0.0.1") as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
    assert log_in(server, "bob@example.org", "secret")[0] == 235
    with client_from(server, "127.0.0.1") as client:
        client.login("carl@example.org", "secret")
        client.sendmail("carl@example.org", ["ann@example.org"], "Subject: hello\r\n\r\n")
        assert client.mail("eve@example.org")[0] == 550
    server.wait_message("ann@example.org")
    for name, password, reason in (("bob@example.org", "wrong", "Dovecot refuses"),
                                   ("gone@example.org", "secret", "the account is disabled"),
                                   ("bob", "secret", "the account's name is no address")):
        assert log_in(server, name, password)[0] == 535
        assert server.events("login-failed", reason=reason), name
    # An account's own app passwords go on.
    user(server, "add", "apps@example.org", "--no-password")
    word = server.json("user", "app-password", "apps@example.org", "phone")["password"]
    assert log_in(server, "apps@example.org", word)[0] == 235
    dovecot.stop()
    server.restart()  # Dovecot's auth process stays for those who are connected
    assert log_in(server, "bob@example.org", "secret")[0] == 454
    assert server.events("dovecot-failed", socket=str(dovecot.auth))
    dovecot.start()
    wait_for(lambda: log_in(server, "bob@example.org", "secret")[0] == 235, 20)


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
