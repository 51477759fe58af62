"""The other side: real mail servers in private instances, and a scripted one."""

import grp
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import threading

from server import free_port, wait_for

PEER_SECONDS = 30


def need(*programs):
    """Skips without the programs; in CI that is a failure."""
    import pytest  # here, so that bench/run can do without it

    missing = [name for name in programs
               if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if not missing:
        return
    if os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    pytest.skip(f"missing: {', '.join(missing)}")


def need_root(why):
    import pytest

    if os.geteuid() != 0:
        pytest.skip(why)


def program(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def let_others_enter(folder):
    """Servers with users of their own must reach their files below it."""
    for path in (folder, *folder.parents):
        if path.is_relative_to("/tmp") and path != pathlib.Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)


class Daemon:
    """A process in the foreground, ended by its process id."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.process = None

    def launch(self, *words, ready):
        with open(self.folder / "output", "ab") as output:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=output, start_new_session=True)

        def check():
            assert self.process.poll() is None, self.output()
            return ready()

        wait_for(check, PEER_SECONDS, words)

    def output(self):
        texts = [path.read_text(errors="replace") for path in sorted(self.folder.glob("*"))
                 if path.name in ("output", "log")]
        return "\n".join(texts)[-4000:]

    def stop(self):
        if not self.process:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(PEER_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Postfix(Daemon):
    """A smarthost that delivers all that it gets into one Maildir."""

    def __init__(self, folder, **settings):
        if not program("postfix") or os.geteuid() != 0:
            need("postfix")
            need_root("a Postfix of one's own needs root")
        super().__init__(folder)
        self.port = free_port()
        self.mail = self.folder / "mail"
        owner = pwd.getpwnam("postfix")
        for name in ("queue", "data", "mail"):
            (self.folder / name).mkdir()
        os.chown(self.folder / "data", owner.pw_uid, -1)
        user = pwd.getpwnam("nobody")
        os.chown(self.mail, user.pw_uid, user.pw_gid)
        main = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder / "queue",
            "data_directory": self.folder / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": "smarthost.example",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "mydestination": "",
            "alias_maps": "",
            "local_recipient_maps": "",
            "virtual_mailbox_domains": "partner.example",
            "virtual_mailbox_base": self.mail,
            "virtual_mailbox_maps": "static:box/",
            "virtual_uid_maps": f"static:{user.pw_uid}",
            "virtual_gid_maps": f"static:{user.pw_gid}",
            "virtual_minimum_uid": "1",
            "virtual_mailbox_limit": "0",
            "mailbox_size_limit": "0",
            "message_size_limit": "104857600",
            "smtpd_peername_lookup": "no",
            "smtputf8_enable": "yes",
            "maillog_file": self.folder / "log",
            "maillog_file_prefixes": self.folder,
            **settings,
        }
        text = "".join(f"{name} = {value}\n" for name, value in main.items())
        (self.folder / "main.cf").write_text(text)
        (self.folder / "master.cf").write_text(self.master())
        let_others_enter(self.folder)

    def master(self):
        """Debian's table of services, without chroots, on our port."""
        services = {
            f"127.0.0.1:{self.port} inet n": "- smtpd", "pickup unix n": "1 pickup",
            "cleanup unix n": "0 cleanup", "qmgr unix n": "1 qmgr", "tlsmgr unix -": "1 tlsmgr",
            "tlsproxy unix -": "0 tlsproxy",
            "rewrite unix -": "- trivial-rewrite", "bounce unix -": "0 bounce",
            "defer unix -": "0 bounce", "trace unix -": "0 bounce", "verify unix -": "1 verify",
            "flush unix n": "0 flush", "proxymap unix -": "- proxymap", "smtp unix -": "- smtp",
            "showq unix n": "- showq", "error unix -": "- error", "retry unix -": "- error",
            "discard unix -": "- discard", "virtual unix -": "- virtual",
            "anvil unix -": "1 anvil", "scache unix -": "1 scache",
            "postlog unix-dgram n": "1 postlogd",
        }
        lines = []
        for service, last in services.items():
            name, kind, private = service.split()
            limit, command = last.split()
            is_alone = name in ("qmgr", "virtual", "showq", "flush")
            unprivileged = "n" if name == "virtual" else "-" if not is_alone else "n"
            lines.append(f"{name} {kind} {private} {unprivileged} n - {limit} {command}\n")
        return "".join(lines)

    def start(self):
        self.launch(program("postfix"), "-c", str(self.folder), "start-fg",
                    ready=lambda: is_listening(self.port))
        return self

    def stop(self):
        """The process that was started has a master below it, in a session of its own."""
        if not self.process:
            return
        pid = int((self.folder / "queue/pid/master.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), PEER_SECONDS, "the end of Postfix")
        super().stop()

    def messages(self):
        new = self.mail / "box" / "new"
        return [path.read_bytes() for path in sorted(new.iterdir())] if new.exists() else []

    def wait_message(self, seconds=30):
        try:
            return wait_for(self.messages, seconds)[0]
        except AssertionError:
            raise AssertionError(self.output()) from None


class Dovecot(Daemon):
    """LMTP in, IMAP out; every user has the password `secret`. quotas: {address: bytes} of those
    who have a mailbox; without, everybody has one, of any size."""

    def __init__(self, folder, mail=None, quotas=None, mechanisms="plain login scram-sha-256"):
        need("dovecot")
        super().__init__(folder)
        self.imap = free_port()
        self.lmtp = self.folder / "lmtp"
        self.auth = self.folder / "auth"
        user = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("nobody")
        self.uid, self.gid = user.pw_uid, user.pw_gid
        self.mail = pathlib.Path(mail or self.folder / "mail")
        self.mail.mkdir(exist_ok=True)
        self.give_mail()
        internal = f"""
            default_internal_user = {user.pw_name}
            default_login_user = {user.pw_name}
            default_internal_group = {grp.getgrgid(user.pw_gid).gr_name}
        """ if os.geteuid() else ""
        users = f"""
              driver = static
              args = uid={self.uid} gid={self.gid} home={self.folder}/home/%d/%n
        """
        limits = ""
        if quotas is not None:
            (self.folder / "users").write_text("".join(
                f"{user}:{{PLAIN}}secret:{self.uid}:{self.gid}::{self.folder}/home/{user}::"
                f"userdb_quota_rule=*:bytes={size}\n" for user, size in quotas.items()))
            users = f"""
              driver = passwd-file
              args = username_format=%u {self.folder}/users
            """
            limits = """
            mail_plugins = quota
            plugin {
              quota = maildir:User quota
              quota_grace = 0%
            }
            """
        (self.folder / "dovecot.conf").write_text(f"""
            base_dir = {self.folder}/run
            state_dir = {self.folder}/state
            log_path = {self.folder}/log
            protocols = imap lmtp
            listen = 127.0.0.1
            ssl = no
            disable_plaintext_auth = no
            auth_mechanisms = {mechanisms}
            service auth {{
              unix_listener {self.auth} {{
                mode = 0666
              }}
            }}
            {internal}
            passdb {{
              driver = static
              args = password=secret
            }}
            userdb {{ {users} }}
            {limits}
            first_valid_uid = {min(self.uid, 500)}
            first_valid_gid = {min(self.gid, 1)}
            mail_location = maildir:{self.mail}/%d/%n
            recipient_delimiter = +
            service imap-login {{
              chroot =
              inet_listener imap {{
                port = {self.imap}
              }}
              inet_listener imaps {{
                port = 0
              }}
            }}
            service anvil {{
              chroot =
            }}
            service auth {{
              unix_listener {self.auth} {{
                mode = 0666
              }}
            }}
            service lmtp {{
              unix_listener {self.lmtp} {{
                mode = 0666
              }}
            }}
        """)
        let_others_enter(self.folder)

    def give_mail(self):
        """Makes the mail its user's, who is not root."""
        for path in [self.mail, *self.mail.rglob("*")]:
            os.chown(path, self.uid, self.gid)

    def start(self):
        self.launch(program("dovecot"), "-F", "-c", str(self.folder / "dovecot.conf"),
                    ready=lambda: is_listening(self.imap) and self.lmtp.exists())
        return self


class Script:
    """An SMTP server that answers as told and keeps what it takes. `replies` maps a verb, or
    "end" (the end of data), to a reply or to a function of the command's line. With a `context` it
    offers STARTTLS, or speaks TLS from the beginning."""

    def __init__(self, port=None, address="127.0.0.1", context=None, is_implicit=False, **replies):
        self.replies = replies
        self.context = context
        self.is_implicit = is_implicit
        self.messages = []
        self.sessions = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port or free_port()), family=family)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self.session, args=[client], daemon=True).start()

    def answer(self, verb, line, default):
        reply = self.replies.get(verb, default)
        return reply(line) if callable(reply) else reply

    def session(self, client):
        # Closing sends what is left, and may fail too.
        try:
            with client:
                wants_tls = self.is_implicit
                if not wants_tls:
                    with client.makefile("rwb") as stream:
                        wants_tls = self.talk(stream)
                if wants_tls:
                    with self.context.wrap_socket(client, server_side=True) as secure, \
                            secure.makefile("rwb") as stream:
                        self.talk(stream, is_secure=True)
        except OSError:
            pass

    def talk(self, stream, is_secure=False):
        """True: STARTTLS was agreed to."""
        def say(text):
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        offers_tls = self.context and not is_secure
        offers = ["script.example", "PIPELINING", "8BITMIME", "SMTPUTF8"]
        offers += ["STARTTLS"] if offers_tls else []
        ehlo = "".join(f"250-{offer}\r\n" for offer in offers) + "250 ENHANCEDSTATUSCODES"
        defaults = {"ehlo": ehlo, "data": "354 go on", "quit": "221 2.0.0 bye",
                    "starttls": "220 2.0.0 go ahead" if offers_tls else "503 5.5.1 no"}
        if not is_secure or self.is_implicit:
            say(self.answer("banner", "", "220 script.example ESMTP"))
        envelope = []
        for raw in stream:
            line = raw.decode(errors="surrogateescape").rstrip("\r\n")
            verb = line.split(" ")[0].lower()
            reply = self.answer(verb, line, defaults.get(verb, "250 2.0.0 ok"))
            if verb == "data" and len(envelope) < 2:
                reply = "554 5.5.1 no recipients"
            if verb in ("mail", "rcpt") and reply.startswith("2"):
                envelope = [line] if verb == "mail" else envelope + [line]
            say(reply)
            if verb == "starttls" and reply.startswith("220"):
                return True
            if verb == "data" and reply.startswith("354"):
                text = self.read_text(stream)
                reply = self.answer("end", "", "250 2.0.0 taken")
                if reply.startswith("2"):
                    self.messages.append((envelope, text))
                say(reply)
            if verb == "quit" or reply.startswith("421"):
                break
        return False

    @staticmethod
    def read_text(stream):
        lines = []
        for line in stream:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)
