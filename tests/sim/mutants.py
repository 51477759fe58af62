"""mutants.py BUILD SEEDS PATCH…: builds node_sim with each patch (a bug put in on purpose) and runs
it from seed 1 on. Fails for a patch that does not apply, and for one that survives all seeds.

Only the files that a patch changes are compiled, and linked before the libraries that have the
good ones.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "tests/sim/node_sim"
TIMEOUT_S = 120


def commands(build):
    """The compile command of each source, and the program's link command."""
    table = json.loads((build / "compile_commands.json").read_text())
    compile_ = {str((Path(row["directory"]) / row["file"]).resolve()): row["command"] for row in table}
    lines = subprocess.run(["ninja", "-C", build, "-t", "commands", PROGRAM], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return compile_, next(line for line in reversed(lines) if f"-o {PROGRAM} " in line)


def build_mutant(build, patch, folder, compile_, link):
    changed = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE)
    objects = []
    for name in changed:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(["patch", "-p1", "-s", "-i", patch], cwd=folder, check=True)
    for name in changed:
        source, target = folder / name, folder / (name.replace("/", "_") + ".o")
        words = shlex.split(compile_[str(ROOT / name)])
        where = words.index("-c") + 1
        words[where] = str(source)
        words[words.index("-o") + 1] = str(target)
        words[words.index("-MF") + 1] = str(target) + ".d"
        # Includes from its own folder's name come from the good tree.
        subprocess.run([*words, "-Wno-error"], cwd=build, check=True)
        objects.append(str(target))
    program = folder / "node_sim"
    words = shlex.split(link)
    where = words.index("-o")
    subprocess.run([*words[:where], "-o", str(program), *objects, *words[where + 2:]], cwd=build,
                   check=True)
    return program


def main():
    build, seeds, patches = Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
    compile_, link = commands(build)
    survivors = 0
    for patch in map(Path, patches):
        with tempfile.TemporaryDirectory() as folder:
            program = build_mutant(build, patch.resolve(), Path(folder), compile_, link)
            run = subprocess.run([program, "--seeds", f"1..{seeds}", "--first"], text=True,
                                 capture_output=True, check=False, timeout=TIMEOUT_S,
                                 env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        is_dead = run.returncode != 0
        survivors += not is_dead
        print(f"{patch.stem}: {run.stdout.splitlines()[0] if is_dead else 'SURVIVED'}", flush=True)
    sys.exit(1 if survivors else 0)


main()
