"""What an operator does: queue, trace, reload, stop, restart."""

import json
import os
import pathlib
import re
import signal
import smtplib
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from dialogue import Dialogue
from letters import plain
from load import Load, check_account, delivered
from server import binary, free_port, wait_for


def send(server, text, to, sender="bob@example.org"):
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=60) as client:
        client.sendmail(sender, to, text)


def down(**config):
    """A configuration whose smarthost is not there, so that mail waits."""
    return {"routes": [{"to": "*", "via": f"smtp://127.0.0.1:{free_port()}"}], **config}


def wait_queued(server, count):
    """The queue, once the destination is known to be down and nothing is under way."""
    def queued():
        queue = server.queue_list()
        states = {recipient["status"] for entry in queue for recipient in entry["recipients"]}
        return len(queue) == count and states <= {"queued", "deferred"} and queue

    wait_for(lambda: server.events("connect-failed"), 20)
    return wait_for(queued, 20)


RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_queue_list_has_the_pinned_form(launch):
    server = launch(**down())
    assert server.queue_list() == []
    send(server, plain("one"), ["c1@partner.example", "c2@partner.example"])
    (entry,) = wait_queued(server, 1)
    assert set(entry) == {"id", "from", "size", "received", "recipients"}
    assert RFC3339.fullmatch(entry["received"])
    for recipient in entry["recipients"]:
        assert set(recipient) == {"address", "status", "attempts", "next", "reply"}
        assert RFC3339.fullmatch(recipient["next"])
    assert entry["id"] in server.command("queue", "list")


def test_queue_show_and_stats(launch):
    server = launch(**down())
    send(server, plain("one"), ["c1@partner.example"])
    (entry,) = wait_queued(server, 1)
    shown = server.json("queue", "show", entry["id"])
    assert entry["id"] in str(shown) and "c1@partner.example" in str(shown)
    assert "c1@partner.example" in server.command("queue", "show", entry["id"])
    stats = server.json("queue", "stats")
    assert stats["messages"] == 1
    assert "1" in server.command("queue", "stats")
    server.command("queue", "show", "0000000000001", status=1)


def test_queue_delete_removes_without_a_bounce(launch):
    server = launch(**down())
    for number in range(3):
        send(server, plain(f"number {number}"), ["c@partner.example"], sender="ann@example.org")
    queue = wait_queued(server, 3)
    server.command("queue", "delete", queue[1]["id"])
    left = wait_queued(server, 2)
    assert [entry["id"] for entry in left] == [queue[0]["id"], queue[2]["id"]]
    assert server.messages("ann@example.org") == []
    server.command("queue", "delete", queue[1]["id"], status=1)


def test_queue_retry_all_tries_again(launch):
    server = launch(**down())
    for number in range(3):
        send(server, plain(f"number {number}"), ["c@partner.example"])
    wait_queued(server, 3)
    before = len(server.events("connect-failed"))
    server.command("queue", "retry", "all")
    wait_for(lambda: len(server.events("connect-failed")) > before, 20)
    assert len(server.queue_list()) == 3


def states(server, **select):
    words = [word for name, value in select.items() for word in (f"--{name}", value)]
    return {entry["from"]: {recipient["status"] for recipient in entry["recipients"]}
            for entry in server.json("queue", "list", *words)}


def test_hold_outlasts_a_restart_and_release_goes_on(launch, script):
    peer = script()
    server = launch(**down())
    send(server, plain("kept"), ["c1@partner.example", "c2@other.example"], sender="bad@example.org")
    send(server, plain("goes"), ["c@partner.example"], sender="bob@example.org")
    wait_queued(server, 2)
    assert "1 message is held now" in server.command("queue", "hold", "--from", "BAD@example.org")
    assert server.json("queue", "hold", "--from", "@example.org", "--domain", "other.example") == \
        {"count": 0, "matched": 1}
    assert states(server) == {"bad@example.org": {"held"}, "bob@example.org": {"deferred"}}
    assert server.json("queue", "stats")["held"] == 1
    identity, = (event["id"] for event in server.events("held"))
    # A route that works, a retry, a restart: what is held stays where it is.
    server.config["routes"] = [{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}]
    server.write_config()
    server.command("reload")
    server.command("queue", "retry", "all")
    wait_for(lambda: len(server.queue_list()) == 1, 20)
    server.stop()
    server.start()
    assert states(server) == {"bad@example.org": {"held"}}
    server.command("queue", "retry", identity)
    assert states(server, status="held", older="1ms") == {"bad@example.org": {"held"}}
    assert len(peer.messages) == 1
    assert "held back by the operator" in server.command("trace", identity)
    assert "1 message goes on" in server.command("queue", "release", "--status", "held")
    server.wait_queue_empty()
    assert len(peer.messages) >= 2
    assert [event["id"] for event in server.events("released")] == [identity]


def test_selections(launch, script):
    peer = script(rcpt=lambda line: "451 4.7.1 Greylisted" if "grey" in line else "452 full")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"},
                            {"to": "down.example", "via": f"smtp://127.0.0.1:{free_port()}"}])
    send(server, plain("1"), ["c@grey.example"], sender="one@example.org")
    send(server, plain("2"), ["c@full.example", "d@full.example"], sender="two@example.net")
    send(server, plain("3"), ["c@down.example"], sender="three@example.org")
    wait_queued(server, 3)
    lane = f"smtp://127.0.0.1:{peer.port}"
    for select, want in [
            ({"from": "ONE@example.org"}, {"one"}), ({"from": "@example.org"}, {"one", "three"}),
            ({"to": "d@full.example"}, {"two"}), ({"domain": "DOWN.example"}, {"three"}),
            ({"reply": "greylisted"}, {"one"}), ({"lane": lane}, {"one", "two"}),
            ({"older": "1d"}, set()), ({"younger": "1d", "domain": "full.example"}, {"two"}),
            ({"status": "deferred"}, {"one", "two", "three"}), ({"status": "held"}, set()),
            ({"from": "<>"}, set())]:
        found = {sender.partition("@")[0] for sender in states(server, **select)}
        assert found == want, select
        words = [word for name, value in select.items() for word in (f"--{name}", value)]
        assert server.json("queue", "delete", *words, "--dry-run") == \
            {"count": 0, "matched": len(want)}
    assert len(server.queue_list()) == 3


def test_selections_that_are_none(launch):
    server = launch()
    for words in ["hold", "retry", "delete", "release all --from a@example.org",
                  "list 0000000000000", "retry 0000000000000", "delete 0000000000000",
                  "list --older 5", "list --older 0", "list --status lost", "list --lane=",
                  "list --from", "show --from a@example.org", "stats all", "list --yes"]:
        server.command("queue", *words.split(), status=2)
    server.command("queue", "hold", "0000000000001", status=1)
    server.command("queue", "list", "0000000000001", status=1)
    assert server.json("queue", "delete", "all") == {"count": 0, "matched": 0}


def test_many_are_deleted_only_on_purpose(launch):
    server = launch(**down())
    for number in range(3):
        send(server, plain(f"{number}"), ["c@partner.example"], sender=f"s{number}@example.org")
    wait_queued(server, 3)
    server.command("queue", "delete", "all", status=2)
    server.command("queue", "delete", "--from", "@example.org", status=2)
    assert len(server.queue_list()) == 3
    assert "3 messages selected" in server.command("queue", "delete", "--from", "@example.org", "--to",
                                 "c@partner.example", "--younger", "1h", "--dry-run")
    assert "1 message deleted" in server.command("queue", "delete", "--from", "s1@example.org",
                                                 "--yes")
    assert set(states(server)) == {"s0@example.org", "s2@example.org"}
    assert "2 messages deleted" in server.command("queue", "delete", "all", "--yes")
    assert server.queue_list() == []
    assert len(server.events("deleted")) == 3


def fill(server, count):
    """So many messages that wait, from 100 senders to 20 domains, pipelined."""
    text = b"Subject: waits\r\n\r\nHello\r\n"

    def send_some(numbers):
        with Dialogue(server.submission) as dialogue:
            dialogue.say("EHLO client.example")
            for begin in range(0, len(numbers), 50):
                batch = numbers[begin : begin + 50]
                dialogue.send(b"".join(
                    f"MAIL FROM:<s{number % 100}@example.org>\r\n"
                    f"RCPT TO:<c{number}@d{number % 20}.example>\r\n"
                    f"BDAT {len(text)} LAST\r\n".encode() + text for number in batch))
                assert all(dialogue.reply().startswith("250 ") for _ in range(3 * len(batch)))

    with ThreadPoolExecutor() as pool:
        list(pool.map(send_some, [range(count)[part::8] for part in range(8)]))


def test_selections_of_many_while_mail_is_accepted(launch):
    """Each command goes through the queue in pages, between which the server serves others."""
    many = 5000
    server = launch(**down())
    fill(server, many)
    load = Load(server, seed=1, senders=2)

    def act(*words, matched, count=None):
        done = server.json("queue", *words)
        assert done == {"matched": matched, "count": matched if count is None else count}, words
        load.wait_more(1, what="mail is accepted")

    def ids(*words):
        found = [entry["id"] for entry in server.json("queue", "list", *words)]
        assert found == sorted(set(found))
        return found

    act("hold", "--from", "s7@example.org", matched=many // 100)
    seven = ids("--status", "held")
    assert seven == ids("--from", "s7@example.org") and len(seven) == many // 100
    assert server.json("queue", "stats")["held"] == many // 100
    for number in range(1, 20):
        act("hold", "--domain", f"d{number}.example", matched=many // 20,
            count=many // 20 - (many // 100 if number == 7 else 0))
    assert len(ids("--status", "held")) == many // 20 * 19
    act("delete", "--from", "s8@example.org", "--yes", matched=many // 100)
    act("release", "--domain", "d7.example", matched=many // 20)
    act("release", "--status", "held", matched=many // 20 * 18 - many // 100)
    assert ids("--status", "held") == []
    assert ids("--from", "s7@example.org") == seven
    act("delete", "--domain", "d7.example", "--older", "1ms", "--yes", matched=many // 20)
    assert ids("--from", "s7@example.org") == [] == ids("--from", "s8@example.org")
    load.end()
    left = many - many // 20 - many // 100
    wait_for(lambda: server.json("queue", "stats")["messages"] == left, 60)
    assert len(ids()) == left
    assert len(server.events("deleted")) == many - left
    check_account(load, delivered(server), most_twice=0)
    # What was done is kept.
    server.restart()
    assert server.json("queue", "stats")["messages"] == left
    assert server.json("queue", "delete", "all", "--yes") == {"matched": left, "count": left}
    wait_for(lambda: server.json("queue", "stats")["messages"] == 0, 60)


def test_retry_of_a_lane(launch):
    one, other = free_port(), free_port()
    server = launch(routes=[{"to": "one.example", "via": f"smtp://127.0.0.1:{one}"},
                            {"to": "*", "via": f"smtp://127.0.0.1:{other}"}])
    for number in range(3):
        send(server, plain(f"{number}"), ["c@one.example", "c@other.example"])
    lanes = [f"smtp://127.0.0.1:{port}" for port in (one, other)]

    def failures():
        seen = [event["lane"] for event in server.events("connect-failed")]
        return [seen.count(lane) for lane in lanes]

    wait_for(lambda: failures() == [1, 1], 20)
    assert server.json("queue", "retry", "--lane", lanes[0]) == {"count": 3, "matched": 3}
    wait_for(lambda: failures() == [2, 1], 20)
    assert failures() == [2, 1]


def test_commands_say_when_no_server_runs(launch):
    server = launch()
    server.stop()
    server.command("queue", "list", status=75)
    server.command("reload", status=75)
    server.command("stop", status=75)


def test_what_expires_is_logged_though_nobody_is_told(launch):
    server = launch(**down(queue={"retry_first": "100ms", "retry_max": "200ms", "expire": "500ms"}))
    send(server, plain("a bounce"), ["carol@partner.example", "dave@partner.example"], sender="")
    server.wait_queue_empty()
    (accepted,) = server.events("accepted")
    assert [(event["id"], event["to"], event["status"]) for event in server.events("failed")] == [
        (accepted["id"], f"{who}@partner.example", "5.4.7") for who in ("carol", "dave")]
    assert not server.events("report")
    assert "given up for dave@partner.example: not delivered within" in server.command(
        "trace", accepted["id"])


def test_unknown_option_is_a_usage_error(launch):
    launch().command("queue", "list", "--nonsense", status=2)


def test_trace_tells_the_story_in_order(launch, script):
    peer = script(rcpt=lambda line: "550 5.1.1 unknown" if "bad@" in line else "250 2.1.5 ok")
    server = launch(routes=[{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}])
    send(server, plain("story"), ["good@partner.example", "bad@partner.example",
                                  "ann@example.org"], sender="bob@example.org")
    server.wait_messages("bob@example.org", 1)
    server.wait_queue_empty()
    identity = server.events("accepted")[0]["id"]
    assert identity in server.wait_message("ann@example.org").received
    story = server.command("trace", identity)
    rows = story.partition("\n")[2]
    places = [rows.index(word) for word in ("127.0.0.1", "good@partner.example")]
    assert places == sorted(places)
    events = [json.loads(line)["event"]
              for line in server.command("trace", "--json", identity).splitlines()]
    assert events[0] == "accepted"
    assert events.count("delivered") == 2 and events.count("failed") == 1
    assert events.index("failed") < events.index("report")
    by_address = server.command("trace", "bad@partner.example")
    assert identity in by_address
    server.command("trace", "0000000000001", status=1)


def test_trace_ends_with_the_present_state(launch):
    server = launch(**down())
    send(server, plain("waits"), ["c1@partner.example", "ann@example.org"])
    server.wait_message("ann@example.org")
    wait_for(lambda: server.events("connect-failed"), 20)
    (entry,) = server.queue_list()
    reply = next(recipient["reply"] for recipient in entry["recipients"] if recipient["next"])
    story = server.command("trace", entry["id"])
    present = story.splitlines()[-1]
    assert "could not connect to smtp://127.0.0.1:" in story
    assert re.fullmatch(r" *now +waiting for c1@partner\.example because: (.*); next try at "
                        r"\S+ \S+ \(in .*\)", present), present
    assert reply in present
    assert "now" in server.command("trace", "c1@partner.example").splitlines()[-1]
    stored, = server.events("mailbox-stored", id=entry["id"])
    assert stored["path"] in story
    server.stop()
    assert "waiting for" not in server.command("trace", entry["id"])
    server.start()


def test_trace_of_a_deleted_message_says_so(launch):
    server = launch(**down())
    send(server, plain("goes"), ["c1@partner.example"])
    (entry,) = wait_queued(server, 1)
    server.command("queue", "delete", entry["id"])
    assert server.command("trace", entry["id"]).splitlines()[-1].endswith(
        "deleted from the queue by the operator")


def test_mail_for_a_suspended_lane_is_deferred(launch):
    server = launch(**down())
    send(server, plain("first"), ["c1@partner.example"])
    (first,) = wait_queued(server, 1)
    send(server, plain("second"), ["c2@partner.example"])
    _, second = wait_queued(server, 2)
    (mine,), (other,) = second["recipients"], first["recipients"]
    assert (mine["status"], mine["attempts"]) == ("deferred", 0)
    assert (mine["reply"], mine["next"]) == (other["reply"], other["next"])


def test_reload_picks_up_a_new_domain(launch):
    server = launch()
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        dialogue.say("MAIL FROM:<bob@example.net>")
        assert dialogue.say("RCPT TO:<ann@new.example>").startswith("550 5.7.1 ")
    server.config["domains"].append({"name": "new.example", "mailboxes": ["ann"]})
    server.write_config()
    server.command("reload")
    with Dialogue(server.mx) as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.transaction("bob@example.net", ["ann@new.example"],
                                    plain("new")).startswith("250 ")
    server.wait_message("ann@new.example")


def test_reload_with_a_mistake_changes_nothing(launch):
    server = launch()
    good = server.config_path.read_text()
    server.config_path.write_text(good + "nonsense: 1\n")
    server.command("reload", status=1)
    send(server, plain("still here"), ["ann@example.org"])
    server.wait_message("ann@example.org")
    server.config_path.write_text(good)


DIGEST = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"


def test_a_trust_anchor_is_checked_before_it_is_taken_up(launch):
    server = launch()
    anchor = server.folder / "root.key"
    anchor.write_text(f"; the root\n. IN DS 20326 8 2 {DIGEST[1:]}\n")
    server.config["resolver"] = {"trust_anchor": "root.key"}
    server.write_config()
    assert "root.key:2: the digest is not" in server.command("check", status=1)
    server.command("reload", status=1)
    (problem,) = server.events("config-problem")
    assert not server.events("reloaded")
    assert "root.key:2: the digest is not" in problem["problem"]
    # Renamed into place, as such files are: no process may open this one any more.
    for number in (20326, 38696):
        following = server.folder / "following.key"
        following.write_text(f". IN DS {number} 8 2 {DIGEST}\n")
        following.rename(anchor)
        server.command("reload")
    assert [event["trust_anchor"] for event in server.events("resolver")][1:] == [str(anchor)] * 2
    server.command("reload")
    assert len(server.events("resolver")) == 3
    assert not server.events("child-exited")


def test_what_cannot_begin_ends_the_start(launch):
    server = launch()
    server.stop()
    shard = server.folder / "spool" / "0"
    shard.rename(server.folder / "elsewhere")
    shard.write_text("no folder\n")
    server.launch()
    assert server.process.wait(30) == 1
    server.process = None
    # Where the kernel confines it, it fails at that already.
    (event,) = server.events("child-failed") + server.events("worker-failed")
    assert str(shard) in event["reason"]
    (event,) = server.events("start-failed")
    assert event["reason"] == "worker-0 cannot begin; a line of its own says why"
    assert server.events("child-exited")
    shard.unlink()
    (server.folder / "elsewhere").rename(shard)
    server.start()


def test_stop_command_ends_the_server(launch):
    server = launch()
    server.command("stop")
    assert server.process.wait(30) == 0
    server.process = None
    server.check_sanitizers()


def test_stop_lets_a_message_under_way_finish(launch):
    server = launch()
    dialogue = Dialogue(server.mx)
    dialogue.say("EHLO client.example")
    dialogue.say("MAIL FROM:<bob@example.net>")
    dialogue.say("RCPT TO:<ann@example.org>")
    dialogue.say("DATA")
    dialogue.send(b"Subject: under way\r\n")
    # The command waits for the end.
    stopper = threading.Thread(target=server.command, args=["stop"])
    stopper.start()
    wait_for(lambda: server.events("stopping"), 20)

    def refuses():
        try:
            with Dialogue(server.mx, seconds=1):
                return False
        except ConnectionError:
            return True

    wait_for(refuses, 20, "connections are refused while it stops")
    dialogue.send(b"\r\nend\r\n.\r\n")
    assert dialogue.reply().startswith("250 ")
    dialogue.socket.close()
    stopper.join(30)
    assert server.process.wait(30) == 0
    server.process = None
    server.start()
    assert server.wait_message("ann@example.org").sent == b"Subject: under way\n\nend\n"


def test_restart_with_a_full_queue_loses_nothing(launch, script):
    server = launch(**down())
    for number in range(40):
        send(server, plain(f"number {number}"), [f"c{number}@partner.example"])
    before = [entry["id"] for entry in wait_queued(server, 40)]
    peer = script()
    server.config["routes"] = [{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}]
    server.write_config()
    server.stop()
    server.start()
    assert set(entry["id"] for entry in server.queue_list()) <= set(before)
    server.command("queue", "retry", "all")
    server.wait_queue_empty()
    sent = sorted(envelope[1] for envelope, _ in peer.messages)
    assert sent == sorted(f"RCPT TO:<c{number}@partner.example>" for number in range(40))


def test_a_reload_during_another_is_of_the_newest_file(launch):
    """The mailbox process rests, so that a reload is under way; who asks then hears of the file as
    it is then, whatever comes of the first."""
    server = launch()
    pids = {name.split()[0]: pid for pid, name in server.processes().items()}
    control = pathlib.Path(f"/proc/{pids['control']}/fd")
    good = server.folder / "good.yaml"
    good.write_text(server.config_path.read_text())

    def reload(clients):
        client = subprocess.Popen([binary(), "reload", "--config", good],
                                  stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(list(control.iterdir())) >= idle + clients, 20)
        return client
    idle = len(list(control.iterdir()))
    os.kill(pids["mailbox"], signal.SIGSTOP)
    try:
        first = reload(1)
        server.config["nonsense"] = 1
        server.write_config()
        second = reload(2)
    finally:
        os.kill(pids["mailbox"], signal.SIGCONT)
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 1 and "nonsense" in said, said
    first.communicate(timeout=60)
    del server.config["nonsense"]
    server.write_config()
    server.command("reload")


def test_reload_changes_what_the_workers_log(launch):
    server = launch()
    send(server, plain("loud"), ["ann@example.org"])
    assert wait_for(lambda: server.events("accepted"), 20)
    server.config["log"] = {"level": "warning"}
    server.write_config()
    server.command("reload")
    send(server, plain("quiet"), ["ann@example.org"])
    server.wait_messages("ann@example.org", 2)
    assert len(server.events("accepted")) == 1


def test_fewer_workers_deliver_what_more_have_left(launch, script):
    server = launch(workers=2, **down())
    for number in range(40):
        send(server, plain(f"number {number}"), [f"c{number}@partner.example"])
    before = [entry["id"] for entry in wait_queued(server, 40)]
    assert len({event["process"] for event in server.events("accepted")}) == 2
    server.config["workers"] = 1
    server.write_config()
    server.stop()
    server.start()
    assert sorted(entry["id"] for entry in server.queue_list()) == sorted(before)
    peer = script()
    server.config["routes"] = [{"to": "*", "via": f"smtp://127.0.0.1:{peer.port}"}]
    server.write_config()
    server.command("reload")
    server.command("queue", "retry", "all")
    server.wait_queue_empty()
    sent = sorted(envelope[1] for envelope, _ in peer.messages)
    assert sent == sorted(f"RCPT TO:<c{number}@partner.example>" for number in range(40))


def test_a_session_that_is_idle_does_not_hold_up_a_stop(launch):
    server = launch()
    idle = Dialogue(server.mx)
    server.stop()
    assert idle.rest().startswith("421 4.3.2 ")
    idle.socket.close()
