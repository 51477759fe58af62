"""Messages to send."""

import base64
import email.message
import email.policy
import random


def letter(subject="test", sender="bob@example.org", to="ann@example.org", **parts):
    """A message with the fields that a submission server would otherwise add."""
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Tue, 24 Nov 2026 03:07:04 +0000"
    message["Message-ID"] = f"<{abs(hash(subject))}@client.example>"
    message.set_content(parts.get("text", "Hello\n"))
    if "html" in parts:
        message.add_alternative(parts["html"], subtype="html")
    for name, data in parts.get("attachments", {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream",
                               filename=name)
    return message


def plain(subject, text="Hello", to="ann@example.org", sender="bob@example.org"):
    """A small message in wire form."""
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
            f"Date: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
            f"Message-ID: <{subject.replace(' ', '.')}@client.example>\r\n"
            f"\r\n{text}\r\n").encode()


def noise(size, seed=1):
    """Bytes that do not compress and are the same each time."""
    return random.Random(seed).randbytes(size)


def large(subject, size, to="ann@example.org"):
    """A message of about `size` bytes, in wire form, with an attachment in base64."""
    body = base64.encodebytes(noise(size * 3 // 4)).replace(b"\n", b"\r\n")
    return plain(subject, to=to)[:-9] + b"Content-Transfer-Encoding: base64\r\n\r\n" + body


def as_stored(text):
    """What a text in wire form looks like in a Maildir."""
    return text.replace(b"\r\n", b"\n")
