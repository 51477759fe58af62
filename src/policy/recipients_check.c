/* The answer to a RCPT. Every refusal names its rule and what the sender can do. */
#include <stdarg.h>
#include <stdio.h>

#include "mail/idna.h"
#include "policy/recipients_state.h"

enum {
    TEXT_LIMIT = 480, /* a reply line has 512 bytes (RFC 5321, 4.5.3.1.5) */
    /* For a trial expansion: each final address with its node and two copies of it at most. */
    SCRATCH_LIMIT = EXPANSION_LIMIT * 1024,
};

/* Formats into the arena; where that is full, the fallback. */
static struct bytes say(struct arena *arena, struct bytes fallback, const char *format, ...)
    PRINTF_LIKE(3, 4);

static struct bytes say(struct arena *arena, struct bytes fallback, const char *format, ...)
{
    char text[TEXT_LIMIT + 1];
    struct bytes copy;
    va_list values;
    va_start(values, format);
    int len = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (len < 0)
        return fallback;
    size_t written = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    return arena_copy(arena, (struct bytes){(const uint8_t *)text, written}, &copy) ? copy
                                                                                    : fallback;
}

static struct recipient_verdict accept(bool is_local, struct bytes rule)
{
    return (struct recipient_verdict){.is_accepted = true,
                                      .is_local = is_local,
                                      .code = 250,
                                      .status = BYTES("2.1.5"),
                                      .text = BYTES("recipient ok"),
                                      .rule = rule};
}

static struct recipient_verdict refuse(int code, struct bytes status, struct bytes rule,
                                       struct bytes text)
{
    return (struct recipient_verdict){.code = code, .status = status, .text = text, .rule = rule};
}

/* Whether the domain exists only the DNS knows; it is not asked here. */
static bool can_be_asked_for(const struct address *address)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    return address->is_literal || idna_to_ascii(address->domain, &name);
}

/* Is mail for it passed on, whoever sends it? */
static bool is_relayed(const struct recipients *recipients, const struct address *address)
{
    uint8_t room[LOCAL_VALUE_SIZE];
    return !address->is_literal && recipients_is_relayed_domain(recipients, address->domain) &&
           !is_odd_name(local_value(address->local, room));
}

static struct recipient_verdict check_remote(const struct recipients *recipients,
                                             const struct recipient_query *query,
                                             struct arena *arena)
{
    struct bytes domain = query->address->domain;
    if (!query->may_relay && is_relayed(recipients, query->address))
        return accept(false, BYTES("relay-domain"));
    if (!query->may_relay) {
        struct bytes text =
            say(arena, BYTES("relaying denied"),
                "relaying denied: %.*s is not a domain of this server, and %.*s is neither in "
                "relay.networks nor logged in",
                BYTES_ARGS(domain), BYTES_ARGS(query->client));
        return refuse(550, BYTES("5.7.1"), BYTES("relay"), text);
    }
    if (!query->has_route && !can_be_asked_for(query->address)) {
        struct bytes text =
            say(arena, BYTES("no such domain can exist"),
                "%.*s is no name that a domain can have; check the part behind the @",
                BYTES_ARGS(domain));
        return refuse(550, BYTES("5.1.2"), BYTES("no-domain"), text);
    }
    return accept(false, BYTES("relay"));
}

static struct recipient_verdict refuse_unknown(const struct address *address,
                                               const struct resolution *found, struct arena *arena)
{
    struct bytes text;
    if (found->meaning == MEANS_ALIAS)
        text = say(arena, BYTES("the alias leads to no mailbox"),
                   "the alias %.*s leads to no mailbox; tell postmaster@%.*s",
                   BYTES_ARGS(address->whole), BYTES_ARGS(address->domain));
    else
        text = say(arena, BYTES("no such mailbox here"),
                   "no mailbox %.*s here; check the part before the @", BYTES_ARGS(address->whole));
    return refuse(550, BYTES("5.1.1"), BYTES("unknown-mailbox"), text);
}

static struct recipient_verdict out_of_memory(void)
{
    return refuse(452, BYTES("4.3.1"), BYTES("memory"),
                  BYTES("too much for one transaction; send to fewer recipients at a time"));
}

static struct recipient_verdict check_local(const struct recipients *recipients,
                                            const struct address *address, struct arena *arena)
{
    struct resolution found = recipient_resolve(recipients, address);
    if (found.meaning == MEANS_MAILBOX)
        return accept(true, BYTES("mailbox"));
    struct bytes *targets;
    size_t count;
    struct arena *scratch = arena_new(SCRATCH_LIMIT);
    enum expansion_status status = recipient_expand(recipients, address, scratch, &targets, &count);
    arena_free(scratch);
    switch (status) {
    case EXPANSION_OK:
        return accept(true,
                      found.name == &found.domain->catch_all ? BYTES("catch-all") : BYTES("alias"));
    case EXPANSION_DEAD: return refuse_unknown(address, &found, arena);
    case EXPANSION_LOOP:
        return refuse(550, BYTES("5.4.6"), BYTES("alias-loop"),
                      say(arena, BYTES("the alias leads back to itself"),
                          "the alias %.*s leads back to itself, or through more than %d others; "
                          "its aliases need mending",
                          BYTES_ARGS(address->whole), ALIAS_DEPTH_LIMIT));
    case EXPANSION_LARGE:
        return refuse(550, BYTES("5.4.6"), BYTES("alias-size"),
                      say(arena, BYTES("the alias has too many addresses"),
                          "the alias %.*s stands for more than %d addresses",
                          BYTES_ARGS(address->whole), EXPANSION_LIMIT));
    case EXPANSION_NO_MEMORY: return out_of_memory();
    }
    return out_of_memory();
}

struct recipient_verdict recipients_check(const struct recipients *recipients,
                                          const struct recipient_query *query, struct arena *arena)
{
    struct address address;
    if (!postmaster_complete(recipients, query->address, query->hostname, arena, &address))
        return out_of_memory();
    bool is_local = recipients_is_local_domain(recipients, address.domain);
    /* An alias may lead to it from any domain. */
    if (is_local && recipients->needs_directory &&
        !(recipients->directory && recipients->directory->is_known))
        return refuse(451, BYTES("4.3.0"), BYTES("directory"),
                      BYTES("the account directory is not at hand yet; please try again soon"));
    if (is_local)
        return check_local(recipients, &address, arena);
    if (query->address->domain.len == 0)
        return refuse(550, BYTES("5.1.1"), BYTES("unknown-mailbox"),
                      BYTES("this server has no domain of its own, and no postmaster"));
    return check_remote(recipients, query, arena);
}
