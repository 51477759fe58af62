#include "queue/select.h"

bool select_has_addresses(const struct queue_select *select)
{
    return select->from.len || select->to.len || select->domain.len;
}

bool select_has_recipients(const struct queue_select *select)
{
    return select->to.len || select->domain.len || select->reply.len || select->lane.len ||
           select->states;
}

static struct bytes domain_of(struct bytes address)
{
    size_t at = bytes_find_last(address, '@');
    return bytes_from(address, at < address.len ? at + 1 : at);
}

static bool is_address(struct bytes wanted, struct bytes address)
{
    if (wanted.at[0] == '@')
        return bytes_equal_nocase(domain_of(address), bytes_from(wanted, 1));
    return bytes_equal_nocase(address, wanted);
}

static bool is_sender(struct bytes wanted, struct bytes reverse_path)
{
    if (bytes_equal(wanted, BYTES("<>")))
        return reverse_path.len == 0;
    return is_address(wanted, reverse_path);
}

/* Both are short: a reply has at most REPLY_LIMIT bytes. */
static bool has_part(struct bytes whole, struct bytes part)
{
    for (; whole.len >= part.len; whole = bytes_from(whole, 1))
        if (bytes_starts_nocase(whole, part))
            return true;
    return false;
}

bool select_matches_recipient(const struct queue_select *select,
                              const struct queue_entry_recipient *recipient)
{
    bool is_final = recipient->state == RECIPIENT_DELIVERED || recipient->state == RECIPIENT_FAILED;
    if (select->states ? !(select->states & 1U << recipient->state) : is_final)
        return false;
    if (select->to.len && !is_address(select->to, recipient->address))
        return false;
    if (select->domain.len && !bytes_equal_nocase(domain_of(recipient->address), select->domain))
        return false;
    if (select->lane.len && !bytes_equal_nocase(recipient->lane, select->lane))
        return false;
    return !select->reply.len || has_part(recipient->reply, select->reply);
}

bool select_matches(const struct queue_select *select, const struct queue_entry *entry,
                    int64_t now_ms)
{
    /* The clock may have been set back meanwhile: what comes from the future has no age. */
    int64_t age_ms = now_ms > entry->received_ms ? now_ms - entry->received_ms : 0;
    if (select->older_ms && age_ms <= select->older_ms)
        return false;
    if (select->younger_ms && age_ms >= select->younger_ms)
        return false;
    if (select->from.len && !is_sender(select->from, entry->envelope->reverse_path))
        return false;
    if (!select_has_recipients(select))
        return true;
    for (size_t i = 0; i < entry->recipient_count; i++)
        if (select_matches_recipient(select, &entry->recipients[i]))
            return true;
    return false;
}
