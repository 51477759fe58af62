"""Messages that other programs were tested with go in and come out byte for byte.

POSTRIDER_MESSAGES names more folders with messages to send, with colons between them."""

import os
import pathlib

from dialogue import Dialogue
from letters import as_stored

MESSAGES = pathlib.Path(__file__).resolve().parents[1] / "data/messages"
SUFFIXES = (".eml", ".msg", ".txt")


def messages():
    more = [pathlib.Path(name) for name in os.environ.get("POSTRIDER_MESSAGES", "").split(":")
            if name]
    found = sorted(path for folder in [MESSAGES, *more] for path in folder.rglob("*")
                   if path.suffix in SUFFIXES and "Artistic" not in path.name)
    assert len(found) > 80
    return found


def as_sent(raw):
    """In wire form: files have LF as a line's end, or CRLF, or both."""
    text = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return text if text.endswith(b"\r\n") else text + b"\r\n"


def send_by_data(dialogue, text, person):
    return dialogue.transaction("bob@example.net", [person], text)


def send_by_chunks(dialogue, text, person):
    dialogue.send(f"MAIL FROM:<bob@example.net> BODY=BINARYMIME\r\nRCPT TO:<{person}>\r\n"
                  f"BDAT {len(text)} LAST\r\n".encode() + text)
    assert dialogue.reply().startswith("250 2.1.0 ")
    assert dialogue.reply().startswith("250 2.1.5 ")
    return dialogue.reply()


def go_through(server, prefix, transmit, store):
    paths = messages()
    texts = [store(path.read_bytes()) for path in paths]
    with Dialogue(server.mx, seconds=60) as dialogue:
        dialogue.say("EHLO client.example")
        for number, text in enumerate(texts):
            reply = transmit(dialogue, text, f"{prefix}{number}@example.org")
            assert reply.startswith("250 2.0.0 "), (paths[number], reply)
    server.wait_queue_empty(60)
    for number, text in enumerate(texts):
        yield paths[number], text, server.wait_message(f"{prefix}{number}@example.org")


def test_messages_by_data_come_out_as_they_went_in(shared):
    def as_text(raw):
        """Bare CR and NUL may be in a message by BINARYMIME only."""
        return as_sent(raw.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\0", b" "))

    for path, text, message in go_through(shared, "data", send_by_data, as_text):
        assert message.sent == as_stored(text), path


def test_messages_in_binary_chunks_come_out_as_they_went_in(shared):
    for path, text, message in go_through(shared, "chunk", send_by_chunks, bytes):
        assert message.raw.endswith(text), path
        trace = message.raw[: len(message.raw) - len(text)]
        assert trace.startswith(b"Return-Path: <bob@example.net>\r\nDelivered-To: chunk"), path
        assert trace.count(b"Received: ") == 1 and trace.endswith(b"\r\n"), path
