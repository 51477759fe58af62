/* Where mail for others goes: routes, logins at smarthosts, TLS towards other servers, and the
 * domains whose mail is passed on. */
#include <stdio.h>
#include <string.h>

#include "base/ip.h"
#include "cli/import_draft.h"
#include "mail/address.h"

enum { SECRET_PATH_SIZE = 256 };

/* A domain, or one behind a dot. */
static bool is_pattern(struct bytes text)
{
    return domain_is_valid(bytes_from(text, text.len && text.at[0] == '.'), ADDRESS_UTF8);
}

/* Where a transport leads. */
struct hop {
    bool is_mx, is_lmtp, is_unix, has_brackets;
    struct bytes host;    /* or the path of a Unix socket */
    unsigned port;        /* 0: the usual one */
    struct bytes nexthop; /* as written, by which other tables know it */
};

/* "[host]:587", "host", "host:587", "[192.0.2.1]", "[IPv6:2001:db8::1]:25", "host:smtp" */
static bool read_hop(struct bytes text, struct hop *out)
{
    uint64_t port = 0;
    struct bytes rest, host;
    *out = (struct hop){.nexthop = text};
    if (text.len && text.at[0] == '[') {
        out->has_brackets = true;
        if (!bytes_cut(bytes_from(text, 1), ']', &host, &rest))
            return false;
        if (bytes_starts_nocase(host, BYTES("ipv6:")))
            host = bytes_from(host, 5);
        if (rest.len && rest.at[0] != ':')
            return false;
        rest = bytes_from(rest, 1);
    } else {
        bytes_cut(text, ':', &host, &rest);
    }
    static const struct {
        const char *name;
        uint64_t port;
    } names[] = {{"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"smtps", 465}};
    for (size_t i = 0; i < COUNT(names); i++)
        if (bytes_equal(rest, bytes_of(names[i].name)))
            port = names[i].port;
    if (rest.len && port == 0 && !scan_u64(rest, 65535, &port))
        return false;
    out->host = host;
    out->port = (unsigned)port;
    return host.len > 0;
}

static void add_endpoint(struct buf *out, const struct hop *hop, bool is_implicit_tls)
{
    bool is_v6 = bytes_find(hop->host, ':') < hop->host.len;
    if (hop->is_unix) {
        buf_addf(out, "unix:%.*s", BYTES_ARGS(hop->host));
        return;
    }
    unsigned usual = hop->is_lmtp ? 24 : is_implicit_tls ? 465 : 25;
    buf_addf(out, "%s://%s%.*s%s:%u",
             hop->is_lmtp      ? "lmtp"
             : is_implicit_tls ? "smtps"
                               : "smtp",
             is_v6 ? "[" : "", BYTES_ARGS(hop->host), is_v6 ? "]" : "",
             hop->port ? hop->port : usual);
}

/* --- Logins ----------------------------------------------------------------------------------- */

static bool is_same_hop(struct bytes key, const struct hop *hop)
{
    struct hop other;
    return bytes_equal_nocase(key, hop->nexthop) ||
           (read_hop(key, &other) && bytes_equal_nocase(other.host, hop->host) &&
            (other.port == 0 || other.port == hop->port));
}

/* "secrets/smtp.example.org": the host, without what would lead to another folder. */
static void name_secret(struct bytes host, char path[SECRET_PATH_SIZE])
{
    struct buf out = {.at = (uint8_t *)path, .cap = SECRET_PATH_SIZE, .limit = SECRET_PATH_SIZE};
    host = bytes_sub(host, 0, 200);
    buf_add(&out, BYTES("secrets/"));
    for (size_t i = 0; i < host.len; i++) {
        uint8_t byte = host.at[i];
        bool is_fine =
            ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '-' || (byte == '.' && i > 0);
        buf_add_byte(&out, is_fine ? byte : '_');
    }
    buf_add_byte(&out, 0);
}

/* Adds user and password_file for the hop, when smtp_sasl_password_maps has it. */
static bool add_login(struct import_draft *draft, const struct hop *hop, struct buf *out)
{
    struct buf value;
    struct import_table table = {.count = 0};
    bool is_found = false;
    struct ip ip;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    if (import_is_yes(draft, draft->main, "smtp_sasl_auth_enable"))
        import_value(draft, draft->main, "smtp_sasl_password_maps", &value);
    struct bytes list = buf_view(&value), item;
    while (!is_found && (item = import_item(&list)).len) {
        import_table_done(&table);
        if (!import_read_table(draft, "smtp_sasl_password_maps", item, IMPORT_POSTMAP, &table))
            continue;
        for (size_t i = 0; i < table.count && !is_found; i++) {
            struct bytes user, password;
            char path[SECRET_PATH_SIZE];
            if (!is_same_hop(table.rows[i].key, hop) ||
                !bytes_cut(table.rows[i].value, ':', &user, &password))
                continue;
            is_found = true;
            name_secret(hop->host, path);
            if (ip_scan(hop->host, &ip) && !ip_is_loopback(&ip)) {
                import_note_of(draft, IMPORT_TO_DO, BYTES("smtp_sasl_password_maps"),
                               table.rows[i].key,
                               "a password goes through verified TLS only: write the host's name "
                               "instead of its address, and user: and password_file: in the route");
                break;
            }
            buf_add(out, BYTES(", user: "));
            import_add_text(out, user);
            buf_addf(out, ", password_file: ");
            import_add_text(out, bytes_of(path));
            if (import_add_secret(draft, path, password))
                import_note_of(draft, IMPORT_MAPPED, BYTES("smtp_sasl_password_maps"),
                               table.rows[i].key, "routes.user, and the password in %s", path);
        }
    }
    import_table_done(&table);
    buf_done(&value);
    return is_found;
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* Words for a level, where the host is known by name; NULL: as everywhere. */
static const char *level_of(struct bytes level)
{
    static const struct {
        const char *postfix, *level;
    } levels[] = {{"none", "none"},        {"may", "opportunistic"}, {"dane", "opportunistic"},
                  {"encrypt", "forced"},   {"verify", "forced"},     {"secure", "forced"},
                  {"dane-only", "forced"}, {"fingerprint", "forced"}};
    for (size_t i = 0; i < COUNT(levels); i++)
        if (bytes_equal_nocase(level, bytes_of(levels[i].postfix)))
            return levels[i].level;
    return NULL;
}

static const char *default_level(struct import_draft *draft)
{
    const char *level = NULL;
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    if (import_value(draft, draft->main, "smtp_tls_security_level", &value))
        level = level_of(bytes_trim(buf_view(&value)));
    else if (import_is_yes(draft, draft->main, "smtp_enforce_tls"))
        level = "forced";
    buf_done(&value);
    return level;
}

static void import_level(struct import_draft *draft)
{
    const struct import_setting *set = import_set(draft, "smtp_tls_security_level");
    const char *level = default_level(draft);
    struct buf *out = &draft->sections[SECTION_OUTBOUND];
    if (level && strcmp(level, "none") == 0)
        buf_add(out, BYTES("  tls: none\n"));
    if (!set)
        return;
    if (!level)
        import_note(draft, IMPORT_NOT_NEEDED, set, "TLS is used where it is offered");
    else if (strcmp(level, "forced") != 0)
        import_note(draft, IMPORT_MAPPED, set, "outbound.tls: %s%s", level,
                    bytes_starts_nocase(set->value, BYTES("dane")) ? "; DANE is not used" : "");
    else
        import_note(draft, IMPORT_LOST, set,
                    "routes have tls: forced, which also verifies the certificate. By MX that "
                    "would stop most mail, as few hosts have a certificate for the recipient's "
                    "domain: it is opportunistic; write outbound.tls: forced if you mean that");
}

/* Names of "match=mail.example.org:.example.org"; the words for what the DNS says are passed
 * over. */
static void add_rule(struct buf *out, struct bytes value)
{
    struct bytes level = import_item(&value), item;
    size_t count = 0;
    const char *word = level_of(level);
    buf_addf(out, "{level: %s", word ? word : "opportunistic");
    while ((item = import_item(&value)).len) {
        struct bytes names = bytes_from(item, 6), name;
        if (!word || strcmp(word, "forced") != 0 || !bytes_starts(item, BYTES("match=")))
            continue;
        while (names.len) {
            bytes_cut(names, ':', &name, &names);
            if (name.len == 0 || bytes_equal(name, BYTES("nexthop")) ||
                bytes_equal(name, BYTES("dot-nexthop")) || bytes_equal(name, BYTES("hostname")))
                continue;
            buf_add(out, count++ ? BYTES(", ") : BYTES(", names: ["));
            import_add_text(out, name);
        }
    }
    buf_add(out, count ? BYTES("]}") : BYTES("}"));
}

/* The row of smtp_tls_policy_maps for a hop, as a rule; false: there is none. */
static bool add_hop_rule(struct import_draft *draft, const struct import_table *policies,
                         const struct hop *hop, struct buf *out)
{
    for (size_t i = 0; i < policies->count; i++)
        if (hop->nexthop.len && is_same_hop(policies->rows[i].key, hop)) {
            buf_add(out, BYTES(", tls: "));
            add_rule(out, policies->rows[i].value);
            return true;
        }
    const char *level = default_level(draft);
    if (!level || strcmp(level, "forced") != 0 || hop->is_unix || hop->is_mx || hop->is_lmtp)
        return false;
    buf_add(out, BYTES(", tls: forced"));
    return true;
}

static void read_policies(struct import_draft *draft, struct import_table *out)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, "smtp_tls_policy_maps", &value);
    struct bytes list = buf_view(&value), item = import_item(&list);
    *out = (struct import_table){.count = 0};
    if (item.len && !import_read_table(draft, "smtp_tls_policy_maps", item, IMPORT_POSTMAP, out))
        import_table_done(out);
    if (import_item(&list).len)
        import_note_of(draft, IMPORT_TO_DO, BYTES("smtp_tls_policy_maps"), list,
                       "only the first of its tables was read");
    buf_done(&value);
}

/* Rows that are domains; those for hosts in brackets go to their routes. */
static void import_policies(struct import_draft *draft, const struct import_table *policies)
{
    const struct import_setting *set = import_set(draft, "smtp_tls_policy_maps");
    struct buf *out = &draft->sections[SECTION_OUTBOUND], seen;
    buf_init(&seen, IMPORT_VALUE_LIMIT);
    size_t count = 0;
    for (size_t i = 0; i < policies->count; i++) {
        struct bytes key = policies->rows[i].key, first = policies->rows[i].value;
        struct bytes level = import_item(&first);
        if (!is_pattern(key) || import_have_name(buf_view(&seen), key))
            continue;
        buf_addf(&seen, "%.*s\n", BYTES_ARGS(key));
        if (count++ == 0)
            buf_add(out, BYTES("  tls_domains:\n"));
        buf_add(out, BYTES("    "));
        import_add_text(out, key);
        buf_add(out, BYTES(": "));
        add_rule(out, policies->rows[i].value);
        buf_add(out, BYTES("\n"));
        bool is_weaker = bytes_equal_nocase(level, BYTES("encrypt"));
        import_note_of(draft, is_weaker ? IMPORT_TO_DO : IMPORT_MAPPED,
                       BYTES("smtp_tls_policy_maps"), key, "%s",
                       is_weaker ? "outbound.tls_domains: forced verifies the certificate too; "
                                   "write the names: that its hosts have, or opportunistic"
                                 : "outbound.tls_domains");
    }
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "outbound.tls_domains, routes.tls");
    buf_done(&seen);
}

/* --- Routes ----------------------------------------------------------------------------------- */

static void write_route(struct import_draft *draft, struct bytes to, const struct hop *hop,
                        const struct import_table *policies)
{
    struct buf *out = &draft->sections[SECTION_ROUTES], line;
    bool is_implicit = hop->port == 465 ||
                       (import_is_yes(draft, draft->main, "smtp_tls_wrappermode") && !hop->is_mx);
    buf_add(out, BYTES("  - {to: "));
    import_add_text(out, to);
    buf_add(out, BYTES(", via: "));
    buf_init(&line, IMPORT_VALUE_LIMIT);
    if (hop->is_mx)
        buf_add(&line, BYTES("mx"));
    else
        add_endpoint(&line, hop, is_implicit && !hop->is_lmtp);
    import_add_text(out, buf_view(&line));
    buf_done(&line);
    if (!hop->is_mx && !hop->is_lmtp)
        add_login(draft, hop, out);
    add_hop_rule(draft, policies, hop, out);
    buf_add(out, BYTES("}\n"));
}

static void note_brackets(struct import_draft *draft, const char *name, const struct hop *hop)
{
    struct ip ip;
    if (!hop->has_brackets && !hop->is_unix && !hop->is_mx && !ip_scan(hop->host, &ip))
        import_note_of(draft, IMPORT_TO_DO, bytes_of(name), hop->nexthop,
                       "without brackets Postfix asks for the MX of that name; a route goes to the "
                       "name's own address. Write the name of its MX if there is one");
}

static void import_relayhost(struct import_draft *draft, const struct import_table *policies)
{
    const struct import_setting *set = import_set(draft, "relayhost");
    struct buf value;
    struct hop hop;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    if (set && import_value(draft, draft->main, "relayhost", &value)) {
        if (read_hop(bytes_trim(buf_view(&value)), &hop)) {
            write_route(draft, BYTES("*"), &hop, policies);
            import_note(draft, IMPORT_MAPPED, set, "routes: to \"*\"");
            note_brackets(draft, "relayhost", &hop);
        } else {
            import_note(draft, IMPORT_TO_DO, set, "is no host; write the route to \"*\" by hand");
        }
    } else if (set && !import_has_note(draft, set->name)) {
        import_note(draft, IMPORT_NOT_NEEDED, set, "mail goes by MX where no route says otherwise");
    }
    buf_done(&value);
}

/* "smtp:[host]:25", "lmtp:unix:/path", "relay:", ":", "error:text". False: it is no way for mail;
 * why is the reason. */
static bool read_transport(struct import_draft *draft, struct bytes value, struct hop *out,
                           const char **why)
{
    struct bytes transport, nexthop;
    bytes_cut(value, ':', &transport, &nexthop);
    const struct import_service *service = import_services_transport(&draft->services, transport);
    struct bytes command = service ? service->command : transport;
    *why = "is called, or is no way for mail: it has no counterpart";
    if (transport.len == 0 || bytes_equal(transport, BYTES("relay")))
        command = BYTES("smtp");
    bool is_lmtp = bytes_equal(command, BYTES("lmtp"));
    if (!is_lmtp && !bytes_equal(command, BYTES("smtp")))
        return false;
    *why = "is no host that this command can read";
    if (is_lmtp && bytes_starts(nexthop, BYTES("unix:"))) {
        *out = (struct hop){.is_lmtp = true, .is_unix = true, .host = bytes_from(nexthop, 5)};
        return out->host.len > 0 && out->host.at[0] == '/';
    }
    if (bytes_starts(nexthop, BYTES("inet:")))
        nexthop = bytes_from(nexthop, 5);
    if (nexthop.len == 0) {
        *out = (struct hop){.is_mx = true};
        return !is_lmtp;
    }
    bool is_read = read_hop(nexthop, out);
    out->is_lmtp = is_lmtp;
    return is_read;
}

bool import_leads_away(struct import_draft *draft, struct bytes domain)
{
    struct buf value;
    bool leads_away = false;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(draft, draft->main, "transport_maps", &value);
    struct bytes list = buf_view(&value), item, type, name;
    while (!leads_away && (item = import_item(&list)).len) {
        struct import_table table = {.count = 0};
        struct hop hop;
        const char *why;
        /* What cannot be read is told when the routes are made. */
        if (import_item_table(item, &type, &name) && import_type_is_text(type) &&
            import_read_table(draft, "transport_maps", item, IMPORT_POSTMAP, &table))
            for (size_t i = 0; i < table.count; i++)
                leads_away |= bytes_equal_nocase(table.rows[i].key, domain) &&
                              read_transport(draft, table.rows[i].value, &hop, &why) &&
                              !hop.is_lmtp;
        import_table_done(&table);
    }
    buf_done(&value);
    return leads_away;
}

static void import_transport_row(struct import_draft *draft, const struct import_row *row,
                                 const struct import_table *policies, struct buf *seen)
{
    struct hop hop;
    const char *why;
    if (import_have_name(buf_view(seen), row->key))
        return;
    buf_addf(seen, "%.*s\n", BYTES_ARGS(row->key));
    if (!is_pattern(row->key) && !bytes_equal(row->key, BYTES("*"))) {
        import_note_of(draft, IMPORT_LOST, BYTES("transport_maps"), row->key,
                       "routes are for domains, not for single addresses");
        return;
    }
    if (!read_transport(draft, row->value, &hop, &why)) {
        import_note_of(draft, IMPORT_LOST, BYTES("transport_maps"), row->key, "%.*s %s",
                       BYTES_ARGS(row->value), why);
        return;
    }
    if (import_have_name(buf_view(&draft->local), row->key)) {
        import_note_of(draft, IMPORT_TO_DO, BYTES("transport_maps"), row->key,
                       "is a local domain, and all local mail goes to one place: see deliver");
        return;
    }
    if (bytes_equal(row->key, BYTES("*")) && import_set(draft, "relayhost") &&
        import_set(draft, "relayhost")->value.len) {
        import_note_of(draft, IMPORT_TO_DO, BYTES("transport_maps"), row->key,
                       "the route to \"*\" is that of relayhost; transport_maps went before it");
        return;
    }
    write_route(draft, row->key, &hop, policies);
    import_note_of(draft, IMPORT_MAPPED, BYTES("transport_maps"), row->key, "routes");
    note_brackets(draft, "transport_maps", &hop);
}

static void import_transports(struct import_draft *draft, const struct import_table *policies)
{
    const struct import_setting *set = import_set(draft, "transport_maps");
    struct buf value, seen;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    buf_init(&seen, IMPORT_TEXT_LIMIT);
    import_value(draft, draft->main, "transport_maps", &value);
    struct bytes list = buf_view(&value), item;
    while ((item = import_item(&list)).len) {
        struct import_table table;
        if (import_read_table(draft, "transport_maps", item, IMPORT_POSTMAP, &table))
            for (size_t i = 0; i < table.count; i++)
                import_transport_row(draft, &table.rows[i], policies, &seen);
        import_table_done(&table);
    }
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "routes");
    buf_done(&value);
    buf_done(&seen);
}

/* --- Domains that are passed on ----------------------------------------------------------------
 */

static void import_relay_domains(struct import_draft *draft)
{
    const struct import_setting *set = import_set(draft, "relay_domains");
    struct buf *out = &draft->sections[SECTION_RELAY];
    struct bytes names = buf_view(&draft->relayed), name;
    size_t count = 0;
    while (import_next_name(&names, &name)) {
        if (!is_pattern(name)) {
            import_note_of(draft, IMPORT_TO_DO, BYTES("relay_domains"), name, "is no domain");
            continue;
        }
        buf_add(out, count++ ? BYTES(", ") : BYTES("  domains: ["));
        import_add_text(out, name);
        /* parent_domain_matches_subdomains: relay_domains are with what is below them. */
        if (name.at[0] != '.' && set)
            buf_addf(out, ", \".%.*s\"", BYTES_ARGS(name));
    }
    if (count)
        buf_add(out, BYTES("]\n"));
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "relay.domains");
}

static void import_families(struct import_draft *draft)
{
    bool is_v4 = import_is(draft, draft->main, "inet_protocols", "ipv4");
    if (is_v4 || import_is(draft, draft->main, "inet_protocols", "ipv6"))
        buf_addf(&draft->sections[SECTION_OUTBOUND], "  address_families: %s\n",
                 is_v4 ? "ipv4" : "ipv6");
}

void import_routes(struct import_draft *draft)
{
    struct import_table policies;
    const struct import_setting *passwords = import_set(draft, "smtp_sasl_password_maps");
    const struct import_setting *logs_in = import_set(draft, "smtp_sasl_auth_enable");
    read_policies(draft, &policies);
    import_transports(draft, &policies);
    import_relayhost(draft, &policies);
    import_relay_domains(draft);
    import_level(draft);
    import_policies(draft, &policies);
    import_families(draft);
    import_table_done(&policies);
    if (logs_in)
        import_note(draft, IMPORT_MAPPED, logs_in, "routes.user where there is a password");
    if (passwords && !import_has_note(draft, passwords->name))
        import_note(draft, IMPORT_TO_DO, passwords,
                    "no row of it is for a host that mail goes to; see routes.user");
}
