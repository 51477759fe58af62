/* From one accepted recipient to its final addresses: a walk over the aliases without recursion,
 * each alias opened once, so that its length is bounded by the configuration's. */
#include "policy/recipients_state.h"

struct node {
    struct node *next;         /* of those still to visit */
    const struct node *parent; /* the alias that named this one */
    const struct name *name;   /* once opened */
    struct address address;
    unsigned depth;
};

struct walk {
    const struct recipients *recipients;
    struct arena *arena;
    struct map *seen; /* final addresses by text, and aliases by the address of their struct */
    struct node *open;
    struct bytes *out;
    size_t count;
    bool has_live; /* one at least of the final addresses is known to lead somewhere */
};

static bool see(struct walk *walk, struct bytes key)
{
    return !map_add(walk->seen, key, walk);
}

/* Domains do not differ by case; local parts of other hosts may. */
static bool see_address(struct walk *walk, const struct address *address)
{
    uint8_t room[1 + LOCAL_PART_LIMIT + 1 + DOMAIN_LIMIT];
    struct buf key = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_add_byte(&key, '@');
    for (size_t i = 0; i < address->domain.len; i++)
        buf_add_byte(&key, ascii_lower(address->domain.at[i]));
    buf_add_byte(&key, '@');
    bool is_local = recipients_is_local_domain(walk->recipients, address->domain);
    for (size_t i = 0; i < address->local.len; i++)
        buf_add_byte(&key, is_local ? ascii_lower(address->local.at[i]) : address->local.at[i]);
    return see(walk, buf_view(&key));
}

static enum expansion_status finish(struct walk *walk, const struct address *address, bool is_live)
{
    walk->has_live |= is_live;
    if (!see_address(walk, address))
        return EXPANSION_OK;
    if (walk->count == EXPANSION_LIMIT)
        return EXPANSION_LARGE;
    if ((walk->count & (walk->count - 1)) == 0) {
        /* Full at each power of two: twice the room. */
        size_t cap = walk->count ? walk->count * 2 : 1;
        struct bytes *more = arena_alloc(walk->arena, cap * sizeof *more);
        if (!more)
            return EXPANSION_NO_MEMORY;
        for (size_t i = 0; i < walk->count; i++)
            more[i] = walk->out[i];
        walk->out = more;
    }
    if (!arena_copy(walk->arena, address->whole, &walk->out[walk->count]))
        return EXPANSION_NO_MEMORY;
    walk->count++;
    return EXPANSION_OK;
}

static enum expansion_status open_alias(struct walk *walk, struct node *node)
{
    if (node->depth >= ALIAS_DEPTH_LIMIT)
        return EXPANSION_LOOP;
    /* From the last, so that the first is visited first. A target that is no address cannot be
     * delivered to by anyone; the others still can. */
    for (size_t i = node->name->target_count; i-- > 0;) {
        struct node *child = arena_alloc(walk->arena, sizeof *child);
        if (!child)
            return EXPANSION_NO_MEMORY;
        if (address_parse(node->name->targets[i], ADDRESS_UTF8, &child->address) != PATH_OK)
            continue;
        child->parent = node;
        child->depth = node->depth + 1;
        child->next = walk->open;
        walk->open = child;
    }
    return EXPANSION_OK;
}

static enum expansion_status visit(struct walk *walk, struct node *node)
{
    struct resolution found = recipient_resolve(walk->recipients, &node->address);
    switch (found.meaning) {
    case MEANS_REMOTE:
    case MEANS_MAILBOX: return finish(walk, &node->address, true);
    case MEANS_UNKNOWN: return finish(walk, &node->address, false);
    case MEANS_ALIAS: break;
    }
    if (node->parent && node->parent->name == found.name)
        return finish(walk, &node->address, found.has_mailbox);
    for (const struct node *each = node->parent; each; each = each->parent)
        if (each->name == found.name)
            return EXPANSION_LOOP;
    if (!see(walk, (struct bytes){(const uint8_t *)&found.name, sizeof found.name}))
        return EXPANSION_OK;
    node->name = found.name;
    return open_alias(walk, node);
}

enum expansion_status recipient_expand(const struct recipients *recipients,
                                       const struct address *address, struct arena *arena,
                                       struct bytes **out, size_t *count)
{
    struct node root = {.address = *address};
    struct walk walk = {
        .recipients = recipients, .arena = arena, .seen = map_new(recipients->seed), .open = &root};
    enum expansion_status status = EXPANSION_OK;
    while (walk.open && status == EXPANSION_OK) {
        struct node *node = walk.open;
        walk.open = node->next;
        status = visit(&walk, node);
    }
    map_free(walk.seen);
    if (status != EXPANSION_OK)
        return status;
    *out = walk.out;
    *count = walk.count;
    return walk.has_live ? EXPANSION_OK : EXPANSION_DEAD;
}

bool recipients_expand(const struct recipients *recipients, const struct address *address,
                       struct bytes hostname, struct arena *arena, struct bytes **out,
                       size_t *count)
{
    struct address complete;
    if (!postmaster_complete(recipients, address, hostname, arena, &complete))
        return false;
    switch (recipient_expand(recipients, &complete, arena, out, count)) {
    case EXPANSION_OK:
    case EXPANSION_DEAD: return true;
    case EXPANSION_LOOP:
    case EXPANSION_LARGE:
    case EXPANSION_NO_MEMORY: return false;
    }
    return false;
}
