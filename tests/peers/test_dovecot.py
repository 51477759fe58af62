"""A real Dovecot: by LMTP, and on the Maildirs that our mailbox agent writes; read by IMAP."""

import imaplib
import smtplib

from letters import large, plain
from peers import Dovecot


def send(server, text, to, **options):
    with smtplib.SMTP("127.0.0.1", server.mx, timeout=60) as client:
        client.sendmail("bob@example.net", to, text, **options)


def fetch_all(dovecot, user):
    """The messages of a mailbox, in wire form, with the size that IMAP says."""
    client = imaplib.IMAP4("127.0.0.1", dovecot.imap, timeout=60)
    client.login(user, "secret")
    _, (count,) = client.select()
    found = []
    for number in range(1, int(count) + 1):
        _, data = client.fetch(str(number), "(RFC822.SIZE BODY.PEEK[])")
        size = int(data[0][0].split(b"RFC822.SIZE ")[1].split()[0])
        found.append((data[0][1], size))
    client.logout()
    return found


TEXTS = [plain("first", "..dots\r\n.\r\nlast"), plain("Grüße", "Käse"), large("large", 3 << 20)]


def check(dovecot, user):
    got = fetch_all(dovecot, user)
    assert len(got) == len(TEXTS)
    for text in TEXTS:
        assert sum(raw.endswith(text) for raw, _ in got) == 1
    for raw, size in got:
        assert len(raw) == size
        assert raw.startswith(b"Return-Path: <bob@example.net>\r\n")


def test_lmtp_to_dovecot_is_read_back_by_imap(launch, dovecot):
    server = launch(deliver={"lmtp": f"unix:{dovecot.lmtp}"})
    for text in TEXTS:
        send(server, text, ["ann@example.org"], mail_options=["BODY=8BITMIME"])
    server.wait_queue_empty()
    check(dovecot, "ann@example.org")


def test_lmtp_to_dovecot_has_a_reply_for_each_recipient(launch, dovecot):
    server = launch(deliver={"lmtp": f"unix:{dovecot.lmtp}"})
    people = [f"p{number}@example.org" for number in range(12)]
    send(server, TEXTS[0], people)
    server.wait_queue_empty()
    for person in people:
        assert [raw.endswith(TEXTS[0]) for raw, _ in fetch_all(dovecot, person)] == [True]


def test_dovecot_reads_the_maildirs_that_we_write(launch, folder):
    server = launch()
    for text in TEXTS:
        send(server, text, ["ann@example.org"], mail_options=["BODY=8BITMIME"])
    server.wait_messages("ann@example.org", len(TEXTS))
    for path in (server.folder, folder):
        path.chmod(0o711)
    dovecot = Dovecot(folder / "dovecot", mail=server.folder / "mail")
    try:
        dovecot.start()
        check(dovecot, "ann@example.org")
        assert "Error" not in dovecot.output()
    finally:
        dovecot.stop()
    cached = [path.name for path in (server.maildir("ann@example.org") / "cur").iterdir()]
    assert len(cached) == len(TEXTS)
    assert all(",S=" in name and ",W=" in name for name in cached)
