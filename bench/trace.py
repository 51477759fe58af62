#!/usr/bin/python3
"""How long `postrider trace` takes to find something in a month of logs.

Writes journals as the processes would (a worker's and the mailbox process's, closed at 32 MiB), then
asks for a message, an address, a client and another server that are somewhere in them: with no index
yet, with indexes, and with cold files. Beside it: grep over the same. Needs twice --size of disk."""

import argparse
import datetime
import os
import pathlib
import random
import subprocess
import tempfile
import time

FILE_LIMIT = 32 << 20
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
EPOCH_MS = 1577836800000


def print_id(ms, counter):
    number = (ms - EPOCH_MS) << 22 | counter % 65536
    text = ""
    for _ in range(13):
        text = DIGITS[number & 31] + text
        number >>= 5
    return text


def stamp(ms):
    moment = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


class Journal:
    def __init__(self, folder, process):
        self.folder, self.process, self.written = folder, process, 0
        self.file = open(folder / f"{process}.log", "w", buffering=1 << 20)

    def add(self, ms, event, fields):
        line = f"time={stamp(ms)} level=info process={self.process} event={event} {fields}\n"
        self.file.write(line)
        self.written += len(line)
        if self.written >= FILE_LIMIT:
            self.file.close()
            name = stamp(ms).translate(str.maketrans("", "", "-:."))
            (self.folder / f"{self.process}.log").rename(
                self.folder / f"{self.process}.{name}.log")
            self.file, self.written = open(self.folder / f"{self.process}.log", "w",
                                           buffering=1 << 20), 0


def write_month(folder, size, days):
    """Half of the mail comes in and half goes out; an eighth is refused."""
    draw = random.Random(1)
    worker, mailbox = Journal(folder, "worker-0"), Journal(folder, "mailbox")
    now_ms, total, count = int(time.time() * 1000), 0, 0
    messages = size // 1000
    wanted = {}
    while total < size:
        count += 1
        ms = int(now_ms - days * 86400000 * (1 - count / (messages + 1)))
        ms = min(ms, now_ms)
        mark, session = print_id(ms + 5, count), print_id(ms, count)
        client = f"198.51.{draw.randrange(256)}.{draw.randrange(256)}"
        user, far = draw.randrange(20000), draw.randrange(50000)
        sender = f"person{draw.randrange(10**6)}@domain{far}.example"
        head = f"session={session} client={client} helo=mail.domain{far}.example"
        before = worker.written
        if count == messages // 3:
            wanted = {"message": mark, "recipient": f"user{user}@example.org",
                      "sender": sender, "client": client, "server": f"mx.domain{far}.example"}
        worker.add(ms, "tls", f"session={session} client={client} version=TLSv1.3 "
                   "cipher=TLS_AES_256_GCM_SHA384 sni=mx.example.org resumed=0")
        if count % 8 == 0:
            worker.add(ms + 2, "refused", f"{head} from={sender} to=nobody{user}@example.org code=550 "
                       "status=5.1.1 rule=unknown-mailbox text=\"no mailbox here; check the part "
                       "before the @\" listener=0.0.0.0:25")
        elif count % 2:
            worker.add(ms + 5, "accepted", f"id={mark} {head} from={sender} to=user{user}@example.org "
                       f"nrcpt=1 size={draw.randrange(10**5)} protocol=ESMTPS "
                       "tls=\"TLSv1.3 TLS_AES_256_GCM_SHA384 256\" listener=0.0.0.0:25")
            mailbox.add(ms + 9, "mailbox-stored", f"id={mark} to=user{user}@example.org "
                        f"path=example.org/user{user}/new/{ms}.M1P2_{count}.mx.example.org size=4000")
            worker.add(ms + 10, "delivered", f"id={mark} to=user{user}@example.org "
                       "lane=lmtp:unix:/var/spool/postrider/run/mailbox.sock code=250 status=2.0.0 "
                       "reply=\"250 2.0.0 stored\" delay_ms=10")
        else:
            worker.add(ms + 5, "accepted", f"id={mark} {head} from=user{user}@example.org to={sender} "
                       "nrcpt=1 size=4000 protocol=ESMTPSA listener=0.0.0.0:587 "
                       f"user=user{user}@example.org")
            worker.add(ms + 900, "delivered", f"id={mark} to={sender} lane=domain{far}.example "
                       f"host=mx.domain{far}.example[{client}]:25 code=250 status=2.0.0 "
                       f"reply=\"250 2.0.0 Ok: queued as {draw.randrange(16**10):X}\" delay_ms=900")
        total += max(worker.written - before, 0) + (170 if count % 2 and count % 8 else 0)
    worker.file.close()
    mailbox.file.close()
    return wanted


def drop_caches():
    subprocess.run(["sync"], check=True)
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except OSError:
        print("(the files stay in memory: only root can have them read anew)")


def measure(words, rounds=1):
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True)
        times.append(time.monotonic() - start)
    return sorted(times)[len(times) // 2], done.stdout.count("\n")


def main():
    options = argparse.ArgumentParser(description=__doc__,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--postrider", default="build/postrider")
    options.add_argument("--size", type=int, default=1024, help="MiB of journals")
    options.add_argument("--days", type=int, default=30)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="postrider-trace-") as name:
        folder = pathlib.Path(name)
        trace = folder / "spool/trace"
        trace.mkdir(parents=True)
        (folder / "postrider.yaml").write_text(
            "hostname: mx.example.org\nlisten: [{address: \"127.0.0.1:2525\"}]\nspool: spool\n")
        wanted = write_month(trace, given.size << 20, given.days)
        journals = sorted(trace.glob("*.log"))
        size = sum(path.stat().st_size for path in journals)
        command = [given.postrider, "trace", "--config", folder / "postrider.yaml"]
        print(f"{size >> 20} MiB in {len(journals)} journals")
        seconds, _ = measure([*command, wanted["message"]])
        indexes = sum(path.stat().st_size for path in trace.glob("*.index"))
        print(f"first search, which makes all indexes: {seconds:.2f} s; "
              f"they have {indexes / 2**20:.1f} MiB")
        print("\n| wanted | lines | indexed, ms | cold files, ms | grep, ms |\n"
              "| --- | --- | --- | --- | --- |")
        for what, text in wanted.items():
            warm, lines = measure([*command, text], 5)
            drop_caches()
            cold, _ = measure([*command, text])
            for path in journals:
                os.posix_fadvise(os.open(path, os.O_RDONLY), 0, 0, os.POSIX_FADV_WILLNEED)
            measure(["grep", "-cF", text, *journals])
            grep, _ = measure(["grep", "-iF", text, *journals], 3)
            print(f"| {what} | {lines} | {warm * 1000:.0f} | {cold * 1000:.0f} | "
                  f"{grep * 1000:.0f} |")


if __name__ == "__main__":
    main()
