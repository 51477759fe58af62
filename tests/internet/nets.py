"""Hosts in network namespaces, joined by a bridge in another: a network of its own, from which
nothing leads to the machine's. Everything in it goes with this process, however that ends, since
descriptors of this process are all that holds it."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def own_namespace():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextlib.contextmanager
def inside(namespace):
    """This thread, and what it starts, is in that namespace; its sockets stay there."""
    before = own_namespace()
    check(LIBC.setns(namespace, CLONE_NEWNET))
    try:
        yield
    finally:
        check(LIBC.setns(before, CLONE_NEWNET))
        os.close(before)


def new_namespace():
    before = own_namespace()
    try:
        check(LIBC.unshare(CLONE_NEWNET))
        namespace = own_namespace()
        check(LIBC.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)
    return namespace


def why_not():
    """Why there can be no such network here; None: there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        os.close(new_namespace())
        subprocess.run(["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs",
                        "tmpfs", "/mnt"], check=True, capture_output=True)
    except OSError as error:
        return f"no network namespaces here: {error}"
    except subprocess.CalledProcessError as error:
        return f"no mounts here: {error.stderr.decode().strip()}"
    return None


def ip(*lines):
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join([*lines, ""]), text=True,
                          capture_output=True)
    assert done.returncode == 0, (lines, done.stderr)


class Host:
    """A host with its addresses on the network, of both families."""

    def __init__(self, exchange, name, addresses):
        self.name = name
        self.addresses = addresses
        self.namespace = new_namespace()
        with inside(exchange):
            ip(f"link add name {name} type veth peer name eth0 "
               f"netns /proc/{os.getpid()}/fd/{self.namespace}",
               f"link set dev {name} master bridge up")
        with self.inside():
            ip("link set lo up", "link set eth0 up",
               *(f"address add {address}/{64 if ':' in address else 24} dev eth0"
                 f"{' nodad' if ':' in address else ''}" for address in addresses))

    def inside(self):
        return inside(self.namespace)

    def lose(self, address):
        """What this host sends to the address arrives nowhere, and nobody says so."""
        with self.inside():
            ip(f"neighbour replace {address} lladdr 02:00:00:00:00:66 dev eth0 nud permanent")

    def find(self, address):
        """The end of lose()."""
        with self.inside():
            ip(f"neighbour del {address} dev eth0")


class Network:
    def __init__(self):
        self.exchange = new_namespace()
        self.hosts = []
        with inside(self.exchange):
            ip("link set lo up", "link add name bridge type bridge", "link set bridge up")

    def host(self, name, *addresses):
        self.hosts.append(Host(self.exchange, name, addresses))
        return self.hosts[-1]

    def close(self):
        for namespace in (self.exchange, *(host.namespace for host in self.hosts)):
            os.close(namespace)
