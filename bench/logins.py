"""Logins a second, by AUTH PLAIN on a connection each; and what the passwords' hash allows."""

import base64
import concurrent.futures
import contextlib
import crypt
import os
import sqlite3
import subprocess

from contenders import Postrider
from dialogue import Dialogue
from loads import timed
from server import binary
from yard import cell, note, print_table, ratio

NAME, PASSWORD = "ann@example.org", "correct horse battery staple"
LOGINS = {5: 500, 1: 2000}  # by auth.hash_cost: the default, and the least
SESSIONS = 8  # the keeper lets 16 passwords of an address wait


def start(folder, cost):
    server = Postrider(folder, auth={"cleartext": "loopback", "hash_cost": cost}).start()
    subprocess.run([binary(), "user", "add", NAME, "--password-stdin",
                    "--config", server.config_path], input=PASSWORD.encode(), check=True,
                   stdout=subprocess.DEVNULL)
    return server


def log_in(port):
    words = base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()
    with Dialogue(port) as dialogue:
        dialogue.say("EHLO client.example")
        reply = dialogue.say(f"AUTH PLAIN {words}")
        assert reply.startswith("235"), reply


def login_rate(server, count):
    with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
        seconds = timed(lambda: list(pool.map(log_in, [server.submission] * count)))
    return count / seconds


def hash_rate(server, count):
    """Of the account's hash, computed on every core with nothing else to do."""
    with contextlib.closing(sqlite3.connect(server.folder / "spool/accounts/accounts.db")) as file:
        ((stored,),) = file.execute("SELECT hash FROM account")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        seconds = timed(lambda: list(
            pool.map(crypt.crypt, [PASSWORD] * count, [stored] * count, chunksize=5)))
    return count / seconds


def run(yard, options):
    rates, bounds = {}, {}
    for number in range(options.rounds):
        for cost, logins in LOGINS.items():
            server = start(yard.fresh("logins"), cost)
            try:
                count = logins // options.quicken
                bounds.setdefault(cost, []).append(hash_rate(server, count))
                rate = login_rate(server, count)
            finally:
                server.end()
            rates.setdefault(cost, []).append(rate)
            note(f"round {number + 1}: logins: yescrypt at cost {cost} {rate:,.0f}/s")
    print_table(f"Logins a second, {SESSIONS} at a time: median (least–most) of {options.rounds}"
                " rounds", ["", "Postrider", "yescrypt alone, all cores", "part of that"],
                [[f"AUTH PLAIN, auth.hash_cost {cost}", cell(rates[cost]), cell(bounds[cost]),
                  ratio(rates[cost], bounds[cost])] for cost in LOGINS])
    print("\nA connection each, without TLS. The client is in Python and takes part of the cores.")
