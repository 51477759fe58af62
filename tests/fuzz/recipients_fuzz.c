/* Recipients: from a stranger nothing is accepted that is not of a local domain, whatever the
 * local part looks like, and all it expands to is of the directory. */
#include "policy/recipients.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct recipients *directory(void)
{
    struct recipients *all = recipients_new(1);
    bool is_new = recipients_add_domain(all, BYTES("a.example"), MAILBOXES_LISTED) &&
                  recipients_add_domain(all, BYTES("any.example"), MAILBOXES_ANY);
    ASSERT(is_new);
    recipients_set_delimiter(all, BYTES("a.example"), '+');
    recipients_add_mailbox(all, BYTES("a.example"), BYTES("ann"));
    recipients_add_alias(all, BYTES("a.example"), BYTES("x"), BYTES("ann+d@a.example"));
    recipients_add_alias(all, BYTES("a.example"), BYTES("x"), BYTES("e@far.example"));
    recipients_add_alias(all, BYTES("a.example"), BYTES("y"), BYTES("x@a.example"));
    recipients_add_alias(all, BYTES("a.example"), BYTES("y"), BYTES("y@a.example"));
    recipients_add_alias(all, BYTES("any.example"), BYTES("l"), BYTES("m@any.example"));
    recipients_add_alias(all, BYTES("any.example"), BYTES("m"), BYTES("l@any.example"));
    is_new = recipients_add_relayed(all, BYTES(".b.example"));
    ASSERT(is_new);
    return all;
}

static void check_final(const struct recipients *all, struct bytes final, struct arena *arena)
{
    struct address address;
    struct bytes domain, local;
    ASSERT(address_parse(final, ADDRESS_UTF8, &address) == PATH_OK);
    if (bytes_equal(final, BYTES("e@far.example")) || bytes_equal(final, BYTES("y@a.example")))
        return;
    ASSERT(recipients_is_local_domain(all, address.domain));
    ASSERT(recipients_mailbox(all, &address, arena, &domain, &local));
    ASSERT(local.len > 0 && bytes_find(local, '/') == local.len && local.at[0] != '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = {data, size};
    struct address address;
    if (path_parse(&rest, ADDRESS_UTF8, &address) != PATH_OK)
        return 0;
    struct recipients *all = directory();
    struct arena *arena = arena_new(65536);
    struct recipient_query query = {
        .address = &address, .hostname = BYTES("mx.a.example"), .client = BYTES("192.0.2.1")};
    struct recipient_verdict verdict = recipients_check(all, &query, arena);
    ASSERT(verdict.status.len && verdict.text.len && verdict.rule.len);
    if (verdict.is_accepted) {
        struct bytes *final;
        size_t count;
        bool is_relayed = recipients_is_relayed_domain(all, address.domain);
        ASSERT(!is_relayed || bytes_find(address.local, '%') == address.local.len);
        ASSERT((verdict.is_local || is_relayed) && verdict.code == 250);
        ASSERT(address.domain.len == 0 || is_relayed ||
               recipients_is_local_domain(all, address.domain));
        ASSERT(recipients_expand(all, &address, query.hostname, arena, &final, &count));
        ASSERT(count > 0);
        for (size_t i = 0; i < count && !is_relayed; i++)
            check_final(all, final[i], arena);
    } else {
        ASSERT(verdict.code >= 400);
    }
    arena_free(arena);
    recipients_free(all);
    return 0;
}
