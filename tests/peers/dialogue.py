"""Raw SMTP: transcripts, and bytes no client library would send."""

import fnmatch
import socket


class Dialogue:
    def __init__(self, port, seconds=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.input = b""
        self.greeting = self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.input:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"closed after {self.input!r}")
            self.input += data
        line, _, self.input = self.input.partition(b"\n")
        return line.rstrip(b"\r").decode()

    def reply(self):
        """One reply; its lines joined by newlines."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def say(self, text):
        self.send(text.encode() + b"\r\n")
        return self.reply()

    def rest(self):
        """Everything until the server closes."""
        data, self.input = self.input, b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return data.decode()
            data += more

    def transaction(self, sender, recipients, text):
        """A whole message by DATA, text in wire form with its final CRLF; returns the reply."""
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250")
        for recipient in recipients:
            assert self.say(f"RCPT TO:<{recipient}>").startswith("250")
        assert self.say("DATA").startswith("354")
        self.send(stuffed(text) + b".\r\n")
        return self.reply()


def stuffed(text):
    lines = text.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines)


def play(port, transcript):
    """Plays a transcript: `C:` lines are sent, each `S:` line is a pattern (with * and ?) for the
    first line of one reply."""
    script = [line.strip() for line in transcript.strip().splitlines() if line.strip()]
    with Dialogue(port) as dialogue:
        replies = [dialogue.greeting]
        for line in script:
            side, _, text = line.partition(":")
            text = text.strip()
            if side == "C":
                dialogue.send(text.encode() + b"\r\n")
                continue
            reply = replies.pop(0) if replies else dialogue.reply()
            assert fnmatch.fnmatchcase(reply.split("\n")[0], text), f"want {text!r}: {reply!r}"
