/* What `postrider init` makes: its options, the configuration, the certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/instant.h"
#include "cli/authority.h"
#include "cli/init_config.h"
#include "daemon/config.h"
#include "net/tls.h"

enum { WORD_LIMIT = 40 };

static bool read_words(const char *from, struct init_plan *out, struct error *err)
{
    /* For as long as the plan may look at them. */
    static char text[1024];
    char *words[WORD_LIMIT], *place = text;
    size_t count = 0;
    snprintf(text, sizeof text, "%s", from);
    while (*place) {
        assert_true(count < WORD_LIMIT);
        words[count++] = place;
        place += strcspn(place, " ");
        if (*place)
            *place++ = 0;
    }
    *err = (struct error){.text = ""};
    return init_plan_read(words, count, out, err);
}

/* --- Options ---------------------------------------------------------------------------------- */

static const struct {
    const char *words, *folder, *domain, *hostname, *user;
} good_rows[] = {
    {"--dev", ".", "example.org", "mx.example.org", "ann@example.org"},
    {"--dev --folder try --domain=Partner.Example", "try", "partner.example", "mx.partner.example",
     "ann@partner.example"},
    {"--dev --domain bücher.example --user jörg@bücher.example", ".", "xn--bcher-kva.example",
     "mx.xn--bcher-kva.example", "jörg@xn--bcher-kva.example"},
    {"--hostname mail.example.net --dev --user o'hara@EXAMPLE.org", ".", "example.org",
     "mail.example.net", "o'hara@example.org"},
    {"--dev --user \"o\\h\"@example.org", ".", "example.org", "mx.example.org",
     "\"o\\h\"@example.org"},
    {"--dev --user postmaster@example.org", ".", "example.org", "mx.example.org",
     "postmaster@example.org"},
    {"--dev --port-offset 5000 --json --password-stdin", ".", "example.org", "mx.example.org",
     "ann@example.org"},
    {"--dev --user ann@example.net --domain example.net", ".", "example.net", "mx.example.net",
     "ann@example.net"},
};

static const struct {
    const char *words, *error; /* what it begins with */
} bad_rows[] = {
    {"--dev --folder=", "--folder needs a name"},
    {"--dev --folder", "--folder needs a value: DIR"},
    {"--dev=yes", "no value belongs to --dev"},
    {"--dev try", "try is no option"},
    {"--dev --fast", "there is no option --fast"},
    {"--dev --domain example..org", "example..org is no domain; write one like example.org"},
    {"--dev --domain a:b", "a:b is no domain"},
    {"--dev --domain \"a\"", "\"a\" is no domain"},
    {"--dev --hostname a..b", "a..b is no host name; write one like mx.example.org"},
    {"--dev --hostname -", "- is no host name"},
    {"--dev --user ann", "ann is no address; write one like ann@example.org"},
    {"--dev --user ann@[127.0.0.1]", "ann@[127.0.0.1] is no address"},
    {"--dev --user ann@example.net", "ann@example.net is not in the domain example.org"},
    {"--dev --port-offset 0", "--port-offset is a number from 1000 to 64000, not 0"},
    {"--dev --port-offset 64001", "--port-offset is a number"},
    {"--dev --port-offset 2e3", "--port-offset is a number"},
};

/* Of a real host; empty where it is asked for or found out. */
static const struct {
    const char *words, *folder, *domain, *hostname, *user, *relayhost;
} host_rows[] = {
    {"", "", "", "", "", ""},
    {"--domain Example.org", "", "example.org", "", "", ""},
    {"--user ann@example.org", "", "example.org", "", "ann@example.org", ""},
    {"--folder try --domain example.org --hostname mail.example.net", "try", "example.org",
     "mail.example.net", "", ""},
    {"--domain example.org --relayhost smtps://relay.example --relayhost-user me "
     "--relayhost-password-file /dev/null --certificate /etc/passwd --key /dev/null",
     "", "example.org", "", "", "smtps://relay.example"},
    {"--domain example.org --address 198.51.100.7 --address 2001:db8::7 --resolver 127.0.0.1:53 "
     "--probe-port25 [::1]:2525 --run-as mail --non-interactive --dry-run --port-offset 2000",
     "", "example.org", "", "", ""},
};

static const struct {
    const char *words, *error;
} bad_host_rows[] = {
    {"--hostname mx --domain example.org",
     "mx is no name that the world knows; write one like mx.e"},
    {"--domain example.org --user ann@example.net", "ann@example.net is not in the domain"},
    {"--address 192.168.1.1", "192.168.1.1 is no public address"},
    {"--address mx.example.org", "mx.example.org is no public address"},
    {"--certificate /dev/null", "--certificate and --key go together"},
    {"--certificate /no/such/file --key /dev/null", "/no/such/file: "},
    {"--relayhost relay.example", "--relayhost"},
    {"--relayhost mx", "--relayhost is a server like smtps://"},
    {"--relayhost lmtp://127.0.0.1:24", "--relayhost is a server like smtps://"},
    {"--relayhost smtp://a --relayhost-user me", "--relayhost-user and --relayhost-password-file"},
    {"--relayhost-user me --relayhost-password-file /dev/null", "--relayhost-user needs"},
    {"--offline --probe-port25 a", "--probe-port25 connects, and --offline forbids"},
    {"--probe-port25 a:0", "--probe-port25 is HOST or HOST:PORT, not a:0"},
    {"--probe-port25 [::1", "--probe-port25 is HOST or HOST:PORT"},
    {"--probe-port25 :25", "--probe-port25 is HOST or HOST:PORT"},
    {"--dev --offline", "--dev takes --folder, --domain"},
    {"--dev --address 192.0.2.7", "--dev takes --folder, --domain"},
};

static void options_of_a_host(void **state)
{
    struct init_plan plan;
    struct error err;
    for (size_t i = 0; i < COUNT(host_rows); i++) {
        if (!read_words(host_rows[i].words, &plan, &err))
            fail_msg("%s: %s", host_rows[i].words, err.text);
        assert_string_equal(plan.folder ? plan.folder : "", host_rows[i].folder);
        assert_string_equal(plan.domain, host_rows[i].domain);
        assert_string_equal(plan.hostname, host_rows[i].hostname);
        assert_string_equal(plan.user, host_rows[i].user);
        assert_string_equal(plan.relayhost, host_rows[i].relayhost);
    }
    for (size_t i = 0; i < COUNT(bad_host_rows); i++)
        if (read_words(bad_host_rows[i].words, &plan, &err) ||
            strncmp(err.text, bad_host_rows[i].error, strlen(bad_host_rows[i].error)) != 0)
            fail_msg("%s: %s", bad_host_rows[i].words, err.text);
}

static void options_by_table(void **state)
{
    struct init_plan plan;
    struct error err;
    for (size_t i = 0; i < COUNT(good_rows); i++) {
        if (!read_words(good_rows[i].words, &plan, &err))
            fail_msg("%s: %s", good_rows[i].words, err.text);
        assert_string_equal(plan.folder, good_rows[i].folder);
        assert_string_equal(plan.domain, good_rows[i].domain);
        assert_string_equal(plan.hostname, good_rows[i].hostname);
        assert_string_equal(plan.user, good_rows[i].user);
    }
    for (size_t i = 0; i < COUNT(bad_rows); i++)
        if (read_words(bad_rows[i].words, &plan, &err) ||
            strncmp(err.text, bad_rows[i].error, strlen(bad_rows[i].error)) != 0)
            fail_msg("%s: %s", bad_rows[i].words, err.text);
}

/* --- The configuration ------------------------------------------------------------------------ */

static void configurations_are_good(void **state)
{
    for (size_t i = 0; i < COUNT(good_rows); i++) {
        struct init_plan plan;
        struct error err;
        struct buf text, problems;
        assert_true(read_words(good_rows[i].words, &plan, &err));
        plan.port_offset = plan.port_offset ? plan.port_offset : 3000;
        buf_init(&text, 65536);
        buf_init(&problems, 65536);
        init_config_print(&plan, &text);
        struct config *config = config_parse(buf_view(&text), "c.yaml", "/x", &problems);
        if (!config)
            fail_msg("%s: %.*s", good_rows[i].words, BYTES_ARGS(buf_view(&problems)));
        assert_string_equal(config->hostname, plan.hostname);
        assert_int_equal(config->listener_count, 4); /* and the local one */
        for (size_t j = 0; j < 3; j++) {
            assert_string_equal(config->listeners[j].host, "127.0.0.1");
            assert_true(config->listeners[j].port > plan.port_offset);
        }
        assert_int_equal(config->tls.certificate_count, 1);
        assert_string_equal(config->tls.certificates[0].key, "/x/tls/server.key");
        config_free(config);
        buf_done(&text);
        buf_done(&problems);
    }
}

static void configurations_of_hosts_are_good(void **state)
{
    for (size_t i = 0; i < COUNT(host_rows); i++) {
        struct init_plan plan;
        struct error err;
        struct buf text, problems;
        assert_true(read_words(host_rows[i].words, &plan, &err));
        plan.has_ipv6 = i % 2;
        if (!plan.domain[0])
            assert_true(init_plan_set_domain(&plan, "example.org", &err));
        if (!plan.hostname[0])
            assert_true(init_plan_set_hostname(&plan, "mx.example.org", &err));
        if (!plan.user[0])
            assert_true(init_plan_set_user(&plan, "abuse@example.org", &err));
        buf_init(&text, 65536);
        buf_init(&problems, 65536);
        init_config_print(&plan, &text);
        struct config *config = config_parse(buf_view(&text), "c.yaml", "/x", &problems);
        if (!config)
            fail_msg("%s: %.*s", host_rows[i].words, BYTES_ARGS(buf_view(&problems)));
        assert_string_equal(config->hostname, plan.hostname);
        assert_int_equal(config->listener_count, plan.has_ipv6 ? 7 : 4); /* and the local one */
        assert_int_equal(config->listeners[0].port, 25 + plan.port_offset);
        assert_string_equal(config->spool.path, plan.folder ? "/x/spool" : "/var/spool/postrider");
        assert_string_equal(config->mailbox_root,
                            plan.folder ? "/x/mail" : "/var/lib/postrider/mail");
        assert_string_equal(config->user ? config->user : "", plan.run_as ? plan.run_as : "");
        assert_int_equal(config->resolver.server_count, plan.resolvers.count);
        bool has_route = routes_find(config->routes, BYTES("partner.example")) != NULL;
        assert_int_equal(has_route, plan.relayhost[0] != 0);
        config_free(config);
        buf_done(&text);
        buf_done(&problems);
    }
}

/* --- Certificates ----------------------------------------------------------------------------- */

static X509 *parse(const struct buf *pem)
{
    BIO *from = BIO_new_mem_buf(pem->at, (int)pem->len);
    X509 *certificate = PEM_read_bio_X509(from, NULL, NULL, NULL);
    BIO_free(from);
    assert_non_null(certificate);
    return certificate;
}

/* As a strict client looks at the server. */
static int verify(X509 *ca, X509 *server, const char *host, const char *ip)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert_true(X509_STORE_add_cert(store, ca));
    assert_true(X509_STORE_CTX_init(context, store, server, NULL));
    X509_VERIFY_PARAM *how = X509_STORE_CTX_get0_param(context);
    assert_true(X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT));
    assert_true(X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_SERVER));
    if (host)
        assert_true(X509_VERIFY_PARAM_set1_host(how, host, 0));
    if (ip)
        assert_true(X509_VERIFY_PARAM_set1_ip_asc(how, ip));
    X509_verify_cert(context);
    int error = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return error;
}

static const struct {
    const char *host, *ip;
    int want;
} names[] = {
    {"mx.example.org", NULL, X509_V_OK},
    {"localhost", NULL, X509_V_OK},
    {NULL, "127.0.0.1", X509_V_OK},
    {NULL, "::1", X509_V_OK},
    {"example.org", NULL, X509_V_ERR_HOSTNAME_MISMATCH},
    {NULL, "127.0.0.2", X509_V_ERR_IP_ADDRESS_MISMATCH},
};

static void an_authority_vouches_for_its_server(void **state)
{
    struct authority_issued issued, other;
    struct error err, warning = {.text = ""};
    assert_true(authority_issue("mx.example.org", &issued, &err));
    assert_true(authority_issue("mx.example.org", &other, &err));
    assert_true(tls_identity_check(buf_view(&issued.certificate), buf_view(&issued.key),
                                   instant_now_ms(), &warning, &err));
    assert_string_equal(warning.text, "");
    X509 *ca = parse(&issued.ca), *server = parse(&issued.certificate),
         *stranger = parse(&other.ca);
    for (size_t i = 0; i < COUNT(names); i++) {
        int error = verify(ca, server, names[i].host, names[i].ip);
        if (error != names[i].want)
            fail_msg("row %zu: %s", i, X509_verify_cert_error_string(error));
    }
    assert_int_not_equal(verify(stranger, server, "localhost", NULL), X509_V_OK);
    assert_int_not_equal(X509_NAME_cmp(X509_get_subject_name(ca), X509_get_subject_name(stranger)),
                         0);
    X509_free(ca);
    X509_free(server);
    X509_free(stranger);
    authority_issued_done(&issued);
    authority_issued_done(&other);
}

/* A common name has 64 bytes at most. */
static void a_host_may_have_a_long_name(void **state)
{
    char host[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
        "example.org";
    struct authority_issued issued;
    struct error err;
    assert_true(authority_issue(host, &issued, &err));
    X509 *ca = parse(&issued.ca), *server = parse(&issued.certificate);
    assert_int_equal(verify(ca, server, host, NULL), X509_V_OK);
    X509_free(ca);
    X509_free(server);
    authority_issued_done(&issued);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_by_table),
        cmocka_unit_test(options_of_a_host),
        cmocka_unit_test(configurations_of_hosts_are_good),
        cmocka_unit_test(configurations_are_good),
        cmocka_unit_test(an_authority_vouches_for_its_server),
        cmocka_unit_test(a_host_may_have_a_long_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
