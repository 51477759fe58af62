/* What `postrider check` warns of. */
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
#include "cli/check_setup.h"

#define TLS "tls: {certificate: server.pem, key: server.key}\n"
#define HOST "hostname: mx.example.org\n"
#define MX "{address: \"0.0.0.0:25\"}"

/* The folder has a certificate for mx.example.org, whose key everybody can read where has_open_key;
 * and a directory of accounts where has_accounts. */
static const struct {
    const char *name, *config, *want; /* in the warnings; "": there are none */
    bool has_open_key, has_accounts;
} rows[] = {
    {"all is well", HOST TLS "listen: [" MX ", {address: \"0.0.0.0:465\", role: submission}]\n",
     .want = "", .has_accounts = true},
    {"no accounts", HOST TLS "listen: [" MX ", {address: \"0.0.0.0:465\", role: submission}]\n",
     .want = "c.yaml: people may log in, and there are no accounts"},
    {"no accounts here, but at Dovecot",
     HOST TLS "auth: {dovecot: /run/dovecot/auth-client}\n"
              "listen: [" MX ", {address: \"0.0.0.0:465\", role: submission}]\n",
     .want = ""},
    {"nobody may log in", HOST TLS "listen: [" MX "]\n", .want = ""},
    {"no TLS", HOST "listen: [{address: \"0.0.0.0:587\", role: submission}]\n",
     .want = "c.yaml: nobody can log in at 0.0.0.0:587, as it has no TLS"},
    {"no TLS for this host's own programs",
     HOST "listen: [{address: \"127.0.0.1:587\", role: submission}]\n", .want = ""},
    {"logins in clear text, and no accounts",
     HOST "auth: {cleartext: loopback}\nlisten: [{address: \"[::1]:587\", role: submission}]\n",
     .want = "c.yaml: people may log in, and there are no accounts"},
    {"another name", "hostname: mail.example.org\n" TLS "listen: [" MX "]\n",
     .want = "c.yaml: no certificate is for the host's own name, mail.example.org"},
    {"an open key", HOST TLS "listen: [" MX "]\n",
     .want = "server.key: everybody on this host can read it", .has_open_key = true},
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

static void check_row(size_t i, const struct authority_issued *issued, const char *folder)
{
    struct buf problems, warnings;
    char accounts[128];
    buf_init(&problems, 65536);
    buf_init(&warnings, 65536);
    snprintf(accounts, sizeof accounts, "%s/accounts.db", folder);
    write_file(folder, "server.pem", buf_view(&issued->certificate), 0644);
    write_file(folder, "server.key", buf_view(&issued->key), rows[i].has_open_key ? 0644 : 0600);
    if (rows[i].has_accounts)
        write_file(folder, "accounts.db", BYTES("-"), 0600);
    else
        unlink(accounts);
    struct buf text;
    buf_init(&text, 65536);
    buf_addf(&text, "accounts: .\n%s", rows[i].config);
    struct config *config = config_parse(buf_view(&text), "c.yaml", folder, &problems);
    if (!config || !config_read_certificates(config, &problems, &warnings))
        fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&problems)));
    check_setup(config, &warnings);
    struct bytes got = buf_view(&warnings), want = bytes_of(rows[i].want);
    bool is_right = want.len ? bytes_search(got, want) < got.len : got.len == 0;
    /* One finding, one line. */
    if (!is_right || (want.len && bytes_find(got, '\n') != got.len - 1))
        fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(got));
    config_free(config);
    buf_done(&text);
    buf_done(&problems);
    buf_done(&warnings);
}

static void warnings_by_table(void **state)
{
    char folder[] = "/tmp/postrider-test.XXXXXX";
    struct authority_issued issued;
    struct error err;
    assert_non_null(mkdtemp(folder));
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
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(warnings_by_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
