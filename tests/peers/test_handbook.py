"""Every page of the handbook is followed, word by word, on a host of its own (sandbox.py).

Blocks of ```sh are run, line by line; each has to end well. Comments say what the reader does not
see: `<!-- run: COMMAND -->` is run as well, and the one in front of a block says of it:

    <!-- file: PATH -->     the block is written there
    <!-- part: WHY -->      it is a part of a configuration, for the keys of the one before it
    <!-- say: TEXT -->      typed at the terminal where a command asks for it
    <!-- may fail: WHY -->  the status does not count
    <!-- endless -->        it is ended after a second
    <!-- skip: WHY -->      it is not run"""

import re

import pytest
import yaml

from sandbox import Sandbox
from server import ROOT

NAMES = """
mx.example.org. A 192.0.2.10
mx2.example.org. A 192.0.2.11
10.2.0.192.in-addr.arpa. PTR mx.example.org.
smtp.provider.example. A 192.0.2.31
partner.example. MX 10 mx.partner.example.
mx.partner.example. A 192.0.2.20
"""
# Where the page does not publish them itself.
PUBLISHED = "example.org. MX 10 mx.example.org.\nexample.org. MX 20 mx2.example.org.\n"

PAGES = sorted((ROOT / "docs/handbook").glob("*.md"))
SHOWN = ("text", "zone")  # kinds of blocks that are to be read alone


def parts(page):
    """What is done, in order: (what, argument, text)."""
    pending = ("", "")
    steps = []
    for comment, kind, block in re.findall(r"^<!-- (.*?) -->$|^```(\w*)\n(.*?)^```$",
                                           page.read_text(), flags=re.M | re.S):
        if comment:
            what, _, argument = comment.partition(": ")
            if what == "run":
                steps.append(("run", "", argument))
            else:
                pending = (what, argument)
            continue
        what, argument = pending
        pending = ("", "")
        if what == "skip" or (kind in SHOWN and not what):
            continue
        assert what in ("file", "part") or kind == "sh", \
            f"{page.name}: say in a comment in front of it what becomes of this block:\n{block}"
        steps.append((what or "sh", argument, block))
    return steps


def lines(block):
    """Commands, those of several lines as one."""
    found = []
    for line in block.splitlines():
        if found and found[-1].endswith(("\\", "|")):
            found[-1] += "\n" + line
        elif line.strip() and not line.startswith("#"):
            found.append(line)
    return found


def follow(sandbox, page):
    config = {}
    for what, argument, text in parts(page):
        if what == "file":
            sandbox.write(argument, text)
            config = yaml.safe_load(text) if argument.endswith(".yaml") else config
            continue
        if what == "part":
            sandbox.write("/etc/postrider/part.yaml",
                          yaml.safe_dump({**config, **yaml.safe_load(text)}))
            sandbox.good("postrider check config --config /etc/postrider/part.yaml")
            continue
        for command in [text] if what == "run" else lines(text):
            status, said = (
                sandbox.run(f"timeout -s INT 1 {command}") if what == "endless" else
                sandbox.type(command, [argument]) if what == "say" else sandbox.run(command))
            assert status == 0 or what in ("may fail", "endless"), \
                f"{page.name}: status {status} of\n    {command}\n{said}"
            assert "Sanitizer" not in said, said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_who_follows_it_gets_there(page, tmp_path):
    steps = parts(page)
    if not steps:
        assert page.name == "index.md"
        return
    publishes = any("dns show" in text for _, _, text in steps)
    sandbox = Sandbox(tmp_path, NAMES + ("" if publishes else PUBLISHED))
    try:
        sandbox.start()
        follow(sandbox, page)
    finally:
        sandbox.stop()


def test_the_index_has_every_page():
    index = (ROOT / "docs/handbook/index.md").read_text()
    assert {page.name for page in PAGES} - {"index.md"} == set(re.findall(r"\]\(([\w-]+\.md)\)",
                                                                         index))
    for page in PAGES:
        for link in re.findall(r"\]\(([\w/.-]+\.md)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} leads to {link}"
