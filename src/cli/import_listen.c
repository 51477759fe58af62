/* Who may connect: the services of master.cf become listeners; their certificates, logins and
 * networks. */
#include <stdio.h>
#include <string.h>

#include "base/ip.h"
#include "cli/import_draft.h"
#include "policy/networks.h"

enum { LISTENER_LIMIT = 64 };

/* What a service becomes. */
struct listener {
    const struct import_service *service;
    unsigned port;
    struct bytes host; /* of "127.0.0.1:10025"; empty: those of inet_interfaces */
    bool is_submission, is_implicit, has_auth;
    const char *tls;
};

static const struct {
    const char *name;
    unsigned port;
} ports[] = {{"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}, {"urd", 465}};

static bool read_port(struct bytes name, unsigned *out)
{
    uint64_t number;
    for (size_t i = 0; i < COUNT(ports); i++)
        if (bytes_equal(name, bytes_of(ports[i].name))) {
            *out = ports[i].port;
            return true;
        }
    if (!scan_u64(name, 65535, &number) || number == 0)
        return false;
    *out = (unsigned)number;
    return true;
}

/* "smtp", "587", "127.0.0.1:10025", "[::1]:10025" */
static bool read_place(struct bytes name, struct listener *out)
{
    size_t colon = bytes_find_last(name, ':');
    if (colon < name.len) {
        out->host = bytes_sub(name, 0, colon);
        name = bytes_from(name, colon + 1);
        if (out->host.len > 1 && out->host.at[0] == '[')
            out->host = bytes_sub(out->host, 1, out->host.len - 2);
    }
    return read_port(name, &out->port);
}

/* The level of TLS that a service demands, by the old parameters too; "": none. */
static const char *tls_of(struct import_draft *draft, const struct import_settings *settings)
{
    static const char *const forced[] = {"encrypt", "verify", "secure"};
    if (import_is_yes(draft, settings, "smtpd_tls_wrappermode"))
        return "implicit";
    for (size_t i = 0; i < COUNT(forced); i++)
        if (import_is(draft, settings, "smtpd_tls_security_level", forced[i]))
            return "required";
    if (import_is(draft, settings, "smtpd_tls_security_level", "may"))
        return "starttls";
    if (import_is_yes(draft, settings, "smtpd_enforce_tls"))
        return "required";
    return import_is_yes(draft, settings, "smtpd_use_tls") ? "starttls" : "none";
}

/* --- Certificates ----------------------------------------------------------------------------- */

static void add_certificate(struct import_draft *draft, struct bytes certificate, struct bytes key,
                            const struct import_setting *setting)
{
    struct buf *out = &draft->sections[SECTION_TLS], names[2];
    bool is_first = out->len == 0, is_one = bytes_equal(certificate, key);
    buf_init(&names[0], IMPORT_VALUE_LIMIT);
    buf_init(&names[1], IMPORT_VALUE_LIMIT);
    buf_addf(&names[0], "%.*s%s", BYTES_ARGS(certificate), is_one ? ".crt" : "");
    buf_addf(&names[1], "%.*s%s", BYTES_ARGS(key), is_one ? ".key" : "");
    if (is_first)
        buf_add(out, BYTES("  certificate: "));
    else if (bytes_search(buf_view(out), BYTES("certificates:")) == out->len)
        buf_add(out, BYTES("  certificates:\n    - certificate: "));
    else
        buf_add(out, BYTES("    - certificate: "));
    import_add_text(out, buf_view(&names[0]));
    buf_addf(out, "\n%s  key: ", is_first ? "" : "    ");
    import_add_text(out, buf_view(&names[1]));
    buf_add(out, BYTES("\n"));
    import_note(draft, IMPORT_MAPPED, setting, "%s",
                is_first ? "tls.certificate" : "tls.certificates");
    if (is_one)
        import_note_of(draft, IMPORT_TO_DO, setting->name, certificate,
                       "one file holds certificate and key, which have to be apart: umask 077; "
                       "openssl pkey -in %.*s -out %.*s; openssl crl2pkcs7 -nocrl -certfile %.*s | "
                       "openssl pkcs7 -print_certs -out %.*s",
                       BYTES_ARGS(certificate), BYTES_ARGS(buf_view(&names[1])),
                       BYTES_ARGS(certificate), BYTES_ARGS(buf_view(&names[0])));
    buf_done(&names[0]);
    buf_done(&names[1]);
}

static void read_chain_files(struct import_draft *draft, const struct import_setting *setting)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, "smtpd_tls_chain_files", &value);
    struct bytes list = buf_view(&value), key, certificate;
    /* Each key comes in front of its certificates, in one file or two. */
    while ((key = import_item(&list)).len) {
        struct bytes rest = list, next = import_item(&rest);
        bool is_pair = next.len && bytes_search(key, BYTES("key")) < key.len;
        certificate = is_pair ? next : key;
        list = is_pair ? rest : list;
        add_certificate(draft, certificate, key, setting);
    }
    buf_done(&value);
}

static void import_certificates(struct import_draft *draft)
{
    static const char *const pairs[][2] = {{"smtpd_tls_cert_file", "smtpd_tls_key_file"},
                                           {"smtpd_tls_eccert_file", "smtpd_tls_eckey_file"}};
    const struct import_setting *chain = import_set(draft, "smtpd_tls_chain_files");
    if (chain)
        read_chain_files(draft, chain);
    for (size_t i = 0; i < COUNT(pairs); i++) {
        const struct import_setting *certificate = import_set(draft, pairs[i][0]);
        const struct import_setting *key = import_set(draft, pairs[i][1]);
        struct buf values[2];
        buf_init(&values[0], IMPORT_VALUE_LIMIT);
        buf_init(&values[1], IMPORT_VALUE_LIMIT);
        bool is_there = import_value(draft, draft->main, pairs[i][0], &values[0]) &&
                        !bytes_equal(bytes_trim(buf_view(&values[0])), BYTES("none")) &&
                        import_value(draft, draft->main, pairs[i][1], &values[1]);
        if (certificate && chain)
            import_note(draft, IMPORT_NOT_NEEDED, certificate, "smtpd_tls_chain_files is set");
        else if (certificate && is_there)
            add_certificate(draft, bytes_trim(buf_view(&values[0])),
                            bytes_trim(buf_view(&values[1])), certificate);
        if (key && is_there && !chain)
            import_note(draft, IMPORT_MAPPED, key, "tls.key");
        buf_done(&values[0]);
        buf_done(&values[1]);
    }
}

static void import_client_certificates(struct import_draft *draft)
{
    const struct import_setting *setting = import_set(draft, "smtpd_tls_ask_ccert");
    if (!setting)
        return;
    bool is_asked = import_is_yes(draft, draft->main, "smtpd_tls_ask_ccert");
    if (is_asked && draft->sections[SECTION_TLS].len)
        buf_add(&draft->sections[SECTION_TLS], BYTES("  client_certificates: asked\n"));
    import_note(draft, is_asked ? IMPORT_MAPPED : IMPORT_NOT_NEEDED, setting,
                "tls.client_certificates");
}

/* --- Addresses -------------------------------------------------------------------------------- */

static void write_listener(struct import_draft *draft, const struct listener *listener,
                           struct bytes host)
{
    struct buf *out = &draft->sections[SECTION_LISTEN];
    bool is_v6 = bytes_find(host, ':') < host.len;
    buf_addf(out, "  - {address: \"%s%.*s%s:%u\", role: %s, tls: %s", is_v6 ? "[" : "",
             BYTES_ARGS(host), is_v6 ? "]" : "", listener->port,
             listener->is_submission ? "submission" : "mx", listener->tls);
    if (listener->has_auth != listener->is_submission)
        buf_addf(out, ", auth: %s", listener->has_auth ? "on" : "off");
    buf_add(out, BYTES("}\n"));
}

/* A host name in inet_interfaces is not looked up: the DNS may say something else tomorrow. */
static void write_interface(struct import_draft *draft, const struct listener *listener,
                            struct bytes item, bool has_v4, bool has_v6)
{
    struct ip ip;
    if (item.len > 1 && item.at[0] == '[')
        item = bytes_sub(item, 1, item.len - 2);
    bool is_loopback =
        bytes_equal(item, BYTES("loopback-only")) || bytes_equal_nocase(item, BYTES("localhost"));
    bool is_address = ip_scan(item, &ip);
    if (is_address) {
        write_listener(draft, listener, item);
        return;
    }
    if (!is_loopback && !bytes_equal(item, BYTES("all")))
        import_note_of(draft, IMPORT_TO_DO, BYTES("inet_interfaces"), item,
                       "listeners take addresses, not names; it listens on all of them now");
    if (has_v4)
        write_listener(draft, listener, is_loopback ? BYTES("127.0.0.1") : BYTES("0.0.0.0"));
    if (has_v6)
        write_listener(draft, listener, is_loopback ? BYTES("::1") : BYTES("::"));
}

static void write_service(struct import_draft *draft, const struct listener *listener)
{
    struct buf value;
    bool is_v4_only = import_is(draft, draft->main, "inet_protocols", "ipv4");
    bool is_v6_only = import_is(draft, draft->main, "inet_protocols", "ipv6");
    buf_init(&value, IMPORT_VALUE_LIMIT);
    if (listener->host.len)
        buf_add(&value, listener->host);
    else
        import_value(draft, draft->main, "inet_interfaces", &value);
    struct bytes list = buf_view(&value), item;
    bool is_all = bytes_search(list, BYTES("all")) < list.len;
    while ((item = import_item(&list)).len) {
        if (is_all)
            list = BYTES_NONE;
        write_interface(draft, listener, is_all ? BYTES("all") : item, !is_v6_only, !is_v4_only);
    }
    buf_done(&value);
}

/* --- Services --------------------------------------------------------------------------------- */

/* Those whose meaning is in a listener, wherever they stand. */
static const struct {
    const char *name, *text;
} listener_options[] = {
    {"smtpd_tls_security_level", "listen.tls"},
    {"smtpd_tls_wrappermode", "listen.tls: implicit"},
    {"smtpd_use_tls", "listen.tls"},
    {"smtpd_enforce_tls", "listen.tls"},
    {"smtpd_sasl_auth_enable", "listen.auth; accounts: postrider user add, or auth.dovecot"},
    {"smtpd_sasl_type", "auth"},
    {"smtpd_sasl_path", "auth.dovecot"},
    {"inet_interfaces", "listen.address"},
    {"inet_protocols", "listen.address, outbound.address_families"},
    {"mynetworks", "relay.networks"},
};

static const char *listener_option(struct bytes name)
{
    for (size_t i = 0; i < COUNT(listener_options); i++)
        if (bytes_equal(name, bytes_of(listener_options[i].name)))
            return listener_options[i].text;
    return NULL;
}

static void note_overrides(struct import_draft *draft, const struct import_service *service)
{
    size_t place = 0;
    for (const struct import_setting *one;
         (one = import_settings_next(service->overrides, &place));) {
        char name[300];
        snprintf(name, sizeof name, "%.*s: %.*s", BYTES_ARGS(bytes_sub(service->name, 0, 100)),
                 BYTES_ARGS(bytes_sub(one->name, 0, 150)));
        struct import_setting shown = {bytes_of(name), one->value, one->line};
        const char *text = listener_option(one->name);
        bool is_restriction =
            one->name.len > 13 && bytes_ends_nocase(one->name, BYTES("_restrictions"));
        if (text)
            import_note(draft, IMPORT_MAPPED, &shown, "%s", text);
        else if (is_restriction || import_has_note(draft, shown.name))
            continue; /* by import_restrictions() */
        else
            import_rest(draft, one, shown.name);
    }
}

static bool is_reinjection(struct import_draft *draft, const struct import_service *service)
{
    const struct import_setting *filter =
        import_settings_find(service->overrides, BYTES("content_filter"));
    const struct import_setting *before = import_set(draft, "content_filter");
    return before && filter && filter->line && filter->value.len == 0;
}

static void import_service(struct import_draft *draft, const struct import_service *service,
                           size_t *count)
{
    struct listener listener = {.service = service};
    bool is_smtpd = bytes_equal(service->command, BYTES("smtpd"));
    if (!is_smtpd && !bytes_equal(service->command, BYTES("postscreen"))) {
        import_note_of(draft, IMPORT_LOST, service->name, service->command,
                       "a service of the network that has no counterpart");
        return;
    }
    if (!read_place(service->name, &listener) || *count == LISTENER_LIMIT) {
        import_note_of(draft, IMPORT_TO_DO, service->name, service->command,
                       "no port that this command knows; write its listener by hand");
        return;
    }
    if (is_reinjection(draft, service)) {
        import_note_of(draft, IMPORT_NOT_NEEDED, service->name, service->command,
                       "it takes mail back from content_filter, which has no counterpart");
        return;
    }
    listener.is_submission = listener.port == 587 || listener.port == 465;
    listener.tls = tls_of(draft, service->overrides);
    if (strcmp(listener.tls, "none") != 0 && !draft->sections[SECTION_TLS].len) {
        import_note_of(draft, IMPORT_TO_DO, service->name, service->command,
                       "it has TLS, and there is no certificate: write tls: {certificate: ..., "
                       "key: ...}, and tls: %s at the listener",
                       listener.tls);
        listener.tls = "none";
    }
    listener.has_auth = import_is_yes(draft, service->overrides, "smtpd_sasl_auth_enable");
    write_service(draft, &listener);
    import_restrictions(draft, service->overrides, service->name);
    note_overrides(draft, service);
    import_note_of(draft, IMPORT_MAPPED, service->name, service->command,
                   "a listener, as %s on port %u", listener.is_submission ? "submission" : "mx",
                   listener.port);
    ++*count;
}

/* Clones of smtpd without a port, and programs that are called: only what transports name counts,
 * and that is told with the transports. */
static void import_services(struct import_draft *draft)
{
    size_t count = 0;
    for (size_t i = 0; i < draft->services.count; i++)
        if (bytes_equal(draft->services.services[i].type, BYTES("inet")))
            import_service(draft, &draft->services.services[i], &count);
    if (count == 0) {
        struct listener listener = {.port = 25, .tls = tls_of(draft, draft->main)};
        if (!draft->sections[SECTION_TLS].len)
            listener.tls = "none";
        listener.has_auth = import_is_yes(draft, draft->main, "smtpd_sasl_auth_enable");
        write_service(draft, &listener);
        import_note_of(draft, IMPORT_TO_DO, BYTES("master.cf"), BYTES_NONE,
                       "no smtpd on a port was found in it; port 25 is written");
    }
}

/* --- Logins, networks ------------------------------------------------------------------------- */

static void import_logins(struct import_draft *draft)
{
    struct buf path, folder;
    bool is_dovecot = import_is(draft, draft->main, "smtpd_sasl_type", "dovecot");
    buf_init(&path, IMPORT_VALUE_LIMIT);
    buf_init(&folder, IMPORT_VALUE_LIMIT);
    if (is_dovecot && import_value(draft, draft->main, "smtpd_sasl_path", &path)) {
        struct bytes name = bytes_trim(buf_view(&path));
        if (bytes_starts(name, BYTES("unix:")))
            name = bytes_from(name, 5);
        bool is_relative = name.len && name.at[0] != '/';
        if (bytes_starts(name, BYTES("inet:"))) {
            import_note_of(draft, IMPORT_TO_DO, BYTES("smtpd_sasl_path"), name,
                           "auth.dovecot takes a Unix socket; give Dovecot a unix_listener");
        } else {
            if (is_relative && import_value(draft, draft->main, "queue_directory", &folder))
                buf_add_byte(&folder, '/');
            buf_add(&folder, name);
            buf_add(&draft->sections[SECTION_AUTH], BYTES("  dovecot: "));
            import_add_text(&draft->sections[SECTION_AUTH], buf_view(&folder));
            buf_add(&draft->sections[SECTION_AUTH], BYTES("\n"));
        }
    } else if (import_is_yes(draft, draft->main, "smtpd_sasl_auth_enable") && !is_dovecot) {
        import_note_of(draft, IMPORT_TO_DO, BYTES("smtpd_sasl_type"), BYTES("cyrus"),
                       "accounts of Cyrus SASL cannot be taken over: postrider user add ADDRESS "
                       "for each");
    }
    for (size_t i = 0; i < COUNT(listener_options); i++) {
        const struct import_setting *set = import_set(draft, listener_options[i].name);
        if (set && strcmp(listener_options[i].name, "mynetworks") != 0)
            import_note(draft, IMPORT_MAPPED, set, "%s", listener_options[i].text);
    }
    buf_done(&path);
    buf_done(&folder);
}

/* "[::1]/128" and "[fe80::]/10" have brackets in Postfix. */
static void add_network(struct import_draft *draft, struct bytes item, size_t *count)
{
    struct buf *out = &draft->sections[SECTION_RELAY];
    struct networks *scratch = networks_new();
    struct buf plain;
    char hint[64] = "";
    buf_init(&plain, IMPORT_VALUE_LIMIT);
    for (size_t i = 0; i < item.len; i++)
        if (item.at[i] != '[' && item.at[i] != ']')
            buf_add_byte(&plain, item.at[i]);
    struct bytes text = buf_view(&plain);
    if (networks_add(scratch, text, hint) || hint[0]) {
        buf_add(out, *count ? BYTES(", ") : BYTES("  networks: ["));
        buf_addf(out, "\"%.*s\"", BYTES_ARGS(hint[0] ? bytes_of(hint) : text));
        ++*count;
    } else {
        import_note_of(draft, IMPORT_TO_DO, BYTES("mynetworks"), item,
                       "is no network; carry it over to relay.networks by hand");
    }
    networks_free(scratch);
    buf_done(&plain);
}

static void add_networks(struct import_draft *draft, struct bytes list, size_t *count)
{
    struct bytes item, type, name;
    while ((item = import_item(&list)).len) {
        struct import_table table = {.count = 0};
        bool is_table = item.at[0] != '[' && import_item_table(item, &type, &name);
        bool is_cidr = is_table && bytes_equal(type, BYTES("cidr"));
        if (item.at[0] != '/' && !is_table)
            add_network(draft, item, count);
        else if (import_read_table(draft, "mynetworks", is_cidr ? name : item,
                                   is_table && !is_cidr ? IMPORT_POSTMAP : IMPORT_LIST, &table))
            for (size_t i = 0; i < table.count; i++)
                add_network(draft, table.rows[i].key, count);
        import_table_done(&table);
    }
}

/* As mynetworks is when it is not set: by mynetworks_style, whose default is "host" since
 * compatibility_level 2. */
static void add_own_networks(struct import_draft *draft, size_t *count)
{
    struct buf level;
    bool is_subnet = import_is(draft, draft->main, "mynetworks_style", "subnet");
    bool is_class = import_is(draft, draft->main, "mynetworks_style", "class");
    buf_init(&level, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, "compatibility_level", &level);
    struct bytes first, rest;
    uint64_t number = 0;
    bytes_cut(bytes_trim(buf_view(&level)), '.', &first, &rest);
    if (!import_set(draft, "mynetworks_style") && (!scan_u64(first, 1000, &number) || number < 2))
        is_subnet = true;
    buf_done(&level);
    add_networks(draft, BYTES("127.0.0.0/8, ::1/128"), count);
    const char *own = is_subnet || is_class ? draft->host->networks : draft->host->addresses;
    if (own)
        add_networks(draft, bytes_of(own), count);
    if (is_subnet || is_class)
        import_note_of(draft, IMPORT_TO_DO, BYTES("mynetworks"), BYTES_NONE,
                       "not set, so that Postfix relays for the networks that this host is in; "
                       "%s. Is that wanted?",
                       own ? "they stand in relay.networks" : "write them as relay.networks");
}

static void import_networks(struct import_draft *draft)
{
    const struct import_setting *set = import_set(draft, "mynetworks");
    struct buf value;
    size_t count = 0;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    if (set && import_value(draft, draft->main, "mynetworks", &value))
        add_networks(draft, buf_view(&value), &count);
    else if (!set)
        add_own_networks(draft, &count);
    if (count)
        buf_add(&draft->sections[SECTION_RELAY], BYTES("]\n"));
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "relay.networks");
    buf_done(&value);
}

void import_listeners(struct import_draft *draft)
{
    import_certificates(draft);
    import_client_certificates(draft);
    import_services(draft);
    import_logins(draft);
    import_networks(draft);
    import_restrictions(draft, draft->main, BYTES("main.cf"));
}
