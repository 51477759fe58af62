"""What programs on the host know as sendmail: it submits over the server's local socket."""

import email
import email.policy
import os
import pwd
import subprocess

import pytest

from letters import as_stored, large, plain
from peers import need, program
from server import binary, parse_logfmt, wait_for

USER = pwd.getpwuid(os.getuid()).pw_name
EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 64, 65, 67, 69, 75, 78


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A folder with the program under the names that others call it by."""
    folder = tmp_path_factory.mktemp("names")
    for name in ("sendmail", "mailq", "newaliases"):
        (folder / name).symlink_to(binary())
    return folder


def call(names, server, *words, text=b"", name="sendmail", status=0, **options):
    done = subprocess.run([names / name, "-C", server.config_path, *words], input=text,
                          capture_output=True, timeout=60, **options)
    assert done.returncode == status, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done


def parse(message):
    return email.message_from_bytes(message.sent, policy=email.policy.default)


def test_text_without_a_header_gets_one(names, shared):
    call(names, shared, "-F", 'Ann "A" Ames', "bare@example.org", text=b"Hello\n..dots\n.\nlost\n")
    message = shared.wait_message("bare@example.org")
    letter = parse(message)
    assert letter["From"].addresses[0].addr_spec == f"{USER}@example.org"
    assert letter["From"].addresses[0].display_name == 'Ann "A" Ames'
    assert letter["Date"] and letter["Message-ID"]
    assert message.return_path == f"<{USER}@example.org>"
    assert message.sent.endswith(b"\n\nHello\n..dots\n")
    assert f"(uid {os.getuid()})" in " ".join(message.received.split())
    accepted = [event for event in shared.events("accepted")
                if event.get("to") == "bare@example.org"]
    assert accepted[0]["client"] == f"uid:{os.getuid()}"


def test_recipients_of_the_header(names, shared):
    text = (b"To: t1 (comment), \"T, two\" <t2@example.org>\nCc: group: t3@example.org,\n"
            b" t4@example.org;\nBcc: t5@example.org\nFrom: bob@example.org\n"
            b"Subject: header\n\nHello\n.\nstill\n")
    call(names, shared, "-t", "-i", "-f", "bob@example.org", "t6@example.org", text=text)
    for name in ("t1", "t2", "t3", "t4", "t5", "t6"):
        message = shared.wait_message(f"{name}@example.org")
        assert message.return_path == "<bob@example.org>"
        letter = parse(message)
        assert letter["Bcc"] is None and letter["Subject"] == "header"
        assert message.sent.endswith(b"\n\nHello\n.\nstill\n")


def test_resent_recipients_alone(names, shared):
    text = (b"Resent-From: ann@example.org\nResent-To: resent1@example.org\n"
            b"From: bob@example.org\nTo: resent2@example.org\nSubject: resent\n\nHello\n")
    call(names, shared, "-oi", "-t", text=text)
    shared.wait_message("resent1@example.org")
    assert shared.messages("resent2@example.org") == []


def test_line_ends_and_size(names, shared):
    whole = large("sendmail large", 6 << 20, to="large@example.org")
    call(names, shared, "-i", "-f", "bob@example.org", "large@example.org",
         text=whole.replace(b"\r\n", b"\n"))
    assert shared.wait_message("large@example.org").sent == as_stored(whole)
    text = plain("sendmail crlf") + "Grüße\r\n".encode()
    call(names, shared, "-i", "-f", "bob@example.org", "crlf@example.org", text=text)
    assert shared.wait_message("crlf@example.org").sent == as_stored(text)


def test_null_sender_and_mbox_line(names, shared):
    text = b"From root Wed Nov 25 10:00:00 2026\n" + plain("null").replace(b"\r\n", b"\n")
    call(names, shared, "-f", "<>", "null@example.org", text=text)
    message = shared.wait_message("null@example.org")
    assert message.return_path == "<>"
    assert message.sent == as_stored(plain("null"))


def test_nobody_gets_it_when_somebody_is_refused(names, launch):
    server = launch(domains=[{"name": "example.org", "mailboxes": ["ann"]}])
    done = call(names, server, "ann@example.org", "zoe@example.org", text=b"Hello\n",
                status=EX_NOUSER)
    assert b"zoe@example.org: 550 5.1.1" in done.stderr and b"was not sent" in done.stderr
    call(names, server, "ann@example.org", text=b"Hello\n")
    server.wait_message("ann@example.org")
    assert len(server.events("accepted")) == 1


@pytest.mark.parametrize("words, text, status, says", [
    ([], b"Hello\n", EX_USAGE, "to whom?"),
    (["-bd"], b"", EX_USAGE, "postrider serve"),
    (["-Z", "ann"], b"", EX_USAGE, "there is no option -Z"),
    (["-t"], b"Subject: nobody\n\nHello\n", EX_DATAERR, "nobody to send to"),
    (["ann@example.org"], b"", EX_DATAERR, "no message"),
    (["an n@exa mple"], b"Hello\n", EX_DATAERR, "an n@exa mple"),
    (["-t"], b"To: ann ames, bob@example.org\n\nHello\n", EX_DATAERR, "ann ames"),
    (["-N", "perhaps", "ann"], b"Hello\n", EX_USAGE, "-N takes"),
])
def test_what_is_wrong_is_said(names, shared, words, text, status, says):
    done = call(names, shared, *words, text=text, status=status)
    assert says in done.stderr.decode() and done.stderr.startswith(b"sendmail: ")


def test_without_a_server_it_is_to_be_tried_again(names, launch):
    server = launch()
    server.stop()
    done = call(names, server, "ann@example.org", text=b"Hello\n", status=EX_TEMPFAIL)
    assert b"is not running" in done.stderr and b"not sent" in done.stderr


def test_a_socket_that_is_not_wanted(names, launch):
    server = launch(submission_socket="none")
    done = call(names, server, "ann@example.org", text=b"Hello\n", status=EX_CONFIG)
    assert b"submission_socket: none" in done.stderr


def test_several_workers_share_the_socket(names, launch):
    server = launch(workers=3)
    for number in range(12):
        call(names, server, f"w{number}@example.org", text=b"Hello\n")
    for number in range(12):
        server.wait_message(f"w{number}@example.org")
    socket = server.folder / "spool/run/submission.sock"
    assert socket.is_socket() and socket.stat().st_mode & 0o777 == 0o666
    server.stop()
    assert not socket.exists()


def test_root_is_an_alias_of_the_first_domain(names, launch):
    server = launch(domains=[{"name": "example.org", "mailboxes": ["ann"],
                              "aliases": {"root": "ann@example.org"}},
                             {"name": "second.example", "mailboxes": "any"}])
    call(names, server, "root", text=b"cron was here\n")
    assert server.wait_message("ann@example.org").return_path == f"<{USER}@example.org>"


def test_session_on_standard_input(names, shared):
    said = (b"EHLO client.example\r\nMAIL FROM:<bob@example.org>\r\nRCPT TO:<bs@example.org>\r\n"
            b"DATA\r\n" + plain("bs") + b".\r\nQUIT\r\n")
    done = call(names, shared, "-bs", text=said)
    assert done.stdout.startswith(b"220 ") and b"\r\n221 " in done.stdout
    assert shared.wait_message("bs@example.org").sent == as_stored(plain("bs"))


def test_mailq_and_newaliases(names, launch):
    server = launch(routes=[{"to": "*", "via": "smtp://127.0.0.1:1"}])
    assert b"empty" in call(names, server, name="mailq").stdout
    call(names, server, "carol@partner.example", text=b"Hello\n")
    assert b"carol@partner.example" in call(names, server, name="mailq").stdout
    assert b"carol@partner.example" in call(names, server, "-bp").stdout
    assert b"postrider reload" in call(names, server, name="newaliases").stdout


def test_delivery_reports_are_asked_for(names, shared):
    call(names, shared, "-N", "success", "-R", "hdrs", "-V", "env1", "-f", "dsn@example.org",
         "reported@example.org", text=plain("dsn"))
    shared.wait_message("reported@example.org")
    report = shared.wait_message("dsn@example.org")
    assert b"Original-Envelope-Id: env1" in report.sent and b"Action: delivered" in report.sent


def test_mutt_sends_by_it(names, shared, tmp_path):
    need("mutt")
    attached = tmp_path / "harbour.bin"
    attached.write_bytes(bytes(range(256)) * 40)
    subprocess.run(
        [program("mutt"), "-n", "-F", "/dev/null", "-e",
         f'set sendmail="{names}/sendmail -C {shared.config_path} -oem -oi" from=bob@example.org '
         "use_envelope_from=yes copy=no record=\"\"",
         "-s", "Grüße", "-a", attached, "--", "mutt@example.org"],
        input=b"Dear Ann\n", check=True, timeout=60, capture_output=True,
        env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    letter = parse(shared.wait_message("mutt@example.org"))
    assert letter["Subject"] == "Grüße"
    (part,) = letter.iter_attachments()
    assert part.get_content() == attached.read_bytes()


def test_s_nail_sends_by_it(names, shared, tmp_path):
    need("s-nail")
    subprocess.run(
        [program("s-nail"), "-:/", "-S", f"mta={names}/sendmail", "-S",
         f"mta-arguments=-C {shared.config_path}", "-S", "from=bob@example.org", "-s", "from nail",
         "nail@example.org"], input=b"Hello\n", check=True, timeout=60, capture_output=True,
        env={**os.environ, "HOME": str(tmp_path)})
    letter = parse(shared.wait_message("nail@example.org"))
    assert letter["Subject"] == "from nail"
    assert "bob@example.org" in letter["From"]


def test_trace_names_the_user(names, shared):
    call(names, shared, "-f", "bob@example.org", "traced@example.org", text=b"Hello\n")
    shared.wait_message("traced@example.org")
    story = wait_for(lambda: shared.command("trace", "traced@example.org"), 10)
    assert f"uid:{os.getuid()}" in story
