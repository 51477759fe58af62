"""Every example of a manual page is run, on a host of its own (sandbox.py).

Examples are the lines of EXAMPLES that begin with a command, and what `postrider help` shows. Each
is run as it stands and has to end with status 0, but for those that have a row in ROWS. A page
without examples fails; so does a row that nothing matches."""

import dataclasses
import functools
import re
import subprocess

import pytest
import yaml

from sandbox import Sandbox
from server import ROOT, binary

NAMES = """
example.org. MX 10 mx.example.org.
example.org. TXT "v=spf1 mx -all"
mx.example.org. A 192.0.2.10
mail.example.org. A 192.0.2.10
imap.example.org. A 192.0.2.10
10.2.0.192.in-addr.arpa. PTR mx.example.org.
example.net. MX 10 mx.example.net.
mx.example.net. A 192.0.2.40
partner.example. MX 10 mx.partner.example.
mx.partner.example. A 192.0.2.20
smarthost.example. A 192.0.2.30
relay.provider.example. A 192.0.2.31
"""

# The server that most examples talk to.
CONFIG = """
hostname: mx.example.org
listen:
  - {address: "192.0.2.10:25", role: mx}
  - {address: "127.0.0.1:25", role: mx}
  - {address: "127.0.0.1:2525", role: mx, tls: none}
  - {address: "192.0.2.10:587", role: submission}
  - {address: "192.0.2.10:465", role: submission, tls: implicit}
tls: {certificate: /srv/authority/host.pem, key: /srv/authority/host.key}
domains:
  - {name: any.example, mailboxes: any}
  - {name: example.org, mailboxes: directory, aliases: {postmaster: ann@example.org}}
relay: {networks: [127.0.0.0/8]}
routes:
  - {to: partner.example, via: "smtp://127.0.0.1:2600"}
  - {to: slow.example, via: "smtp://smarthost.example:25"}
resolver: {dnssec: off}
queue: {retry_first: 1h}
spool: {path: /var/spool/postrider, segment: 4M, low_water: 1M}
limits: {drain: 1s}
"""

LETTER = ("From: {sender}\r\nTo: {to}\r\nSubject: A letter\r\nMessage-ID: <{id}@example.org>\r\n"
          "Date: Wed, 25 Nov 2026 12:00:00 +0000\r\n\r\nHello.\r\n")


@dataclasses.dataclass
class Row:
    """An example that is not just run: `start` is how it begins, after the page's own escapes."""

    page: str  # "postrider-dkim.8", or "help" for what the commands' --help shows, or "*" for all
    start: str
    status: object = 0  # or several, where it goes by what the page does not show
    swap: tuple = ()  # pairs of texts: what would take long, or has another name here
    answers: tuple = ()  # typed at a terminal
    first: str = ""  # a command in front, of the story that the example is a part of
    then: str = ""  # a command behind it, which takes that back
    seconds: int = 60
    is_endless: bool = False  # ended by SIGINT after a second, as all with --follow
    why_not: str = ""  # not run at all, for this reason


ROWS = [
    Row("*", "postrider bench sink", is_endless=True),
    Row("*", "postrider bench send",
        swap=(("--count 100000", "--count 50"), ("--sessions 50", "--sessions 5"),
              ("--rate 1000", "--rate 20"), ("30s", "1s"),
              ("--server", "--to user%d@any.example --server"))),
    Row("help", "postrider dkim new", first="postrider dkim rotate example.org --yes; true"),
    Row("help", "postrider dkim import",
        first="mkdir -p /etc/opendkim/keys/example.org && "
              "openssl genrsa -out /etc/opendkim/keys/example.org/mail.private 2048"),
    Row("*", "postrider dkim rotate example.org --wait", status=75, swap=(("1h", "1s"),
                                                                          ("2h", "1s"))),
    Row("*", "postrider dkim retire", status=1),  # none was retired a week ago
    # Of the test's host there is something to say.
    Row("*", "postrider check", status=(0, 1), first="cp /etc/postrider/postrider.yaml ."),
    Row("*", "postrider dns check", status=1),  # the DNS of the test has not all of it
    Row("*", "postrider import postfix --output", first="mv /etc/postrider/postrider.yaml /tmp/kept",
        then="mv /tmp/kept /etc/postrider/postrider.yaml"),
    Row("*", "postrider import postfix --root old-host",
        first="mkdir -p old-host/etc; cp -a /etc/postfix old-host/etc"),
    Row("*", "postrider import postfix --root copy-of-old-host",
        first="mkdir -p copy-of-old-host/etc; cp -a /etc/postfix copy-of-old-host/etc"),
    Row("*", "postrider probe mail.example.org --user", answers=("open sesame",)),
    Row("*", "postrider send --from ann@example.org --to bob@example.net -s Plans",
        answers=("open sesame",)),
    Row("help", "postrider send --from ann@example.org --to bob@example.org -s Plans",
        answers=("open sesame",)),
    Row("*", "postrider queue delete --from", answers=("y",)),
    Row("*", "postrider send --from ann@example.org --to bob@example.net -s Plans",
        first="echo Plans. | tee letter.txt >plan.pdf", answers=("open sesame",)),
    Row("*", "postrider send --from ann@example.org --to bob@example.org -s Plans",
        first="echo Plans. | tee letter.txt >plan.pdf", answers=("open sesame",)),
    Row("*", "postrider send --from ann@example.org --to bob@example.net -s News",
        first="echo News. | tee news.txt news.html >logo.png"),
    Row("*", "postrider send --message", swap=(("mx.example.net", "127.0.0.1:2525"),)),
    Row("*", "postrider bench relay", first="postrider queue delete all --yes; true",
        swap=(("100000", "50"), ("2599", "2600"))),
    Row("*", "postrider user add ann@", first="postrider user remove ann@example.org",
        answers=("open sesame", "open sesame")),
    Row("*", "pass mail/ann | postrider user add",
        first="postrider user remove ann@example.org"),
    Row("*", "postrider user passwd", answers=("open sesame", "open sesame")),
    Row("help", "postrider user app-password --remove",
        first="postrider user app-password ann@example.org \"Ann's phone\"; true"),
    Row("help", "postrider user grant --remove",
        first="postrider user grant ann@example.org sales@example.org; true"),
    Row("*", "postrider user remove",
        then="echo 'open sesame' | postrider user add --password-stdin ann@example.org"),
    # The host has a server; these make another one for a moment.
    Row("*", "postrider init", swap=(("init", "init --folder asked --user ann@example.org "
                                              "--hostname mx.example.org"),),
        answers=("", "", "", "", "", "")),
    Row("*", "postrider init --dev"),
    Row("*", "postrider init --domain"),
    Row("*", "postrider init --user",
        swap=(("init", "init --folder flags --hostname mx.example.org"),)),
    Row("postrider-init.8", "pass mail/ann | postrider init",
        first="echo secret >/etc/postrider/smarthost", swap=(("init", "init --folder piped"),)),
    Row("*", "postrider ban lift", status=1),  # nobody is banned
]


# --- Examples out of pages -----------------------------------------------------------------------


def plain(line):
    """A line of mdoc as it is shown."""
    for escape, shown in ((r"\e", "\\"), (r"\(dq", '"'), (r"\(aq", "'"), (r"\-", "-"), (r"\&", ""),
                          (r"\(ti", "~"), (r"\(ha", "^")):
        line = line.replace(escape, shown)
    return line


def join(lines):
    """Commands of several lines as one each; lines of output in between are passed over."""
    commands, goes_on = [], False
    for line in lines:
        is_start = line.startswith(("$ ", "# ")) or re.match(r"(postrider|echo|curl|pass|cat) ", line)
        if goes_on:
            commands[-1] += "\n" + line
        elif is_start:
            commands.append(line.removeprefix("$ ").removeprefix("# "))
        else:
            continue
        goes_on = line.rstrip().endswith(("\\", "|"))
    return commands


def section(page, name):
    found = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", page.read_text(), flags=re.M | re.S)
    return found[1] if found else ""


def examples(page):
    """(commands, configurations) of the page's EXAMPLES."""
    commands, configurations = [], []
    text = section(page, "EXAMPLES")
    for line, block in re.findall(r"^\.Dl ([^\n]*)$|^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text,
                                  flags=re.M | re.S):
        lines = [plain(one) for one in (block or line).split("\n")]
        if re.match(r"hostname: ", lines[0]):
            configurations.append("\n".join(lines))
        else:
            commands += join(lines)
    return commands, configurations


@functools.cache
def help_examples():
    shown = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    commands = []
    for name in re.findall(r"^  (\w.{16}) ", shown, flags=re.M):
        text = subprocess.run([binary(), *name.split(), "--help"], capture_output=True, text=True,
                              check=False).stdout
        part = re.search(r"^Examples?:\n((?:  .*\n)+)", text, flags=re.M)
        commands += join([line[2:] for line in part[1].splitlines()]) if part else []
    return commands


PAGES = sorted((ROOT / "docs/man").glob("*.[1-8]"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_has_its_sections(page):
    text = page.read_text()
    assert section(page, "SEE ALSO"), "no SEE ALSO"
    assert any(examples(page)), \
        "no example that a test can run: write one as .Dl COMMAND, or as lines of $ COMMAND " \
        "between .Bd -literal and .Ed, in EXAMPLES"
    if page.suffix != ".7" and page.name != "postrider.yaml.5":
        assert section(page, "EXIT STATUS"), "no EXIT STATUS"
    assert "TODO" not in text


# --- Running them --------------------------------------------------------------------------------


def send(sandbox, sender, to, name, *words, port="127.0.0.1:25", status=0):
    sandbox.write("/tmp/letter", LETTER.format(sender=sender, to=to, id=name))
    got, said = sandbox.run(f"curl -sS smtp://{port} --mail-from {sender} --mail-rcpt {to} "
                            f"-T /tmp/letter {' '.join(words)}")
    assert (got == 0) == (status == 0), said


def prepare(folder):
    """The server, with an account, mail in its queue and a refusal in its log."""
    sandbox = Sandbox(folder, NAMES).start()
    sandbox.write("/etc/postrider/postrider.yaml", CONFIG)
    for name in ("ann", "bob", "newsletter"):
        sandbox.good(f"postrider user add {name}@example.org --password-stdin",
                     data="open sesame\n")
    sandbox.serve()
    sandbox.good("a-sink 192.0.2.40:25")
    for number, to in enumerate(("zoe@example.org", "carol@far.example")):
        send(sandbox, "bob@partner.example", to, f"refused{number}", "--interface 192.0.2.7",
             port="192.0.2.10:25", status=55)
    sandbox.run(f"curl -sS smtp://mx.example.org:587 --ssl-reqd --cacert "
                f"/srv/authority/{sandbox.authority.file.name} --user ann@example.org:wrong "
                "--mail-from ann@example.org --mail-rcpt ann@example.org -T /tmp/letter")
    return sandbox


def begin(sandbox, name):
    """In a folder of its own, with a letter in it, and the server running."""
    sandbox.place = "/root"
    sandbox.good(f"mkdir -p '{name}'")
    sandbox.place = f"/root/{name}"
    sandbox.write("letter.eml", LETTER.format(sender="ann@example.org", to="x@example.net",
                                              id="letter"))
    for file, text in (("password", "open sesame\n"), ("letter.txt", "Hello.\n"),
                       ("news.txt", "News.\n"), ("news.html", '<p>News. <img src="logo.png">'),
                       ("plan.pdf", "%PDF-1.4\n"), ("logo.png", "PNG\n")):
        sandbox.write(file, text)
    sandbox.password = "open sesame"
    if sandbox.run("postrider queue stats")[0] != 0:
        sandbox.serve()
    if sandbox.good("postrider queue list --json").count('"id"') < 2:
        send(sandbox, "ann@example.org", "carol@partner.example", f"{name}-1")
        send(sandbox, "bob@example.org", "dave@slow.example", f"{name}-2")


def serve(sandbox, page, command):
    """`postrider serve` of an example; where it has no configuration of its own, the one that runs
    gives way."""
    config = re.search(r"--config (\S+)", command)
    if page in ("help", "postrider-serve.8"):
        sandbox.good("postrider stop && cp /etc/postrider/postrider.yaml .")
    sandbox.serve(command, log="log")
    return f"postrider stop --config {config[1]}" if config else "postrider stop"


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    sandbox = prepare(tmp_path_factory.mktemp("examples"))
    yield sandbox
    sandbox.stop()


def row_of(page, command):
    """The row for it: of its page before those of all, the longest first."""
    rows = [row for row in ROWS if row.page in (page, "*") and command.startswith(row.start)]
    return max(rows, key=lambda row: (row.page != "*", len(row.start)), default=Row(page, ""))


def an_id(sandbox):
    return sandbox.good("postrider queue list --json | jq -r '.[0].id'").strip()


def run(sandbox, page, command):
    """Gives a command that ends what was started, if anything was."""
    row = row_of(page, command)
    if row.why_not:
        return None
    if command.startswith("postrider serve"):
        return serve(sandbox, page, command)
    if re.search(r"\b0[0-9a-z]{12}\b", command):  # somebody else's message
        command = re.sub(r"\b0[0-9a-z]{12}\b", an_id(sandbox), command)
    for old, new in row.swap:
        command = command.replace(old, new)
    if command.startswith("curl "):
        command = re.sub(r"(--user \S+)", rf"\1:'{sandbox.password}'", command)
    if row.first:
        sandbox.run(row.first)
    if row.is_endless or "--follow" in command:
        status, said = sandbox.run(f"timeout -s INT 1 {command}", seconds=row.seconds)
        status = 0 if status in (0, 124, 130) else status
    elif row.answers:
        status, said = sandbox.type(command, row.answers, seconds=row.seconds)
    else:
        status, said = sandbox.run(command, seconds=row.seconds)
    if row.then:
        sandbox.good(row.then)
    assert status in (row.status if isinstance(row.status, tuple) else [row.status]), (
        f"{page}: this example ended with {status}, not {row.status}:\n    {command}\n{said}\n"
        f"Mend the page, or say in tests/peers/test_examples.py what is special about it: "
        f'Row("{page}", "{command[:40]}", status=..., swap=((old, new),), answers=(typed,), '
        f'first="a command before it", why_not="reason")')
    assert "Sanitizer" not in said, said
    made = re.search(r"this once:\n *(\S+)", said)
    sandbox.password = made[1] if made else sandbox.password
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_pages_do_what_they_say(host, page):
    commands, configurations = examples(page)
    begin(host, page.name)
    for text in configurations:
        host.write("/tmp/example.yaml", text)
        assert yaml.safe_load(text)
        host.good("postrider check config --config /tmp/example.yaml")
    ends = [run(host, page.name, command) for command in commands]
    for command in filter(None, ends):
        host.good(command)


def test_examples_of_the_help_do_what_they_say(host):
    shown = {command for page in PAGES for command in examples(page)[0]}
    for number, command in enumerate(help_examples()):
        if command in shown:
            continue
        if number == 0 or re.search(r"init|queue|trace|stop|serve", command):
            begin(host, f"help{number}")
        end = run(host, "help", command)
        if end:
            host.good(end)


def test_every_row_is_for_something():
    everything = [("help", command) for command in help_examples()]
    for page in PAGES:
        everything += [(page.name, command) for command in examples(page)[0]]
    for row in ROWS:
        name = " ".join(row.start.split()[:2])
        if not any(f"{command} ".startswith(f"{name} ") for _, command in everything):
            continue  # a command that this build does not have
        assert any(row.page in (page, "*") and command.startswith(row.start)
                   for page, command in everything), row
