"""People log in: each mechanism by real clients, what is refused and how, and what an account may send."""

import base64
import hashlib
import hmac
import os
import signal
import smtplib
import ssl
import subprocess

import pytest

from accounts import Issuer, user
from authority import Authority
from dialogue import Dialogue
from letters import plain
from server import Postrider, free_port, wait_for

ISSUER = Issuer()
PASSWORD = "pencil, käse"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with accounts, for the tests that do not mind each other's mail."""
    folder = tmp_path_factory.mktemp("auth")
    authority = Authority(folder / "authority")
    identity, client = authority.issue("localhost"), authority.issue("ann.example")
    server = Postrider(
        folder,
        tls=identity.config(),
        domains=[{"name": "example.org", "mailboxes": "any",
                  "aliases": {"sales": ["ann@example.org", "bob@example.org"]}}],
        auth={"cleartext": "loopback", "hash_cost": 1, "messages_per_day": 50,
              "recipients_per_day": 50, "certificates": {client.fingerprint: "ann@example.org"}},
        oauth={"issuer": "https://id.example", "audience": "mail", "keys": "jwks.json"})
    server.authority, server.identity, server.client = authority, identity, client
    server.secure = free_port()
    server.config["listen"][1]["tls"] = "none"
    server.config["listen"].append(
        {"address": f"127.0.0.1:{server.secure}", "role": "submission", "tls": "required",
         "xclient": ["127.0.0.1"]})
    server.write_config()
    (server.folder / "jwks.json").write_text(ISSUER.key_set())
    try:
        server.start()
        for name in ("ann", "bob", "eve", "carl", "dora", "otto"):
            user(server, "add", f"{name}@example.org", password=PASSWORD)
        user(server, "passwd", "eve@example.org", password="ascii only")
        yield server
        server.stop()
    finally:
        server.give_up()


def run(words, status=0, data=None):
    done = subprocess.run(words, input=data, capture_output=True, timeout=60)
    assert done.returncode == status, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout + done.stderr


def encoded(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def greeted(server, port=None):
    dialogue = Dialogue(port or server.submission)
    dialogue.ehlo = dialogue.say("EHLO client.example")
    return dialogue


def log_in(server, name="ann@example.org", password=PASSWORD):
    dialogue = greeted(server)
    assert dialogue.say(f"AUTH PLAIN {encoded(f'{chr(0)}{name}{chr(0)}{password}')}") \
        .startswith("235 2.7.0")
    return dialogue


def next_event(server, event, count, **wanted):
    """The first such event behind `count` of them."""
    return wait_for(lambda: server.events(event, **wanted)[count:], 30, event)[0]


# --- Real clients --------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_gsasl_logs_in(server, mechanism):
    words = ["gsasl", "--smtp", "--no-starttls", f"--mechanism={mechanism}",
             "--authentication-id=ann@example.org", "--connect", f"127.0.0.1:{server.submission}"]
    run([*words, f"--password={PASSWORD}"], data=b"")
    said = run([*words, "--password=pencils"], status=1, data=b"")
    assert b"535 5.7.8" in said


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_gsasl_logs_in_inside_tls(server, mechanism):
    words = ["gsasl", "--smtp", "--starttls", f"--mechanism={mechanism}",
             f"--x509-ca-file={server.authority.file}", "--authentication-id=ann@example.org",
             "--connect", f"localhost:{server.secure}"]
    if not mechanism.endswith("PLUS"):
        words.append("--no-cb")  # it would say that it could bind, and be right to be refused
    run([*words, f"--password={PASSWORD}"], data=b"")
    assert b"535 5.7.8" in run([*words, "--password=pencils"], status=1, data=b"")


def test_gsasl_logs_in_by_certificate(server):
    count = len(server.events("login", mechanism="EXTERNAL"))
    run(["gsasl", "--smtp", "--starttls", "--mechanism=EXTERNAL", "--authorization-id=",
         f"--x509-ca-file={server.authority.file}", f"--x509-cert-file={server.client.certificate}",
         f"--x509-key-file={server.client.key}", "--connect", f"localhost:{server.secure}"], data=b"")
    assert next_event(server, "login", count, mechanism="EXTERNAL")["user"] == "ann@example.org"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_logs_in_and_submits(server, mechanism):
    run(["swaks", "--server", "127.0.0.1", "--port", str(server.submission), "--from",
         "ann@example.org", "--to", f"swaks-{mechanism.lower()}@example.org", "--auth", mechanism, "--auth-user", "ann@example.org", "--auth-password", PASSWORD])
    message = server.wait_message(f"swaks-{mechanism.lower()}@example.org")
    assert " with ESMTPA id " in " ".join(message.received.split())


def test_msmtp_logs_in_by_scram(server):
    config = server.folder / "msmtprc"
    config.write_text(
        f"account a\nhost 127.0.0.1\nport {server.submission}\nfrom ann@example.org\nauth "
        f"scram-sha-256\nuser ann@example.org\npassword \"{PASSWORD}\"\ntls off\naccount default : a\n")
    config.chmod(0o600)
    run(["msmtp", "-C", config, "msmtp@example.org"],
        data=plain("msmtp", sender="ann@example.org"))
    server.wait_message("msmtp@example.org")


def test_s_nail_logs_in(server):
    run(["s-nail", "-n", "-Ssmtp-auth=plain", "-Sv15-compat", "-Sfrom=ann@example.org",
         f"-Smta=smtp://ann%40example.org:pencil%2C%20k%C3%A4se@127.0.0.1:{server.submission}",
         "-Ssendwait", "-s", "s-nail", "s-nail@example.org"], data=b"hello\n")
    server.wait_message("s-nail@example.org")


def test_smtplib_logs_in(server):
    def submit(to):
        with smtplib.SMTP("127.0.0.1", server.submission, timeout=30) as client:
            client.login("eve@example.org", "ascii only")
            client.sendmail("eve@example.org", [to], plain("smtplib", sender="eve@example.org"))
        return server.wait_message(to).raw
    # Who reads a message learns which account sent it when that is wanted only.
    assert b"Authentication-Results" not in submit("smtplib@example.org")
    server.config["auth"]["results"] = "on"
    server.write_config()
    server.command("reload")
    assert b"\nAuthentication-Results: mx.example.org;\n\tauth=pass smtp.auth=eve@example.org\n" in \
        submit("results@example.org")
    server.config["auth"]["results"] = "off"
    server.write_config()
    server.command("reload")


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_curl_logs_in_by_token(server, mechanism, algorithm):
    recipient = f"curl-{mechanism}-{algorithm}@example.org".lower()
    curl(server, mechanism, ISSUER.token(algorithm), recipient)
    server.wait_message(recipient)


def curl(server, mechanism, token, recipient="curl@example.org", status=0):
    letter = server.folder / "letter.eml"
    letter.write_bytes(plain("curl", sender="ann@example.org"))
    return run(["curl", "-sS", "--max-time", "30", "--url", f"smtp://127.0.0.1:{server.submission}",
                "--user", "ann@example.org", "--oauth2-bearer", token, "--login-options",
                f"AUTH={mechanism}", "--mail-from", "ann@example.org", "--mail-rcpt",
                recipient, "-T", letter], status=status)


@pytest.mark.parametrize("words, reason", [
    ({"aud": "web"}, "for another audience"),
    ({"iss": "https://other.example"}, "of another issuer"),
    ({"exp": 1000}, "expired"),
    ({"email": "bob@example.org"}, "the token is of another account"),
    ({"email": None}, "without the claim that names an account"),
    ({"headers": {"kid": "other"}}, "signed with a key that is not known here"),
])
def test_tokens_that_are_no_good(server, words, reason):
    count = len(server.events("login-failed"))
    curl(server, "OAUTHBEARER", ISSUER.token(**words), status=67)
    assert next_event(server, "login-failed", count)["reason"] == reason


def test_a_client_hears_of_a_bad_token_in_json(server):
    with greeted(server) as client:
        message = encoded("n,,\x01auth=Bearer nonsense\x01\x01")
        reply = client.say(f"AUTH OAUTHBEARER {message}")
        assert base64.b64decode(reply.removeprefix("334 ")) == b'{"status":"invalid_token"}'
        assert client.say("AQ==").startswith("535 5.7.8")
        assert client.say("NOOP").startswith("250")


# --- Inside TLS ----------------------------------------------------------------------------------


class Bound(smtplib.SMTP):
    """A client that binds SCRAM to the server's certificate (RFC 5929, 4)."""

    def begin(self, server, client=None):
        context = ssl.create_default_context(cafile=server.authority.file)
        if client:
            context.load_cert_chain(client.certificate, client.key)
        self.starttls(context=context)
        self.ehlo()
        return self

    def scram(self, flag, binding, password=PASSWORD, mechanism="SCRAM-SHA-256-PLUS"):
        header = f"{flag},,".encode()
        bare = b"n=ann@example.org,r=abc"
        code, text = self.docmd("AUTH", f"{mechanism} {encoded(header + bare)}")
        if code != 334:
            return code
        first = base64.b64decode(text)
        nonce, salt, count = (item[2:] for item in first.split(b","))
        final = b"c=" + base64.b64encode(header + binding) + b",r=" + nonce
        signed = bare + b"," + first + b"," + final
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        code, text = self.docmd(encoded(final + b",p=" + base64.b64encode(proof)))
        if code != 334:
            return code
        key = hmac.digest(salted, b"Server Key", "sha256")
        assert base64.b64decode(text) == b"v=" + base64.b64encode(
            hmac.digest(key, signed, "sha256"))
        return self.docmd("")[0]


def bound(server, client=None):
    return Bound("localhost", server.secure, timeout=30).begin(server, client)


def test_nothing_is_offered_before_tls(server):
    with greeted(server, server.secure) as client:
        assert "AUTH" not in client.ehlo and "STARTTLS" in client.ehlo
        assert client.say("AUTH PLAIN AGEAYg==").startswith("530 5.7.0")


def test_a_channel_is_bound(server):
    end_point = hashlib.sha256(server.identity.der).digest()
    with bound(server) as client:
        offered = client.esmtp_features["auth"].split()
        assert "SCRAM-SHA-256-PLUS" in offered and "EXTERNAL" not in offered
        assert client.scram("p=tls-server-end-point", end_point) == 235
        client.sendmail("ann@example.org", ["bound@example.org"],
                        plain("bound", sender="ann@example.org"))
    received = " ".join(server.wait_message("bound@example.org").received.split())
    assert " with ESMTPSA id " in received


@pytest.mark.parametrize("flag, binding, mechanism, reason", [
    ("p=tls-server-end-point", bytes(32), "SCRAM-SHA-256-PLUS", "the channel binding differs"),
    ("p=tls-exporter", bytes(32), "SCRAM-SHA-256-PLUS", "the channel binding differs"),
    ("y", b"", "SCRAM-SHA-256", "the list of mechanisms was tampered with"),
])
def test_a_man_in_the_middle_is_noticed(server, flag, binding, mechanism, reason):
    count = len(server.events("login-failed"))
    with bound(server) as client:
        assert client.scram(flag, binding, mechanism=mechanism) == 535
    assert next_event(server, "login-failed", count)["reason"] == reason


def test_a_certificate_lets_in_its_account_alone(server):
    with bound(server, server.client) as client:
        assert "EXTERNAL" in client.esmtp_features["auth"].split()
        assert client.docmd("AUTH", f"EXTERNAL {encoded('bob@example.org')}")[0] == 535
        assert client.docmd("AUTH", f"EXTERNAL {encoded('Ann@example.org')}")[0] == 235
    with bound(server, server.authority.issue("eve.example")) as client:
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 504


def test_a_proxy_does_not_lend_its_certificate(server):
    with bound(server, server.client) as client:
        assert client.docmd("XCLIENT", "ADDR=192.0.2.7")[0] == 220
        client.ehlo()
        offered = client.esmtp_features["auth"].split()
        assert "PLAIN" in offered and not {"EXTERNAL", "SCRAM-SHA-256-PLUS"} & set(offered)
        assert client.docmd("AUTH", "EXTERNAL =")[0] == 504
        login = encoded(f"\0ann@example.org\0{PASSWORD}")
        assert client.docmd("AUTH", f"PLAIN {login}")[0] == 235
    assert server.events("login", client="192.0.2.7", user="ann@example.org")


# --- Who is not let in ---------------------------------------------------------------------------


def test_nobody_learns_who_has_an_account(server):
    replies = set()
    for name in ("bob@example.org", "nobody@example.org", "carl@example.org", "no address"):
        if name == "carl@example.org":
            user(server, "disable", name)
        with greeted(server) as client:
            replies.add(client.say(f"AUTH PLAIN {encoded(f'{chr(0)}{name}{chr(0)}wrong')}"))
        with greeted(server) as client:
            reply = client.say(f"AUTH SCRAM-SHA-256 {encoded(f'n,,n={name},r=abc')}")
            first = base64.b64decode(reply.removeprefix("334 ")).decode()
            assert first.startswith("r=abc") and first.endswith(",i=10000")
            nonce = first.split(",")[0]
            proof = encoded(bytes(32))
            replies.add(client.say(encoded(f"c=biws,{nonce},p={proof}")))
    assert len(replies) == 1 and replies.pop().startswith("535 5.7.8")


def test_a_disabled_account_is_closed_for_the_right_password(server):
    user(server, "disable", "dora@example.org")
    count = len(server.events("login-failed"))
    with greeted(server) as client:
        assert client.say(f"AUTH PLAIN {encoded(f'{chr(0)}dora@example.org{chr(0)}{PASSWORD}')}") \
            .startswith("535 5.7.8")
    assert next_event(server, "login-failed", count)["reason"] == "the account is disabled"
    user(server, "enable", "dora@example.org")
    log_in(server, "dora@example.org").socket.close()


def test_exchanges_that_end_badly(server):
    with greeted(server) as client:
        assert client.say("AUTH PLAIN") == "334 "
        assert client.say("*").startswith("501 5.0.0")
        assert client.say("AUTH PLAIN not_base64").startswith("501 5.5.2")
        assert client.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert client.say("=").startswith("501 5.5.2")
        assert client.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert client.say("A" * 13000).startswith("500 5.5.6")
        assert client.say("AUTH CRAM-MD5").startswith("504 5.5.4")
        assert client.say("NOOP").startswith("250")


def test_no_passwords_in_clear_unless_that_is_said(launch):
    server = launch(auth={"hash_cost": 1})
    with greeted(server) as client:
        assert "AUTH" not in client.ehlo
        assert client.say("AUTH PLAIN AGEAYg==").startswith("538 5.7.11")
    with greeted(server, server.mx) as client:
        assert client.say("AUTH PLAIN AGEAYg==").startswith("502 5.5.1")


def test_the_keeper_may_die(server):
    """Who comes in between is told to try again; then there is another keeper."""
    keeper = next(pid for pid, name in server.processes().items() if name.startswith("keeper"))
    os.kill(keeper, signal.SIGKILL)

    def reply():
        with greeted(server) as client:
            return client.say(f"AUTH PLAIN {encoded(f'{chr(0)}ann@example.org{chr(0)}{PASSWORD}')}")

    wait_for(lambda: reply().startswith("235"), 30, "a keeper")


# --- What an account may send --------------------------------------------------------------------


def test_an_account_uses_its_own_addresses(server):
    with log_in(server) as client:
        for address in ("ann@example.org", "ann+lists@example.org", "sales@example.org", ""):
            assert client.say(f"MAIL FROM:<{address}>").startswith("250")
            assert client.say("RSET").startswith("250")
        reply = client.say("MAIL FROM:<bob@example.org>")
        assert reply.startswith("550 5.7.1 bob@example.org as the reverse-path is not an address "
                                "of the account ann@example.org")
    user(server, "grant", "ann@example.org", "boss@example.org")
    with log_in(server) as client:
        assert client.say("MAIL FROM:<boss@example.org>").startswith("250")


@pytest.mark.parametrize("front, rule", [
    ("From: bob@example.org", "sender-from"),
    ("From: ann@example.org, bob@example.org", "sender-from"),
    ("From: ann@example.org\r\nFrom: bob@example.org", "sender-from"),
    ("From: ann@example.org\r\nSender: bob@example.org", "sender-field"),
    ("From: nobody at all", "sender-from"),
])
def test_a_spoofed_author_is_refused(server, front, rule):
    count = len(server.events("refused", rule=rule))
    with log_in(server) as client:
        reply = client.transaction("ann@example.org", ["bob@example.org"],
                                   f"{front}\r\nSubject: spoof\r\n\r\nhi\r\n".encode())
        assert reply.startswith("55")
    assert next_event(server, "refused", count, rule=rule)["user"] == "ann@example.org"


def test_quotas_hold_over_restarts(server):
    user(server, "limit", "otto@example.org", "3", "3")

    def send(recipients):
        with log_in(server, "otto@example.org") as client:
            return client.transaction("otto@example.org", recipients,
                                      plain("quota", sender="otto@example.org"))

    reply = send(["eve@example.org"])
    assert reply.startswith("250") and "used" not in reply
    assert send([f"{name}@example.org" for name in ("ann", "bob", "dora")]).startswith(
        "450 4.7.1 the account has used up its 3 recipients")
    assert send(["eve@example.org", "bob@example.org"]).endswith(
        "; 2 of today's 3 messages are used")
    server.restart()
    assert send(["eve@example.org"]).startswith("250")
    assert send(["eve@example.org"]).startswith("450 4.7.1 the account has used up its 3 messages")
