/* Who gets mail here: local domains with their mailboxes and aliases, and where it is delivered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "cli/import_draft.h"
#include "mail/address.h"

enum {
    DOMAIN_COUNT_LIMIT = 1000,
    ALIAS_LIMIT = 20000,
    INCLUDE_LIMIT = 100, /* files named by :include: */
    LEAST_PERSON = 1000, /* uids of people (login.defs) */
    MOST_PERSON = 59999,
    MAP_SEED = 1,
};

enum domain_kind { DOMAIN_UNIX, DOMAIN_VIRTUAL, DOMAIN_ALIASES };

struct alias {
    struct bytes name;  /* owned */
    struct buf targets; /* as a list in YAML, without its brackets */
    size_t count;
};

struct domain {
    char *name;
    enum domain_kind kind;
    struct buf mailboxes; /* names with newlines */
    bool has_any, has_directory;
    struct alias *aliases;
    size_t alias_count;
    struct map *by_name;
    struct buf catch_all;
};

struct gathering {
    struct import_draft *draft;
    struct domain domains[DOMAIN_COUNT_LIMIT];
    size_t count, alias_count, include_count;
    struct buf origin; /* the domain of names without one */
};

/* --- Gathering -------------------------------------------------------------------------------- */

static struct domain *find_domain(struct gathering *gathering, struct bytes name)
{
    for (size_t i = 0; i < gathering->count; i++)
        if (bytes_equal_nocase(bytes_of(gathering->domains[i].name), name))
            return &gathering->domains[i];
    return NULL;
}

static void add_domain(struct gathering *gathering, const char *parameter, struct bytes name,
                       enum domain_kind kind)
{
    struct import_draft *draft = gathering->draft;
    if (find_domain(gathering, name) || import_have_name(buf_view(&draft->relayed), name))
        return;
    if (gathering->count == DOMAIN_COUNT_LIMIT || !domain_is_valid(name, ADDRESS_UTF8)) {
        import_note_of(draft, IMPORT_TO_DO, bytes_of(parameter), name,
                       gathering->count == DOMAIN_COUNT_LIMIT ? "more domains than are imported"
                                                              : "is no domain");
        return;
    }
    if (import_leads_away(draft, name)) {
        buf_addf(&draft->relayed, "%.*s\n", BYTES_ARGS(name));
        import_note_of(draft, IMPORT_MAPPED, bytes_of(parameter), name,
                       "relay.domains, as transport_maps leads its mail to another server");
        return;
    }
    struct domain *domain = &gathering->domains[gathering->count++];
    *domain = (struct domain){.kind = kind};
    domain->name = memory_new(name.len + 1, 1);
    memcpy(domain->name, name.at, name.len);
    buf_init(&domain->mailboxes, IMPORT_TEXT_LIMIT);
    buf_init(&domain->catch_all, IMPORT_VALUE_LIMIT);
    domain->by_name = map_new(MAP_SEED);
    buf_addf(&draft->local, "%s\n", domain->name);
}

static void add_domains(struct gathering *gathering, const char *parameter, enum domain_kind kind)
{
    struct buf names;
    const struct import_setting *set = import_set(gathering->draft, parameter);
    buf_init(&names, IMPORT_TEXT_LIMIT);
    import_read_names(gathering->draft, parameter, &names);
    struct bytes rest = buf_view(&names), name;
    while (import_next_name(&rest, &name))
        add_domain(gathering, parameter, name, kind);
    buf_done(&names);
    if (set)
        import_note(gathering->draft, IMPORT_MAPPED, set, "domains");
}

/* Those that are local as well are local, as in Postfix. */
static void add_relay_domains(struct import_draft *draft)
{
    struct buf names;
    buf_init(&names, IMPORT_TEXT_LIMIT);
    if (import_set(draft, "relay_domains"))
        import_read_names(draft, "relay_domains", &names);
    struct bytes rest = buf_view(&names), name;
    while (import_next_name(&rest, &name))
        if (!import_have_name(buf_view(&draft->local), name) &&
            !import_have_name(buf_view(&draft->relayed), name))
            buf_addf(&draft->relayed, "%.*s\n", BYTES_ARGS(name));
    buf_done(&names);
}

static void add_mailbox(struct domain *domain, struct bytes local)
{
    if (!import_have_name(buf_view(&domain->mailboxes), local))
        buf_addf(&domain->mailboxes, "%.*s\n", BYTES_ARGS(local));
}

static bool is_address(struct bytes text)
{
    struct address address;
    return address_parse(text, ADDRESS_UTF8, &address) == PATH_OK;
}

static struct alias *find_alias(struct gathering *gathering, struct domain *domain,
                                struct bytes local)
{
    uint8_t room[256];
    if (local.len == 0 || local.len > sizeof room || gathering->alias_count == ALIAS_LIMIT)
        return NULL;
    for (size_t i = 0; i < local.len; i++)
        room[i] = ascii_lower(local.at[i]);
    struct bytes lower = {room, local.len};
    size_t place = (size_t)(uintptr_t)map_find(domain->by_name, lower);
    if (place)
        return &domain->aliases[place - 1];
    if (domain->alias_count % 16 == 0)
        domain->aliases =
            memory_resize(domain->aliases, domain->alias_count + 16, sizeof *domain->aliases);
    struct alias *alias = &domain->aliases[domain->alias_count++];
    uint8_t *copy = memory_new(local.len + 1, 1);
    memcpy(copy, room, local.len);
    *alias = (struct alias){.name = {copy, local.len}};
    buf_init(&alias->targets, IMPORT_VALUE_LIMIT);
    map_add(domain->by_name, lower, (void *)(uintptr_t)domain->alias_count);
    gathering->alias_count++;
    return alias;
}

/* One target as a whole address in *out; false: it is none, and was noted. */
static bool complete_target(struct gathering *gathering, const char *where, struct bytes key,
                            struct bytes target, struct buf *out)
{
    bool is_program =
        target.len && (bytes_find(BYTES("|/:"), target.at[0]) < 3 ||
                       bytes_starts(target, BYTES("\"|")) || bytes_starts(target, BYTES("\"/")));
    if (target.len && target.at[0] == '\\')
        target = bytes_from(target, 1);
    buf_add(out, target);
    if (bytes_find(target, '@') == target.len) {
        buf_add_byte(out, '@');
        buf_add(out, buf_view(&gathering->origin));
    }
    if (!is_program && is_address(buf_view(out)))
        return true;
    import_note_of(gathering->draft, IMPORT_LOST, bytes_of(where), key, "%.*s %s",
                   BYTES_ARGS(target),
                   is_program ? "is a program, a file or a list; aliases lead to addresses only"
                              : "is no address");
    return false;
}

/* The next target: commas apart; in virtual tables spaces as well. */
static struct bytes next_target(struct bytes *list, bool is_unix)
{
    size_t len = 0;
    bool is_quoted = false;
    if (!is_unix)
        return import_item(list);
    while (list->len && (list->at[0] == ',' || list->at[0] == ' ' || list->at[0] == '\t'))
        *list = bytes_from(*list, 1);
    for (; len < list->len && (is_quoted || list->at[len] != ','); len++)
        is_quoted ^= list->at[len] == '"';
    struct bytes item = bytes_trim(bytes_sub(*list, 0, len));
    *list = bytes_from(*list, len);
    return item;
}

/* What an alias leads to, as a list for YAML; files of :include: are put in, once. */
static size_t add_targets(struct gathering *gathering, const char *where, struct bytes key,
                          struct bytes list, bool is_unix, struct buf *out)
{
    struct buf included;
    size_t count = 0;
    buf_init(&included, IMPORT_TEXT_LIMIT);
    struct bytes target;
    for (bool is_file = false;; is_file = true) {
        while ((target = next_target(&list, is_unix)).len) {
            struct bytes path = target;
            if (path.len > 1 && path.at[0] == '"' && path.at[path.len - 1] == '"')
                path = bytes_sub(path, 1, path.len - 2);
            struct import_table table = {.count = 0};
            struct buf whole;
            buf_init(&whole, IMPORT_VALUE_LIMIT);
            if (!is_file && bytes_starts(path, BYTES(":include:")) &&
                gathering->include_count++ < INCLUDE_LIMIT &&
                import_read_table(gathering->draft, where, bytes_from(path, 9), IMPORT_LIST,
                                  &table)) {
                for (size_t i = 0; i < table.count; i++)
                    buf_addf(&included, "%.*s,", BYTES_ARGS(table.rows[i].key));
            } else if (complete_target(gathering, where, key, target, &whole)) {
                if (count++)
                    buf_add(out, BYTES(", "));
                import_add_text(out, buf_view(&whole));
            }
            import_table_done(&table);
            buf_done(&whole);
        }
        if (is_file || !included.len)
            break;
        list = buf_view(&included);
    }
    buf_done(&included);
    return count;
}

/* An alias of one domain; the first that is given counts, as in Postfix's tables. */
static void add_alias(struct gathering *gathering, struct domain *domain, const char *where,
                      struct bytes local, struct bytes targets, bool is_unix)
{
    struct alias *alias = find_alias(gathering, domain, local);
    if (!alias || alias->count)
        return;
    alias->count = add_targets(gathering, where, local, targets, is_unix, &alias->targets);
}

/* --- /etc/passwd and aliases ------------------------------------------------------------------ */

/* name:x:uid:... */
static void add_people(struct gathering *gathering, struct domain *domain)
{
    struct buf text;
    struct error err;
    bool has_root_alias = map_find(domain->by_name, BYTES("root"));
    buf_init(&text, IMPORT_TEXT_LIMIT);
    if (!gathering->draft->host->read(gathering->draft->host->context, BYTES("/etc/passwd"), &text,
                                      &err))
        import_note_of(gathering->draft, IMPORT_TO_DO, BYTES("local_recipient_maps"), BYTES_NONE,
                       "%s: write the mailboxes of %s by hand", err.text, domain->name);
    struct bytes rest = buf_view(&text), line, name, behind, password, uid, others;
    while (rest.len) {
        uint64_t number;
        bytes_cut(rest, '\n', &line, &rest);
        bytes_cut(line, ':', &name, &behind);
        bytes_cut(behind, ':', &password, &others);
        bytes_cut(others, ':', &uid, &behind);
        if (!scan_u64(uid, UINT32_MAX, &number) || name.len == 0)
            continue;
        bool is_person = number >= LEAST_PERSON && number <= MOST_PERSON;
        if (is_person || (number == 0 && bytes_equal(name, BYTES("root")) && !has_root_alias))
            add_mailbox(domain, name);
    }
    buf_done(&text);
}

static void add_unix_aliases(struct gathering *gathering, struct domain *domain)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(gathering->draft, gathering->draft->main, "alias_maps", &value);
    struct bytes list = buf_view(&value), item;
    while ((item = import_item(&list)).len) {
        struct import_table table = {.count = 0};
        /* The default has the tables of NIS in it, which hardly anybody has. */
        bool is_nis = bytes_starts(item, BYTES("nis:"));
        if (!is_nis &&
            import_read_table(gathering->draft, "alias_maps", item, IMPORT_ALIASES, &table))
            for (size_t i = 0; i < table.count; i++)
                add_alias(gathering, domain, "alias_maps", table.rows[i].key, table.rows[i].value,
                          true);
        import_table_done(&table);
    }
    buf_done(&value);
}

/* --- Virtual tables --------------------------------------------------------------------------- */

static void add_catch_all(struct gathering *gathering, struct domain *domain, struct bytes targets)
{
    struct buf whole;
    buf_init(&whole, IMPORT_VALUE_LIMIT);
    struct bytes list = targets, first = import_item(&list);
    if (domain->catch_all.len == 0 && bytes_starts(first, BYTES("@")))
        import_note_of(gathering->draft, IMPORT_LOST, BYTES("virtual_alias_maps"),
                       bytes_of(domain->name),
                       "a whole domain cannot be an alias of another; write its names one by one");
    else if (domain->catch_all.len == 0 && complete_target(gathering, "virtual_alias_maps",
                                                           bytes_of(domain->name), first, &whole)) {
        import_add_text(&domain->catch_all, buf_view(&whole));
        if (import_item(&list).len)
            import_note_of(gathering->draft, IMPORT_LOST, BYTES("virtual_alias_maps"),
                           bytes_of(domain->name),
                           "the catch-all goes to one address, the first; for more let it be an "
                           "alias");
    }
    buf_done(&whole);
}

/* Does the name only lead to itself, so that a catch-all does not get its mail? */
static bool is_itself(struct bytes key, struct bytes targets)
{
    return bytes_equal_nocase(key, bytes_trim(targets));
}

static void add_virtual_row(struct gathering *gathering, const struct import_row *row)
{
    struct bytes local, name;
    size_t at = bytes_find_last(row->key, '@');
    if (at == row->key.len) {
        /* "ann": in the domains of this host; a bare domain only says that it is one. */
        if (bytes_find(row->key, '.') < row->key.len)
            return;
        for (size_t i = 0; i < gathering->count; i++)
            if (gathering->domains[i].kind == DOMAIN_UNIX)
                add_alias(gathering, &gathering->domains[i], "virtual_alias_maps", row->key,
                          row->value, false);
        return;
    }
    local = bytes_sub(row->key, 0, at);
    name = bytes_from(row->key, at + 1);
    struct domain *domain = find_domain(gathering, name);
    if (!domain)
        import_note_of(gathering->draft, IMPORT_LOST, BYTES("virtual_alias_maps"), row->key,
                       "its domain is not local; addresses of other domains are not rewritten");
    else if (local.len == 0)
        add_catch_all(gathering, domain, row->value);
    else if (is_itself(row->key, row->value))
        add_mailbox(domain, local);
    else
        add_alias(gathering, domain, "virtual_alias_maps", local, row->value, false);
}

static void add_virtual_aliases(struct gathering *gathering)
{
    const struct import_setting *set = import_set(gathering->draft, "virtual_alias_maps");
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(gathering->draft, gathering->draft->main, "virtual_alias_maps", &value);
    struct bytes list = buf_view(&value), item;
    while ((item = import_item(&list)).len) {
        struct import_table table;
        if (import_read_table(gathering->draft, "virtual_alias_maps", item, IMPORT_POSTMAP, &table))
            for (size_t i = 0; i < table.count; i++)
                add_virtual_row(gathering, &table.rows[i]);
        import_table_done(&table);
    }
    if (set)
        import_note(gathering->draft, IMPORT_MAPPED, set, "domains.aliases");
    buf_done(&value);
}

/* virtual_alias_domains are, if they are not set, the domains that stand in virtual_alias_maps
 * alone. */
static void add_alias_domains(struct gathering *gathering)
{
    struct buf value;
    if (import_set(gathering->draft, "virtual_alias_domains")) {
        add_domains(gathering, "virtual_alias_domains", DOMAIN_ALIASES);
        return;
    }
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(gathering->draft, gathering->draft->main, "virtual_alias_maps", &value);
    struct bytes list = buf_view(&value), item, type, name;
    while ((item = import_item(&list)).len) {
        struct import_table table = {.count = 0};
        if (import_item_table(item, &type, &name) && import_type_is_text(type) &&
            import_read_table(gathering->draft, "virtual_alias_domains", item, IMPORT_POSTMAP,
                              &table))
            for (size_t i = 0; i < table.count; i++) {
                struct bytes key = table.rows[i].key;
                if (bytes_find(key, '@') == key.len && bytes_find(key, '.') < key.len)
                    add_domain(gathering, "virtual_alias_domains", key, DOMAIN_ALIASES);
            }
        import_table_done(&table);
    }
    buf_done(&value);
}

static void add_virtual_mailboxes(struct gathering *gathering)
{
    const struct import_setting *set = import_set(gathering->draft, "virtual_mailbox_maps");
    struct buf value;
    bool is_read = false;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    import_value(gathering->draft, gathering->draft->main, "virtual_mailbox_maps", &value);
    struct bytes list = buf_view(&value), item;
    while ((item = import_item(&list)).len) {
        struct import_table table;
        if (import_read_table(gathering->draft, "virtual_mailbox_maps", item, IMPORT_POSTMAP,
                              &table)) {
            is_read = true;
            for (size_t i = 0; i < table.count; i++) {
                struct bytes key = table.rows[i].key;
                size_t at = bytes_find_last(key, '@');
                struct domain *domain = find_domain(gathering, bytes_from(key, at + 1));
                if (at == key.len || !domain)
                    continue;
                domain->has_any |= at == 0;
                if (at > 0)
                    add_mailbox(domain, bytes_sub(key, 0, at));
            }
        }
        import_table_done(&table);
    }
    for (size_t i = 0; i < gathering->count; i++) {
        struct domain *domain = &gathering->domains[i];
        if (domain->kind != DOMAIN_VIRTUAL || is_read)
            continue;
        domain->has_directory = true;
        import_note_of(gathering->draft, IMPORT_TO_DO, BYTES("virtual_mailbox_maps"),
                       bytes_of(domain->name),
                       "its mailboxes are those that have an account: postrider user add ADDRESS "
                       "for each, or write mailboxes: [ann, bob]");
    }
    if (set)
        import_note(gathering->draft, IMPORT_MAPPED, set, "domains.mailboxes");
    buf_done(&value);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void write_mailboxes(const struct domain *domain, struct buf *out)
{
    struct bytes names = buf_view(&domain->mailboxes), name;
    size_t count = 0;
    if (domain->has_any || domain->has_directory) {
        buf_addf(out, "    mailboxes: %s\n", domain->has_any ? "any" : "directory");
        return;
    }
    if (!names.len)
        return;
    buf_add(out, BYTES("    mailboxes: ["));
    while (import_next_name(&names, &name)) {
        buf_add(out, count++ ? BYTES(", ") : BYTES_NONE);
        import_add_text(out, name);
    }
    buf_add(out, BYTES("]\n"));
}

static void write_aliases(const struct domain *domain, struct buf *out)
{
    for (size_t i = 0; i < domain->alias_count; i++) {
        const struct alias *alias = &domain->aliases[i];
        if (alias->count == 0)
            continue;
        buf_add(out, BYTES("      "));
        import_add_text(out, alias->name);
        buf_addf(out, alias->count > 1 ? ": [%.*s]\n" : ": %.*s\n",
                 BYTES_ARGS(buf_view(&alias->targets)));
    }
}

/* The domains of mydestination mostly have the same aliases, those of /etc/aliases: they are
 * written once. */
static void write_shared_aliases(const struct domain *domain, bool is_shared, struct buf *first,
                                 struct buf *out)
{
    struct buf text;
    buf_init(&text, IMPORT_TEXT_LIMIT);
    write_aliases(domain, &text);
    bool is_unix = domain->kind == DOMAIN_UNIX;
    if (is_unix && first->len && bytes_equal(buf_view(&text), buf_view(first))) {
        buf_add(out, BYTES("    aliases: *aliases # as above\n"));
    } else if (text.len) {
        bool is_first = is_unix && is_shared && !first->len;
        buf_add(out, is_first ? BYTES("    aliases: &aliases\n") : BYTES("    aliases:\n"));
        buf_add(out, buf_view(&text));
        if (is_first)
            buf_add(first, buf_view(&text));
    }
    buf_done(&text);
}

static size_t count_unix(const struct gathering *gathering)
{
    size_t count = 0;
    for (size_t i = 0; i < gathering->count; i++)
        count += gathering->domains[i].kind == DOMAIN_UNIX;
    return count;
}

static void write_delimiter(struct import_draft *draft, struct buf *out)
{
    struct buf value;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    bool is_set = import_value(draft, draft->main, "recipient_delimiter", &value);
    buf_add(out, BYTES("    delimiter: "));
    import_add_text(out, bytes_sub(bytes_trim(buf_view(&value)), 0, is_set));
    buf_add(out, BYTES("\n"));
    buf_done(&value);
}

static void write_domains(struct gathering *gathering)
{
    struct import_draft *draft = gathering->draft;
    struct buf *out = &draft->sections[SECTION_DOMAINS], first;
    const struct import_setting *set = import_set(draft, "recipient_delimiter");
    bool is_shared = count_unix(gathering) > 1;
    buf_init(&first, IMPORT_TEXT_LIMIT);
    for (size_t i = 0; i < gathering->count; i++) {
        const struct domain *domain = &gathering->domains[i];
        buf_add(out, BYTES("  - name: "));
        import_add_text(out, bytes_of(domain->name));
        buf_add(out, BYTES("\n"));
        write_mailboxes(domain, out);
        write_delimiter(draft, out);
        write_shared_aliases(domain, is_shared, &first, out);
        if (domain->catch_all.len)
            buf_addf(out, "    catch_all: %.*s\n", BYTES_ARGS(buf_view(&domain->catch_all)));
    }
    buf_done(&first);
    if (set)
        import_note(draft, IMPORT_MAPPED, set, "domains.delimiter%s",
                    bytes_trim(set->value).len > 1 ? ": the first of these marks" : "");
}

static void import_luser(struct gathering *gathering)
{
    struct import_draft *draft = gathering->draft;
    const struct import_setting *set = import_set(draft, "luser_relay");
    if (!set || !bytes_trim(set->value).len)
        return;
    if (bytes_find(set->value, '$') < set->value.len) {
        import_note(draft, IMPORT_LOST, set, "a catch-all is one address");
        return;
    }
    import_note(draft, IMPORT_MAPPED, set, "domains.catch_all");
    for (size_t i = 0; i < gathering->count; i++)
        if (gathering->domains[i].kind == DOMAIN_UNIX)
            add_catch_all(gathering, &gathering->domains[i], set->value);
}

/* --- Where it is delivered -------------------------------------------------------------------- */

/* "lmtp:unix:private/dovecot-lmtp", "lmtp:inet:127.0.0.1:24", or a service of master.cf that calls
 * Dovecot. False: something else. */
static bool add_lmtp(struct import_draft *draft, struct bytes value, struct buf *out)
{
    struct bytes transport, where;
    bytes_cut(bytes_trim(value), ':', &transport, &where);
    const struct import_service *service = import_services_transport(&draft->services, transport);
    struct bytes command = service ? service->command : transport;
    if (bytes_equal(command, BYTES("pipe")) &&
        bytes_search(transport, BYTES("dovecot")) < transport.len) {
        buf_add(out, BYTES("unix:/run/dovecot/lmtp"));
        import_note_of(draft, IMPORT_TO_DO, BYTES("deliver.lmtp"), transport,
                       "Dovecot is reached by LMTP, not by its LDA: let it listen, by protocols = "
                       "$protocols lmtp");
        return true;
    }
    if (!bytes_equal(command, BYTES("lmtp")) || where.len == 0)
        return false;
    if (bytes_starts(where, BYTES("unix:"))) {
        where = bytes_from(where, 5);
        buf_add(out, BYTES("unix:"));
        if (where.len && where.at[0] != '/' &&
            import_value(draft, draft->main, "queue_directory", out))
            buf_add_byte(out, '/');
        buf_add(out, where);
        return true;
    }
    if (bytes_starts(where, BYTES("inet:")))
        where = bytes_from(where, 5);
    size_t colon = bytes_find_last(where, ':');
    bool has_port = colon < where.len && bytes_from(where, colon).at[where.len - colon - 1] != ']';
    struct bytes host = bytes_sub(where, 0, has_port ? colon : where.len);
    struct bytes port = has_port ? bytes_from(where, colon + 1) : BYTES("24");
    bool is_bracketed = host.len > 1 && host.at[0] == '[';
    if (is_bracketed && bytes_find(host, ':') == host.len)
        host = bytes_sub(host, 1, host.len - 2);
    buf_addf(out, "lmtp://%.*s:%.*s", BYTES_ARGS(host), BYTES_ARGS(port));
    return true;
}

/* virtual_mailbox_base with "example.org/ann/" in the table is what deliver.mailbox has. */
static void write_mailbox_root(struct import_draft *draft, struct buf *out)
{
    struct buf base;
    const struct import_setting *set = import_set(draft, "virtual_mailbox_base");
    buf_init(&base, IMPORT_VALUE_LIMIT);
    if (import_value(draft, draft->main, "virtual_mailbox_base", &base)) {
        buf_add(out, BYTES("  mailbox: "));
        import_add_text(out, bytes_trim(buf_view(&base)));
        buf_add(out, BYTES("\n"));
        import_note(draft, IMPORT_TO_DO, set,
                    "deliver.mailbox: the Maildirs under it are DOMAIN/NAME; rename those that "
                    "are called otherwise in virtual_mailbox_maps");
    } else {
        buf_add(out, BYTES("  mailbox: /var/lib/postrider/mail\n"));
    }
    buf_done(&base);
}

static void import_delivery(struct gathering *gathering)
{
    static const char *const names[] = {"virtual_transport", "mailbox_transport",
                                        "local_transport"};
    struct import_draft *draft = gathering->draft;
    struct buf *out = &draft->sections[SECTION_DELIVER], lmtp;
    buf_init(&lmtp, IMPORT_VALUE_LIMIT);
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct import_setting *set = import_set(draft, names[i]);
        struct buf value, one;
        buf_init(&value, IMPORT_VALUE_LIMIT);
        buf_init(&one, IMPORT_VALUE_LIMIT);
        bool is_lmtp = import_value(draft, draft->main, names[i], &value) &&
                       add_lmtp(draft, buf_view(&value), &one);
        if (is_lmtp && lmtp.len == 0)
            buf_add(&lmtp, buf_view(&one));
        if (set && is_lmtp)
            import_note(draft,
                        bytes_equal(buf_view(&one), buf_view(&lmtp)) ? IMPORT_MAPPED : IMPORT_LOST,
                        set, "deliver.lmtp: all local mail goes to one place");
        else if (set && !import_has_note(draft, set->name))
            import_note(draft,
                        value.len && !bytes_starts(buf_view(&value), BYTES("virtual")) &&
                                !bytes_starts(buf_view(&value), BYTES("local"))
                            ? IMPORT_LOST
                            : IMPORT_NOT_NEEDED,
                        set, "all local mail goes to Maildirs, or by LMTP (deliver)");
        buf_done(&value);
        buf_done(&one);
    }
    if (lmtp.len) {
        buf_add(out, BYTES("  lmtp: "));
        import_add_text(out, buf_view(&lmtp));
        buf_add(out, BYTES("\n"));
    } else if (gathering->count) {
        write_mailbox_root(draft, out);
    }
    buf_done(&lmtp);
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Debian's /etc/mailname: a path stands for the first line of a file. */
static void read_origin(struct gathering *gathering)
{
    struct import_draft *draft = gathering->draft;
    struct buf value, text;
    struct error err;
    struct bytes line, rest;
    buf_init(&value, IMPORT_VALUE_LIMIT);
    buf_init(&text, IMPORT_TEXT_LIMIT);
    import_value(draft, draft->main, "myorigin", &value);
    struct bytes origin = bytes_trim(buf_view(&value));
    if (origin.len && origin.at[0] == '/') {
        bool is_read = draft->host->read(draft->host->context, origin, &text, &err);
        bytes_cut(buf_view(&text), '\n', &line, &rest);
        if (!is_read)
            import_note_of(draft, IMPORT_TO_DO, BYTES("myorigin"), origin,
                           "%s: names without a domain get the host's name", err.text);
        origin = bytes_trim(line);
    }
    if (!domain_is_valid(origin, ADDRESS_UTF8)) {
        buf_clear(&value);
        import_value(draft, draft->main, "myhostname", &value);
        origin = bytes_trim(buf_view(&value));
    }
    buf_add(&gathering->origin, origin);
    buf_done(&value);
    buf_done(&text);
}

static void gathering_free(struct gathering *gathering)
{
    for (size_t i = 0; i < gathering->count; i++) {
        struct domain *domain = &gathering->domains[i];
        for (size_t j = 0; j < domain->alias_count; j++) {
            free((void *)(uintptr_t)domain->aliases[j].name.at);
            buf_done(&domain->aliases[j].targets);
        }
        free(domain->aliases);
        free(domain->name);
        map_free(domain->by_name);
        buf_done(&domain->mailboxes);
        buf_done(&domain->catch_all);
    }
    buf_done(&gathering->origin);
    free(gathering);
}

void import_domains(struct import_draft *draft)
{
    struct gathering *gathering = NEW(struct gathering);
    const struct import_setting *aliases = import_set(draft, "alias_maps");
    gathering->draft = draft;
    buf_init(&gathering->origin, IMPORT_VALUE_LIMIT);
    read_origin(gathering);
    add_domains(gathering, "mydestination", DOMAIN_UNIX);
    add_domains(gathering, "virtual_mailbox_domains", DOMAIN_VIRTUAL);
    add_alias_domains(gathering);
    add_relay_domains(draft);
    add_virtual_aliases(gathering);
    add_virtual_mailboxes(gathering);
    for (size_t i = 0; i < gathering->count; i++)
        if (gathering->domains[i].kind == DOMAIN_UNIX) {
            add_unix_aliases(gathering, &gathering->domains[i]);
            add_people(gathering, &gathering->domains[i]);
        }
    import_luser(gathering);
    write_domains(gathering);
    import_delivery(gathering);
    if (aliases)
        import_note(draft, IMPORT_MAPPED, aliases, "domains.aliases");
    gathering_free(gathering);
}
