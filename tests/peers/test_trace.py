"""`postrider trace`: what was refused has a story too, sessions and messages are told together, and
following ends when a message does."""

import json
import os
import smtplib
import socket
import ssl
import subprocess
import threading

import pytest

from authority import Authority
from server import Postrider, binary, free_port, wait_for

ANN, PASSWORD = "ann@example.org", "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    authority = Authority(folder)
    server = Postrider(
        folder / "server", domains=[{"name": "example.org", "mailboxes": ["ann", "bob"]}],
        tls=authority.issue("mx.example.org", "localhost").config(),
        routes=[{"to": "*", "via": f"smtp://127.0.0.1:{free_port()}"}],
        limits={"drain": "10s", "errors": 4, "hops": 10, "sessions_per_address": 20})
    server.authority = authority
    server.config["listen"][0]["tls"] = "starttls"
    server.config["listen"][1]["tls"] = "implicit"
    server.write_config()
    try:
        server.start()
        done = subprocess.run(
            [binary(), "user", "add", "--password-stdin", "--config", server.config_path, ANN],
            input=PASSWORD + "\n", text=True, capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        yield server
        server.stop()
    finally:
        server.give_up()


def letter(subject):
    return f"From: {ANN}\r\nSubject: {subject}\r\n\r\nGood morning.\r\n"


def story(server, *words, status=0):
    return server.command("trace", *words, status=status)


def told(server, event, **fields):
    """Waits for the event: the journal is written once a turn, as the log is."""
    return wait_for(lambda: server.events(event, **fields), 20, (event, fields))[-1]


def submission(server):
    context = ssl.create_default_context(cafile=str(server.authority.file))
    return smtplib.SMTP_SSL("localhost", server.submission, context=context, timeout=30)


def refuse(client, sender, recipients, text=b"x"):
    with pytest.raises(smtplib.SMTPException):
        client.sendmail(sender, recipients, text)
    client.rset()


def test_a_refused_recipient_has_a_story(server):
    with smtplib.SMTP("127.0.0.1", server.mx, local_hostname="mx.partner.example",
                      timeout=30) as client:
        refuse(client, "bob@partner.example", ["zoe@example.org"])
        refuse(client, "bob@partner.example", ["Carol@Far.Example"])
    told(server, "refused", to="Carol@Far.Example")
    session = server.events("refused", to="zoe@example.org")[0]["session"]
    for wanted in ("zoe@example.org", "bob@partner.example", "far.example", "PARTNER.example",
                   "carol@far.example", session):
        text = story(server, wanted)
        assert f"Session {session} of 127.0.0.1: refused" in text, wanted
        assert "no mailbox zoe@example.org here" in text and "(rule unknown-mailbox)" in text
        assert "What helps: " in text and "domains.aliases" in text and "relay.networks" in text
        assert "(helo mx.partner.example)" in text and f"on 127.0.0.1:{server.mx}" in text


def test_a_message_has_its_session(server):
    with submission(server) as client:
        client.login(ANN, PASSWORD)
        refuse(client, "bob@example.org", ["ann@example.org"])
        client.sendmail(ANN, ["bob@example.org"], letter("with a login"))
        client.sendmail(ANN, ["bob@example.org"], letter("the second"))
    stored = wait_for(lambda: [event for event in server.events("delivered", to="bob@example.org")]
                      and server.events("accepted", user=ANN)[1:], 20)
    first, second = server.events("accepted", user=ANN)[-2:]
    assert stored and first["session"] == second["session"]
    events = [json.loads(line) for line in story(server, "--json", first["id"]).splitlines()]
    names = [event["event"] for event in events]
    assert names[:4] == ["tls", "login", "refused", "accepted"]
    assert {event.get("id", first["id"]) for event in events} == {first["id"]}
    # What was refused is the first message's; whom it is from and how holds for both.
    assert "refused" not in story(server, second["id"])
    assert "logged in as ann@example.org by " in story(server, second["id"])
    text = story(server, first["id"])
    assert text.splitlines()[0].startswith(f"Message {first['id']} from {ANN} to bob@example.org")


def test_a_message_refused_at_its_end_is_known_by_each_recipient(server):
    with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
        refuse(client, "eve@elsewhere.example", ["ann@example.org", "bob@example.org"],
               b"Received: from a by b; Wed, 25 Nov 2026 10:00:00 +0000\r\n" * 12
               + b"From: eve@elsewhere.example\r\n\r\nIn circles.\r\n")
    event = told(server, "refused", **{"from": "eve@elsewhere.example"})
    for wanted in (event["id"], "eve@elsewhere.example"):
        text = story(server, wanted)
        assert f"Message {event['id']} from eve@elsewhere.example to ann@example.org: refused" in text
        assert "for bob@example.org" in text and "554 5.4.6" in text
    assert event["id"] in story(server, "bob@example.org")


def test_logins_and_handshakes_that_fail_have_a_story(server):
    with submission(server) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("nobody@example.org", "wrong")
    event = told(server, "login-failed", user="nobody@example.org")
    text = story(server, "nobody@example.org")
    assert f"Session {event['session']} of 127.0.0.1: refused" in text
    assert "went into TLS" in text and "could not log in as nobody@example.org" in text
    assert "user add" in text
    with socket.create_connection(("127.0.0.1", server.submission), timeout=30) as client:
        client.sendall(b"EHLO plain.example\r\n")
        client.recv(100)
    failed = told(server, "tls-failed")
    text = story(server, failed["session"])
    assert "the TLS handshake with 127.0.0.1 failed" in text
    assert failed["session"] in story(server, "tls-failed")


def test_ends_of_sessions_are_logged(server):
    with socket.create_connection(("127.0.0.1", server.mx), timeout=30) as client:
        client.sendall(b"EHLO noisy.example\r\n" + b"NONSENSE\r\n" * 4)
        while client.recv(1000):
            pass
    told(server, "refused", rule="errors", helo="noisy.example")
    text = story(server, "noisy.example")
    assert text.count("refused 127.0.0.1") == 5 and "421 Too many errors" in text


def test_connections_turned_away_have_a_story(server):
    open_ones = [socket.create_connection(("127.0.0.1", server.mx), timeout=30)
                 for _ in range(21)]
    try:
        event = told(server, "refused", rule="sessions-per-address")
        assert "limits.sessions_per_address" in story(server, event["session"])
    finally:
        for one in open_ones:
            one.close()


def test_whatever_the_log_level_is(server):
    server.config["log"] = {"level": "error"}
    server.write_config()
    server.command("reload")
    try:
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            refuse(client, "quiet@partner.example", ["zoe@example.org"])
        wait_for(lambda: "rule unknown-mailbox" in subprocess.run(
            [binary(), "trace", "quiet@partner.example", "--config", server.config_path],
            capture_output=True, text=True, timeout=30).stdout, 20)
        assert not server.events("refused", **{"from": "quiet@partner.example"})
    finally:
        del server.config["log"]
        server.write_config()
        server.command("reload")


def test_times(server):
    told(server, "refused", to="zoe@example.org")
    assert "zoe@example.org" in story(server, "--since", "1h")
    assert "zoe@example.org" in story(server, "zoe@example.org", "--since", "00:00")
    story(server, "zoe@example.org", "--until", "1h", status=1)
    story(server, "zoe@example.org", "--since", "2001-01-01", "--until", "2001-01-02", status=1)
    for words in ((), ("--since", "soon"), ("--follow", "--until", "1h"), ("a", "b"),
                  ("--since", "1h", "--until", "2h"), ("--limit", "0", "x"), ("<>",)):
        story(server, *words, status=2)


class Follower:
    """`postrider trace --follow`, read as it goes."""

    def __init__(self, server, *words):
        self.lines = []
        self.process = subprocess.Popen(
            [binary(), "trace", "--follow", *words, "--config", server.config_path],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"})
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def wait(self, text):
        wait_for(lambda: any(text in line for line in list(self.lines)), 20, text)

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        self.reader.join(20)


def test_following_a_message_ends_with_it(server):
    with submission(server) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, ["carol@waits.example"], letter("waits"))
    event = told(server, "accepted", to="carol@waits.example")
    wait_for(lambda: server.events("connect-failed"), 20)
    text = story(server, event["id"])
    assert text.splitlines()[0].endswith("to carol@waits.example: waiting")
    assert "Connection refused" in text and "does its server run?" in text
    follower = Follower(server, event["id"])
    follower.wait("waiting for carol@waits.example because: ")
    server.command("queue", "hold", event["id"])
    follower.wait("held back by the operator")
    server.command("queue", "release", event["id"])
    follower.wait("released by the operator")
    follower.wait("could not connect to smtp://127.0.0.1:")
    server.command("queue", "delete", event["id"])
    assert follower.process.wait(20) == 0
    follower.reader.join(20)
    assert "deleted from the queue" in follower.lines[-1] and event["id"] in follower.lines[-1]
    assert story(server, event["id"]).splitlines()[0].endswith("deleted")


def test_following_goes_on_where_a_journal_is_closed(server):
    follower = Follower(server, "far.example", "--json")
    everything = Follower(server, "--since", "1m")
    try:
        def refused(name):
            with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
                refuse(client, "bob@partner.example", [f"{name}@far.example"])
            follower.wait(f"{name}@far.example")
            everything.wait(f"{name}@far.example")

        refused("before")
        # What the worker does when its journal is full, without 32 MiB: it goes on in the old file,
        # as it still has that open, until it is started again.
        trace = server.folder / "spool/trace"
        (trace / "worker-0.log").rename(trace / "worker-0.20261125T103000123Z.log")
        refused("meanwhile")
        server.restart()
        refused("after")
    finally:
        follower.end()
        everything.end()
    events = [json.loads(line) for line in follower.lines]
    assert [event["to"] for event in events[-3:]] == [
        "before@far.example", "meanwhile@far.example", "after@far.example"]
    assert "ready" not in {event["event"] for event in events}
    # The journal that was closed is searched too, and has an index now.
    assert "before@far.example" in story(server, "before@far.example")
    assert (trace / "worker-0.20261125T103000123Z.index").exists()
    assert "after@far.example" in story(server, "after@far.example")
