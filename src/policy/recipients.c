#include "policy/recipients.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mail/precis.h"
#include "policy/pattern.h"
#include "policy/recipients_state.h"

static const struct bytes postmaster = BYTES_INIT("postmaster");

static struct bytes lower(struct bytes text, uint8_t *room, size_t size)
{
    size_t len = text.len < size ? text.len : size;
    for (size_t i = 0; i < len; i++)
        room[i] = ascii_lower(text.at[i]);
    return (struct bytes){room, len};
}

struct bytes local_value(struct bytes local, uint8_t room[LOCAL_VALUE_SIZE])
{
    uint8_t value[LOCAL_VALUE_SIZE];
    struct buf plain = {.at = value, .cap = sizeof value, .limit = sizeof value};
    if (local.len > 0 && local.at[0] == '"')
        address_local_value(&plain, bytes_sub(local, 0, 2 * LOCAL_VALUE_SIZE));
    else
        buf_add(&plain, bytes_sub(local, 0, sizeof value));
    return lower(buf_view(&plain), room, LOCAL_VALUE_SIZE);
}

/* --- Building ----------------------------------------------------------------------------------
 */

struct recipients *recipients_new(uint64_t seed)
{
    struct recipients *recipients = NEW(struct recipients);
    recipients->seed = seed;
    recipients->domains = map_new(seed);
    recipients->relayed = map_new(seed);
    return recipients;
}

static void name_done(struct name *name)
{
    for (size_t i = 0; i < name->target_count; i++)
        bytes_disown(name->targets[i]);
    free(name->targets);
    *name = (struct name){0};
}

static void name_add_target(struct name *name, struct bytes target)
{
    name->targets = memory_resize(name->targets, name->target_count + 1, sizeof *name->targets);
    name->targets[name->target_count++] = bytes_own(target);
}

static void domain_free(struct domain *domain)
{
    size_t place = 0;
    for (void *value; map_next(domain->names, &place, &value);) {
        name_done(value);
        free(value);
    }
    map_free(domain->names);
    name_done(&domain->catch_all);
    name_done(&domain->postmaster);
    bytes_disown(domain->name);
    free(domain);
}

void recipients_free(struct recipients *recipients)
{
    if (!recipients)
        return;
    for (size_t i = 0; i < recipients->domain_count; i++)
        domain_free(recipients->order[i]);
    free(recipients->order);
    map_free(recipients->domains);
    map_free(recipients->relayed);
    free(recipients);
}

static struct domain *domain_look_up(const struct recipients *recipients, struct bytes name)
{
    uint8_t room[DOMAIN_LIMIT];
    if (name.len > sizeof room)
        return NULL;
    return map_find(recipients->domains, lower(name, room, sizeof room));
}

const struct domain *domain_find(const struct recipients *recipients, struct bytes name)
{
    return domain_look_up(recipients, name);
}

bool recipients_is_local_domain(const struct recipients *recipients, struct bytes domain)
{
    return domain_look_up(recipients, domain) != NULL;
}

bool recipients_next_domain(const struct recipients *recipients, size_t *place,
                            struct bytes *domain)
{
    if (*place >= recipients->domain_count)
        return false;
    *domain = recipients->order[(*place)++]->name;
    return true;
}

bool recipients_add_domain(struct recipients *recipients, struct bytes name,
                           enum mailboxes mailboxes)
{
    uint8_t room[DOMAIN_LIMIT];
    ASSERT(name.len <= sizeof room);
    if (domain_look_up(recipients, name))
        return false;
    struct domain *domain = NEW(struct domain);
    domain->name = bytes_own(lower(name, room, sizeof room));
    domain->mailboxes = mailboxes;
    recipients->needs_directory |= mailboxes == MAILBOXES_DIRECTORY;
    domain->names = map_new(recipients->seed);
    map_add(recipients->domains, domain->name, domain);
    recipients->order =
        memory_resize(recipients->order, recipients->domain_count + 1, sizeof *recipients->order);
    recipients->order[recipients->domain_count++] = domain;
    return true;
}

void recipients_set_directory(struct recipients *recipients, const struct directory *directory)
{
    recipients->directory = directory;
}

bool recipients_need_directory(const struct recipients *recipients)
{
    return recipients->needs_directory;
}

static struct domain *domain_added(struct recipients *recipients, struct bytes name)
{
    struct domain *domain = domain_look_up(recipients, name);
    ASSERT(domain);
    return domain;
}

void recipients_set_delimiter(struct recipients *recipients, struct bytes domain, uint8_t delimiter)
{
    domain_added(recipients, domain)->delimiter = delimiter;
}

static struct name *domain_name(struct domain *domain, struct bytes local)
{
    uint8_t room[LOCAL_VALUE_SIZE];
    struct bytes value = local_value(local, room);
    struct name *name = map_find(domain->names, value);
    if (!name) {
        name = NEW(struct name);
        map_add(domain->names, value, name);
    }
    return name;
}

/* The first mailbox of the domain, or while it has none the first alias, reads what comes for a
 * postmaster that nobody has named. */
static void postmaster_suggest(struct domain *domain, struct bytes local)
{
    struct buf target;
    buf_init(&target, LOCAL_PART_LIMIT + 1 + DOMAIN_LIMIT);
    buf_add(&target, local);
    buf_add_byte(&target, '@');
    buf_add(&target, domain->name);
    name_done(&domain->postmaster);
    name_add_target(&domain->postmaster, buf_view(&target));
    buf_done(&target);
}

void recipients_add_mailbox(struct recipients *recipients, struct bytes domain_text,
                            struct bytes local)
{
    struct domain *domain = domain_added(recipients, domain_text);
    domain_name(domain, local)->is_mailbox = true;
    if (!domain->postmaster.is_mailbox)
        postmaster_suggest(domain, local);
    domain->postmaster.is_mailbox = true;
}

void recipients_add_alias(struct recipients *recipients, struct bytes domain_text,
                          struct bytes local, struct bytes target)
{
    struct domain *domain = domain_added(recipients, domain_text);
    name_add_target(domain_name(domain, local), target);
    if (domain->postmaster.target_count == 0)
        postmaster_suggest(domain, local);
}

void recipients_set_catch_all(struct recipients *recipients, struct bytes domain_text,
                              struct bytes target)
{
    struct domain *domain = domain_added(recipients, domain_text);
    name_done(&domain->catch_all);
    name_add_target(&domain->catch_all, target);
}

bool recipients_add_relayed(struct recipients *recipients, struct bytes pattern)
{
    uint8_t room[PATTERN_LIMIT];
    ASSERT(pattern.len <= sizeof room);
    return !map_add(recipients->relayed, pattern_lower(pattern, room), recipients->relayed);
}

bool recipients_has_relayed(const struct recipients *recipients, struct bytes pattern)
{
    uint8_t room[PATTERN_LIMIT];
    return pattern.len <= sizeof room &&
           map_find(recipients->relayed, pattern_lower(pattern, room)) != NULL;
}

bool recipients_is_relayed_domain(const struct recipients *recipients, struct bytes domain)
{
    return pattern_find(recipients->relayed, domain) != NULL;
}

/* --- What one address means --------------------------------------------------------------------
 */

/* Local parts that some servers read as a route ("user%host", "host!user", "user@host" in
 * quotes), and those that would be no good name of a folder. Nobody's unless a name is listed
 * just so: never relayed, never caught. */
bool is_odd_name(struct bytes value)
{
    if (value.len == 0 || value.len > LOCAL_PART_LIMIT || value.at[0] == '.')
        return true;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if (byte < 0x20 || byte == 0x7F || byte == '%' || byte == '!' || byte == '@' || byte == '/')
            return true;
    }
    return false;
}

/* What is not in the directory's form is not in the directory. */
static bool is_account(const struct recipients *recipients, const struct domain *domain,
                       struct bytes value)
{
    uint8_t room[DIRECTORY_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    return domain->mailboxes == MAILBOXES_DIRECTORY && recipients->directory &&
           directory_name_of(&name, value, domain->name) &&
           directory_has(recipients->directory, buf_view(&name));
}

static struct resolution resolve_name(const struct recipients *recipients,
                                      const struct domain *domain, const struct name *name,
                                      struct bytes value)
{
    struct resolution found = {.domain = domain, .name = name, .mailbox_len = value.len};
    found.meaning = name->target_count > 0 ? MEANS_ALIAS : MEANS_MAILBOX;
    found.is_account = !name->is_mailbox && is_account(recipients, domain, value);
    found.has_mailbox = name->is_mailbox || domain->mailboxes == MAILBOXES_ANY || found.is_account;
    return found;
}

struct resolution recipient_resolve(const struct recipients *recipients,
                                    const struct address *address)
{
    uint8_t room[LOCAL_VALUE_SIZE];
    const struct domain *domain = domain_look_up(recipients, address->domain);
    if (!domain)
        return (struct resolution){.meaning = MEANS_REMOTE};
    struct bytes value = local_value(address->local, room), base = value;
    if (domain->delimiter) {
        size_t at = bytes_find(value, domain->delimiter);
        base = at > 0 ? bytes_sub(value, 0, at) : value;
    }
    const struct name *name = map_find(domain->names, value);
    if (name)
        return resolve_name(recipients, domain, name, value);
    name = map_find(domain->names, base);
    if (name)
        return resolve_name(recipients, domain, name, base);
    struct resolution found = {.meaning = MEANS_UNKNOWN, .domain = domain};
    if (is_odd_name(value))
        return found;
    found.is_account = is_account(recipients, domain, base);
    if (domain->mailboxes == MAILBOXES_ANY || found.is_account) {
        found.meaning = MEANS_MAILBOX;
        found.mailbox_len = base.len;
    } else if (domain->catch_all.target_count > 0) {
        found.meaning = MEANS_ALIAS;
        found.name = &domain->catch_all;
    } else if (bytes_equal(base, postmaster) && domain->postmaster.target_count > 0) {
        found.meaning = MEANS_ALIAS;
        found.name = &domain->postmaster;
    }
    return found;
}

static bool has_own_postmaster(const struct domain *domain)
{
    return domain && map_find(domain->names, postmaster);
}

static const struct domain *postmaster_domain(const struct recipients *recipients,
                                              struct bytes hostname)
{
    const struct domain *own = domain_look_up(recipients, hostname);
    if (has_own_postmaster(own))
        return own;
    for (size_t i = 0; i < recipients->domain_count; i++)
        if (has_own_postmaster(recipients->order[i]))
            return recipients->order[i];
    if (own)
        return own;
    return recipients->domain_count > 0 ? recipients->order[0] : NULL;
}

bool postmaster_complete(const struct recipients *recipients, const struct address *address,
                         struct bytes hostname, struct arena *arena, struct address *out)
{
    if (address->domain.len) {
        *out = *address;
        return true;
    }
    const struct domain *home = postmaster_domain(recipients, hostname);
    struct bytes domain = home ? home->name : hostname;
    size_t len = postmaster.len + 1 + domain.len;
    uint8_t *text = arena_alloc(arena, len);
    if (!text)
        return false;
    struct buf whole = {.at = text, .cap = len, .limit = len};
    buf_add(&whole, postmaster);
    buf_add_byte(&whole, '@');
    buf_add(&whole, domain);
    struct bytes view = buf_view(&whole);
    *out = (struct address){.local = bytes_sub(view, 0, postmaster.len),
                            .domain = bytes_from(view, postmaster.len + 1),
                            .whole = view};
    return true;
}

bool recipients_mailbox(const struct recipients *recipients, const struct address *address,
                        struct arena *arena, struct bytes *domain, struct bytes *local)
{
    uint8_t room[LOCAL_VALUE_SIZE];
    struct resolution found = recipient_resolve(recipients, address);
    /* A final address may be an alias as well: one that names itself. */
    bool is_mailbox = found.meaning == MEANS_MAILBOX ||
                      (found.meaning == MEANS_ALIAS && found.mailbox_len > 0 && found.has_mailbox);
    if (!is_mailbox)
        return false;
    struct bytes value = bytes_sub(local_value(address->local, room), 0, found.mailbox_len);
    uint8_t name_room[LOCAL_VALUE_SIZE];
    struct buf name = {.at = name_room, .cap = sizeof name_room, .limit = sizeof name_room};
    struct bytes copy_of_domain, copy_of_local;
    if (found.is_account && precis_username(&name, value))
        value = buf_view(&name);
    if (!arena_copy(arena, found.domain->name, &copy_of_domain) ||
        !arena_copy(arena, value, &copy_of_local))
        return false;
    *domain = copy_of_domain;
    *local = copy_of_local;
    return true;
}
