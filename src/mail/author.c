#include "mail/author.h"

#include "mail/header.h"
#include "mail/idna.h"
#include "mail/mailbox_list.h"
#include "mail/shown_address.h"

enum {
    SHOWN_LIMIT = 100, /* addresses that a field shows; nobody reads on behind these */
    SHOWN_BYTES = 320, /* of one that is told */
};

static void unparsable(struct author *author, const char *reason)
{
    author->status = AUTHOR_UNPARSABLE;
    author->reason = reason;
}

/* A CR or LF that is no line end is one to some readers, and what follows it a field. Such a
 * section comes in by BDAT as BINARYMIME only. */
static bool has_odd_line_end(struct bytes section)
{
    size_t ends = 0, crs = 0;
    for (size_t at = 0; (at += bytes_find(bytes_from(section, at), '\n')) < section.len; at++) {
        if (at == 0 || section.at[at - 1] != '\r')
            return true;
        ends++;
    }
    for (size_t at = 0; (at += bytes_find(bytes_from(section, at), '\r')) < section.len; at++)
        crs++;
    return crs != ends || bytes_find(section, '\0') < section.len;
}

static bool has_domain(const struct author *author, struct bytes domain)
{
    for (size_t i = 0; i < author->count; i++)
        if (bytes_equal(author->domains[i], domain))
            return true;
    return false;
}

/* False: the author's status says what is wrong. */
static bool add_domain(struct author *author, struct bytes domain, struct arena *arena)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf ascii = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (domain.len && domain.at[0] == '[') {
        author->status = AUTHOR_NO_DOMAIN;
        return false;
    }
    if (!idna_to_ascii(domain, &ascii)) {
        unparsable(author, "what stands behind an @ is no domain that there can be");
        return false;
    }
    if (has_domain(author, buf_view(&ascii)))
        return true;
    if (author->count == AUTHOR_DOMAIN_LIMIT) {
        author->status = AUTHOR_MANY_DOMAINS;
        return false;
    }
    if (!arena_copy(arena, buf_view(&ascii), &author->domains[author->count])) {
        unparsable(author, "there is too much of it");
        return false;
    }
    author->count++;
    return true;
}

/* Is there more to see than the addresses themselves? */
static bool shows_more(struct bytes value, size_t addresses)
{
    size_t signs = 0;
    for (size_t at = 0; (at += bytes_find(bytes_from(value, at), '@')) < value.len; at++)
        signs++;
    return signs != addresses || !bytes_is_ascii(value) ||
           bytes_search(value, BYTES("=?")) < value.len;
}

static bool is_within(struct bytes name, struct bytes domain)
{
    return bytes_ends_nocase(name, domain) &&
           (name.len == domain.len || name.at[name.len - domain.len - 1] == '.');
}

/* False: it is no domain, or close to one of the author's. */
static bool is_elsewhere(const struct author *author, struct bytes domain)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf ascii = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (!idna_to_ascii(domain, &ascii)) {
        /* Typographic quotes behind it, say, are no part of it. */
        size_t len = 0;
        while (len < domain.len && domain.at[len] < 0x80)
            len++;
        if (bytes_find(bytes_sub(domain, 0, len), '.') == len ||
            !idna_to_ascii(bytes_sub(domain, 0, len), &ascii))
            return false;
    }
    for (size_t i = 0; i < author->count; i++)
        if (is_within(buf_view(&ascii), author->domains[i]) ||
            is_within(author->domains[i], buf_view(&ascii)))
            return false;
    return true;
}

static void find_shown(struct author *author, struct bytes value, struct arena *arena)
{
    struct shown_address shown;
    struct buf text;
    buf_init(&text, value.len);
    shown_address_decode(value, &text);
    struct bytes rest = buf_view(&text);
    for (size_t i = 0; i < SHOWN_LIMIT && shown_address_next(&rest, &shown); i++)
        if (is_elsewhere(author, shown.domain)) {
            if (!arena_copy(arena, bytes_sub(shown.text, 0, SHOWN_BYTES), &author->shown))
                unparsable(author, "there is too much of it");
            break;
        }
    buf_done(&text);
}

static void read_field(struct author *author, struct bytes value, struct arena *arena)
{
    struct mailbox_list list;
    if (mailbox_list_parse(value, arena, &list) != MAILBOX_LIST_OK) {
        unparsable(author, list.reason);
        return;
    }
    author->status = list.count ? AUTHOR_FOUND : AUTHOR_NO_DOMAIN;
    for (size_t i = 0; i < list.count; i++)
        if (!add_domain(author, list.mailboxes[i].domain, arena))
            return;
    if (list.count && shows_more(value, list.count))
        find_shown(author, value, arena);
}

void author_find(struct bytes section, struct arena *arena, struct author *out)
{
    struct header_field field;
    struct bytes rest = section, value = BYTES_NONE;
    size_t fields = 0;
    *out = (struct author){.status = AUTHOR_FOUND};
    while (header_next(&rest, &field)) {
        if (!bytes_equal_nocase(field.name, BYTES("From")))
            continue;
        value = field.value;
        fields++;
    }
    if (has_odd_line_end(section))
        unparsable(out, "the header section has a CR, LF or NUL where none can be");
    else if (fields == 0)
        out->status = AUTHOR_NO_FIELD;
    else if (fields > 1)
        out->status = AUTHOR_SEVERAL_FIELDS;
    else
        read_field(out, value, arena);
    if (out->status == AUTHOR_FOUND)
        return;
    out->count = 0;
    out->shown = BYTES_NONE;
}

const char *author_problem(const struct author *author)
{
    switch (author->status) {
    case AUTHOR_FOUND: break;
    case AUTHOR_NO_FIELD: return "there is no From field";
    case AUTHOR_SEVERAL_FIELDS: return "there is more than one From field";
    case AUTHOR_UNPARSABLE: return author->reason;
    case AUTHOR_NO_DOMAIN: return "the From field has no address with a domain";
    case AUTHOR_MANY_DOMAINS: return "the From field has addresses in too many domains";
    }
    return "";
}
