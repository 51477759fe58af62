/* What `postrider check` finds in a configuration, its files and certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/authority.h"
#include "cli/check.h"

#define TLS "tls: {certificate: server.pem, key: server.key}\n"
#define HOST "hostname: mx.example.org\n"
#define MX "{address: \"0.0.0.0:25\"}"
#define SUBMISSION "{address: \"0.0.0.0:465\", role: submission}"

/* The folder has a certificate for mx.example.org, whose key everybody can read where has_open_key;
 * and a directory of accounts where has_accounts. */
static const struct {
    const char *name, *config;
    const char *want; /* "severity code text", of the only problem or warning; "": there is none */
    bool has_open_key, has_accounts, is_open_folder;
} rows[] = {
    {"all is well", HOST TLS "listen: [" MX ", " SUBMISSION "]\n", .want = "",
     .has_accounts = true},
    {"no accounts", HOST TLS "listen: [" MX ", " SUBMISSION "]\n",
     .want = "warning no-accounts c.yaml: people may log in, and there are no accounts"},
    {"no accounts here, but at Dovecot, who is not there",
     HOST TLS "auth: {dovecot: /nonexistent/auth-client}\nlisten: [" MX ", " SUBMISSION "]\n",
     .want = "warning dovecot /nonexistent/auth-client: nobody answers there"},
    {"nobody may log in", HOST TLS "listen: [" MX "]\n", .want = ""},
    {"no TLS", HOST "listen: [{address: \"0.0.0.0:587\", role: submission}]\n",
     .want = "warning login-impossible c.yaml: nobody can log in at 0.0.0.0:587, as it has no TLS"},
    {"no TLS for this host's own programs",
     HOST "listen: [{address: \"127.0.0.1:587\", role: submission}]\n", .want = ""},
    {"logins in clear text, and no accounts",
     HOST "auth: {cleartext: loopback}\nlisten: [{address: \"[::1]:587\", role: submission}]\n",
     .want = "warning no-accounts c.yaml: people may log in, and there are no accounts"},
    {"another name", "hostname: mail.example.org\n" TLS "listen: [" MX "]\n",
     .want = "warning certificate-name c.yaml: no certificate is for the host's own name, "
             "mail.example.org"},
    {"an authority that nobody knows, for the world",
     "hostname: mx.a-domain-of-the-world.org\n" TLS "listen: [" MX "]\n",
     .want = "warning certificate-chain"},
    {"an open key", HOST TLS "listen: [" MX "]\n", .want = "warning key-open",
     .has_open_key = true},
    {"an open folder of keys", HOST "listen: [" MX "]\n", .want = "warning folder-open",
     .is_open_folder = true},
    {"trust in everybody", HOST "relay: {networks: [\"0.0.0.0/0\"]}\nlisten: [" MX "]\n",
     .want = "problem trusted-world c.yaml: relay.networks has 0.0.0.0/0"},
    {"trust in a private network", HOST "relay: {networks: [\"10.77.0.0/16\"]}\nlisten: [" MX "]\n",
     .want = ""},
    {"everybody may be a proxy", HOST "listen: [{address: \"0.0.0.0:25\", proxy: [\"::/0\"]}]\n",
     .want = "problem trusted-world c.yaml: listen.proxy of 0.0.0.0:25 has ::/0"},
    {"a domain without a postmaster",
     HOST "listen: [" MX "]\ndomains: [{name: example.org, mailboxes: []}]\n",
     .want = "warning no-postmaster example.org has no postmaster"},
    {"a full disk", HOST "listen: [" MX "]\nspool: {path: ., low_water: 1024G}\n",
     .want = "problem spool-room"},
};

static void write_file(const char *folder, const char *name, struct bytes text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* Problems and warnings, a line each. What the place of the test has for its own is left out: its
 * file system, and who runs it. */
static void print_bad(struct findings *findings, struct buf *out)
{
    size_t count =
        findings_count(findings, SEVERITY_PROBLEM) + findings_count(findings, SEVERITY_WARNING);
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding = findings_view(findings, i);
        if (strcmp(finding->code, "spool-volatile") == 0)
            continue;
        buf_addf(out, "%s %s %.*s\n", finding->severity == SEVERITY_PROBLEM ? "problem" : "warning",
                 finding->code, BYTES_ARGS(buf_view(&finding->what)));
    }
}

static void check_row(size_t i, const struct authority_issued *issued, const char *folder)
{
    struct buf problems, text, got;
    char path[128];
    buf_init(&problems, 65536);
    buf_init(&text, 65536);
    buf_init(&got, 65536);
    write_file(folder, "server.pem", buf_view(&issued->certificate), 0644);
    write_file(folder, "server.key", buf_view(&issued->key), rows[i].has_open_key ? 0644 : 0600);
    snprintf(path, sizeof path, "%s/accounts.db", folder);
    if (rows[i].has_accounts)
        write_file(folder, "accounts.db", BYTES("-"), 0600);
    else
        unlink(path);
    snprintf(path, sizeof path, "%s/keys", folder);
    assert_int_equal(chmod(path, rows[i].is_open_folder ? 0755 : 0700), 0);
    buf_addf(&text, "accounts: .\nkeys: keys\n%s", rows[i].config);
    struct check check = {.config_path = "c.yaml", .findings = findings_new()};
    check.config = config_parse(buf_view(&text), "c.yaml", folder, &problems);
    if (!check.config)
        fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&problems)));
    check_config(&check, BYTES_NONE);
    check_files(&check);
    check_certificates(&check);
    check_accounts(&check);
    print_bad(check.findings, &got);
    struct bytes want = bytes_of(rows[i].want);
    bool is_right = want.len ? bytes_search(buf_view(&got), want) < got.len : got.len == 0;
    bool is_one = !want.len || !strcmp(rows[i].want, "warning certificate-chain") ||
                  bytes_find(buf_view(&got), '\n') == got.len - 1;
    if (!is_right || !is_one)
        fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
    findings_free(check.findings);
    config_free(check.config);
    buf_done(&text);
    buf_done(&problems);
    buf_done(&got);
}

/* The problems of a configuration keep what they say, the line and the remedy apart. */
static void problems_become_findings(void **state)
{
    struct check check = {.config_path = "c.yaml", .findings = findings_new()};
    check_config(&check, BYTES("c.yaml:3: \"port\" is unknown; write address\nc.yaml: no end\n"));
    assert_int_equal(findings_count(check.findings, SEVERITY_PROBLEM), 2);
    const struct finding *first = findings_view(check.findings, 0);
    assert_true(bytes_equal(buf_view(&first->what), BYTES("c.yaml:3: \"port\" is unknown")));
    assert_true(bytes_equal(buf_view(&first->remedy), BYTES("write address")));
    const struct finding *second = findings_view(check.findings, 1);
    assert_true(bytes_equal(buf_view(&second->what), BYTES("c.yaml: no end")));
    assert_int_equal(second->remedy.len, 0);
    findings_free(check.findings);
}

static void reserved_names(void **state)
{
    static const char *const reserved[] = {"example.org", "mx.EXAMPLE.net", "a.test",
                                           "localhost",   "shop.example",   "example"};
    static const char *const public[] = {"notexample.org", "example.organic",
                                         "a-domain-of-the-world.org", ""};
    for (size_t i = 0; i < COUNT(reserved); i++)
        assert_true(check_is_reserved_name(bytes_of(reserved[i])));
    for (size_t i = 0; i < COUNT(public); i++)
        assert_false(check_is_reserved_name(bytes_of(public[i])));
}

static void findings_by_table(void **state)
{
    char folder[] = "/tmp/postrider-test.XXXXXX";
    struct authority_issued issued;
    struct error err;
    assert_non_null(mkdtemp(folder));
    char keys[64];
    snprintf(keys, sizeof keys, "%s/keys", folder);
    assert_int_equal(mkdir(keys, 0700), 0);
    assert_true(authority_issue("mx.example.org", &issued, &err));
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(i, &issued, folder);
    authority_issued_done(&issued);
    static const char *const names[] = {"server.pem", "server.key", "accounts.db"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(keys);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(findings_by_table),
                                       cmocka_unit_test(problems_become_findings),
                                       cmocka_unit_test(reserved_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
