/* The configuration: what is read from a good one, and the exact words for a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/map.h"
#include "daemon/config.h"
#include "daemon/schema.h"

#define FINGERPRINT "ab01000000000000000000000000000000000000000000000000000000000000"
#define GOOD "hostname: mx.example.org\nlisten: [{address: \"127.0.0.1:2525\"}]\n"

/* --- Bad ones -----------------------------------------------------------------------------------
 */

static const struct {
    const char *name, *text, *want;
} bad_rows[] = {
    {"empty", "", "c.yaml: the file is empty; write at least hostname and listen\n"},
    {"not a mapping", "- a\n",
     "c.yaml:1: the file is a mapping of keys, not a list\n"
     "c.yaml: \"hostname\" is missing; write hostname: mx.example.org\n"},
    {"not YAML", "hostname: [a\n",
     "c.yaml:2: not YAML: while parsing a flow sequence, did not find expected ',' or ']'; a [ or "
     "{ is not closed, or a comma is missing\n"},
    {"tab", "hostname:\n\t- a\n",
     "c.yaml:2: not YAML: while scanning for the next token, found character that cannot start "
     "any token; indent by spaces, not by tabs, and put what begins with @, ` or % in quotes\n"},
    {"two documents", GOOD "---\nhostname: b\n",
     "c.yaml:3: a second document begins; write one only\n"},
    {"deep", "hostname: [[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]\n",
     "c.yaml:1: values are nested more than 16 deep\n"},
    {"no listener", "hostname: mx.example.org\n",
     "c.yaml: nothing to listen on; write listen: [{address: \"0.0.0.0:25\", role: mx}]\n"},
    {"bad names to verify by", GOOD "verify: {allow: [\"a b\"], trusted_sealers: x}\n",
     "c.yaml:3: \"verify.allow\": \"a b\" is no domain; write one like example.org\n"
     "c.yaml:3: \"verify.trusted_sealers\" takes a list: [first, second]\n"},
    {"a detail without LMTP", GOOD "deliver: {mailbox: mail, junk_detail: +Junk}\n",
     "c.yaml:3: \"deliver.junk_detail\" is for deliver.lmtp; leave it out: junk goes to the folder "
     ".Junk of the mailbox\n"},
    {"no detail", GOOD "deliver: {lmtp: \"unix:x\", junk_detail: \"+J unk\"}\n",
     "c.yaml:3: \"deliver.junk_detail\" takes a delimiter and a word, such as +Junk, not "
     "\"+J unk\"\n"},
    {"submission is not verified",
     "hostname: mx.example.org\n"
     "listen: [{address: \"127.0.0.1:587\", role: submission, verify: mark}]\n",
     "c.yaml:2: listener \"127.0.0.1:587\" is for submission, which is not verified; leave out its "
     "verify:\n"},
    {"near miss", GOOD "domians: []\n",
     "c.yaml:3: unknown key \"domians\"; did you mean \"domains\"?\n"},
    {"near miss inside", GOOD "limits: {message_sizes: 1M}\n",
     "c.yaml:3: unknown key \"message_sizes\" in \"limits\"; did you mean \"message_size\"?\n"},
    {"unknown", GOOD "log: {colour: yes}\n",
     "c.yaml:3: unknown key \"colour\" in \"log\"; known are: level, format\n"},
    {"twice", GOOD "hostname: b\n",
     "c.yaml:3: \"hostname\" is given twice; the first is in line 1: keep one\n"},
    {"no value", GOOD "user:\n",
     "c.yaml:3: \"user\" has no value; write one or leave the key out\n"},
    {"list for text", GOOD "user: [a]\n", "c.yaml:3: \"user\" takes a single value, not a list\n"},
    {"NUL", GOOD "user: \"a\\0b\"\n", "c.yaml:3: the value of \"user\" holds a NUL\n"},
    {"number", GOOD "workers: many\n",
     "c.yaml:3: \"workers\" takes a number from 1 to 32, not \"many\"\n"},
    {"number out of range", GOOD "workers: 33\n",
     "c.yaml:3: \"workers\" takes a number from 1 to 32, not \"33\"\n"},
    {"size", GOOD "limits: {message_size: 5Q}\n",
     "c.yaml:3: \"limits.message_size\" takes a size such as 10K, 50M or 1G, from 64K to 4G, not "
     "\"5Q\"\n"},
    {"time without unit", GOOD "queue: {expire: 5}\n",
     "c.yaml:3: \"queue.expire\" takes a time such as 250ms, 90s, 5m, 4h or 5d, from 1ms to 365d, "
     "not \"5\"\n"},
    {"word", GOOD "log: {level: loud}\n",
     "c.yaml:3: \"log.level\" takes debug, info, warning or error, not \"loud\"\n"},
    {"controls are not shown", GOOD "log: {level: \"a\\x1bb\"}\n",
     "c.yaml:3: \"log.level\" takes debug, info, warning or error, not \"a?b\"\n"},
    {"host name", "hostname: a b\nlisten: [{address: \"127.0.0.1:1\"}]\n",
     "c.yaml:1: \"a b\" is no host name; write one like mx.example.org\n"},
    {"retries", GOOD "queue: {retry_first: 2h}\n",
     "c.yaml: \"queue.retry_first\" is longer than \"queue.retry_max\"\n"},

    {"listener without port", "hostname: a.b\nlisten: [{address: 127.0.0.1}]\n",
     "c.yaml:2: \"listen.address\" takes an IP address and a port such as \"0.0.0.0:25\" or "
     "\"[::]:25\", not \"127.0.0.1\"\n"},
    {"listener with port 0", "hostname: a.b\nlisten: [{address: \"127.0.0.1:0\"}]\n",
     "c.yaml:2: \"listen.address\" takes an IP address and a port such as \"0.0.0.0:25\" or "
     "\"[::]:25\", not \"127.0.0.1:0\"\n"},
    {"listener with a name", "hostname: a.b\nlisten: [{address: \"localhost:25\"}]\n",
     "c.yaml:2: \"listen.address\" takes an IP address and a port such as \"0.0.0.0:25\" or "
     "\"[::]:25\", not \"localhost:25\"\n"},
    {"IPv6 without brackets", "hostname: a.b\nlisten: [{address: \"::1:25\"}]\n",
     "c.yaml:2: \"listen.address\" takes an IP address and a port such as \"0.0.0.0:25\" or "
     "\"[::]:25\", not \"::1:25\"\n"},
    {"same place twice",
     "hostname: a.b\nlisten:\n - address: \"127.0.0.1:25\"\n - address: \"0.0.0.0:25\"\n",
     "c.yaml:4: \"0.0.0.0:25\" is taken by the listener in line 3; write another port\n"},
    {"listener without address", "hostname: a.b\nlisten: [{role: mx}]\n",
     "c.yaml:2: the listener has no address; write address: \"0.0.0.0:25\"\n"},
    {"role", "hostname: a.b\nlisten: [{address: \"1.2.3.4:25\", role: lmtp}]\n",
     "c.yaml:2: \"listen.role\" takes mx or submission, not \"lmtp\"\n"},
    {"TLS of a listener", "hostname: a.b\nlisten: [{address: \"1.2.3.4:25\", tls: required}]\n",
     "c.yaml:2: \"1.2.3.4:25\" has TLS, and there is no certificate; write tls: {certificate: …, "
     "key: …}\n"},
    {"TLS of a listener, of a kind not known",
     "hostname: a.b\nlisten: [{address: \"1.2.3.4:25\", tls: always}]\n",
     "c.yaml:2: \"listen.tls\" takes none, starttls, required or implicit, not \"always\"\n"},
    {"listeners are a list", "hostname: a.b\nlisten: 25\n",
     "c.yaml:2: \"listen\" takes a list: [first, second]\n"},

    {"a certificate without its key", GOOD "tls: {certificate: a}\n",
     "c.yaml:3: a certificate and its key come together; write both, as in {certificate: a.pem, "
     "key: a.key}\n"},
    {"a further key without its certificate", GOOD "tls: {certificates: [{key: a}]}\n",
     "c.yaml:3: a certificate and its key come together; write both, as in {certificate: a.pem, "
     "key: a.key}\n"},
    {"both in one file", GOOD "tls: {certificate: a, key: a}\n",
     "c.yaml:3: the certificate and its key are in one file; put them in two, as only the keeper "
     "is to see the key\n"},
    {"certificates are a list", GOOD "tls: {certificates: a}\n",
     "c.yaml:3: \"tls.certificates\" takes a list: [{certificate: a.pem, key: a.key}]\n"},
    {"a fingerprint", GOOD "relay: {certificates: [ab:cd]}\n",
     "c.yaml:3: \"ab:cd\" is no SHA-256 fingerprint; write the one that the log has as "
     "client_certificate, or that openssl x509 -fingerprint -sha256 prints\n"},
    {"peers", GOOD "tls: {peers: ancient}\n",
     "c.yaml:3: \"tls.peers\" takes modern or old, not \"ancient\"\n"},
    {"outbound TLS", GOOD "outbound: {tls: must}\n",
     "c.yaml:3: \"outbound.tls\" takes none, opportunistic or forced, or a mapping such as {level: "
     "forced, names: [mx.example.org]}, not \"must\"\n"},
    {"an empty rule", GOOD "outbound: {tls: {}}\n",
     "c.yaml:3: \"outbound.tls\" has no level; write level: forced\n"},
    {"pins without force",
     GOOD "outbound: {tls: {level: none, pins: \"sha256//"
          "YLh1dUR9y6Kja30RrAn7JKnbQG/uEtLMkBgFF2Fuihg=\"}}\n",
     "c.yaml:3: outbound.tls: ca, names and pins are for level: forced; with none, any certificate "
     "will do\n"},
    {"a client certificate without its key",
     GOOD "outbound: {client_certificate: {certificate: a.pem}}\n",
     "c.yaml:3: \"outbound.client_certificate\" takes both; write {certificate: a.pem, key: "
     "a.key}\n"},
    {"a pin", GOOD "outbound: {tls: {pins: [abc]}}\n",
     "c.yaml:3: outbound.tls.pins: \"abc\" is no SHA-256 of a public key; write 64 hexadecimal "
     "digits, or sha256// and base64\n"},
    {"a name", GOOD "outbound: {tls: {names: \"*.example\"}}\n",
     "c.yaml:3: outbound.tls.names: \"*.example\" is no name of a certificate; write "
     "mx.example.org, or .example.org for what is below it\n"},
    {"TLS by domain", GOOD "outbound: {tls_domains: forced}\n",
     "c.yaml:3: \"outbound.tls_domains\" takes a mapping: {example.org: forced}\n"},
    {"TLS for what is no domain", GOOD "outbound: {tls_domains: {\"*\": forced}}\n",
     "c.yaml:3: \"outbound.tls_domains\" takes example.org or .example.org, not \"*\"\n"},
    {"TLS for a domain twice", GOOD "outbound: {tls_domains: {a.b: forced, A.b: none}}\n",
     "c.yaml:3: \"A.b\" is given twice in outbound.tls_domains\n"},
    {"TLS over a socket", GOOD "routes: [{to: a.b, via: \"unix:/x\", tls: opportunistic}]\n",
     "c.yaml:3: a Unix socket needs no TLS; leave tls: out\n"},
    {"smtps in clear", GOOD "routes: [{to: a.b, via: \"smtps://h\", tls: none}]\n",
     "c.yaml:3: smtps:// is TLS from its beginning; write smtp:// or leave tls: out\n"},
    {"a login without its password", GOOD "routes: [{to: a.b, via: \"smtps://h\", user: me}]\n",
     "c.yaml:3: a login takes both: user: NAME and password_file: PATH\n"},
    {"a login at strangers'", GOOD "routes: [{to: a.b, via: mx, user: me, password_file: p}]\n",
     "c.yaml:3: a login is for a server that the route names: via smtp://HOST or smtps://HOST\n"},
    {"a login at an address",
     GOOD "routes: [{to: a.b, via: \"smtp://10.0.0.5\", user: me, password_file: p}]\n",
     "c.yaml:3: a password goes through verified TLS alone, and no certificate is verified for an "
     "address; write the host's name, or tls: {names: [HOST]}\n"},
    {"an address verified", GOOD "routes: [{to: a.b, via: \"smtp://10.0.0.5\", tls: forced}]\n",
     "c.yaml:3: no certificate is verified for an address; write tls: {level: forced, names: "
     "[mx.example.org]}, or pins:\n"},
    {"resolver's servers are a list", GOOD "resolver: {servers: \"127.0.0.1:53\"}\n",
     "c.yaml:3: \"resolver.servers\" takes a list: [first, second]\n"},
    {"a server by name", GOOD "resolver: {servers: [\"dns.example:53\"]}\n",
     "c.yaml:3: \"dns.example:53\" is no address with a port; write one like 127.0.0.1:53 or "
     "\"[::1]:53\"\n"},
    {"a server without a port", GOOD "resolver: {servers: [\"127.0.0.1\"]}\n",
     "c.yaml:3: \"127.0.0.1\" is no address with a port; write one like 127.0.0.1:53 or "
     "\"[::1]:53\"\n"},
    {"too many servers",
     GOOD "resolver: {servers: [\"1.1.1.1:1\", \"1.1.1.1:2\", \"1.1.1.1:3\", \"1.1.1.1:4\",\n"
          "  \"1.1.1.1:5\", \"1.1.1.1:6\", \"1.1.1.1:7\", \"1.1.1.1:8\", \"1.1.1.1:9\"]}\n",
     "c.yaml:4: \"resolver.servers\" takes 8 servers at most\n"},

    {"domain twice", GOOD "domains:\n - {name: a.example}\n - {name: A.example}\n",
     "c.yaml:5: domain \"A.example\" is listed twice\n"},
    {"no domain", GOOD "domains: [{name: \"a b\"}]\n",
     "c.yaml:3: \"a b\" is no domain; write one like example.org\n"},
    {"domain without name", GOOD "domains: [{mailboxes: any}]\n",
     "c.yaml:3: the domain has no name; write name: example.org\n"},
    {"mailboxes", GOOD "domains: [{name: a.example, mailboxes: all}]\n",
     "c.yaml:3: \"domains.mailboxes\" takes any, directory or a list of names, "
     "not \"all\"\n"},
    {"mailbox with domain", GOOD "domains: [{name: a.example, mailboxes: [ann@a.example]}]\n",
     "c.yaml:3: mailbox \"ann@a.example\": write the name alone, without @ and domain\n"},
    {"mailbox with space", GOOD "domains: [{name: a.example, mailboxes: [a b]}]\n",
     "c.yaml:3: mailbox \"a b\" is no name of a mailbox; write one like ann or ann.lee\n"},
    {"alias without @", GOOD "domains: [{name: a.example, aliases: {sales: ann}}]\n",
     "c.yaml:3: the alias's target \"ann\" has no @; write one like ann@example.org\n"},
    {"alias to no address", GOOD "domains: [{name: a.example, aliases: {sales: [a@b@c]}}]\n",
     "c.yaml:3: the alias's target \"a@b@c\" is no address; write one like ann@example.org\n"},
    {"alias to nothing", GOOD "domains: [{name: a.example, aliases: {sales: []}}]\n",
     "c.yaml:3: alias \"sales\" has no target\n"},
    {"alias twice", GOOD "domains:\n - name: a.example\n   aliases:\n    x: a@b.c\n    x: a@b.c\n",
     "c.yaml:7: alias \"x\" is given twice\n"},
    {"alias is an address", GOOD "domains: [{name: a.example, aliases: {a@b.c: d@e.f}}]\n",
     "c.yaml:3: alias \"a@b.c\" is no name; write the part before the @ alone\n"},
    {"aliases", GOOD "domains: [{name: a.example, aliases: [a]}]\n",
     "c.yaml:3: \"domains.aliases\" takes a mapping: {sales: ann@example.org}\n"},
    {"catch-all", GOOD "domains: [{name: a.example, catch_all: ann}]\n",
     "c.yaml:3: \"domains.catch_all\" \"ann\" has no @; write one like ann@example.org\n"},
    {"delimiter", GOOD "domains: [{name: a.example, delimiter: \"++\"}]\n",
     "c.yaml:3: \"domains.delimiter\" takes one mark such as \"+\" or \"-\", or \"\"\n"},

    {"mechanisms are a list", GOOD "auth: {mechanisms: plain}\n",
     "c.yaml:3: \"auth.mechanisms\" takes a list: [plain, scram-sha-256]\n"},
    {"unknown mechanism", GOOD "auth: {mechanisms: [cram-md5]}\n",
     "c.yaml:3: \"auth.mechanisms\": cram-md5 is not known here; there are PLAIN, LOGIN, "
     "SCRAM-SHA-256, SCRAM-SHA-256-PLUS, OAUTHBEARER, XOAUTH2, EXTERNAL\n"},
    {"tokens without keys", GOOD "auth: {mechanisms: [plain, xoauth2]}\n",
     "c.yaml:3: \"auth.mechanisms\": tokens need \"oauth\", with the issuer's keys\n"},
    {"half of OAuth", GOOD "oauth: {issuer: a, keys: b}\n",
     "c.yaml:3: \"oauth\" takes issuer, audience and keys, all three\n"},
    {"certificates are a mapping", GOOD "auth: {certificates: [a]}\n",
     "c.yaml:3: \"auth.certificates\" takes a mapping: {\"SHA-256\": ann@example.org}\n"},
    {"no fingerprint", GOOD "auth: {certificates: {abc: ann@a.b}}\n",
     "c.yaml:3: \"auth.certificates\": \"abc\" is no SHA-256 of a certificate; openssl x509 -noout "
     "-fingerprint -sha256 prints it\n"},
    {"a certificate of nobody", GOOD "auth: {certificates: {" FINGERPRINT ": ann}}\n",
     "c.yaml:3: \"auth.certificates\": \"ann\" is no account; write one like ann@example.org\n"},
    {"logins in clear", GOOD "auth: {cleartext: always}\n",
     "c.yaml:3: \"auth.cleartext\" takes never or loopback, not \"always\"\n"},
    {"a listener's logins", "hostname: a.b\nlisten: [{address: \"1.2.3.4:25\", auth: maybe}]\n",
     "c.yaml:2: \"listen.auth\" takes role, on or off, not \"maybe\"\n"},

    {"both deliveries", GOOD "deliver: {mailbox: a, lmtp: \"unix:/b\"}\n",
     "c.yaml:3: \"deliver\" has both mailbox and lmtp; local mail goes to one place, remove the "
     "other\n"},
    {"LMTP by SMTP", GOOD "deliver: {lmtp: \"smtp://a.example:25\"}\n",
     "c.yaml:3: \"deliver.lmtp\" speaks LMTP; write unix:/path or lmtp://HOST:PORT\n"},
    {"relay domain", GOOD "relay: {domains: [\"*\"]}\n",
     "c.yaml:3: \"relay.domains\" takes example.org or .example.org, not \"*\"\n"},
    {"relay domain twice", GOOD "relay: {domains: [a.example, A.example]}\n",
     "c.yaml:3: \"relay.domains\" has \"A.example\" twice\n"},
    {"relay domain that is local",
     GOOD "domains: [{name: a.example}]\nrelay: {domains: [a.example]}\n",
     "c.yaml:3: \"a.example\" is a local domain and in relay.domains too; remove one\n"},
    {"network", GOOD "relay: {networks: [here]}\n",
     "c.yaml:3: \"here\" is no network; write one like 192.0.2.0/24 or 2001:db8::/32\n"},
    {"network with bits", GOOD "relay: {networks: [192.0.2.1/24]}\n",
     "c.yaml:3: network \"192.0.2.1/24\" has bits set behind its length; write 192.0.2.0/24\n"},
    {"route pattern", GOOD "routes: [{to: \"*.example\", via: \"smtp://a.example\"}]\n",
     "c.yaml:3: \"routes.to\" takes example.org, .example.org or \"*\", not \"*.example\"\n"},
    {"a rate that is none",
     GOOD "queue: {rate: fast}\nroutes: [{to: b.c, via: \"smtp://a.b\", rate: 0/s}]\n",
     "c.yaml:4: \"routes.rate\" takes messages in a time such as 100/m (s, m, h, d), not \"0/s\"\n"
     "c.yaml:3: \"queue.rate\" takes messages in a time such as 100/m (s, m, h, d), not "
     "\"fast\"\n"},
    {"half a route", GOOD "routes: [{to: \"*\"}]\n",
     "c.yaml:3: a route takes both; write {to: \"*\", via: \"smtp://HOST:25\"}\n"},
    {"route twice",
     GOOD "routes:\n - {to: b.c, via: \"smtp://a.b\"}\n - {to: b.c, via: \"smtp://a.b\"}\n",
     "c.yaml:5: there are two routes to \"b.c\"\n"},
    {"route to a local domain",
     GOOD "domains: [{name: b.c}]\nroutes: [{to: b.c, via: \"smtp://a.b\"}]\n",
     "c.yaml:3: \"b.c\" is a local domain and has a route too; remove one\n"},
    {"several at once", "hostname: mx\nlisten: 1\nworkers: 0\nx: y\n",
     "c.yaml:2: \"listen\" takes a list: [first, second]\n"
     "c.yaml:3: \"workers\" takes a number from 1 to 32, not \"0\"\n"
     "c.yaml:4: unknown key \"x\"; known are: hostname, listen, domains, deliver, verify, relay, "
     "routes, outbound, resolver, spool, run, submission_socket, accounts, keys, auth, oauth, "
     "user, workers, log, "
     "trace, limits, queue, tls\n"},
};

/* Parses a copy that ends where its memory ends. */
static struct config *parse(const char *text, struct buf *problems)
{
    size_t len = strlen(text);
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    buf_init(problems, 65536);
    struct config *config = config_parse((struct bytes){exact, len}, "c.yaml", "/etc/x", problems);
    free(exact);
    return config;
}

static void problems_are_named(void **state)
{
    for (size_t i = 0; i < COUNT(bad_rows); i++) {
        struct buf problems;
        struct config *config = parse(bad_rows[i].text, &problems);
        buf_add_byte(&problems, 0);
        if (config || strcmp((const char *)problems.at, bad_rows[i].want) != 0)
            fail_msg("%s: got %s", bad_rows[i].name, config ? "no problem" : (char *)problems.at);
        buf_done(&problems);
    }
}

static void problems_are_bounded(void **state)
{
    struct buf text, problems;
    buf_init(&text, 65536);
    for (int i = 0; i < 100; i++)
        buf_addf(&text, "unknown%d: 1\n", i);
    buf_add_byte(&text, 0);
    assert_null(parse((const char *)text.at, &problems));
    size_t lines = 0;
    for (size_t i = 0; i < problems.len; i++)
        lines += problems.at[i] == '\n';
    assert_int_equal(lines, SCHEMA_PROBLEM_LIMIT + 1);
    buf_done(&problems);
    buf_done(&text);
}

/* Aliases of one list: a text of some kilobytes that would mean hundreds of millions of names. */
static void aliases_are_bounded(void **state)
{
    struct buf text, problems;
    buf_init(&text, 1 << 20);
    buf_addf(&text, GOOD "domains:\n - name: first.example\n   mailboxes: &all [");
    for (int i = 0; i < 2000; i++)
        buf_addf(&text, "%sm%d", i ? "," : "", i);
    buf_addf(&text, "]\n");
    for (int i = 0; i < 2000; i++)
        buf_addf(&text, " - {name: d%d.example, mailboxes: *all}\n", i);
    buf_add_byte(&text, 0);
    assert_null(parse((const char *)text.at, &problems));
    assert_true(problems.len > 0);
    buf_done(&problems);
    buf_done(&text);
}

static void large_texts_are_refused(void **state)
{
    struct buf problems;
    char *text = malloc(SCHEMA_TEXT_LIMIT + 2);
    assert_non_null(text);
    memset(text, ' ', SCHEMA_TEXT_LIMIT + 1);
    text[SCHEMA_TEXT_LIMIT + 1] = 0;
    assert_null(parse(text, &problems));
    assert_true(bytes_equal(buf_view(&problems), BYTES("c.yaml: the file is larger than 1 MiB\n")));
    buf_done(&problems);
    free(text);
}

static void long_socket_paths_are_refused(void **state)
{
    struct buf text, problems;
    buf_init(&text, 4096);
    buf_addf(&text, GOOD "run: /%0*d\n", 100, 0);
    buf_add_byte(&text, 0);
    assert_null(parse((const char *)text.at, &problems));
    assert_true(bytes_search(buf_view(&problems), BYTES("too long for the path of a Unix socket")) <
                problems.len);
    assert_true(bytes_starts(buf_view(&problems), BYTES("c.yaml:3: ")));
    buf_done(&problems);
    buf_done(&text);
}

/* --- Good ones -------------------------------------------------------------------------------- */

static struct config *parse_good(const char *text)
{
    struct buf problems;
    struct config *config = parse(text, &problems);
    if (!config)
        fail_msg("%.*s", BYTES_ARGS(buf_view(&problems)));
    assert_int_equal(problems.len, 0);
    buf_done(&problems);
    return config;
}

static void defaults_are_set(void **state)
{
    struct config *config = parse_good(GOOD);
    const struct smtp_server_settings *smtp = &config->listeners[0].smtp;
    assert_string_equal(config->hostname, "mx.example.org");
    assert_string_equal(config->spool.path, "/var/spool/postrider");
    assert_string_equal(config->run_folder, "/var/spool/postrider/run");
    assert_string_equal(config->control_socket, "/var/spool/postrider/run/control.sock");
    assert_string_equal(config->trace_folder, "/var/spool/postrider/trace");
    assert_int_equal(config->trace.keep_ms, INT64_C(30) * 86400000);
    assert_int_equal(config->trace.size_bytes, UINT64_C(2) << 30);
    assert_string_equal(config->mailbox_root, "/var/lib/postrider/mail");
    assert_true(config->spool.is_durable);
    assert_int_equal(config->spool.segment_bytes, 64 << 20);
    assert_int_equal(config->workers, 1);
    assert_null(config->user);
    assert_int_equal(config->log_level, LOG_INFO);
    assert_int_equal(config->log_format, LOG_LOGFMT);
    assert_int_equal(config->listener_count, 2); /* and the local one */
    assert_int_equal(config->listeners[0].port, 2525);
    assert_string_equal(config->listeners[0].host, "127.0.0.1");
    assert_int_equal(smtp->role, ROLE_MX);
    assert_int_equal(smtp->size_limit, 50 << 20);
    assert_int_equal(smtp->recipient_limit, 1000);
    assert_int_equal(smtp->hold_limit_ms, 0); /* for submission only */
    assert_true(bytes_equal(smtp->hostname, BYTES("mx.example.org")));
    /* RFC 5321, 4.5.3.2: the least that each may be. */
    assert_true(smtp->command_timeout_ms >= 5 * 60000);
    assert_true(smtp->data_timeout_ms >= 3 * 60000);
    assert_true(config->client.greeting_timeout_ms >= 5 * 60000);
    assert_true(config->client.command_timeout_ms >= 5 * 60000);
    assert_true(config->client.data_begin_timeout_ms >= 2 * 60000);
    assert_true(config->client.data_block_timeout_ms >= 3 * 60000);
    assert_true(config->client.data_end_timeout_ms >= 10 * 60000);
    assert_int_equal(config->outbound.families, FAMILIES_BOTH);
    assert_int_equal(config->outbound.connect_timeout_ms, 30000);
    assert_true(config->resolver.is_validating && config->resolver.server_count == 0);
    assert_int_equal(config->queue.expire_ms, INT64_C(5) * 86400000);
    config_free(config);
}

static const char full_text[] =
    "hostname: mx.example.org\n"
    "listen:\n"
    "  - {address: \"0.0.0.0:25\", role: mx, tls: none}\n"
    "  - {address: \"[::]:25\"}\n"
    "  - {address: \"127.0.0.1:587\", role: submission}\n"
    "domains:\n"
    "  - name: example.org\n"
    "    mailboxes: [ann, bob]\n"
    "    aliases: {postmaster: ann@example.org, sales: [ann@example.org, bob@far.example]}\n"
    "    delimiter: \"-\"\n"
    "  - {name: any.example, mailboxes: any, catch_all: ann@example.org, delimiter: \"\"}\n"
    "deliver: {lmtp: \"unix:lmtp\"}\n"
    "relay: {networks: [127.0.0.0/8, \"2001:db8::/32\"]}\n"
    "routes:\n"
    "  - {to: partner.example, via: \"smtp://10.0.0.5:2525\", tls: none, rate: 10/s,\n"
    "     connections: 2, messages_per_connection: 7}\n"
    "  - {to: bank.example, via: mx, tls: {ca: ca.pem, names: [mx.bank.example, .b.example]}}\n"
    "  - {to: login.example, via: \"smtp://smart.example\", user: me, password_file: p}\n"
    "  - {to: \"*\", via: \"smtp://smart.example\"}\n"
    "outbound: {tls: none, idle: 250ms, address_families: ipv4, connect_timeout: 3s,\n"
    "  tls_domains: {.gov.example: forced, pinned.example: {pins:\n"
    "    [\"000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\n"
    "     \"sha256//AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"]}}}\n"
    "resolver: {servers: [\"127.0.0.1:5353\", \"[::1]:53\"], dnssec: \"off\", trust_anchor: key}\n"
    "spool: {path: spool, sync: none, segment: 8M}\n"
    "run: /run/x\n"
    "user: mail\n"
    "workers: 2\n"
    "log: {level: debug, format: json}\n"
    "limits: {message_size: 1G, hold_limit: 1d, hops: 30}\n"
    "queue: {retry_first: 1s, retry_max: 90s, connections: 3, rate: 100/m}\n";

static void all_keys_are_read(void **state)
{
    struct config *config = parse_good(full_text);
    struct ip ip;
    assert_int_equal(config->listener_count, 4); /* and the local one */
    assert_string_equal(config->listeners[1].host, "::");
    assert_int_equal(config->listeners[2].role, ROLE_SUBMISSION);
    assert_int_equal(config->listeners[2].smtp.hold_limit_ms, 86400000);
    assert_int_equal(config->listeners[0].smtp.size_limit, 1 << 30);
    assert_null(config->mailbox_root);
    assert_string_equal(config->spool.path, "/etc/x/spool");
    assert_string_equal(config->run_folder, "/run/x");
    assert_false(config->spool.is_durable);
    assert_string_equal(config->user, "mail");
    assert_int_equal(config->workers, 2);
    assert_int_equal(config->log_level, LOG_DEBUG);
    assert_int_equal(config->log_format, LOG_JSON);
    assert_int_equal(config->limits.hops, 30);
    assert_int_equal(config->limits.client_idle_ms, 250);
    assert_int_equal(config->outbound.families, FAMILIES_IPV4);
    assert_int_equal(config->outbound.connect_timeout_ms, 3000);
    assert_int_equal(config->resolver.server_count, 2);
    assert_string_equal(config->resolver.servers[1], "[::1]:53");
    assert_string_equal(config->resolver.trust_anchor, "/etc/x/key");
    assert_false(config->resolver.is_validating);
    assert_int_equal(config->queue.lane_connections, 3);
    assert_int_equal(config->queue.retry_max_ms, 90000);
    assert_true(config->queue.rate.messages == 100 && config->queue.rate.period_ms == 60000);
    assert_true(ip_scan(BYTES("127.1.2.3"), &ip) && networks_have(config->relay_networks, &ip));
    assert_true(ip_scan(BYTES("192.0.2.1"), &ip) && !networks_have(config->relay_networks, &ip));
    assert_true(recipients_is_local_domain(config->recipients, BYTES("EXAMPLE.org")));
    assert_false(recipients_is_local_domain(config->recipients, BYTES("far.example")));
    const struct endpoint *endpoint = routes_find(config->routes, BYTES("any.example"));
    assert_non_null(endpoint);
    assert_true(bytes_equal(endpoint->unix_path, BYTES("/etc/x/lmtp")));
    endpoint = routes_find(config->routes, BYTES("partner.example"));
    assert_non_null(endpoint);
    assert_int_equal(endpoint->port, 2525);
    assert_true(endpoint->limits.connections == 2 && endpoint->limits.connection_messages == 7);
    assert_true(endpoint->limits.rate.messages == 10 && endpoint->limits.rate.period_ms == 1000);
    endpoint = routes_find(config->routes, BYTES("else.example"));
    assert_non_null(endpoint);
    assert_true(bytes_equal(endpoint->host, BYTES("smart.example")));
    config_free(config);
}

static void what_is_verified(void **state)
{
    struct ip ip;
    struct config *config = parse_good(
        "hostname: mx.example.org\n"
        "listen: [{address: \"127.0.0.1:25\"}, {address: \"127.0.0.1:26\", verify: \"off\"},\n"
        "         {address: \"127.0.0.1:587\", role: submission}]\n"
        "domains: [{name: Marked.example, verify: mark}, {name: other.example}]\n"
        "verify: {mode: mark, reject: junk, dns_error: defer, allow: [a.example, "
        "M\xc3\x98X.example],\n"
        "         trusted_sealers: [lists.example], forwarders: [192.0.2.0/24], timeout: 5s,\n"
        "         seal: M\xc3\x98X.example}\n");
    assert_string_equal(config->verify.seal, "xn--mx-lka.example");
    const struct verdict_policy *policy = &config->verify.policy;
    const struct verdict_trust *trust = &config->verify.trust;
    assert_int_equal(config->listeners[0].verify.mode, VERDICT_MARK);
    assert_int_equal(config->listeners[1].verify.mode, VERDICT_OFF);
    assert_int_equal(config->listeners[2].verify.mode, VERDICT_OFF);
    assert_int_equal(policy->on[VERDICT_ON_REJECT], VERDICT_JUNK);
    assert_int_equal(policy->on[VERDICT_ON_QUARANTINE], VERDICT_JUNK);
    assert_int_equal(policy->on[VERDICT_ON_SPF_FAIL], VERDICT_JUNK);
    assert_int_equal(policy->on[VERDICT_ON_HELO_FAIL], VERDICT_ACCEPT);
    assert_int_equal(policy->on[VERDICT_ON_NO_AUTHOR], VERDICT_REFUSE);
    assert_int_equal(policy->on[VERDICT_ON_NO_NAME], VERDICT_ACCEPT);
    assert_int_equal(policy->on[VERDICT_ON_MISLEADING], VERDICT_ACCEPT);
    assert_int_equal(policy->on_unsure, VERDICT_DEFER_UNSURE);
    assert_int_equal(trust->allow_count, 2);
    assert_true(bytes_equal(trust->allow[1], BYTES("xn--mx-lka.example")));
    assert_true(trust->sealer_count == 1 && bytes_equal(trust->sealers[0], BYTES("lists.example")));
    assert_true(ip_scan(BYTES("192.0.2.1"), &ip) && networks_have(config->verify.forwarders, &ip));
    assert_true(ip_scan(BYTES("127.0.0.9"), &ip) && networks_have(config->verify.trusted, &ip));
    assert_true(ip_scan(BYTES("::1"), &ip) && networks_have(config->verify.trusted, &ip));
    const struct verdict_wish *wish = map_find(config->verify.wishes, BYTES("marked.example"));
    assert_true(wish && wish->has_mode && wish->policy.mode == VERDICT_MARK);
    assert_null(map_find(config->verify.wishes, BYTES("other.example")));
    assert_int_equal(config->verify.timeout_ms, 5000);
    config_free(config);
    config = parse_good(GOOD "verify: {trusted_networks: []}\n");
    assert_null(config->verify.seal);
    assert_int_equal(config->listeners[0].verify.mode, VERDICT_ENFORCE);
    assert_false(networks_have(config->verify.trusted, &ip));
    config_free(config);
    config = parse_good(
        "hostname: mx.example.org\n"
        "listen: [{address: \"127.0.0.1:25\", verify: {spf_fail: refuse}},\n"
        "         {address: \"127.0.0.1:587\", role: submission, verify: \"off\"}]\n"
        "domains: [{name: b\xc3\xa4nk.example, verify: {reject: junk, dns_error: defer,\n"
        "           misleading_name: refuse}}]\n");
    policy = &config->listeners[0].verify;
    assert_int_equal(policy->mode, VERDICT_ENFORCE);
    assert_int_equal(policy->on[VERDICT_ON_SPF_FAIL], VERDICT_REFUSE);
    assert_int_equal(policy->on[VERDICT_ON_REJECT], VERDICT_REFUSE);
    wish = map_find(config->verify.wishes, BYTES("xn--bnk-qla.example"));
    assert_true(wish && !wish->has_mode && !wish->has_on[VERDICT_ON_SPF_FAIL]);
    assert_true(wish->has_on[VERDICT_ON_REJECT] && wish->has_unsure);
    assert_int_equal(wish->policy.on[VERDICT_ON_REJECT], VERDICT_JUNK);
    assert_int_equal(wish->policy.on[VERDICT_ON_MISLEADING], VERDICT_REFUSE);
    assert_int_equal(wish->policy.on_unsure, VERDICT_DEFER_UNSURE);
    config_free(config);
}

/* Which mechanisms a listener has. */
static void logins_are_configured(void **state)
{
    enum { OAUTH = 1 << SASL_OAUTHBEARER | 1 << SASL_XOAUTH2, CERTIFICATE = 1 << SASL_EXTERNAL };
    enum { REST = (1 << SASL_MECHANISM_COUNT) - 1 - OAUTH - CERTIFICATE };
    static const struct {
        const char *text;
        unsigned want;
    } cases[] = {
        {"", REST},
        {"oauth: {issuer: i, audience: a, keys: jwks.json}\n", REST | OAUTH},
        {"auth: {certificates: {" FINGERPRINT ": ann@example.org}}\n", REST | CERTIFICATE},
        {"auth: {mechanisms: [Plain, scram-sha-256]}\n", 1 << SASL_PLAIN | 1 << SASL_SCRAM_SHA_256},
        {"auth: {mechanisms: []}\n", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf text;
        buf_init(&text, 1000);
        buf_addf(&text,
                 "hostname: a.b\nlisten: [{address: \"1.2.3.4:25\"}, {address: \"1.2.3.4:587\","
                 " role: submission}, {address: \"1.2.3.4:26\", auth: on}, {address: "
                 "\"1.2.3.4:588\", role: submission, auth: off}]\n%s",
                 cases[i].text);
        buf_add_byte(&text, 0);
        struct config *config = parse_good((const char *)text.at);
        assert_int_equal(config->listeners[0].smtp.logins, 0);
        assert_int_equal(config->listeners[1].smtp.logins, cases[i].want);
        assert_int_equal(config->listeners[2].smtp.logins, cases[i].want);
        assert_int_equal(config->listeners[3].smtp.logins, 0);
        assert_false(config->auth.allows_clear_loopback || config->auth.allows_any_sender);
        assert_int_equal(config->auth.messages_per_day, 1000);
        assert_int_equal(config->auth.recipients_per_day, 200);
        assert_int_equal(config->secret_count, config->oauth.keys ? 1 : 0);
        config_free(config);
        buf_done(&text);
    }
}

static void certificates_are_read(void **state)
{
    static const uint8_t wanted[] = {0xAB, 0x01};
    static const char colons[] =
        "AB:01:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
        "00:00:00:00:00:00:00:00:00:00";
    struct buf text;
    buf_init(&text, 1000);
    buf_addf(&text, GOOD "auth: {certificates: {" FINGERPRINT ": ann@a.b, \"%s\": bob@a.b}}\n",
             colons);
    buf_add_byte(&text, 0);
    struct config *config = parse_good((const char *)text.at);
    assert_int_equal(config->auth.certificate_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(config->auth.certificates[i].fingerprint, wanted, sizeof wanted);
    assert_string_equal(config->auth.certificates[1].account, "bob@a.b");
    assert_int_equal(config->tls.asked, TLS_CLIENT_CERTIFICATE_ASKED);
    config_free(config);
    buf_done(&text);
}

static const struct tls_rule *rule_of(const struct config *config, const char *domain)
{
    const struct endpoint *route = routes_find(config->routes, bytes_of(domain));
    return routes_tls_rule(config->routes, route, bytes_of(domain));
}

static void tls_rules_are_read(void **state)
{
    struct config *config = parse_good(GOOD);
    assert_int_equal(rule_of(config, "a.example")->level, TLS_LEVEL_OPPORTUNISTIC);
    config_free(config);
    config = parse_good(full_text);
    assert_int_equal(rule_of(config, "else.example")->level, TLS_LEVEL_NONE);
    assert_int_equal(rule_of(config, "else.example")->source, TLS_BY_DEFAULT);
    assert_int_equal(rule_of(config, "partner.example")->source, TLS_BY_ROUTE);
    const struct tls_rule *rule = rule_of(config, "a.gov.example");
    assert_int_equal(rule->level, TLS_LEVEL_FORCED);
    assert_int_equal(rule->source, TLS_BY_DOMAIN);
    rule = rule_of(config, "bank.example");
    assert_int_equal(rule->level, TLS_LEVEL_FORCED);
    assert_true(bytes_equal(rule->ca_file, BYTES("/etc/x/ca.pem")));
    assert_int_equal(rule->name_count, 2);
    assert_true(bytes_equal(rule->names[1], BYTES(".b.example")));
    assert_int_equal(rule_of(config, "login.example")->source, TLS_BY_LOGIN);
    const struct endpoint *login = routes_find(config->routes, BYTES("login.example"));
    assert_true(bytes_equal(login->name, BYTES("smtp://smart.example;user=me")));
    assert_true(bytes_equal(login->password_file, BYTES("/etc/x/p")));
    assert_int_equal(config->secret_count, 1);
    rule = rule_of(config, "pinned.example");
    assert_int_equal(rule->pin_count, 2);
    for (size_t i = 0; i < TLS_PIN_SIZE; i++)
        assert_true(rule->pins[0][i] == i && rule->pins[1][i] == i);
    config_free(config);
}

static void local_mail_goes_to_the_mailbox_agent(void **state)
{
    struct config *config =
        parse_good(GOOD "domains: [{name: a.example}]\ndeliver: {mailbox: mail}\nspool: s\n");
    const struct endpoint *endpoint = routes_find(config->routes, BYTES("a.example"));
    assert_non_null(endpoint);
    assert_int_equal(endpoint->kind, ENDPOINT_LMTP);
    assert_true(bytes_equal(endpoint->unix_path, BYTES("/etc/x/s/run/mailbox.sock")));
    assert_string_equal(config->mailbox_socket, "/etc/x/s/run/mailbox.sock");
    assert_string_equal(config->mailbox_root, "/etc/x/mail");
    assert_null(routes_find(config->routes, BYTES("b.example")));
    config_free(config);
}

/* Every cut of a good text is either good or has a problem said. */
static void every_cut_is_safe(void **state)
{
    for (size_t len = 0; len < sizeof full_text; len++) {
        char text[sizeof full_text] = "";
        struct buf problems;
        memcpy(text, full_text, len);
        text[len] = 0;
        struct config *config = parse(text, &problems);
        assert_true(config || problems.len > 0);
        config_free(config);
        buf_done(&problems);
    }
}

static void a_missing_file_is_said(void **state)
{
    struct buf problems;
    buf_init(&problems, 4096);
    assert_null(config_load("/nonexistent/c.yaml", &problems));
    assert_true(
        bytes_equal(buf_view(&problems),
                    BYTES("/nonexistent/c.yaml: No such file or directory; name the configuration "
                          "by --config FILE, or make one: postrider init\n")));
    buf_done(&problems);
}

static void a_file_knows_its_folder(void **state)
{
    char folder[] = "/tmp/config_test_XXXXXX", path[64];
    struct buf problems;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(GOOD "spool: s\n", file);
    fclose(file);
    buf_init(&problems, 4096);
    struct config *config = config_load(path, &problems);
    assert_non_null(config);
    assert_string_equal(config->folder, folder);
    assert_string_equal(config->path, path);
    config_free(config);
    buf_done(&problems);
    unlink(path);
    rmdir(folder);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_trust_anchor_is_read(void **state)
{
    static const struct {
        const char *name, *text; /* NULL: there is no such file */
        const char *want;        /* the records; behind a colon what the problem ends with */
    } rows[] = {
        {"good", "; root\n. 60 IN DS 1 8 3 ABCD\n", ". IN DS 1 8 3 ABCD\n"},
        {"bad", "; root\n. IN DS 1 8 3 AB C\n",
         ":/key:2: the digest is not the hexadecimal one of its type; write DS or DNSKEY records, "
         "or leave the key out for the system's file\n"},
        {"empty", "",
         ":/key: no DS or DNSKEY record in it; write DS or DNSKEY records, or leave the key out "
         "for "
         "the system's file\n"},
        {"missing", NULL,
         ":/key: No such file or directory; write DS or DNSKEY records, or leave the key out for "
         "the system's file\n"},
    };
    char folder[] = "/tmp/config_test_XXXXXX", path[64], key[64];
    struct buf problems;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c.yaml", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    write_text(path, GOOD "resolver: {trust_anchor: key}\n");
    buf_init(&problems, 4096);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].text)
            write_text(key, rows[i].text);
        else
            unlink(key);
        buf_clear(&problems);
        struct config *config = config_load(path, &problems);
        assert_non_null(config);
        bool is_right =
            config_read_anchor(config, &problems)
                ? bytes_equal(config->resolver.anchor_records, bytes_of(rows[i].want))
                : rows[i].want[0] == ':' &&
                      bytes_ends_nocase(buf_view(&problems), bytes_of(rows[i].want + 1));
        if (!is_right)
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&problems)));
        config_free(config);
    }
    buf_done(&problems);
    unlink(path);
    rmdir(folder);
}

/* --- Values ----------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t size, duration_ms; /* -1: none */
} value_rows[] = {
    {"0", 0, 0},
    {"1", 1, -1},
    {"10K", 10240, -1},
    {"10k", -1, -1},
    {"50M", 50 << 20, -1},
    {"1G", 1 << 30, -1},
    {"250ms", -1, 250},
    {"90s", -1, 90000},
    {"5m", -1, 300000},
    {"4h", -1, 14400000},
    {"5d", -1, 432000000},
    {"5 d", -1, -1},
    {"-1", -1, -1},
    {"", -1, -1},
    {"K", -1, -1},
    {"s", -1, -1},
    {"99999999999999999999", -1, -1},
    {"99999999999G", -1, -1},
    {"1KB", -1, -1},
};

static void values_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(value_rows); i++) {
        struct bytes text = bytes_of(value_rows[i].text);
        uint64_t size;
        int64_t duration_ms;
        if (!schema_scan_size(text, &size))
            size = UINT64_MAX;
        if (!schema_scan_duration(text, &duration_ms))
            duration_ms = -1;
        if (size != (uint64_t)value_rows[i].size || duration_ms != value_rows[i].duration_ms)
            fail_msg("%s", value_rows[i].text);
    }
}

static void keys_are_listed(void **state)
{
    struct buf out;
    buf_init(&out, 65536);
    config_print_keys(&out);
    assert_true(bytes_search(buf_view(&out), BYTES("\nqueue ")) < out.len);
    assert_true(bytes_search(buf_view(&out), BYTES("\n  retry_first ")) < out.len);
    assert_true(bytes_search(buf_view(&out), BYTES("\ntls ")) < out.len);
    buf_done(&out);
}

static void tls_is_the_default_with_a_certificate(void **state)
{
    struct config *config = parse_good(
        "hostname: a.b\n"
        "listen: [{address: \"1.2.3.4:25\"}, {address: \"1.2.3.4:587\", role: submission},\n"
        "         {address: \"1.2.3.4:465\", role: submission, tls: implicit},\n"
        "         {address: \"1.2.3.4:2525\", tls: none}]\n"
        "tls: {certificates: [{certificate: b.pem, key: /k/b}], certificate: a.pem, key: a.key,\n"
        "      peers: old, client_certificates: asked, tickets: \"off\"}\n");
    assert_int_equal(config->listeners[0].smtp.tls, SERVER_TLS_OFFERED);
    assert_int_equal(config->listeners[1].smtp.tls, SERVER_TLS_REQUIRED);
    assert_int_equal(config->listeners[2].smtp.tls, SERVER_TLS_IMPLICIT);
    assert_int_equal(config->listeners[3].smtp.tls, SERVER_TLS_NONE);
    assert_int_equal(config->listeners[0].smtp.handshake_timeout_ms, 30000);
    assert_int_equal(config->tls.certificate_count, 2);
    assert_string_equal(config->tls.certificates[0].certificate, "/etc/x/a.pem");
    assert_string_equal(config->tls.certificates[0].key, "/etc/x/a.key");
    assert_string_equal(config->tls.certificates[1].key, "/k/b");
    assert_int_equal(config->secret_count, 2);
    assert_int_equal(config->tls.peers, TLS_PEERS_OLD);
    assert_int_equal(config->tls.asked, TLS_CLIENT_CERTIFICATE_ASKED);
    assert_true(config->tls.has_no_tickets);
    config_free(config);
}

/* What the files hold is tests/peers/test_tls.py's. */
static void relaying_by_certificate_asks_for_one(void **state)
{
    struct config *config =
        parse_good(GOOD "relay: {certificates: "
                        "[0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef]}\n");
    assert_int_equal(fingerprints_count(config->relay_certificates), 1);
    assert_int_equal(config->tls.asked, TLS_CLIENT_CERTIFICATE_ASKED);
    config_free(config);
}

static void files_of_certificates_are_read(void **state)
{
    struct buf problems;
    buf_init(&problems, 65536);
    struct config *config =
        parse_good(GOOD "tls: {certificate: /nowhere/a.pem, key: /nowhere/k}\n");
    assert_false(config_read_certificates(config, &problems, NULL));
    assert_true(
        bytes_equal(buf_view(&problems),
                    BYTES("c.yaml:3: \"tls\": /nowhere/a.pem: No such file or directory; write "
                          "where it is: relative paths begin at the configuration's folder\n")));
    config_set_certificate(config, 0, BYTES("chain"));
    config_set_certificate(config, 1, BYTES("no place for it"));
    assert_true(bytes_equal(config->tls.certificates[0].chain, BYTES("chain")));
    config_free(config);
    buf_done(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problems_are_named),
        cmocka_unit_test(problems_are_bounded),
        cmocka_unit_test(aliases_are_bounded),
        cmocka_unit_test(large_texts_are_refused),
        cmocka_unit_test(long_socket_paths_are_refused),
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(all_keys_are_read),
        cmocka_unit_test(what_is_verified),
        cmocka_unit_test(logins_are_configured),
        cmocka_unit_test(certificates_are_read),
        cmocka_unit_test(tls_rules_are_read),
        cmocka_unit_test(local_mail_goes_to_the_mailbox_agent),
        cmocka_unit_test(every_cut_is_safe),
        cmocka_unit_test(a_missing_file_is_said),
        cmocka_unit_test(a_file_knows_its_folder),
        cmocka_unit_test(a_trust_anchor_is_read),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(keys_are_listed),
        cmocka_unit_test(tls_is_the_default_with_a_certificate),
        cmocka_unit_test(relaying_by_certificate_asks_for_one),
        cmocka_unit_test(files_of_certificates_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
