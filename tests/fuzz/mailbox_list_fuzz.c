/* Address lists: what is found is found again alone, has a domain that can be one, and lies in
 * bounded memory; the authors of a section with the field are those of the list; what it shows
 * lies in its text. */
#include "base/buf.h"
#include "mail/address.h"
#include "mail/author.h"
#include "mail/idna.h"
#include "mail/mailbox_list.h"
#include "mail/shown_address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mailbox(const struct mailbox *mailbox, struct arena *arena)
{
    struct mailbox_list again;
    struct buf text;
    bool is_literal = mailbox->domain.len && mailbox->domain.at[0] == '[';
    ASSERT(is_literal ? address_literal_is_valid(mailbox->domain)
                      : domain_is_valid(mailbox->domain, ADDRESS_UTF8));
    ASSERT(mailbox->local.len > 0);
    buf_init(&text, 1 << 21);
    buf_addf(&text, "<%.*s@%.*s>", BYTES_ARGS(mailbox->local), BYTES_ARGS(mailbox->domain));
    ASSERT(mailbox_list_parse(buf_view(&text), arena, &again) == MAILBOX_LIST_OK);
    ASSERT(again.count == 1 && bytes_equal(again.mailboxes[0].local, mailbox->local) &&
           bytes_equal(again.mailboxes[0].domain, mailbox->domain));
    buf_done(&text);
}

static void check_author(struct bytes input, struct arena *arena)
{
    struct author author;
    struct buf section;
    buf_init(&section, 1 << 21);
    buf_add(&section, BYTES("From:"));
    buf_add(&section, input);
    buf_add(&section, BYTES("\r\n"));
    author_find(buf_view(&section), arena, &author);
    ASSERT((author.status == AUTHOR_FOUND) == (author.count > 0));
    ASSERT(author.count <= AUTHOR_DOMAIN_LIMIT);
    ASSERT(author.shown.len == 0 || author.status == AUTHOR_FOUND);
    for (size_t i = 0; i < author.count; i++)
        ASSERT(bytes_is_ascii(author.domains[i]) && author.domains[i].len <= HOST_NAME_LIMIT);
    buf_done(&section);
}

static void check_shown(struct bytes input)
{
    struct shown_address shown;
    struct buf text;
    buf_init(&text, input.len);
    shown_address_decode(input, &text);
    ASSERT(!text.overflowed);
    for (struct bytes rest = buf_view(&text); shown_address_next(&rest, &shown);) {
        ASSERT(shown.text.at >= text.at && shown.text.at + shown.text.len <= text.at + text.len);
        ASSERT(bytes_ends_nocase(shown.text, shown.domain));
        ASSERT(bytes_find(shown.domain, '.') < shown.domain.len);
    }
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size};
    struct arena *arena = arena_new(8 << 20);
    struct mailbox_list list;
    if (mailbox_list_parse(input, arena, &list) == MAILBOX_LIST_OK)
        for (size_t i = 0; i < list.count; i++)
            check_mailbox(&list.mailboxes[i], arena);
    else
        ASSERT(list.reason && list.count == 0);
    check_author(input, arena);
    check_shown(input);
    arena_free(arena);
    return 0;
}
