"""TLS for those who connect: STARTTLS and implicit TLS, as real clients see it."""

import contextlib
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess

import pytest

from authority import Authority
from dialogue import Dialogue
from letters import as_stored, noise, plain
from peers import need, program
from server import Postrider, free_port, wait_for

SECONDS = 30


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    need("openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificates(authority):
    return {
        "rsa": authority.issue("mx.example.org", "*.wild.example", key="rsa"),
        "ec": authority.issue("mx.example.org", "*.wild.example"),
        "other": authority.issue("other.example"),
        "client": authority.issue("client.example"),
        "expired": authority.issue("mx.example.org", days=-1),
    }


def serve(folder, certificates, **tls):
    """Listeners: mx and submission by STARTTLS, and `implicit`."""
    server = Postrider(folder, tls={**certificates["rsa"].config(),
                                    "certificates": [certificates["ec"].config(),
                                                     certificates["other"].config()], **tls})
    server.implicit = free_port()
    server.config["listen"].append(
        {"address": f"127.0.0.1:{server.implicit}", "role": "submission", "tls": "implicit"})
    server.write_config()
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificates):
    server = serve(tmp_path_factory.mktemp("tls") / "server", certificates,
                   client_certificates="asked")
    yield server.start()
    try:
        server.stop()
    finally:
        server.give_up()


@pytest.fixture
def alone(tmp_path, certificates):
    """A server for one test, which starts it."""
    server = serve(tmp_path / "server", certificates)
    yield server
    try:
        server.stop()
    finally:
        server.give_up()


def context_for(authority, version=None, client=None):
    context = ssl.create_default_context(cafile=str(authority.file))
    if version:
        context.minimum_version = context.maximum_version = version
    if client:
        context.load_cert_chain(client.certificate, client.key)
    return context


class Secured(smtplib.SMTP):
    """smtplib, which knows the name that it wants to talk to."""

    def __init__(self, port, name="mx.example.org"):
        super().__init__("127.0.0.1", port, timeout=SECONDS)
        self._host = name


def s_client(port, *words, starttls=True, data=b"quit\r\n"):
    """What openssl says and what the server said, until that ends it; its status does not matter."""
    start = ["-starttls", "smtp"] if starttls else []
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *start,
                           "-ign_eof", *map(str, words)], input=data, capture_output=True, timeout=SECONDS)
    return (done.stdout + done.stderr).decode(errors="replace")


# --- Clients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_smtplib_by_starttls(server, authority, version):
    to = f"smtplib-{version.name.lower()}@example.org"
    text = plain("inside TLS", noise(200_000).hex().replace("00", "\r\n"))
    with Secured(server.mx) as client:
        client.starttls(context=context_for(authority, version))
        assert "starttls" not in (client.ehlo(), client.esmtp_features)[1]
        client.sendmail("bob@example.net", [to], text)
        cipher, name, bits = client.sock.cipher()
    message = server.wait_message(to)
    assert message.sent == as_stored(text)
    received = " ".join(message.received.split())
    assert " with ESMTPS id " in received
    assert f"({client_version(name, version)} cipher {cipher} {bits} bits)" in received
    accepted = server.events("accepted", to=to)[0]
    assert accepted["protocol"] == "ESMTPS" and cipher in accepted["tls"]


def client_version(name, version):
    return {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


def test_smtplib_by_implicit_tls(server, authority):
    context = context_for(authority)
    with socket.create_connection(("127.0.0.1", server.implicit), timeout=SECONDS) as plain_socket:
        with context.wrap_socket(plain_socket, server_hostname="a.wild.example") as inside:
            assert inside.recv(1000).startswith(b"220 mx.example.org ")
            inside.sendall(b"EHLO client.example\r\n")
            assert b"STARTTLS" not in inside.recv(4000)
    tls = [event for event in server.events("tls") if event.get("sni") == "a.wild.example"]
    assert tls[0]["resumed"] == "0" and tls[0]["client"] == "127.0.0.1"


def test_a_good_bye_behind_a_command_ends_the_session(server, authority):
    """Both in one segment, and the connection stays open: nothing more comes to wake the server."""
    from_server, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = context_for(authority).wrap_bio(from_server, to_server,
                                             server_hostname="mx.example.org")
    with socket.create_connection(("127.0.0.1", server.implicit), timeout=SECONDS) as connection:

        def until(done):
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return done()
                connection.sendall(to_server.read())
                from_server.write(connection.recv(65536))

        until(inside.do_handshake)
        assert until(lambda: inside.read(1000)).startswith(b"220 ")
        inside.write(b"NOOP\r\n")
        with contextlib.suppress(ssl.SSLWantReadError):
            inside.unwrap()
        connection.sendall(to_server.read())
        while connection.recv(65536):
            pass


def test_curl_swaks_and_msmtp(server, authority):
    need("curl", "swaks", "msmtp")
    text = server.folder / "text"
    text.write_bytes(plain("by curl"))
    name = "mx.example.org"
    for words in (
            ["curl", "-sS", "--url", f"smtp://{name}:{server.submission}/client", "--ssl-reqd",
             "--cacert", authority.file, "--resolve", f"{name}:{server.submission}:127.0.0.1",
             "--mail-from", "a@example.net", "--mail-rcpt", "curl-starttls@example.org",
             "-T", text],
            ["curl", "-sS", "--url", f"smtps://{name}:{server.implicit}/client",
             "--cacert", authority.file, "--resolve", f"{name}:{server.implicit}:127.0.0.1",
             "--mail-from", "a@example.net", "--mail-rcpt", "curl-implicit@example.org",
             "-T", text],
            ["swaks", "--silent", "2", "--server", "127.0.0.1", "--port", server.mx, "--tls",
             "--tls-verify", "--tls-ca-path", authority.file, "--tls-sni", name,
             "--from", "a@example.net", "--to", "swaks@example.org"],
            ["msmtp", "--host=localhost", f"--port={server.submission}", "--tls=on",
             f"--tls-fingerprint={fingerprint_of(server.submission)}", "--from=a@example.net",
             "msmtp@example.org"]):
        done = subprocess.run(list(map(str, words)), input=plain("by msmtp"), capture_output=True,
                              timeout=60)
        assert done.returncode == 0, (words, done.stdout, done.stderr, server.log_tail())
    for who in ("curl-starttls", "curl-implicit", "swaks", "msmtp"):
        server.wait_message(f"{who}@example.org")
        assert server.events("accepted", to=f"{who}@example.org")[0]["protocol"] == "ESMTPS"


def fingerprint_of(port):
    shown = s_client(port)
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"],
                          input=shown.encode(), capture_output=True, timeout=SECONDS)
    return done.stdout.decode().strip().split("=")[1]


def test_s_nail(server, authority, tmp_path):
    need("s-nail")
    settings = tmp_path / "mailrc"
    settings.write_text("")
    done = subprocess.run(
        ["s-nail", "-:/", "-Sv15-compat", f"-Smta=submission://localhost:{server.submission}",
         "-Ssmtp-auth=none", "-Stls-verify=ignore", "-Ssmtp-use-starttls", "-Sfrom=a@example.net",
         "-Ssendwait", "-s", "by s-nail", "s-nail@example.org"],
        input=b"hello\n", capture_output=True, timeout=60,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "MAILRC": str(settings)})
    assert done.returncode == 0, (done.stdout, done.stderr, server.log_tail())
    server.wait_message("s-nail@example.org")


def test_postfix_verifies_us(server, authority):
    """As its client side sees us, with a second session that is resumed."""
    need("posttls-finger")
    done = subprocess.run(
        [program("posttls-finger"), "-c", "-r", "1", "-m", "1", "-l", "secure", "-F",
         str(authority.file), f"[127.0.0.1]:{server.mx}", "mx.example.org"],
        capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert said.count("Verified TLS connection established") == 2, said
    assert "reusing" in said.lower() or "reused" in said.lower(), said


# --- Certificates and versions ---------------------------------------------------------------------


def shown_certificate(output):
    """The SHA-256 of the one in the output of s_client, in hex."""
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"],
                          input=output.encode(), capture_output=True, timeout=SECONDS)
    return done.stdout.decode().strip().split("=")[1].replace(":", "").lower()


@pytest.mark.parametrize("words, wanted", [
    (["-servername", "mx.example.org"], "ec"),
    (["-servername", "mx.example.org", "-sigalgs", "RSA-PSS+SHA256"], "rsa"),
    (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "rsa"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ec"),
    (["-servername", "other.example"], "other"),
    (["-servername", "b.wild.example"], "ec"),
    (["-servername", "nobody.example"], "ec"),
    (["-noservername"], "ec"),
    (["-alpn", "h2,http/1.1"], "ec"),
])
def test_certificate_by_name_and_ability(server, certificates, words, wanted):
    output = s_client(server.mx, *words)
    assert shown_certificate(output) == certificates[wanted].fingerprint, output
    assert "250 ENHANCEDSTATUSCODES" in output or "221" in output


def test_a_client_certificate_is_logged(server, authority, certificates):
    with Secured(server.mx) as client:
        client.starttls(context=context_for(authority, client=certificates["client"]))
        client.ehlo()
    assert server.events("tls", client_certificate=certificates["client"].fingerprint)


def test_a_client_certificate_may_relay(alone, authority, certificates):
    """By its fingerprint; another one, or none, may not."""
    alone.config["relay"] = {"certificates": [certificates["client"].fingerprint.upper()]}
    alone.config["routes"] = [{"to": "*", "via": f"smtp://127.0.0.1:{free_port()}"}]
    alone.write_config()
    alone.start()
    for client, code in ((None, 550), (certificates["other"], 550), (certificates["client"], 250)):
        with Secured(alone.mx) as session:
            session.starttls(context=context_for(authority, client=client))
            session.ehlo()
            assert session.mail("a@example.net")[0] == 250
            assert session.rcpt("b@elsewhere.example")[0] == code


@pytest.mark.parametrize("words", [
    ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
])
def test_old_peers_are_refused(server, words):
    output = s_client(server.mx, *words)
    assert "alert" in output and "Cipher is (NONE)" in output


def test_old_peers_are_taken_where_configured(alone):
    alone.config["tls"]["peers"] = "old"
    alone.write_config()
    alone.start()
    for words in (["-tls1", "-cipher", "ECDHE-RSA-AES128-SHA@SECLEVEL=0"],
                  ["-tls1_1", "-cipher", "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"],
                  ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA@SECLEVEL=0"]):
        output = s_client(alone.mx, *words)
        assert f"Cipher is {words[2].split('@')[0]}" in output, output
    # Key exchange by RSA is not forward secret, and the keeper would have to decrypt.
    assert "Cipher is (NONE)" in s_client(alone.mx, "-tls1_2", "-cipher", "AES128-SHA@SECLEVEL=0")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(server, tmp_path, version):
    session = tmp_path / "session"
    assert "New, TLSv1" in s_client(server.mx, version, "-sess_out", session)
    assert "Reused, TLSv1" in s_client(server.mx, version, "-sess_in", session)
    wait_for(lambda: server.events("tls", resumed="1"), SECONDS)


def test_no_tickets_where_configured(alone, tmp_path):
    alone.config["tls"]["tickets"] = "off"
    alone.write_config()
    alone.start()
    session = tmp_path / "session"
    assert "NewSessionTicket" not in s_client(alone.mx, "-tls1_3", "-msg")
    assert "New, TLSv1" in s_client(alone.mx, "-tls1_2", "-sess_out", session)
    assert not session.exists()


def test_a_ticket_comes_behind_the_clients_finished(server):
    """Microsoft's senders break off where it comes before (RFC 8446, 4.6.1 allows none there)."""
    shown = s_client(server.mx, "-tls1_3", "-msg")
    marks = [line for line in shown.splitlines() if re.search(r"Finished|NewSessionTicket", line)]
    assert len(marks) == 3 and "NewSessionTicket" in marks[2], marks


# --- What does not go well --------------------------------------------------------------------------


def test_bytes_behind_starttls_are_refused(server):
    with Dialogue(server.mx) as client:
        client.say("EHLO client.example")
        client.send(b"STARTTLS\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<ann@example.org>\r\n")
        assert client.reply().startswith("554 5.5.1 Bytes in clear text behind STARTTLS")
        assert client.rest() == ""
    assert wait_for(lambda: server.events("refused", rule="STARTTLS", code="554"), SECONDS)


def test_bytes_before_the_handshake_are_not_taken_for_commands(server, authority):
    """Those that come so late that the 220 is out are what the handshake reads: no TLS."""
    with Dialogue(server.mx) as client:
        client.say("EHLO client.example")
        assert client.say("STARTTLS").startswith("220 ")
        client.send(b"MAIL FROM:<eve@example.net>\r\nNOOP\r\n")
        # An alert of TLS at most.
        assert not re.search(rb"[0-9]{3} ", bytes(client.rest(), "latin-1"))
    wait_for(lambda: server.events("tls-failed", reason="what the other side sent is not TLS"),
             SECONDS)


def test_what_was_said_in_clear_text_is_forgotten(server, authority):
    with Secured(server.mx) as client:
        client.ehlo()
        assert client.mail("eve@example.net")[0] == 250
        assert client.rcpt("ann@example.org")[0] == 250
        client.starttls(context=context_for(authority))
        assert client.docmd("RCPT", "TO:<ann@example.org>")[0] == 503
        assert client.docmd("MAIL", "FROM:<ann@example.org>") == (503, b"5.5.1 Say EHLO or HELO first")


def test_submission_needs_tls(server):
    with Dialogue(server.submission) as client:
        assert "STARTTLS" in client.say("EHLO client.example")
        assert client.say("MAIL FROM:<a@example.net>") \
            == "530 5.7.0 Must issue a STARTTLS command first"
        assert client.say("NOOP").startswith("250 ")
        assert client.say("QUIT").startswith("221 ")


@pytest.mark.parametrize("data, reason", [
    (b"EHLO client.example\r\n", "what the other side sent is not TLS"),
    (b"GET / HTTP/1.1\r\n\r\n", "the other side speaks HTTP"),
    (b"\x16\x03\x01\xff\xff" + b"\0" * 100, None),
    (b"\x80\x2e\x01\x00\x02" + b"\xff" * 300, None),
    (noise(3000), None),
    (b"", "the other side closed the connection within the handshake"),
])
def test_what_is_no_handshake_ends_the_connection(server, data, reason):
    before = len(server.events("tls-failed"))
    with socket.create_connection(("127.0.0.1", server.implicit), timeout=SECONDS) as client:
        with contextlib.suppress(OSError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
    wait_for(lambda: len(server.events("tls-failed")) > before, SECONDS)
    assert reason is None or server.events("tls-failed")[-1]["reason"] == reason
    with Dialogue(server.mx) as other:
        assert other.say("QUIT").startswith("221 ")


def test_a_handshake_has_its_time(alone):
    alone.config["limits"]["handshake_timeout"] = "200ms"
    alone.write_config()
    alone.start()
    with socket.create_connection(("127.0.0.1", alone.implicit), timeout=SECONDS) as silent:
        with Dialogue(alone.mx) as client:
            assert client.say("STARTTLS").startswith("220 ")
            assert client.rest() == ""
        assert silent.recv(100) == b""
    wait_for(lambda: len(alone.events("tls-failed", reason="the handshake takes too long")) == 2,
             SECONDS)


# --- The operator ------------------------------------------------------------------------------------


def test_reload_takes_up_a_renewed_certificate(alone, authority, certificates):
    alone.start()
    renewed = authority.issue("mx.example.org")
    with Secured(alone.mx) as client:
        client.starttls(context=context_for(authority))
        client.ehlo()
        assert shown_certificate(s_client(alone.mx)) == certificates["ec"].fingerprint
        alone.config["tls"] = renewed.config()
        alone.write_config()
        alone.command("reload")
        wait_for(lambda: shown_certificate(s_client(alone.mx)) == renewed.fingerprint, SECONDS)
        assert client.sendmail("bob@example.net", ["reload@example.org"], plain("still there")) == {}
    alone.wait_message("reload@example.org")


def test_bad_certificates_are_problems(alone, certificates, tmp_path):
    rsa, ec = certificates["rsa"], certificates["ec"]
    both = tmp_path / "both.pem"
    both.write_bytes(rsa.certificate.read_bytes() + rsa.key.read_bytes())
    garbage = tmp_path / "garbage"
    garbage.write_text("nothing\n")
    nowhere = tmp_path / "nowhere"
    rows = [
        (nowhere, rsa.key, f"{nowhere}: No such file or directory"),
        (rsa.certificate, nowhere, f"{nowhere}: No such file or directory"),
        (garbage, rsa.key, "there is no certificate in it"),
        (rsa.certificate, garbage, "there is no private key in it"),
        (rsa.certificate, ec.key, "the key is not the certificate's"),
        (certificates["expired"].certificate, certificates["expired"].key,
         "the certificate has expired"),
        (both, rsa.key, "it holds a private key"),
    ]
    for certificate, key, problem in rows:
        alone.config["tls"] = {"certificate": str(certificate), "key": str(key)}
        alone.write_config()
        output = alone.command("check", status=1)
        assert problem in output and "postrider.yaml:" in output, output
    # A reload that cannot be leaves all as it is.
    alone.config["tls"] = rsa.config()
    alone.write_config()
    alone.start()
    alone.config["tls"] = {"certificate": str(rsa.certificate), "key": str(ec.key)}
    alone.write_config()
    alone.command("reload", status=1)
    assert shown_certificate(s_client(alone.mx)) == rsa.fingerprint
    alone.config["tls"] = rsa.config()
    alone.write_config()


def test_an_expiring_certificate_is_a_warning(alone, authority):
    alone.config["tls"] = authority.issue("mx.example.org", days=3).config()
    alone.write_config()
    assert "expires within 14 days" in alone.command("check")
    assert alone.json("check")["good"]
    alone.start()
    assert alone.events("certificate")


def private_parts(key):
    """Byte strings of the private key that a process holding it would have in memory."""
    text = subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-text"], capture_output=True,
                          timeout=SECONDS).stdout.decode()
    parts = []
    for name in ("priv", "privateExponent", "prime1", "prime2"):
        found = re.search(rf"^{name}:\n((?:    [0-9a-f:]+\n)+)", text, flags=re.M)
        if found:
            number = bytes.fromhex(re.sub(r"[^0-9a-f]", "", found.group(1))).lstrip(b"\0")
            parts += [number[:24], number[::-1][:24]]  # as it is printed, and as it is calculated
    pem = key.read_text().splitlines()
    return parts + [line.encode() for line in pem[2:-2]]


def memory_of(pid):
    """What is there of the process's memory, in blocks of neighbouring pages."""
    page = os.sysconf("SC_PAGESIZE")
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory, \
            open(f"/proc/{pid}/pagemap", "rb", 0) as pages:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(word, 16) // page for word in place.split("-"))
            # A sanitizer's own books are larger than any memory.
            if not rights.startswith("r") or end - begin > 1 << 20 or begin >= 1 << 51:
                continue
            pages.seek(begin * 8)
            entries = memoryview(pages.read((end - begin) * 8)).cast("Q")
            start = None
            for number in range(len(entries) + 1):
                is_there = number < len(entries) and entries[number] >> 62
                if is_there and start is None:
                    start = number
                elif not is_there and start is not None:
                    memory.seek((begin + start) * page)
                    yield memory.read((number - start) * page)
                    start = None


def has_any(pid, parts):
    return any(part in block for block in memory_of(pid) for part in parts)


def test_only_the_keeper_has_private_keys(alone, authority, certificates):
    alone.start()
    for key in ("RSA-PSS+SHA256", "ECDSA+SHA256"):
        assert "Cipher is TLS" in s_client(alone.mx, "-sigalgs", key)
    parts = private_parts(certificates["rsa"].key) + private_parts(certificates["ec"].key)
    assert len(parts) > 20
    pids = {name: pid for pid, name in alone.processes().items()}
    assert has_any(pids["keeper 0"], parts)  # else the search is blind
    for name in ("worker 0", "mailbox 0", "control 0"):
        assert not has_any(pids[name], parts), name
    assert not has_any(alone.process.pid, parts)


def test_a_keeper_that_dies_costs_handshakes_only(alone, authority):
    alone.start()
    with Secured(alone.mx) as client:
        client.starttls(context=context_for(authority))
        client.ehlo()
        keeper = next(pid for pid, name in alone.processes().items() if name.startswith("keeper"))
        os.kill(keeper, signal.SIGKILL)
        # Inside TLS nothing needs a key any more; new handshakes wait for the next keeper.
        assert client.sendmail("bob@example.net", ["keeper@example.org"], plain("without")) == {}
        wait_for(lambda: "Cipher is TLS" in s_client(alone.mx), SECONDS)
