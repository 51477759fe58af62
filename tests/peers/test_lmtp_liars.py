"""An LMTP server that lies or breaks off between its replies, one for each recipient (RFC 2033,
4.2): who was answered 250 has the message, and is never sent it again; who was not, gets it."""

import re
import smtplib

import pytest

from letters import plain
from peers import Script
from server import wait_for

PEOPLE = ["a@example.org", "b@example.org", "c@example.org"]
OK = "250 2.0.0 taken\r\n"


class Liar(Script):
    """Answers the first message's end with `end`, then closes if told to; others honestly. Keeps the
    recipients of each transaction whose text it got."""

    def __init__(self, end, closes, **replies):
        self.end, self.closes = end, closes
        self.transactions = []
        super().__init__(**replies)

    def talk(self, stream):
        def say(text):
            stream.write(text.encode())
            stream.flush()

        say("220 liar.example LMTP\r\n")
        people = []
        for raw in stream:
            line = raw.decode().rstrip("\r\n")
            verb = line.split(" ")[0].lower()
            if verb == "mail":
                people = []
            if verb == "rcpt":
                people.append(re.search("<(.*)>", line)[1])
            if verb != "data":
                say({"lhlo": "250-liar.example\r\n250 PIPELINING",
                     "quit": "221 bye"}.get(verb, "250 2.0.0 ok") + "\r\n")
                continue
            say("354 go on\r\n")
            self.read_text(stream)
            self.transactions.append(people)
            if len(self.transactions) > 1:
                say(OK * len(people))
                continue
            say(self.end)
            if self.closes:
                return


# name, what the end of data is answered, whether the server then closes, who gets it again, who is
# bounced
ROWS = [
    ("one for each", OK * 3, False, [], []),
    ("as one reply of many lines each", ("250-2.0.0 yes\r\n" + OK) * 3, False, [], []),
    ("too many", OK * 5, False, [], []),
    ("too many, and closes", OK * 4, True, [], []),
    ("too few, and closes", OK * 2, True, ["c"], []),
    ("too few, and silence", OK * 2, False, ["c"], []),
    ("none, and closes", "", True, ["a", "b", "c"], []),
    ("none, and silence", "", False, ["a", "b", "c"], []),
    ("half a reply, and closes", OK + "250 2.0", True, ["b", "c"], []),
    ("the first line of a reply, and closes", OK + "250-2.0.0 yes\r\n", True, ["b", "c"], []),
    ("421 instead of the rest", OK + "421 4.3.2 closing\r\n", True, ["b", "c"], []),
    ("421 for the first, then the rest", "421 4.3.2 not this one\r\n" + OK * 2, True, ["a"], []),
    ("421 in the middle, and silence", OK + "421 4.3.2 closing\r\n", False, ["b", "c"], []),
    ("4xx in the middle", OK + "451 4.2.0 box is locked\r\n" + OK, False, ["b"], []),
    ("5xx in the middle", OK + "550 5.2.1 box is closed\r\n" + OK, False, [], ["b"]),
    # It waits for something that nobody has: what it says from there on is not believed.
    ("3xx in the middle", OK + "354 go on\r\n" + OK, False, ["b", "c"], []),
    ("all of each kind", "550 5.2.1 closed\r\n" + OK + "452 4.2.2 full\r\n", False, ["c"], ["a"]),
    ("no reply in the middle", OK + "what?\r\n" + OK, False, ["b", "c"], []),
    ("a code that is none", OK + "999 what\r\n" + OK, False, ["b", "c"], []),
    ("a reply of endless length", OK + "250-more\r\n" * 20000, True, ["b", "c"], []),
    ("zeros", OK + "\0" * 100 + "\r\n", True, ["b", "c"], []),
]


@pytest.mark.parametrize("name, end, closes, again, bounced", ROWS, ids=[row[0] for row in ROWS])
def test_exactly_those_answered_250_have_it(launch, name, end, closes, again, bounced):
    peer = Liar(end, closes)
    try:
        server = launch(
            domains=[{"name": "example.org", "mailboxes": ["a", "b", "c"]}],
            deliver={"lmtp": f"lmtp://127.0.0.1:{peer.port}"},
            queue={"retry_first": "100ms", "retry_max": "200ms", "connections": 1},
            outbound={"data_end_timeout": "1s", "idle": "10s"})
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            client.sendmail("", PEOPLE, plain(name))
            server.wait_queue_empty()
            # What was too much does not answer what comes next.
            client.sendmail("", PEOPLE[:1], plain("next"))
        server.wait_queue_empty()
    finally:
        peer.stop()
    first, *later, last = peer.transactions
    assert sorted(first) == PEOPLE
    assert sorted(sum(later, [])) == [f"{person}@example.org" for person in again]
    assert last == PEOPLE[:1]
    assert [event["to"][0] for event in server.events("failed")] == bounced
    assert len(server.events("delivered")) == len(PEOPLE) - len(bounced) + 1


def test_a_recipient_refused_before_the_text_has_no_reply_after_it(launch):
    peer = Script(rcpt=lambda line: "550 5.1.1 none here" if "<b@" in line else "250 2.1.5 ok",
                  lhlo="250 script.example", end="250 2.0.0 for a\r\n451 4.2.0 not for c")
    try:
        server = launch(
            domains=[{"name": "example.org", "mailboxes": ["a", "b", "c"]}],
            deliver={"lmtp": f"lmtp://127.0.0.1:{peer.port}"})
        with smtplib.SMTP("127.0.0.1", server.mx, timeout=30) as client:
            client.sendmail("", PEOPLE, plain("refused"))
        wait_for(lambda: server.events("deferred"), 20)
    finally:
        peer.stop()
    assert [event["to"] for event in server.events("delivered")] == ["a@example.org"]
    assert [event["to"] for event in server.events("failed")] == ["b@example.org"]
    assert [event["to"] for event in server.events("deferred")] == ["c@example.org"]
