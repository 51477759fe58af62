"""postrider import postfix: values as postconf(1) reads them, every parameter told, and what it makes serves mail."""

import json
import smtplib
import subprocess

import pytest

from letters import plain
from peers import program
from server import Postrider, binary, free_port

MASTER = "smtp inet n - n - - smtpd\npickup unix n - n 60 1 pickup\n"

# Parameters whose values postconf prints with all put in, whatever they mean.
CONFIGURATIONS = {
    "debian": """
# See /usr/share/postfix/main.cf.dist for a commented version
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
compatibility_level = 3.6
myhostname = mx.example.org
mydestination = $myhostname, example.org, localhost.example.org, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
""",
    "lines": """
myhostname=mx.example.org
mydestination = $myhostname
    # a comment amid
  example.org,

# another
\texample.net
mynetworks =
    127.0.0.0/8
    192.0.2.0/24
relayhost = a
relayhost = [smart.example]:587   
message_size_limit = 1000000\t
""",
    "names": """
myhostname = mx.example.org
mydomain = example.org
mydestination = ${myhostname}, $(mydomain), localhost.$mydomain $mydomain.x
one = first
two = $one second
myorigin = $two
relayhost = ${nope:[${one}.example]}${one?:25}
mynetworks = ${nope?{10.0.0.0/8}:{127.0.0.0/8}} ${one?{ 192.0.2.0/24 }:{none}}
smtpd_banner = $$ $myhostname$$
transport_maps = ${nope}
smtp_helo_timeout = ${stress?{10}:{300}}s
""",
    "comparisons": """
myhostname = mx.example.org
level = 10
mydestination = ${{$level} > {9} ? {many} : {few}} ${{a$level} > {a9} ? {many} : {few}}
myorigin = ${{$myhostname} == {mx.example.org} ? {yes.example} : {no.example}}
relayhost = ${{$nope} == {} ? {[empty.example]}}
smtpd_banner = ${{a} != {b}} ${{a} != {a}} ${{$level} >= {10} ? {${{$level} <= {10} ? {ten} : {more}}}}
mynetworks = ${{x} == {y} : {127.0.0.0/8}}
""",
}

def postconf(folder, *words):
    done = subprocess.run([program("postconf"), "-c", folder, *words], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder, main, master=MASTER):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.cf").write_text(main)
    (folder / "master.cf").write_text(master)
    return folder


def import_postfix(*words, status=0):
    done = subprocess.run([binary(), "import", "postfix", *map(str, words)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == status, (done.stdout[-2000:], done.stderr[-2000:])
    return done


def import_json(*words):
    return json.loads(import_postfix(*words, "--json").stdout)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_values_are_what_postconf_says(folder, name):
    """A copy of main.cf with all put in by postconf itself makes the same configuration, and the
    same notes but for the text of the values."""
    raw = write(folder / "raw", CONFIGURATIONS[name])
    shown = [line.split(" =")[0] for line in postconf(raw, "-n").splitlines()]
    expanded = "".join(f"{key} = {postconf(raw, '-xh', key)}" for key in shown)
    whole = write(folder / "expanded", expanded.replace("$", "$$"))
    ours, theirs = import_json("--folder", raw), import_json("--folder", whole)

    def notes(made):
        """But of names of one's own, which nothing refers to any more."""
        return {(one["name"], one["outcome"], one["text"]) for one in made["report"]
                if one["name"] not in ("one", "two", "level", "config_directory")}

    assert notes(ours) == notes(theirs)
    assert ours["configuration"].split("\n", 2)[2] == theirs["configuration"].split("\n", 2)[2]


def test_every_parameter_of_postfix_is_known_and_told(folder):
    """All of postconf -d in one main.cf: none unknown, none without a note."""
    defaults = postconf("/etc/postfix", "-d")
    names = {line.split(" =")[0] for line in defaults.splitlines()}
    made = import_json("--folder", write(folder, defaults), "--root", "/")
    told = {one["name"]: one["outcome"] for one in made["report"]}
    assert names - set(told) == set()
    assert [name for name in names if told[name] == "unknown"] == []
    made = import_json("--folder", write(folder, "smtpd_foo = 1\nzonk = x\n"))
    assert {one["name"] for one in made["report"] if one["outcome"] == "unknown"} == \
        {"smtpd_foo", "zonk"}


def test_what_cannot_be_read(folder):
    assert "main.cf: No such file" in import_postfix("--folder", folder, status=1).stderr
    write(folder, "  x = y\n")
    assert "main.cf: line 1 begins with a space" in \
        import_postfix("--folder", folder, status=1).stderr
    write(folder, "", "smtp inet\n")
    assert "master.cf: line 1 is no service" in \
        import_postfix("--folder", folder, status=1).stderr
    assert "there is no option --fast" in import_postfix("--fast", status=2).stderr


def old_host(root, port):
    """A host with people, aliases, a virtual domain and a smarthost that wants a password."""
    postfix = write(root / "etc/postfix", f"""
myhostname = mx.example.org
myorigin = /etc/mailname
mydestination = $myhostname, example.org
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
inet_interfaces = loopback-only
recipient_delimiter = +
alias_maps = hash:/etc/aliases
virtual_alias_maps = hash:/etc/postfix/virtual
relayhost = [localhost]:{port}
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
""")
    (root / "etc/mailname").write_text("example.org\n")
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n")
    (root / "etc/aliases").write_text("postmaster: root\nroot: ann\n")
    (postfix / "virtual").write_text("sales@virtual.example ann\nvirtual.example x\n")
    (postfix / "sasl_passwd").write_text(f"[localhost]:{port} me:open sesame\n")
    return root


def test_secrets_go_to_files_of_their_own(folder):
    root, output = old_host(folder / "old", 2525), folder / "new/postrider.yaml"
    printed = import_postfix("--root", root)
    assert "sesame" not in printed.stdout + printed.stderr
    assert "with --output only" in printed.stderr
    output.parent.mkdir()
    said = import_postfix("--root", root, "--output", output).stdout
    assert f"postrider check --config {output}" in said and "sesame" not in said
    secret = folder / "new/secrets/localhost"
    assert secret.read_text() == "open sesame\n"
    assert [path.stat().st_mode & 0o777 for path in (secret, secret.parent)] == [0o600, 0o700]
    assert "File exists" in import_postfix("--root", root, "--output", output, status=1).stderr


def test_an_imported_configuration_serves_mail(folder):
    """As it is, but for ports and folders that this test may use."""
    root = old_host(folder / "old", 2525)
    server = Postrider(folder / "new")
    server.config_path.unlink()
    import_postfix("--root", root, "--output", server.config_path)
    text = server.config_path.read_text()
    for old, new in (("127.0.0.1:25", f"127.0.0.1:{server.mx}"), ("/var/lib/postrider/mail", "mail"),
                     ("/var/spool/postrider", "spool"), ("localhost:2525",
                                                         f"localhost:{free_port()}")):
        assert old in text
        text = text.replace(f"{old}\n" if "/" in old else old, f"{new}\n" if "/" in old else new)
    server.config_path.write_text(text.replace("user: postrider\n", ""))
    try:
        server.start()
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            client.sendmail("bob@example.net", ["root@mx.example.org", "sales@virtual.example",
                                                "ann+x@example.org"], plain("imported"))
            client.sendmail("ann@example.org", ["carol@partner.example"], plain("onward"))
            client.mail("bob@example.net")
            assert client.rcpt("zoe@example.org")[0] == 550
        assert server.wait_messages("ann@example.org", 2)  # each name once
        waiting = [one["recipients"][0]["address"] for one in server.queue_list()]
        assert "carol@partner.example" in waiting
        server.stop()
    finally:
        server.give_up()
