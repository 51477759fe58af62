"""A host of one's own to try documentation on: real paths and ports, a DNS, and none of it outside.

Mount, network and process namespaces: /etc is a copy, /var/lib, /var/spool, /home, /root, /run and
/tmp are empty, every address is this host's, and all processes end with it. It needs root."""

import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import termios
import time

from authority import Authority
from peers import need, need_root, program
from server import binary, wait_for

ZONE = """
$TTL 300
. SOA ns. hostmaster. 1 3600 600 86400 60
. NS ns.
ns. A 127.0.0.1
"""

SETUP = """#!/bin/sh
set -e
mount --make-rprivate /
mkdir -p {folder}/files {folder}/etc
mount --bind {folder} /srv
cp -a /etc/. /srv/etc
mount --bind /srv/etc /etc
for place in /var/lib /var/spool /var/log /home /root /run /tmp /usr/share/dns; do
    if [ -d $place ]; then mount -t tmpfs -o mode=755 tmpfs $place; fi
done
chmod 1777 /tmp
mkdir -p /var/lib/dovecot /run/dovecot /etc/postrider /root/.ssh
mount -t proc proc /proc
hostname mx.example.org
ip link set lo up
ip addr add 192.0.2.10/32 dev lo
ip route add local default dev lo src 192.0.2.10
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
echo '127.0.0.1 localhost' >/etc/hosts
touch /srv/ready
exec sleep infinity
"""

# What stands for the service manager, and for what an example calls that is not here.
TOOLS = {
    "systemctl": r"""
for word; do case $word in -*) ;; *) break ;; esac; shift; done
action=$1; shift
for unit; do case $unit in
-*) continue ;;
postrider|postrider.service)
    case $action in
    stop|restart|disable) postrider stop >/dev/null 2>&1 || true ;;
    reload) exec postrider reload ;;
    esac
    case $action in
    start|restart|enable)
        : >/srv/log.new
        setsid postrider serve >/dev/null 2>>/srv/log.new </dev/null &
        for i in $(seq 1 300); do
            if grep -q event=ready /srv/log.new; then break; fi
            if ! kill -0 $! 2>/dev/null; then cat /srv/log.new; exit 1; fi
            sleep 0.1
        done
        grep -q event=ready /srv/log.new || { cat /srv/log.new; exit 1; } ;;
    status) grep -q event=ready /srv/log.new ;;
    esac ;;
dovecot)
    case $action in
    stop|disable) doveadm stop || true ;;
    restart) doveadm stop 2>/dev/null || true; dovecot ;;
    start|enable) dovecot ;;
    reload) doveadm reload ;;
    esac ;;
postfix) ;; # it was never started here
*) echo "systemctl: $unit is not known in the test" >&2; exit 1 ;;
esac; done
""",
    "journalctl": "cat /srv/log.new 2>/dev/null; true\n",
    "apt": r"""
echo "apt $*"
case "$*" in *postrider*)
    id postrider >/dev/null 2>&1 || useradd --system postrider
    for folder in /var/spool/postrider /var/lib/postrider; do
        install -d -o postrider -m 700 $folder
    done ;;
*dovecot*)
    mkdir -p /etc/dovecot/private
    ln -sf /srv/authority/host.pem /etc/dovecot/private/dovecot.pem
    ln -sf /srv/authority/host.key /etc/dovecot/private/dovecot.key ;;
esac
""",
    "postfix": "true\n",
    "pass": "echo 'correct horse battery'\n",
    "certbot": r"""
for name in mx.example.org mx2.example.org; do
    mkdir -p /etc/letsencrypt/live/$name
    cp /srv/authority/host.pem /etc/letsencrypt/live/$name/fullchain.pem
    cp /srv/authority/host.key /etc/letsencrypt/live/$name/privkey.pem
done
""",
    # Those of hidden commands.
    "a-smarthost": r"""
mkdir -p /srv/smarthost && cd /srv/smarthost
cat >postrider.yaml <<END
hostname: smtp.provider.example
listen: [{address: "192.0.2.31:587", role: submission, tls: required}]
tls: {certificate: /srv/authority/host.pem, key: /srv/authority/host.key}
domains: [{name: provider.example, mailboxes: directory}]
auth: {senders: any}
routes: [{to: "*", via: "smtp://127.0.0.1:2600"}]
deliver: {mailbox: mail}
spool: {path: spool, low_water: 1M}
END
echo 'the password' | postrider user add example-org@provider.example --password-stdin \
    --config postrider.yaml
setsid postrider serve --config postrider.yaml >/dev/null 2>log </dev/null &
for i in $(seq 1 300); do grep -q event=ready log && exit 0; sleep 0.1; done
cat log; exit 1
""",
    "a-sink": r"""
setsid postrider bench sink --i-own-it --listen $1 >/srv/sink.log 2>&1 </dev/null &
for i in $(seq 1 100); do ss -tln | grep -q " $1 " && exit 0; sleep 0.1; done
cat /srv/sink.log
exit 1
""",
    "sudo": 'exec "$@"\n',
}


def need_root_of(*words):
    """Skips where root may not do that, as in many containers."""
    import pytest  # here, as in peers.need

    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")


class Sandbox:
    def __init__(self, folder, names):
        """names: lines of a zone file, for the names that are not this host's own."""
        need_root("namespaces of its own")
        need("unshare", "nsenter", "ip", "knotd")
        need_root_of("unshare", "--mount", "--net", "--pid", "--uts", "--fork", "true")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.names = names
        self.process = None
        self.place = "/"  # the folder that commands run in

    # --- its life -----------------------------------------------------------------------------

    def start(self):
        self.make_tools()
        (self.folder / "setup").write_text(SETUP.format(folder=self.folder))
        (self.folder / "zone").write_text(ZONE + self.names)
        (self.folder / "knot.conf").write_text("""
server:
    rundir: "/srv"
    listen: 127.0.0.1@53
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "/srv/knot"
template:
  - id: default
    storage: "/srv"
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: .
    file: zone
""")
        self.process = subprocess.Popen(
            [program("unshare"), "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child",
             "sh", self.folder / "setup"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "setup.log", "wb"), start_new_session=True)
        try:
            self.wait_ready()
        except AssertionError:
            self.stop()
            raise
        return self

    def wait_ready(self):
        wait_for((self.folder / "ready").exists, 30, "the sandbox")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.inside = children.read_text().split()[0]
        self.place = "/root"
        self.run("setsid knotd -c /srv/knot.conf >/srv/knot.log 2>&1 </dev/null &")
        wait_for(lambda: self.run("ss -uln | grep -q 127.0.0.1:53")[0] == 0, 20, "knotd")

    def make_tools(self):
        tools = self.folder / "bin"
        tools.mkdir()
        shutil.copy(binary(), tools / "postrider")
        for name, text in TOOLS.items():
            (tools / name).write_text(f"#!/bin/sh\n{text}")
            (tools / name).chmod(0o755)
        self.authority = Authority(self.folder / "authority")
        issued = self.authority.issue("mx.example.org", "mx2.example.org", "mail.example.org",
                                      "smtp.provider.example", "example.org", "localhost")
        issued.certificate.rename(self.folder / "authority/host.pem")
        issued.key.rename(self.folder / "authority/host.key")

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)  # --kill-child takes the rest
            self.process.wait()

    # --- what is done in it -------------------------------------------------------------------

    def words(self, command):
        tools = "/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": tools, "HOME": "/root", "TERM": "dumb", "TZ": "UTC", "LC_ALL":
                       "C.UTF-8", "SSL_CERT_FILE": f"/srv/authority/{self.authority.file.name}"}
        environment.update({name: value for name, value in os.environ.items()
                            if name in ("ASAN_OPTIONS", "UBSAN_OPTIONS")})
        given = [f"{name}={value}" for name, value in environment.items()]
        # -r, -w: root and folder are those of who is inside, where the tests run in a chroot, too.
        return [program("nsenter"), "-t", self.inside, "-m", "-n", "-p", "-u", "-r", "-w", "env",
                "-i", *given, "bash", "-o", "pipefail", "-c",
                f"cd {shlex.quote(self.place)} || exit 99\n{command}"]

    def run(self, command, data="", seconds=60):
        """(status, what it said)"""
        with open(self.folder / "said", "w+b") as said:
            done = subprocess.Popen(self.words(command), stdin=subprocess.PIPE, stdout=said,
                                    stderr=said, start_new_session=True)
            try:
                done.communicate(data.encode(), timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(done.pid, signal.SIGKILL)
                done.wait()
                return -1, (self.folder / "said").read_text(errors="replace") + "\n(took too long)"
            return done.returncode, (self.folder / "said").read_text(errors="replace")

    def type(self, command, answers, seconds=60):
        """The same at a terminal: each answer is typed when the screen ends as a question does, and
        a password once nothing is shown of it."""
        child, terminal = pty.fork()
        if child == 0:
            words = self.words(command)
            os.execv(words[0], words)
        said, waiting, deadline = b"", list(answers), time.monotonic() + seconds
        seen = 0
        while time.monotonic() < deadline:
            is_asked = re.search(rb"[:?\])] ?$", said[seen:])
            is_shown = termios.tcgetattr(terminal)[3] & termios.ECHO
            is_secret = re.search(rb"(?i)(password|again)[^\n]*: ?$", said[seen:])
            if waiting and is_asked and not (is_shown and is_secret):
                seen = len(said)
                os.write(terminal, (waiting.pop(0) + "\n").encode())
            if not select.select([terminal], [], [], 0.1)[0]:
                continue
            try:
                got = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                got = b""
            if not got:
                break
            said += got
        else:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(terminal)
        return os.waitstatus_to_exitcode(status), said.decode(errors="replace")

    def good(self, command, **options):
        status, said = self.run(command, **options)
        assert status == 0, f"{command}: status {status}\n{said}"
        return said

    def write(self, path, text):
        self.good(f"mkdir -p {shlex.quote(str(pathlib.Path(path).parent))} && "
                  f"cat >{shlex.quote(path)}", data=text)

    def serve(self, command="postrider serve", log="/srv/log.new"):
        """Starts a server and waits until it is ready; it ends with the sandbox, or by stop."""
        self.good(f": >{log}; setsid {command} >/dev/null 2>>{log} </dev/null &")
        wait_for(lambda: self.run(f"grep -q event=ready {log}")[0] == 0, 30,
                 lambda: self.run(f"tail -5 {log}")[1])

    def background(self, command, address):
        """Starts what listens there (127.0.0.1:25), and waits for it."""
        self.good(f"setsid {command} >/dev/null 2>&1 </dev/null &")
        wait_for(lambda: self.run(f"ss -tln | grep -q ' {address} '")[0] == 0, 20, command)
