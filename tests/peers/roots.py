"""Mail servers whose Debian packages exclude each other: each unpacked, not installed, and run in a
mount namespace of its own, in which it and its users lie over the machine's /usr and /etc. Needs
root. For tests and for bench/run; `python3 tests/peers/roots.py` only fetches them.

Unpacked once, into ~/.cache/postrider/roots ($XDG_CACHE_HOME); delete that folder for new ones.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# The server's own packages, and the libraries of theirs that a machine may well be without.
PACKAGES = {
    "exim": ["exim4-daemon-light", "exim4-base", "libdb5.3", "libgnutls-dane0", "libunbound8",
             "libidn12", "libnsl2", "libtirpc3", "libevent-2.1-7"],
    "opensmtpd": ["opensmtpd", "libdb5.3", "libevent-2.1-7"],
}
USERS = {"exim": ["Debian-exim"], "opensmtpd": ["opensmtpd", "opensmtpq"]}
FIRST_ID = 64801  # of those users; the packages would have made them
FETCH_SECONDS = 300

# $1: the unpacked package or nothing, $2: a folder with etc and var, $3 …: the program. What a
# server has below /var and /run is in that folder: state of the machine is neither seen nor written.
ENTER = """
root=$1 folder=$2
shift 2
[ -z "$root" ] || mount -t overlay -o "ro,lowerdir=$root/usr:/usr" overlay /usr
mount -t overlay -o "ro,lowerdir=$folder/etc:/etc" overlay /etc
mount --bind "$folder/var" /var
mount -t tmpfs -o mode=755 tmpfs /run
exec "$@"
"""


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "postrider" / "roots"


def download(packages, folder):
    """True: the packages are in the folder."""
    words = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    for prepare in ([], [*words, "update"]):
        if prepare:
            subprocess.run(prepare, capture_output=True, timeout=FETCH_SECONDS)
        done = subprocess.run([*words, "download", *packages], cwd=folder, capture_output=True,
                              text=True, timeout=FETCH_SECONDS)
        if done.returncode == 0:
            return True
    print(done.stderr, file=sys.stderr)
    return False


def fetch(name):
    """The folder of an unpacked server, or None: it cannot be had (not Debian, no network)."""
    root = cache() / name
    if root.exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return None
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=f"{name}.") as work:
        work = pathlib.Path(work)
        (work / "root").mkdir(mode=0o755)
        if not download(PACKAGES[name], work):
            return None
        for package in work.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, work / "root"], check=True)
        (work / "root").chmod(0o755)
        try:
            (work / "root").rename(root)
        except OSError:
            pass  # another run was quicker
    return root


def make_folders(name, folder, texts=None):
    """The private /etc and /var of a server below `folder`; texts: files of /etc by name."""
    etc, var = folder / "etc", folder / "var"
    for path in (etc, var, var / "spool", var / "lib", var / "log", var / "tmp"):
        path.mkdir(mode=0o755, exist_ok=True)
    (var / "tmp").chmod(0o1777)
    (var / "run").symlink_to("/run")
    passwd = pathlib.Path("/etc/passwd").read_text()
    group = pathlib.Path("/etc/group").read_text()
    for number, user in enumerate(USERS.get(name, []), FIRST_ID):
        passwd += f"{user}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        group += f"{user}:x:{number}:\n"
    for file, text in {"passwd": passwd, "group": group, **(texts or {})}.items():
        (etc / file).write_text(text)
        (etc / file).chmod(0o644)


def user_id(name, user):
    return FIRST_ID + USERS[name].index(user)


def enter(name, folder, *words):
    """The command that runs `words` with the server `name` (None: the machine's own) and what
    make_folders made. It becomes that program: its process id is the program's."""
    root = fetch(name) if name else ""
    assert root is not None, f"{name} cannot be fetched"
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh",
            str(root), str(folder), *(str(word) for word in words)]


if __name__ == "__main__":
    roots = {name: fetch(name) for name in PACKAGES}
    for name, root in roots.items():
        print(name, root or "cannot be fetched")
    sys.exit(0 if all(roots.values()) else 1)
