"""TLS towards Exim, which is GnuTLS: what the levels of outbound.tls_domains make of a certificate
for its own domain, to which a domain that it hosts leads as well."""

from letters import plain
from server import wait_for
from world import DNS

SECONDS = 30
OWN, HOSTED = "exim.example", "hosted.example"


def send(server, subject, domain):
    with server.client() as client:
        client.sendmail(f"ann@{server.domain}", [f"bob@{domain}"], plain(subject))


def delivery(internet, server, subject, domain):
    """The log's line of it, when Exim has it."""
    exim = internet.neighbours["exim"]
    wait_for(lambda: exim.messages(subject.encode()), SECONDS, server.log_tail)
    return wait_for(lambda: server.events("delivered", to=f"bob@{domain}"), SECONDS)[0]


def forced(internet):
    level = {"level": "forced", "ca": str(internet.authority.file)}
    return {"tls_domains": {OWN: level, HOSTED: level}}


def test_forced_takes_the_domain_s_own_certificate_only(internet, launch):
    """An unsigned DNS may be forged: the host's name that it gives is no name to verify."""
    server = launch(outbound=forced(internet),
                    resolver={**internet.resolver(DNS), "dnssec": "off"})
    send(server, "TLS to another's certificate", HOSTED)
    send(server, "TLS to its own certificate", OWN)
    delivered = delivery(internet, server, "TLS to its own certificate", OWN)
    assert delivered["tls"].startswith("TLSv1.3 ") and delivered["tls"].endswith(", verified")
    (secured,) = server.events("secured", verified="1")
    assert (secured["level"], secured["by"]) == ("forced", "outbound.tls_domains")

    failed = wait_for(lambda: server.events("connect-failed"), SECONDS)[0]
    assert (f"for other names: mx.{OWN}; it has to be good for {HOSTED} or .{HOSTED}"
            in failed["reason"]), failed
    (entry,) = server.queue_list()
    shown = " ".join(server.command("queue", "show", entry["id"]).split())
    assert f"it has to be good for {HOSTED}" in shown
    server.command("queue", "delete", entry["id"])
    assert internet.neighbours["exim"].messages(b"TLS to another's certificate") == []


def test_forced_takes_the_host_s_certificate_by_a_signed_mx(internet, launch):
    server = launch(outbound=forced(internet))
    send(server, "TLS by a signed MX", HOSTED)
    delivered = delivery(internet, server, "TLS by a signed MX", HOSTED)
    assert delivered["tls"].endswith(", verified")


def test_opportunistic_takes_one_of_a_stranger(internet, launch):
    server = launch()
    send(server, "TLS with a stranger", OWN)
    assert delivery(internet, server, "TLS with a stranger", OWN)["tls"].endswith(", not verified")
