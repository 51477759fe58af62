"""Where the servers of a run live, and in which order they run: interleaved, so that the machine's
drift spreads evenly, each in a folder that nothing was in before."""

import os
import pathlib
import shutil
import statistics
import sys
import tempfile

from peers import let_others_enter

ROOM = 16 << 30  # bytes that are to stay free


class Yard:
    """Gives each run a fresh folder, and removes all of them at the end only: inodes that were
    freed a moment ago make ext4 slow to give out new ones, and the next run would pay for the
    one before."""

    def __init__(self, folder=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="postrider-bench.", dir=folder))
        let_others_enter(self.folder)
        self.count = 0

    def fresh(self, name):
        """The path of a folder that is not there yet. What was written before is on the disk."""
        os.sync()
        if shutil.disk_usage(self.folder).free < ROOM:
            print(f"less than {ROOM >> 30} GiB are free: old runs go; it may be slower for it",
                  file=sys.stderr)
            self.clear()
        self.count += 1
        return self.folder / f"{self.count}-{name}"

    def clear(self):
        for path in self.folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        os.sync()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def file_system(self):
        """Its type, as in /proc/mounts."""
        best, kind = "", "?"
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            _, place, this, *_ = line.split()
            if self.folder.is_relative_to(place) and len(place) > len(best):
                best, kind = place, this
        return kind


def note(text):
    print(text, file=sys.stderr, flush=True)


def cell(numbers, form="{:,.0f}"):
    """Median (least–most)."""
    if not numbers:
        return "–"
    middle = form.format(statistics.median(numbers))
    if len(numbers) == 1:
        return middle
    return f"{middle} ({form.format(min(numbers))}–{form.format(max(numbers))})"


def ratio(numbers, others):
    if not numbers or not others:
        return "–"
    return f"{statistics.median(numbers) / statistics.median(others):.2f}"


def print_table(title, heads, rows):
    print(f"\n### {title}\n")
    print(f"| {' | '.join(heads)} |")
    print(f"|{' --- |' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(str(word) for word in row)} |")
    sys.stdout.flush()
