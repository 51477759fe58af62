"""What the shells offer when Tab is pressed, in real shells on a terminal."""

import os
import pty
import re
import select
import subprocess
import time

import pytest

from server import ROOT, Postrider, binary, wait_for

SCRIPTS = ROOT / "completions"
SECONDS = 20


@pytest.fixture
def path(folder):
    """A PATH on which the program under test is `postrider`."""
    (folder / "bin").mkdir()
    (folder / "bin/postrider").symlink_to(binary())
    return f"{folder}/bin:/usr/bin:/bin"


def offered(*words):
    """{word: what it is} of what the program says."""
    done = subprocess.run([binary(), "complete", *words], capture_output=True, text=True,
                          check=True, timeout=SECONDS)
    return dict(line.partition("\t")[::2] for line in done.stdout.splitlines())


COMMANDS = {"init", "serve", "check", "queue", "trace", "dkim", "dns", "user", "ban", "bench",
            "verify", "reload", "stop", "help", "version"}


@pytest.mark.parametrize("words, wanted", [
    (["re"], {"reload"}),
    (["queue", "re"], {"release", "retry"}),
    (["--config", "x", "queue", "re"], {"release", "retry"}),
    (["--config=x", "queue", "re"], {"release", "retry"}),
    (["-c", "x", "queue", "re"], {"release", "retry"}),
    (["help", "queue", "re"], {"release", "retry"}),
    (["queue", "list", "--s"], {"--status"}),
    (["queue", "list", "--json", "--st"], {"--status"}),
    (["queue", "list", "--status", "he"], {"held"}),
    (["queue", "list", "--status=he"], {"--status=held"}),
    (["bench", "send", "--arrivals", "p"], {"poisson"}),
    (["serve", "--config", ""], {":files"}),
    (["serve", "--config="], {":files"}),
    (["--config", ""], {":files"}),
    (["verify", ""], {":files"}),
    (["verify", "--zone", ""], {":files"}),
    (["dkim", "import", "example.org", "mail", ""], {":files"}),
    (["dkim", "import", "example.org", ""], set()),
    (["queue", "delete", "--yes", "a"], {"all"}),
    (["stop", ""], set()),
    (["no", "such", ""], set()),
    (["queue", "nonsense", ""], set()),
    (["queue", "list", "--nonsense=x", "--js"], {"--json"}),
    ([], set()),
])
def test_words(words, wanted):
    assert set(offered(*words)) == wanted


def test_all_commands():
    assert set(offered("")) >= COMMANDS
    assert offered("serv")["serve"] == "run the server in the foreground"
    assert offered("ba")["ban"] == "list, lift"


@pytest.mark.parametrize("command", ["queue list", "init", "verify", "bench relay", "user add"])
def test_options_are_those_of_the_help(command):
    done = subprocess.run([binary(), *command.split(), "--help"], capture_output=True, text=True,
                          check=True)
    written = set(re.findall(r"^  (--[a-z0-9-]+)", done.stdout, flags=re.M))
    assert set(offered(*command.split(), "--")) == written | {"--help"}


def test_messages(launch):
    """The ids of the messages that wait, from the running server; of none where there is none."""
    server = launch(routes=[{"to": "*", "via": "smtp://127.0.0.1:1"}],
                    relay={"networks": ["127.0.0.1"]})
    letter = "From: <ann@example.org>\r\nTo: <carol@partner.example>\r\n\r\nHello\r\n"
    subprocess.run(["swaks", "--server", f"127.0.0.1:{server.mx}", "--from", "ann@example.org",
                    "--to", "carol@partner.example", "--data", letter], check=True,
                   capture_output=True)
    [message] = server.queue_list()
    words = ["queue", "show", "--config", str(server.config_path)]
    assert offered(*words, "") == {message["id"]: "ann@example.org"}
    assert offered(*words, message["id"][:5]) == {message["id"]: "ann@example.org"}
    assert offered(*words, "x") == {}
    assert "all" in offered("queue", "retry", f"--config={server.config_path}", "")
    server.stop()
    assert offered(*words, "") == {}


def test_domains(folder):
    server = Postrider(folder / "server", domains=[{"name": "example.org"}, {"name": "shop.example"}])
    words = ["--config", str(server.config_path)]
    assert set(offered(*words, "dns", "show", "")) == {"example.org", "shop.example"}
    assert set(offered(*words, "dkim", "rotate", "sh")) == {"shop.example"}
    assert set(offered(*words, "queue", "list", "--domain=e")) == {"--domain=example.org"}
    assert offered("--config", "/nonexistent", "dns", "show", "") == {}


class Terminal:
    """A shell that somebody sits at."""

    def __init__(self, words, environment):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execvpe(words[0], words, {"TERM": "dumb", "HOME": "/nonexistent", **environment})

    def read(self):
        if select.select([self.fd], [], [], 0.05)[0]:
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                pass
        return self.text

    def type(self, text, wanted):
        """Types, and waits until what is wanted has appeared since."""
        start = len(self.text)
        os.write(self.fd, text.encode())
        try:
            wait_for(lambda: re.search(wanted, self.read()[start:]), SECONDS)
        except AssertionError:
            raise AssertionError(f"{wanted!r} is not in {self.text[start:]!r}") from None

    def end(self):
        os.close(self.fd)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.01)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def bash(path):
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], {"PATH": path, "PS1": "> "})
    terminal.type(f"source {SCRIPTS}/bash/postrider; echo has''read\n", "hasread")
    return terminal


def zsh(path):
    terminal = Terminal(["zsh", "-f", "-i"], {"PATH": path, "PS1": "> "})
    terminal.type("unsetopt ZLE_RPROMPT_INDENT 2>/dev/null; PROMPT_EOL_MARK=; "
                  f"fpath=({SCRIPTS}/zsh $fpath); autoload -U compinit; compinit -D -u; "
                  "echo has''read\n", "hasread")
    return terminal


@pytest.mark.parametrize("shell", [bash, zsh])
def test_on_a_terminal(shell, path):
    terminal = shell(path)
    try:
        for begun, goes_on in [("postrider relo\t", r"postrider reload "),
                               ("postrider queue sta\t", r"postrider queue stats "),
                               ("postrider queue list --status=he\t", r"--status=held"),
                               ("postrider queue list --status he\t", r"--status held "),
                               ("postrider verify --zo\t", r"--zone"),
                               ("postrider verify --zone READ\t", r"README\.md")]:
            terminal.type(begun, goes_on)
            terminal.type("\x15echo do''ne\n", "done")
    finally:
        terminal.end()


def test_fish(path, folder):
    def complete(line):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {SCRIPTS}/fish/postrider.fish; complete -C '{line}'"],
            capture_output=True, text=True, check=True, cwd=ROOT, timeout=SECONDS,
            env={"PATH": path, "HOME": str(folder)})
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert complete("postrider relo") == ["reload\tmake the server read its configuration again"]
    assert complete("postrider queue sta") == ["stats\tcount messages, deliveries and results"]
    assert complete("postrider queue list --status=he") == ["--status=held"]
    assert "README.md" in complete("postrider verify --zone READ")
