"""A Debian of its own for a test: made by debootstrap, and booted with its systemd as the first
process of namespaces, so that units, users and packages are real and nothing of the host's is."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from server import children_of, wait_for

BOOT_SECONDS = 120
END_SECONDS = 60

# Its arguments: the folder of the guest, the name of its cgroup. What the kernel has once for all
# (its settings, its devices) is out of the guest's reach.
BOOT = r"""
set -e
root=$1 name=$2
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$root/mnt"
mkdir "$root/mnt/$name"
echo $$ >"$root/mnt/$name/cgroup.procs"
umount "$root/mnt"
exec unshare --cgroup bash -c '
set -e
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ip link set lo up
cd "$root"
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot . /lib/systemd/systemd --log-target=journal --show-status=0
' boot "$root"
"""


def why_not():
    """What this machine lacks, for the reason of a skip; None: nothing."""
    if os.geteuid() != 0:
        return "needs root: namespaces, and a Debian in a folder"
    for program in ("debootstrap", "dpkg-buildpackage", "lintian", "unshare"):
        if not shutil.which(program):
            return f"{program} is missing: make packages"
    probe = subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "sh", "-c",
         "mount --make-rprivate / && mount -t cgroup2 cgroup2 /mnt && test -w /mnt/cgroup.procs"],
        capture_output=True, text=True, check=False)
    return f"no namespaces here: {probe.stderr.strip()}" if probe.returncode != 0 else None


def find_mirror():
    """(address, suite) that this machine's own packages come from."""
    release = dict(line.split("=", 1) for line in
                   pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release.get("VERSION_CODENAME", "").strip('"')
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)"],
        capture_output=True, text=True, check=True).stdout
    for line in targets.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] == "main" and words[1:4:2] == [suite, suite]:
            return words[0], suite
    return None, suite


class Guest:
    def __init__(self, folder):
        self.root = pathlib.Path(folder)
        self.name = f"postrider-test-{os.getpid()}"
        self.process = None
        self.first = None  # the number of its first process

    def make(self):
        """Gives a process that makes it; when that is through, packages can be installed."""
        mirror, suite = find_mirror()
        if not mirror:
            pytest.skip("apt does not say where this machine's packages come from")
        log = open(self.root.with_suffix(".log"), "wb")
        with log:
            return subprocess.Popen(
                ["debootstrap", "--variant=minbase", suite, self.root, mirror],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def chroot(self, *words, status=0, seconds=120):
        """Runs a command in it while it is not booted."""
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c",
             'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.root, *words],
            capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def boot(self):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
             "bash", "-c", BOOT, "boot", self.root, self.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(self.is_up, BOOT_SECONDS, "the guest is up")
        return self

    def is_up(self):
        assert self.process.poll() is None, self.process.stderr.read()
        found = children_of(self.process.pid)
        if not found:
            return False
        self.first = found[0]
        words = pathlib.Path(f"/proc/{self.first}/cmdline").read_bytes().split(b"\0")
        if not words[0].endswith(b"systemd"):
            return False
        state = self.run("systemctl", "is-system-running", status=None)
        assert "degraded" not in state, self.run("systemctl", "--failed", "--no-pager")
        return "running" in state

    def enter(self, *words):
        """The command line that runs a command in the booted guest."""
        return ["nsenter", "-t", str(self.first), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w",
                "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *map(str, words)]

    def run(self, *words, status=0, seconds=60, text=None):
        done = subprocess.run(self.enter(*words), capture_output=True, text=True, timeout=seconds,
                              check=False, input=text or "")
        assert status is None or done.returncode == status, (
            words, done.returncode, done.stdout, done.stderr, self.journal())
        return done.stdout + done.stderr

    def journal(self):
        done = subprocess.run(self.enter("journalctl", "--no-pager", "--lines=15"),
                              capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()

    def processes(self, unit):
        """{number there: fields of /proc/N/status} of a unit's processes."""
        numbers = self.run("cat", f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs").split()
        return {int(number): dict(re.findall(r"^(\w+):\t(.*)$",
                                             self.run("cat", f"/proc/{number}/status"), re.M))
                for number in numbers}

    def end(self):
        if self.process:
            if self.first:
                try:
                    os.kill(self.first, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.kill()
            self.process.wait()
            self.process.stderr.close()
            self.process = None
        wait_for(self.has_no_cgroup, END_SECONDS, "its last process has ended")

    def has_no_cgroup(self):
        """A cgroup can be removed when its processes are gone, which take their time to end."""
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c",
             'mount -t cgroup2 cgroup2 /mnt && [ ! -d "/mnt/$0" ] || '
             'find "/mnt/$0" -depth -type d -exec rmdir {} +', self.name],
            capture_output=True, check=False)
        return done.returncode == 0
