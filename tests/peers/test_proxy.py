"""The PROXY protocol: sessions that a proxy makes for others, by swaks and by hand."""

import socket
import struct
import subprocess

import pytest

from peers import need
from server import wait_for

CLIENT = "192.0.2.7"
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.8 40000 25\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", 12 + 5) + socket.inet_aton(CLIENT) +
      socket.inet_aton("192.0.2.8") + struct.pack("!HH", 40000, 25) + b"\x04\0\x02no")
SWAKS = {
    "1": ["--proxy-version", "1", "--proxy-family", "TCP4"],
    "2": ["--proxy-version", "2", "--proxy-family", "AF_INET", "--proxy-protocol", "STREAM",
          "--proxy-command", "PROXY"],
}


@pytest.fixture
def proxied(launch):
    """Behind a proxy at 127.0.0.1; what relays is the client's network."""
    server = launch(relay={"networks": ["192.0.2.0/28"]},
                    limits={"drain": "10s", "sessions_per_address": 2})
    server.config["listen"][0]["proxy"] = ["127.0.0.1"]
    server.write_config()
    server.restart()
    return server


def talk(server, *pieces):
    """Sends the pieces one by one, and hears all until the other side closes."""
    with socket.create_connection(("127.0.0.1", server.mx), timeout=20) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        heard = b""
        try:
            while chunk := client.recv(4096):
                heard += chunk
        except ConnectionResetError:
            pass  # closed with something unread
    return heard.decode()


@pytest.mark.parametrize("version", SWAKS)
def test_swaks_speaks_for_a_client(proxied, version):
    need("swaks")
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(proxied.mx), "--to", "ann@example.org",
         "--from", "bob@far.example", "--helo", "far.example", *SWAKS[version],
         "--proxy-source", CLIENT, "--proxy-source-port", "40000", "--proxy-dest", "192.0.2.8",
         "--proxy-dest-port", "25"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"[{CLIENT}]" in proxied.wait_message("ann@example.org").received
    assert proxied.events("accepted")[0]["client"] == CLIENT


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_the_client_is_who_it_is_for(proxied, header):
    """Whether it may relay is the client's matter; and what comes behind the header, with it or
    later, is SMTP."""
    commands = b"EHLO far.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<x@elsewhere.example>\r\n"
    for pieces in ([header + commands + b"QUIT\r\n"],
                   [header[:9], header[9:], commands, b"QUIT\r\n"]):
        heard = talk(proxied, *pieces)
        assert "250 2.1.5" in heard, heard
    other = header.replace(CLIENT.encode(), b"192.0.2.99").replace(
        socket.inet_aton(CLIENT), socket.inet_aton("192.0.2.99"))
    assert "550 5.7.1" in talk(proxied, other + commands + b"QUIT\r\n")
    refused = wait_for(lambda: proxied.events("refused"), 20)
    assert refused[-1]["client"] == "192.0.2.99"


def test_limits_are_the_clients(proxied):
    def connect(header):
        client = socket.create_connection(("127.0.0.1", proxied.mx), timeout=20)
        client.sendall(header)
        return client, client.recv(100)

    held = [connect(V1) for _ in range(2)]
    assert all(greeting.startswith(b"220") for _, greeting in held)
    third, greeting = connect(V1)
    assert greeting.startswith(b"421 4.7.0 too many sessions")
    another, greeting = connect(V1.replace(b"192.0.2.7", b"192.0.2.9"))
    assert greeting.startswith(b"220")
    for client in (third, another, *(client for client, _ in held)):
        client.close()


@pytest.mark.parametrize("header, said", [
    (b"EHLO far.example\r\n", "it is none"),
    (b"PROXY TCP4 192.0.2.7\r\n", "its addresses cannot be read"),
    (V2[:12] + b"\x31" + V2[13:], "it is of a version, or has a command, that is not known"),
])
def test_no_header_no_session(proxied, header, said):
    assert talk(proxied, header) == ""
    failed = wait_for(lambda: proxied.events("proxy-failed"), 20)[0]
    assert (failed["proxy"], failed["reason"]) == ("127.0.0.1", said)


def test_a_health_check_is_the_proxys_own(proxied):
    heard = talk(proxied, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", b"EHLO check.example\r\nQUIT\r\n")
    assert "127.0.0.1" in heard and "221 2.0.0" in heard
    # Whoever it was: not this host, which may relay.
    proxied.config["relay"] = {"networks": ["127.0.0.1"]}
    proxied.write_config()
    proxied.command("reload")
    heard = talk(proxied, b"PROXY UNKNOWN\r\nEHLO x.example\r\nMAIL FROM:<a@far.example>\r\n"
                 b"RCPT TO:<x@elsewhere.example>\r\nQUIT\r\n")
    assert "550 5.7.1" in heard


def test_nobody_else_may(launch):
    """A header from an address that is not listed is what it looks like: not SMTP."""
    server = launch()
    assert "500 5.5" in talk(server, V1, b"QUIT\r\n")
    assert not server.events("proxied")


# --- XCLIENT -------------------------------------------------------------------------------------


def test_xclient_by_swaks(launch):
    need("swaks")
    server = launch()
    server.config["listen"][0]["xclient"] = ["127.0.0.0/8"]
    server.write_config()
    server.restart()
    words = ["swaks", "--server", "127.0.0.1", "--port", str(server.mx), "--from",
             "bob@far.example", "--helo", "far.example", "--xclient-addr", CLIENT,
             "--xclient-name", "far.example"]
    done = subprocess.run([*words, "--to", "ann@example.org"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"[{CLIENT}]" in server.wait_message("ann@example.org").received
    assert server.events("accepted")[0]["client"] == CLIENT
    # That the proxy may relay is not the client's right.
    server.config["relay"] = {"networks": ["127.0.0.0/8"]}
    server.write_config()
    server.command("reload")
    done = subprocess.run([*words, "--to", "x@elsewhere.example"], capture_output=True, text=True,
                          timeout=60)
    assert "550 5.7.1" in done.stdout, done.stdout

