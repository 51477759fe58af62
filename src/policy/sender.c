#include "policy/sender.h"

#include <string.h>

#include "mail/header.h"
#include "mail/mailbox_list.h"
#include "policy/directory.h"

enum {
    TEXT_LIMIT = 480,            /* a reply line has 512 bytes (RFC 5321, 4.5.3.1.5) */
    SCRATCH_LIMIT = 1024 * 1024, /* for the expansion of an alias */
};

static const struct sender_verdict fine = {.is_accepted = true};

/* Is it this own address, or of the domain that "@domain" stands for? */
static bool is_own(struct bytes name, struct bytes own)
{
    if (own.len && own.at[0] == '@') {
        struct bytes domain = bytes_from(name, bytes_find_last(name, '@'));
        return bytes_equal_nocase(domain, own);
    }
    return directory_is_same(name, own);
}

static bool is_one_of(const struct sender_rights *rights, struct bytes name)
{
    if (is_own(name, rights->account))
        return true;
    for (size_t i = 0; i < rights->own_count; i++)
        if (is_own(name, rights->own[i]))
            return true;
    return false;
}

static bool names_own(const struct sender_rights *rights, struct bytes local_value,
                      struct bytes domain)
{
    uint8_t room[DIRECTORY_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    return directory_name_of(&name, local_value, domain) && is_one_of(rights, buf_view(&name));
}

/* Does mail for this local mailbox, or remote address, come to an own one? */
static bool leads_home(const struct recipients *recipients, const struct sender_rights *rights,
                       struct bytes text, struct arena *scratch)
{
    struct address address;
    struct bytes domain, local;
    if (address_parse(text, ADDRESS_UTF8, &address) != PATH_OK)
        return false;
    if (recipients_mailbox(recipients, &address, scratch, &domain, &local))
        return names_own(rights, local, domain);
    uint8_t room[DIRECTORY_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    return directory_name(&name, text) && is_one_of(rights, buf_view(&name));
}

static bool may_use(const struct recipients *recipients, const struct sender_rights *rights,
                    struct bytes text)
{
    struct address address;
    struct bytes *targets;
    size_t count;
    bool is_home = false;
    struct arena *scratch = arena_new(SCRATCH_LIMIT);
    if (leads_home(recipients, rights, text, scratch))
        is_home = true;
    else if (address_parse(text, ADDRESS_UTF8, &address) == PATH_OK &&
             recipients_is_local_domain(recipients, address.domain) &&
             recipients_expand(recipients, &address, BYTES_NONE, scratch, &targets, &count))
        for (size_t i = 0; i < count && !is_home; i++)
            is_home = leads_home(recipients, rights, targets[i], scratch);
    arena_free(scratch);
    return is_home;
}

static struct sender_verdict refuse(const struct sender_rights *rights, const char *rule,
                                    const char *where, struct bytes address, struct arena *arena)
{
    struct sender_verdict verdict = {
        .code = 550,
        .status = BYTES("5.7.1"),
        .rule = rule,
        .text = BYTES("not an address of the account that is logged in; use one of its own"),
    };
    uint8_t room[TEXT_LIMIT];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_addf(&text,
             "%.*s %s is not an address of the account %.*s; send as one of its own, or have the "
             "operator grant it",
             BYTES_ARGS(address), where, BYTES_ARGS(rights->account));
    if (!text.overflowed)
        (void)!arena_copy(arena, buf_view(&text), &verdict.text);
    return verdict;
}

struct sender_verdict sender_check_path(const struct recipients *recipients,
                                        const struct sender_rights *rights,
                                        struct bytes reverse_path, struct arena *arena)
{
    if (!reverse_path.len || may_use(recipients, rights, reverse_path))
        return fine;
    return refuse(rights, "sender", "as the reverse-path", reverse_path, arena);
}

/* local@domain; empty at the arena's ceiling. */
static struct bytes join(const struct mailbox *mailbox, struct arena *arena)
{
    size_t len = mailbox->local.len + 1 + mailbox->domain.len;
    uint8_t *text = arena_alloc(arena, len);
    if (!text)
        return BYTES_NONE;
    struct buf whole = {.at = text, .cap = len, .limit = len};
    buf_add(&whole, mailbox->local);
    buf_add_byte(&whole, '@');
    buf_add(&whole, mailbox->domain);
    return buf_view(&whole);
}

static struct sender_verdict check_field(const struct recipients *recipients,
                                         const struct sender_rights *rights,
                                         const struct header_field *field, struct arena *arena)
{
    struct mailbox_list list;
    bool is_from = bytes_equal_nocase(field->name, BYTES("From"));
    const char *rule = is_from ? "sender-from" : "sender-field";
    if (mailbox_list_parse(field->value, arena, &list) != MAILBOX_LIST_OK || !list.count)
        return (struct sender_verdict){
            .code = 554,
            .status = BYTES("5.6.0"),
            .rule = rule,
            .text = is_from ? BYTES("the From field has no address that can be read; write it as "
                                    "Name <local-part@domain>")
                            : BYTES("the Sender field has no address that can be read; write it as "
                                    "Name <local-part@domain>, or leave it out")};
    for (size_t i = 0; i < list.count; i++) {
        struct bytes address = join(&list.mailboxes[i], arena);
        if (!may_use(recipients, rights, address))
            return refuse(rights, rule, is_from ? "in the From field" : "in the Sender field",
                          address, arena);
    }
    return fine;
}

struct sender_verdict sender_check_section(const struct recipients *recipients,
                                           const struct sender_rights *rights, struct bytes section,
                                           struct arena *arena)
{
    struct header_field field;
    while (header_next(&section, &field)) {
        if (!bytes_equal_nocase(field.name, BYTES("From")) &&
            !bytes_equal_nocase(field.name, BYTES("Sender")))
            continue;
        struct sender_verdict verdict = check_field(recipients, rights, &field, arena);
        if (!verdict.is_accepted)
            return verdict;
    }
    return fine;
}
