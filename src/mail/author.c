#include "mail/author.h"

#include "mail/header.h"
#include "mail/idna.h"
#include "mail/mailbox_list.h"

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
    if (out->status != AUTHOR_FOUND)
        out->count = 0;
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
