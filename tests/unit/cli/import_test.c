/* What `postrider import postfix` reads, and what it makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"
#include "cli/import_draft.h"
#include "daemon/config.h"

/* --- main.cf ---------------------------------------------------------------------------------- */

/* The values as postconf -x of Postfix 3.7 has them. */
static const struct {
    const char *name, *text, *value; /* of the parameter "p" */
    const char *error;               /* what it begins with; NULL: none */
} expansion_rows[] = {
    {"plain", "p = a b\n", "a b", NULL},
    {"the last one counts", "p = a\np = b\n", "b", NULL},
    {"spaces at the ends", "p =  a  \r\n", "a", NULL},
    {"a line goes on", "p = a\n  b\n\tc\n", "a b c", NULL},
    {"comments and empty lines amid", "p = a\n# no\n\n  # no\n  b\nq = c\n", "a b", NULL},
    {"no newline at the end", "p = a\n b", "a b", NULL},
    {"a name", "a = x\np = $a$a.y ${a}z $(a)\n", "xx.y xz x", NULL},
    {"a name that is not there", "p = <$nope>\n", "<>", NULL},
    {"a dollar", "p = $$a$$\n", "$a$", NULL},
    {"names in names", "a = $b\nb = ${c}\nc = x\np = $a\n", "x", NULL},
    {"if it is there", "a = x\np = ${a?yes}${nope?yes}\n", "yes", NULL},
    {"if it is not", "a = x\np = ${a:no}${nope:no}\n", "no", NULL},
    {"both ways", "a = x\np = ${a?{ yes }:{no}} ${nope?{yes} : { n o }}\n", "yes n o", NULL},
    {"brackets alone", "p = ${nope:{a b}}\n", "a b", NULL},
    {"spaces around", "a = x\np = ${ a ? {yes} }\n", "yes", NULL},
    {"as it is written", "a = $b\nb =\np = ${a?{yes}:{no}}\n", "yes", NULL},
    {"names inside", "a = x\np = ${nope:$a} ${a?{<${a}>}}\n", "x <x>", NULL},
    {"equal", "a = x\np = ${{$a} == {x} ? {yes} : {no}}\n", "yes", NULL},
    {"not equal", "a = x\np = ${{$a}!={x}?{yes}:{no}}\n", "no", NULL},
    {"as numbers", "p = ${{10} > {9} ? {yes} : {no}} ${{10a} > {9a} ? {yes} : {no}}\n", "yes no",
     NULL},
    {"true alone", "p = ${{a} == {a}}|${{a} == {b}}\n", "true|", NULL},
    {"only if not", "p = ${{a} == {b} :{no}}\n", "no", NULL},
    {"inside one another", "p = ${{${{a} == {a} ? {b} : {c}}} == {b} ? {yes} : {no}}\n", "yes",
     NULL},
    {"both sides", "p = ${{${{a}=={a}?{x}}} == {${{b}=={b}?{x}}} ? {yes} : {no}}\n", "yes", NULL},
    {"levels", "p = ${{3.10} <level {3.6} ? {yes} : {no}} ${{3.6} >=level {2} ? {yes} : {no}}\n",
     "no yes", NULL},
    {"a circle", "p = $q\nq = $p\n", NULL, "its $names go round in a circle"},
    {"itself", "p = ${p}x\n", NULL, "its $names go round in a circle"},
    {"a dollar at the end", "p = x$\n", NULL, "it is malformed at \"$\""},
    {"no name", "p = ${}\n", NULL, "it is malformed"},
    {"no end", "p = ${a\n", NULL, "it is malformed at \"${a\""},
    {"no end of brackets", "p = ${a?{b}\n", NULL, "it is malformed"},
    {"more behind", "p = ${a?{b}c}\n", NULL, "it is malformed"},
    {"a dash", "p = ${x-y}\n", NULL, "it is malformed"},
    {"no comparison", "p = ${{x} ~ {y}}\n", NULL, "it is malformed at \"~ {y}\""},
};

static void values_are_what_postfix_reads(void **state)
{
    for (size_t i = 0; i < COUNT(expansion_rows); i++) {
        struct import_settings *settings = import_settings_new(NULL);
        struct error err = {.text = ""};
        struct buf value;
        buf_init(&value, IMPORT_VALUE_LIMIT);
        assert_true(import_settings_read(settings, bytes_of(expansion_rows[i].text), &err));
        const struct import_setting *setting = import_settings_find(settings, BYTES("p"));
        assert_non_null(setting);
        bool is_good = import_settings_expand(settings, setting->value, &value, &err);
        bool is_right =
            expansion_rows[i].error
                ? !is_good && bytes_starts(bytes_of(err.text), bytes_of(expansion_rows[i].error))
                : is_good && bytes_equal(buf_view(&value), bytes_of(expansion_rows[i].value));
        if (!is_right)
            fail_msg("%s: \"%.*s\" %s", expansion_rows[i].name, BYTES_ARGS(buf_view(&value)),
                     err.text);
        buf_done(&value);
        import_settings_free(settings);
    }
}

static void what_would_be_huge_ends(void **state)
{
    struct import_settings *settings = import_settings_new(NULL);
    struct error err = {.text = ""};
    struct buf text, value;
    buf_init(&text, 65536);
    buf_init(&value, IMPORT_VALUE_LIMIT);
    buf_add(&text, BYTES("a0 = xxxxxxxxxx\n"));
    for (int i = 1; i < 60; i++)
        buf_addf(&text, "a%d = $a%d$a%d\n", i, i - 1, i - 1);
    assert_true(import_settings_read(settings, buf_view(&text), &err));
    assert_false(import_settings_expand(settings, BYTES("$a59"), &value, &err));
    assert_true(bytes_starts(bytes_of(err.text), BYTES("it is too long")));
    buf_done(&text);
    buf_done(&value);
    import_settings_free(settings);
}

static const struct {
    const char *text, *error;
} bad_rows[] = {
    {"  a = b\n", "line 1 begins with a space and continues nothing"},
    {"# x\n\nword\n", "line 3 is no setting, which would be: name = value"},
    {"= x\n", "line 1 is no setting"},
    {"two words = x\n", "line 1 is no setting"},
};

static void what_is_no_setting_is_told(void **state)
{
    for (size_t i = 0; i < COUNT(bad_rows); i++) {
        struct import_settings *settings = import_settings_new(NULL);
        struct error err = {.text = ""};
        assert_false(import_settings_read(settings, bytes_of(bad_rows[i].text), &err));
        if (!bytes_starts(bytes_of(err.text), bytes_of(bad_rows[i].error)))
            fail_msg("%s", err.text);
        import_settings_free(settings);
    }
}

/* --- master.cf -------------------------------------------------------------------------------- */

static void services_have_their_options(void **state)
{
    struct import_settings *main = import_settings_new(NULL);
    struct import_services services;
    struct error err = {.text = ""};
    import_settings_set(main, BYTES("a"), BYTES("main"), 1);
    assert_true(import_services_read(&services,
                                     BYTES("smtp inet n - y - - smtpd\n"
                                           "submission inet n - y - - smtpd -v\n"
                                           "  -o a=own -ob=$a\n"
                                           "# no\n"
                                           "  -o { c = x = y }\n"
                                           "smtp unix - - y - - smtp\n"),
                                     main, &err));
    assert_int_equal(services.count, 3);
    const struct import_service *own = &services.services[1];
    assert_true(bytes_equal(own->name, BYTES("submission")));
    assert_true(bytes_equal(own->command, BYTES("smtpd")));
    assert_int_equal(own->line, 2);
    struct buf value;
    buf_init(&value, 100);
    assert_true(import_settings_expand(own->overrides, BYTES("$a $b $c"), &value, &err));
    assert_true(bytes_equal(buf_view(&value), BYTES("own own x = y")));
    buf_clear(&value);
    assert_true(import_settings_expand(services.services[0].overrides, BYTES("$a"), &value, &err));
    assert_true(bytes_equal(buf_view(&value), BYTES("main")));
    assert_ptr_equal(import_services_transport(&services, BYTES("smtp")), &services.services[2]);
    assert_null(import_services_transport(&services, BYTES("submission")));
    buf_done(&value);
    import_services_done(&services);
    assert_false(import_services_read(&services, BYTES("smtp inet n\n"), main, &err));
    assert_string_equal(err.text, "line 1 is no service, which has eight columns");
    import_services_done(&services);
    import_settings_free(main);
}

/* --- Tables ----------------------------------------------------------------------------------- */

static void tables_by_form(void **state)
{
    struct import_table table;
    struct error err;
    assert_true(import_table_read(&table, BYTES("# x\na@b.example  c d\n\n \"e f\" g\n  h\n"),
                                  IMPORT_POSTMAP, &err));
    assert_int_equal(table.count, 1); /* the space continues */
    assert_true(bytes_equal(table.rows[0].value, BYTES("c d \"e f\" g h")));
    import_table_done(&table);
    assert_true(
        import_table_read(&table, BYTES("a: b, c\n  d\n\"e f\" : |x:y\n"), IMPORT_ALIASES, &err));
    assert_int_equal(table.count, 2);
    assert_true(bytes_equal(table.rows[0].value, BYTES("b, c d")));
    assert_true(bytes_equal(table.rows[1].key, BYTES("e f")));
    assert_true(bytes_equal(table.rows[1].value, BYTES("|x:y")));
    import_table_done(&table);
    assert_false(import_table_read(&table, BYTES("a b\n"), IMPORT_ALIASES, &err));
    import_table_done(&table);

    struct bytes list = BYTES(" a,b  {c d},, \"e, f\" "), type, name;
    assert_true(bytes_equal(import_item(&list), BYTES("a")));
    assert_true(bytes_equal(import_item(&list), BYTES("b")));
    assert_true(bytes_equal(import_item(&list), BYTES("{c d}")));
    assert_true(bytes_equal(import_item(&list), BYTES("\"e, f\"")));
    assert_int_equal(import_item(&list).len, 0);
    assert_true(import_item_table(BYTES("proxy:hash:/x"), &type, &name));
    assert_true(bytes_equal(type, BYTES("hash")) && bytes_equal(name, BYTES("/x")));
    assert_false(import_item_table(BYTES("[host]:25"), &type, &name));
    assert_false(import_item_table(BYTES("host:25"), &type, &name));
    assert_true(import_type_is_text(BYTES("lmdb")) && !import_type_is_text(BYTES("mysql")));
}

/* --- The whole -------------------------------------------------------------------------------- */

static const struct {
    const char *path, *text;
} files[] = {
    {"/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\n"
                    "www-data:x:33:33::/:/x\nnobody:x:65534:1::/:/x\n"},
    {"/etc/mailname", "example.org\n"},
    {"/etc/aliases", "root: ann\npostmaster: root, \"|/bin/x y\"\nlist: :include:/list\n"},
    {"/list", "# people\neve@example.net\nbob\n"},
    {"/virtual", "virtual.example here\ninfo@virtual.example ann@example.org, zoe\n"
                 "@virtual.example ann\nx@far.example y@far.example\n"},
    {"/transport", "partner.example smtp:[192.0.2.7]:2525\n.below.example relay:[mx.example]\n"
                   "back.example :\ngone.example error:5.1.1 gone\nann@a.example smtp:[b]\n"},
    {"/passwords", "[smart.example]:587 me:se:cret\nother.example you:x\n"},
    {"/policies", "bank.example secure match=.bank.example:nexthop\n[smart.example]:587 encrypt\n"},
};

static bool read_file(void *context, struct bytes path, struct buf *out, struct error *err)
{
    for (size_t i = 0; i < COUNT(files); i++)
        if (bytes_equal(path, bytes_of(files[i].path))) {
            buf_add(out, bytes_of(files[i].text));
            return true;
        }
    return error_set(err, 0, "no %.*s", BYTES_ARGS(path));
}

#define SERVICES "smtp inet n - y - - smtpd\n"
#define SUBMISSION                                                                                 \
    "submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o "                      \
    "smtpd_sasl_auth_enable=yes\n"
#define CERTIFICATE "smtpd_tls_cert_file = /c.pem\nsmtpd_tls_key_file = /k.pem\n"
#define HOST "myhostname = mx.example.org\nmydestination =\nmynetworks =\n"

/* Of each: what is in the configuration, or in the report as "outcome|name|text". */
static const struct {
    const char *name, *main, *master, *config, *note;
} draft_rows[] = {
    {"host name", HOST, SERVICES, "\nhostname: mx.example.org\n", "mapped|myhostname|hostname"},
    {"no host name", "mydomain = example.net\n", SERVICES, "\nhostname: box.example.net\n", NULL},
    {"all interfaces", HOST, SERVICES,
     "  - {address: \"0.0.0.0:25\", role: mx, tls: none}\n"
     "  - {address: \"[::]:25\", role: mx, tls: none}\n",
     "mapped|smtp|a listener"},
    {"IPv4 alone", HOST "inet_protocols = ipv4\n", SERVICES,
     "listen:\n  - {address: \"0.0.0.0:25\", role: mx, tls: none}\n\n", NULL},
    {"IPv4 alone, outward", HOST "inet_protocols = ipv4\n", SERVICES,
     "outbound:\n  address_families: ipv4\n", NULL},
    {"loopback", HOST "inet_interfaces = loopback-only\n", SERVICES,
     "  - {address: \"127.0.0.1:25\", role: mx, tls: none}\n"
     "  - {address: \"[::1]:25\", role: mx, tls: none}\n",
     "mapped|inet_interfaces|listen.address"},
    {"a port elsewhere", HOST, "192.0.2.1:2525 inet n - y - - smtpd\n",
     "{address: \"192.0.2.1:2525\", role: mx, tls: none}\n", NULL},
    {"postscreen", HOST, "smtp inet n - y - 1 postscreen\n", "{address: \"0.0.0.0:25\", role: mx",
     NULL},
    {"submission", HOST CERTIFICATE, SUBMISSION,
     "  - {address: \"0.0.0.0:587\", role: submission, tls: required}\n",
     "mapped|submission: smtpd_tls_security_level|listen.tls"},
    {"no certificate", HOST, SUBMISSION, "role: submission, tls: none}\n",
     "to do|submission|it has TLS, and there is no certificate"},
    {"TLS from the start", HOST CERTIFICATE,
     "smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes\n",
     "{address: \"0.0.0.0:465\", role: submission, tls: implicit, auth: off}\n", NULL},
    {"logins on port 25", HOST "smtpd_sasl_auth_enable = yes\n", SERVICES,
     "role: mx, tls: none, auth: on}\n", "to do|smtpd_sasl_type|accounts of Cyrus SASL"},
    {"behind a filter", HOST "content_filter = scan:[127.0.0.1]:10026\n",
     SERVICES "127.0.0.1:10025 inet n - n - - smtpd -o content_filter=\n",
     "role: mx, tls: none}\n\n",
     "not needed|127.0.0.1:10025|it takes mail back from content_filter"},
    {"Dovecot's logins", HOST "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n",
     SERVICES, "auth:\n  dovecot: /var/spool/postfix/private/auth\n",
     "mapped|smtpd_sasl_path|auth.dovecot"},
    {"key and certificate in one file", HOST "smtpd_tls_chain_files = /both.pem\n", SERVICES,
     "  certificate: /both.pem.crt\n  key: /both.pem.key\n",
     "to do|smtpd_tls_chain_files|one file holds certificate and key"},
    {"networks", "mynetworks = 127.0.0.0/8 [::1]/128 192.0.2.9/24\n", SERVICES,
     "  networks: [\"127.0.0.0/8\", \"::1/128\", \"192.0.2.0/24\"]\n",
     "mapped|mynetworks|relay.networks"},
    {"own networks", "compatibility_level = 3.6\n", SERVICES,
     "  networks: [\"127.0.0.0/8\", \"::1/128\", \"198.51.100.5\"]\n", NULL},
    {"neighbours' networks", "mynetworks_style = subnet\n", SERVICES,
     "  networks: [\"127.0.0.0/8\", \"::1/128\", \"198.51.100.0/24\"]\n",
     "to do|mynetworks|not set, so that Postfix relays"},
    {"people and aliases", "myorigin = /etc/mailname\nmydestination = example.org\n", SERVICES,
     "  - name: example.org\n    mailboxes: [ann]\n    delimiter: \"\"\n    aliases:\n"
     "      root: ann@example.org\n      postmaster: root@example.org\n"
     "      list: [eve@example.net, bob@example.org]\n",
     "no counterpart|alias_maps|\"|/bin/x y\" is a program"},
    {"aliases of several domains", "mydestination = example.org, example.net\n", SERVICES,
     "  - name: example.net\n    mailboxes: [ann]\n    delimiter: \"\"\n    aliases: *aliases",
     NULL},
    {"virtual aliases", HOST "myorigin = example.org\nvirtual_alias_maps = hash:/virtual\n",
     SERVICES,
     "  - name: virtual.example\n    delimiter: \"\"\n    aliases:\n"
     "      info: [ann@example.org, zoe@example.org]\n    catch_all: ann@example.org\n",
     "no counterpart|virtual_alias_maps|its domain is not local"},
    {"mailboxes in a database",
     HOST "virtual_mailbox_domains = v.example\nvirtual_mailbox_maps = mysql:/x.cf\n", SERVICES,
     "  - name: v.example\n    mailboxes: directory\n",
     "to do|virtual_mailbox_maps|a table of the kind mysql"},
    {"LMTP", HOST "virtual_transport = lmtp:unix:private/lmtp\n", SERVICES,
     "deliver:\n  lmtp: \"unix:/var/spool/postfix/private/lmtp\"\n",
     "mapped|virtual_transport|deliver.lmtp"},
    {"LMTP by TCP", HOST "mailbox_transport = lmtp:inet:127.0.0.1:2400\n", SERVICES,
     "  lmtp: \"lmtp://127.0.0.1:2400\"\n", NULL},
    {"smarthost",
     HOST "relayhost = [smart.example]:587\nsmtp_sasl_auth_enable = yes\n"
          "smtp_sasl_password_maps = hash:/passwords\n",
     SERVICES,
     "  - {to: \"*\", via: \"smtp://smart.example:587\", user: me, password_file: "
     "secrets/smart.example}\n",
     "mapped|smtp_sasl_password_maps|routes.user"},
    {"smarthost by its MX", HOST "relayhost = smart.example\n", SERVICES,
     "via: \"smtp://smart.example:25\"}\n", "to do|relayhost|without brackets"},
    {"smarthost in TLS",
     HOST "relayhost = [smart.example]:465\nsmtp_tls_wrappermode = yes\n"
          "smtp_tls_security_level = encrypt\n",
     SERVICES, "via: \"smtps://smart.example:465\", tls: forced}\n",
     "no counterpart|smtp_tls_security_level|routes have tls: forced"},
    {"transports", HOST "transport_maps = lmdb:/transport\n", SERVICES,
     "routes:\n  - {to: partner.example, via: \"smtp://192.0.2.7:2525\"}\n"
     "  - {to: \".below.example\", via: \"smtp://mx.example:25\"}\n"
     "  - {to: back.example, via: mx}\n",
     "no counterpart|transport_maps|error:5.1.1 gone is called"},
    {"a local domain that leads away",
     "mydestination = partner.example\n"
     "transport_maps = hash:/transport\n",
     SERVICES, "  domains: [partner.example]\n", "mapped|mydestination|relay.domains"},
    {"relay domains", HOST "relay_domains = a.example\n", SERVICES,
     "  domains: [a.example, \".a.example\"]\n", "mapped|relay_domains|relay.domains"},
    {"rules for TLS", HOST "smtp_tls_policy_maps = hash:/policies\nrelayhost=[smart.example]:587\n",
     SERVICES, "  tls_domains:\n    bank.example: {level: forced, names: [\".bank.example\"]}\n",
     NULL},
    {"numbers",
     HOST "message_size_limit = 0\nmaximal_queue_lifetime = 3\nminimal_backoff_time = 5m\n"
          "smtpd_timeout = ${stress?{10}:{300}}s\nsmtpd_recipient_limit = 50\n",
     SERVICES,
     "queue:\n  expire: 3d\n  retry_first: 5m\n\n# What a client may do.\nlimits:\n"
     "  message_size: 4G\n  recipients: 100\n  command_timeout: 5m\n",
     "mapped|smtpd_recipient_limit|limits.recipients, as near as it can be"},
    {"a first wait that is long", HOST "minimal_backoff_time = 2h\n", SERVICES,
     "queue:\n  retry_first: 2h\n  retry_max: 2h\n", NULL},
    {"reverse names", HOST "smtpd_client_restrictions = reject_unknown_client_hostname\n", SERVICES,
     "verify:\n  no_reverse_name: refuse\n",
     "mapped|smtpd_client_restrictions|verify.no_reverse_name"},
    {"a DNSBL", HOST "smtpd_recipient_restrictions = reject_rbl_client b.example\n", SERVICES, NULL,
     "no counterpart|smtpd_recipient_restrictions|DNSBLs are not asked"},
    {"a parameter that is none", HOST "smtpd_foo = x\n", SERVICES, NULL,
     "unknown|smtpd_foo|no parameter"},
    {"a name for oneself", HOST "mine = x\nrelayhost = $mine\n", SERVICES, NULL,
     "not needed|mine|it only stands for"},
    {"switched off", HOST "header_checks =\n", SERVICES, NULL, "not needed|header_checks|it is "},
    {"a filter", HOST "header_checks = pcre:/x\n", SERVICES, NULL,
     "no counterpart|header_checks|there are no filters"},
    {"malformed", HOST "relayhost = ${x\n", SERVICES, NULL, "to do|relayhost|it is malformed"},
};

static bool has_note(const struct import_draft *draft, const char *want)
{
    for (size_t i = 0; i < draft->note_count; i++) {
        const struct import_note *note = &draft->notes[i];
        char text[5000];
        snprintf(text, sizeof text, "%s|%s|%s", import_outcome_word(note->outcome), note->name,
                 note->text);
        if (bytes_starts(bytes_of(text), bytes_of(want)))
            return true;
    }
    return false;
}

static void check_configuration(const char *name, struct bytes text)
{
    struct buf problems;
    buf_init(&problems, 65536);
    struct config *config = config_parse(text, "c.yaml", "/", &problems);
    if (!config)
        fail_msg("%s: %.*s\n%.*s", name, BYTES_ARGS(buf_view(&problems)), BYTES_ARGS(text));
    config_free(config);
    buf_done(&problems);
}

static void what_becomes_of_it(void **state)
{
    const struct import_host host = {.hostname = "box",
                                     .networks = "198.51.100.5/24,",
                                     .addresses = "198.51.100.5,",
                                     .read = read_file};
    for (size_t i = 0; i < COUNT(draft_rows); i++) {
        struct import_draft *draft = import_draft_new(&host);
        struct error err = {.text = ""};
        struct buf config, report;
        buf_init(&config, 1 << 20);
        buf_init(&report, 1 << 20);
        if (!import_draft_make(draft, bytes_of(draft_rows[i].main), bytes_of(draft_rows[i].master),
                               &err))
            fail_msg("%s: %s", draft_rows[i].name, err.text);
        import_draft_print_config(draft, &config);
        import_draft_print_report(draft, &report);
        check_configuration(draft_rows[i].name, buf_view(&config));
        if (draft_rows[i].config &&
            bytes_search(buf_view(&config), bytes_of(draft_rows[i].config)) == config.len)
            fail_msg("%s: not in\n%.*s", draft_rows[i].name, BYTES_ARGS(buf_view(&config)));
        if (draft_rows[i].note && !has_note(draft, draft_rows[i].note))
            fail_msg("%s: not in\n%.*s", draft_rows[i].name, BYTES_ARGS(buf_view(&report)));
        buf_done(&config);
        buf_done(&report);
        import_draft_free(draft);
    }
}

static void a_password_is_no_part_of_it(void **state)
{
    const struct import_host host = {.hostname = "box.example.net", .read = read_file};
    struct import_draft *draft = import_draft_new(&host);
    struct error err;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_true(import_draft_make(draft,
                                  BYTES("relayhost = [smart.example]:587\n"
                                        "smtp_sasl_auth_enable = yes\n"
                                        "smtp_sasl_password_maps = hash:/passwords\n"),
                                  BYTES(SERVICES), &err));
    import_draft_print_config(draft, &text);
    import_draft_print_report(draft, &text);
    assert_int_equal(bytes_search(buf_view(&text), BYTES(":cret")), text.len);
    assert_int_equal(draft->secret_count, 1);
    assert_string_equal(draft->secrets[0].path, "secrets/smart.example");
    assert_string_equal(draft->secrets[0].text, "se:cret");
    buf_done(&text);
    import_draft_free(draft);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_what_postfix_reads),
        cmocka_unit_test(what_would_be_huge_ends),
        cmocka_unit_test(what_is_no_setting_is_told),
        cmocka_unit_test(services_have_their_options),
        cmocka_unit_test(tables_by_form),
        cmocka_unit_test(what_becomes_of_it),
        cmocka_unit_test(a_password_is_no_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
