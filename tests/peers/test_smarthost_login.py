"""AUTH towards smarthosts: a real Postfix with Dovecot's SASL, and scripted ones that misbehave."""

import base64

import pytest

from authority import Authority
from letters import plain
from peers import Dovecot, Postfix
from server import wait_for
from test_relay import send

NAME = "smart.partner.test"
PASSWORD = "secret"  # Dovecot's, for all users
SECONDS = 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def identity(authority):
    return authority.issue(NAME)


@pytest.fixture
def smarthost(folder, identity):
    """smarthost(mechanisms) starts a Postfix that relays for those who log in, in TLS alone."""
    running = []

    def make(mechanisms):
        dovecot = Dovecot(folder / "dovecot", mechanisms=mechanisms)
        running.append(dovecot.start())
        postfix = Postfix(
            folder / "postfix", mynetworks="192.0.2.1", smtpd_sasl_auth_enable="yes",
            smtpd_sasl_type="dovecot", smtpd_sasl_path=dovecot.auth,
            smtpd_tls_auth_only="yes", smtpd_tls_security_level="may",
            smtpd_sasl_authenticated_header="yes",
            smtpd_tls_cert_file=identity.certificate, smtpd_tls_key_file=identity.key,
            smtpd_recipient_restrictions="permit_sasl_authenticated, reject")
        running.append(postfix.start())
        return postfix

    yield make
    for peer in reversed(running):
        peer.stop()


def login(launch, folder, authority, port, password=PASSWORD, **route):
    (folder / "password").write_text(password + "\nthe second line is nobody's\n")
    tls = {"level": "forced", "ca": str(authority.file), "names": [NAME]}
    return launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{port}", "user": "us@own.example",
                           "password_file": str(folder / "password"), "tls": tls, **route}])


@pytest.mark.parametrize("mechanisms", ["login", "plain login scram-sha-256"])
def test_postfix_lets_us_relay(launch, folder, authority, smarthost, mechanisms):
    postfix = smarthost(mechanisms)
    server = login(launch, folder, authority, postfix.port)
    send(server, plain("by login"), ["carol@partner.example"])
    got = postfix.wait_message()
    assert b"(Authenticated sender: us@own.example)" in got
    server.wait_queue_empty()
    assert "verified" in server.events("delivered")[0]["tls"]
    best = mechanisms.split()[-1].upper()
    assert f"sasl_method={best}" in (postfix.folder / "log").read_text()
    assert PASSWORD not in server.log_path.read_text()


def test_a_wrong_password_waits_and_is_not_logged(launch, folder, authority, smarthost):
    postfix = smarthost("plain")
    server = login(launch, folder, authority, postfix.port, password="wrong-one")
    send(server, plain("by login"), ["carol@partner.example"])
    failed = wait_for(lambda: server.events("connect-failed"), SECONDS)[0]
    assert "not logged in: the server refuses: 535 5.7.8" in failed["reason"]
    assert ";user=us@own.example" in failed["lane"]
    log = server.log_path.read_text()
    assert "wrong-one" not in log
    assert base64.b64encode(b"\0us@own.example\0wrong-one").decode() not in log
    assert not postfix.messages()


def test_no_password_without_tls(launch, folder, authority, script):
    """Not to a server that offers no STARTTLS; TLS that is merely opportunistic is still TLS."""
    peer = script(ehlo="250-script.example\r\n250-AUTH PLAIN\r\n250 8BITMIME")
    server = login(launch, folder, authority, peer.port)
    send(server, plain("by login"), ["carol@partner.example"])
    failed = wait_for(lambda: server.events("connect-failed"), SECONDS)[0]
    assert failed["reason"] == "TLS is required, and the server does not offer STARTTLS"


def test_to_this_host_in_clear(launch, folder, authority, script):
    said = []

    def auth(line):
        said.append(line)
        return "235 2.7.0 welcome"

    peer = script(ehlo="250-script.example\r\n250-AUTH PLAIN\r\n250 8BITMIME", auth=auth)
    server = login(launch, folder, authority, peer.port, tls="none")
    send(server, plain("by login"), ["carol@partner.example"])
    wait_for(lambda: peer.messages, SECONDS)
    token = base64.b64encode(b"\0us@own.example\0secret").decode()
    assert said == [f"AUTH PLAIN {token}"]


def test_a_password_file_that_is_gone(launch, folder, authority, script):
    peer = script(ehlo="250-script.example\r\n250 AUTH PLAIN")
    (folder / "password").write_text("x")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}", "user": "us",
                             "password_file": "nothing-here"}])
    send(server, plain("by login"), ["carol@partner.example"])
    failed = wait_for(lambda: server.events("connect-failed"), SECONDS)[0]
    assert "not logged in: the password is not to be had" in failed["reason"]
    assert server.events("no-password")[0]["file"] == str(server.folder / "nothing-here")
