#include "auth/arc_seal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/header_hash.h"
#include "auth/tag.h"
#include "base/memory.h"
#include "mail/base64.h"

enum {
    FIELD_LIMIT = 64 * 1024,
    FIRST_LINE = 70, /* characters of a signature on its first line, and on the others */
    OTHER_LINES = 72,
};

/* A field that is signed: its text in front of the signature and behind. Without one between it is
 * what is hashed. */
struct own {
    struct buf start, end;
    struct buf whole; /* with the signature, once it came */
};

struct arc_seal {
    struct arc_seal_plan plan; /* its texts are in the arena */
    struct arena *arena;
    struct bytes section;
    struct field_index *index;
    struct body_hash *body; /* the caller's */
    int body_place;
    struct buf results; /* the field */
    struct own message, chain;
};

static void own_init(struct own *own)
{
    buf_init(&own->start, FIELD_LIMIT);
    buf_init(&own->end, FIELD_LIMIT);
    buf_init(&own->whole, 3 * FIELD_LIMIT);
}

static void own_done(struct own *own)
{
    buf_done(&own->start);
    buf_done(&own->end);
    buf_done(&own->whole);
}

static void own_join(struct own *own, struct bytes signature)
{
    struct buf text;
    size_t room = FIRST_LINE;
    buf_init(&text, FIELD_LIMIT);
    base64_print(&text, signature);
    buf_clear(&own->whole);
    buf_add(&own->whole, buf_view(&own->start));
    for (struct bytes rest = buf_view(&text); rest.len; room = OTHER_LINES) {
        buf_add(&own->whole, bytes_sub(rest, 0, room));
        rest = bytes_from(rest, room);
        if (rest.len)
            buf_add(&own->whole, BYTES("\r\n\t"));
    }
    buf_add(&own->whole, buf_view(&own->end));
    buf_done(&text);
}

/* The field as header_next() gives it. */
static struct header_field field_of(const struct buf *text)
{
    struct bytes rest = buf_view(text);
    struct header_field field;
    ASSERT(header_next(&rest, &field));
    return field;
}

/* A copy in the arena, which has room for all. */
static struct bytes keep(struct arc_seal *seal, struct bytes text)
{
    struct bytes copy;
    ASSERT(arena_copy(seal->arena, text, &copy));
    return copy;
}

struct arc_seal *arc_seal_new(const struct arc_seal_plan *plan, struct bytes section,
                              struct body_hash *body)
{
    ASSERT(plan->instance >= 1 && plan->instance <= ARC_SETS_MOST);
    struct bytes names = plan->names.len ? plan->names : BYTES(ARC_SEAL_NAMES);
    struct arc_seal *seal = NEW(struct arc_seal);
    seal->arena = arena_new(section.len + plan->domain.len + plan->selector.len +
                            plan->results.len + names.len + 4096);
    seal->section = keep(seal, section);
    seal->index = field_index_new(seal->section);
    if (!seal->index) {
        arc_seal_free(seal);
        return NULL;
    }
    seal->plan = *plan;
    seal->plan.domain = keep(seal, plan->domain);
    seal->plan.selector = keep(seal, plan->selector);
    seal->plan.results = keep(seal, bytes_trim(plan->results));
    seal->plan.names = keep(seal, names);
    seal->body = body;
    seal->body_place = body_hash_want(body, CANONICAL_RELAXED, BODY_WHOLE);
    ASSERT(seal->body_place >= 0);
    buf_init(&seal->results, plan->results.len + FIELD_LIMIT);
    buf_addf(&seal->results, "ARC-Authentication-Results: i=%u; ", plan->instance);
    buf_add(&seal->results, seal->plan.results);
    buf_add(&seal->results, BYTES("\r\n"));
    own_init(&seal->message);
    own_init(&seal->chain);
    return seal;
}

void arc_seal_free(struct arc_seal *seal)
{
    if (!seal)
        return;
    field_index_free(seal->index);
    arena_free(seal->arena);
    buf_done(&seal->results);
    own_done(&seal->message);
    own_done(&seal->chain);
    free(seal);
}

/* Both fields begin and end alike. Tags go by the alphabet, as those of other sealers do. */
static void print_start(const struct arc_seal *seal, struct own *own, const char *name)
{
    buf_clear(&own->start);
    buf_clear(&own->end);
    buf_addf(&own->start, "%s: a=%s-sha256;\r\n\tb=", name,
             key_algorithm_name(seal->plan.algorithm));
}

static void print_end(const struct arc_seal *seal, struct own *own)
{
    /* dkimpy looks for i= behind a blank, and knows no tab. */
    buf_addf(&own->end, "\r\n\t i=%u; s=%.*s; t=%lld\r\n", seal->plan.instance,
             BYTES_ARGS(seal->plan.selector), (long long)seal->plan.now_s);
    own_join(own, BYTES_NONE);
}

/* The names of h=, folded behind colons. */
static void print_names(struct buf *out, struct bytes names)
{
    size_t column = 3; /* a tab and "h=" */
    bool has_more = true;
    buf_add(out, BYTES("\r\n\th="));
    while (has_more) {
        struct bytes name;
        has_more = bytes_cut(names, ':', &name, &names);
        if (column > 3 && column + name.len + 1 > OTHER_LINES) {
            buf_add(out, BYTES("\r\n\t"));
            column = 1;
        }
        buf_add(out, name);
        buf_add_byte(out, has_more ? ':' : ';');
        column += name.len + 1;
    }
}

void arc_seal_message_digest(struct arc_seal *seal, uint8_t digest[DIGEST_BYTES])
{
    const struct body_digest *body = body_hash_view(seal->body, seal->body_place);
    struct own *own = &seal->message;
    print_start(seal, own, "ARC-Message-Signature");
    buf_add(&own->end, BYTES(";\r\n\tbh="));
    base64_print(&own->end, (struct bytes){body->digest, BODY_HASH_BYTES});
    buf_addf(&own->end, ";\r\n\tc=relaxed/relaxed; d=%.*s;", BYTES_ARGS(seal->plan.domain));
    print_names(&own->end, seal->plan.names);
    print_end(seal, own);
    struct header_field field = field_of(&own->whole);
    struct header_cover cover = {CANONICAL_RELAXED, seal->plan.names, &field};
    ASSERT(header_hash(seal->index, &cover, digest));
}

void arc_seal_add_message(struct arc_seal *seal, struct bytes signature)
{
    own_join(&seal->message, signature);
}

static bool is_of_instance(const struct header_field *field, unsigned instance)
{
    struct bytes number, head, rest, list = field->value;
    uint64_t found;
    (void)bytes_cut(field->value, ';', &head, &rest);
    if (bytes_equal_nocase(field->name, BYTES("ARC-Authentication-Results")))
        list = head; /* what follows is no list of tags */
    return tag_find(list, "i", &number) && scan_u64(number, ARC_SETS_MOST, &found) &&
           found == instance;
}

/* Appends a set that is there already; the chain was found whole, so that there is one of each. */
static void add_set(const struct arc_seal *seal, unsigned instance, struct buf *form)
{
    static const char *const order[] = {"ARC-Authentication-Results", "ARC-Message-Signature",
                                        "ARC-Seal"};
    for (size_t k = 0; k < COUNT(order); k++)
        for (size_t i = 0; i < field_index_count(seal->index); i++) {
            const struct header_field *field = field_index_view(seal->index, i);
            if (bytes_equal_nocase(field->name, bytes_of(order[k])) &&
                is_of_instance(field, instance))
                canonical_field(form, CANONICAL_RELAXED, field);
        }
}

void arc_seal_chain_digest(struct arc_seal *seal, uint8_t digest[DIGEST_BYTES])
{
    struct own *own = &seal->chain;
    struct buf form;
    print_start(seal, own, "ARC-Seal");
    buf_addf(&own->end, "; cv=%s; d=%.*s;", arc_result_name(seal->plan.chain),
             BYTES_ARGS(seal->plan.domain));
    print_end(seal, own);
    buf_init(&form, SIZE_MAX);
    /* A broken chain is not covered: only the own set is (5.1.2). */
    for (unsigned i = 1; seal->plan.chain != ARC_FAIL && i < seal->plan.instance; i++)
        add_set(seal, i, &form);
    struct header_field results = field_of(&seal->results),
                        message = field_of(&seal->message.whole), chain = field_of(&own->whole);
    canonical_field(&form, CANONICAL_RELAXED, &results);
    canonical_field(&form, CANONICAL_RELAXED, &message);
    header_hash_own(&form, CANONICAL_RELAXED, &chain);
    ASSERT(EVP_Digest(form.at, form.len, digest, NULL, EVP_sha256(), NULL) == 1);
    buf_done(&form);
}

void arc_seal_add_chain(struct arc_seal *seal, struct bytes signature)
{
    own_join(&seal->chain, signature);
}

void arc_seal_print(const struct arc_seal *seal, struct buf *out)
{
    buf_add(out, buf_view(&seal->chain.whole));
    buf_add(out, buf_view(&seal->message.whole));
    buf_add(out, buf_view(&seal->results));
}
