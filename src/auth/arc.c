#include "auth/arc.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/header_hash.h"
#include "auth/tag.h"
#include "base/memory.h"

/* A signature of the chain, and what became of it. */
struct link {
    struct dkim_signature signature;
    struct bytes broken; /* why it cannot be good whatever the key; empty: it can */
    uint8_t digest[DIGEST_BYTES];
    int body_place; /* of a message signature */
    bool is_settled;
    struct dkim_verdict verdict;
};

/* The fields of one instance; NULL: not there. */
struct set {
    const struct header_field *results, *message, *seal;
    struct bytes payload;
    struct link message_link, seal_link;
};

struct arc_verify {
    struct arena *arena;
    struct body_hash *body; /* the caller's */
    unsigned key_bits_least;
    struct key_cache *keys;
    unsigned count;      /* instances; the highest number */
    bool is_closed;      /* the newest seal says cv=fail */
    struct bytes broken; /* why the chain cannot be whole; empty: it can */
    char reason[160];
    struct set *sets; /* by instance, from 1 */
};

/* A section has views for three fields of each instance at most, in their decoded forms. */
enum { ARENA_BASE = 512 * 1024, ARENA_FACTOR = 4 };

const char *arc_result_name(enum arc_result result)
{
    switch (result) {
    case ARC_NONE: return "none";
    case ARC_PASS: return "pass";
    case ARC_FAIL: return "fail";
    }
    return "";
}

static bool breaks(struct arc_verify *verify, struct bytes reason)
{
    if (verify->broken.len == 0)
        verify->broken = reason;
    return false;
}

static bool scan_instance(struct bytes text, unsigned *out)
{
    uint64_t instance;
    if (!scan_u64(bytes_trim(text), ARC_SETS_MOST, &instance) || instance == 0)
        return false;
    *out = (unsigned)instance;
    return true;
}

/* "i=N;" stands in front of the results (RFC 8617, 4.1.1). */
static bool results_instance(struct bytes value, unsigned *instance, struct bytes *payload)
{
    struct bytes head, name, number;
    if (!bytes_cut(value, ';', &head, payload) || !bytes_cut(head, '=', &name, &number))
        return false;
    return bytes_equal(bytes_trim(name), BYTES("i")) && scan_instance(number, instance);
}

/* Puts a field at its place among its set's; false: the place is taken, or is none. */
static bool place_field(struct arc_verify *verify, const struct header_field *field)
{
    struct bytes number, payload = BYTES_NONE;
    unsigned instance;
    const struct header_field **place;
    bool is_results = bytes_equal_nocase(field->name, BYTES("ARC-Authentication-Results"));
    if (is_results ? !results_instance(field->value, &instance, &payload)
                   : !tag_find(field->value, "i", &number) || !scan_instance(number, &instance))
        return breaks(verify, BYTES("a field has no instance from 1 to 50"));
    struct set *set = &verify->sets[instance];
    if (is_results)
        place = &set->results;
    else if (bytes_equal_nocase(field->name, BYTES("ARC-Seal")))
        place = &set->seal;
    else
        place = &set->message;
    if (*place)
        return breaks(verify, BYTES("an instance has a field twice"));
    *place = field;
    if (is_results)
        set->payload = payload;
    if (instance > verify->count)
        verify->count = instance;
    return true;
}

static bool is_of_arc(const struct header_field *field)
{
    return bytes_equal_nocase(field->name, BYTES("ARC-Seal")) ||
           bytes_equal_nocase(field->name, BYTES("ARC-Message-Signature")) ||
           bytes_equal_nocase(field->name, BYTES("ARC-Authentication-Results"));
}

static bool has_chain(struct bytes section)
{
    struct header_field field;
    while (header_next(&section, &field))
        if (is_of_arc(&field))
            return true;
    return false;
}

/* Each instance has its three fields, and no instance is left out (5.2, step 3). */
static bool sets_are_complete(struct arc_verify *verify)
{
    for (unsigned i = 1; i <= verify->count; i++) {
        const struct set *set = &verify->sets[i];
        if (!set->results)
            return breaks(verify, BYTES("an instance has no ARC-Authentication-Results"));
        if (!set->message)
            return breaks(verify, BYTES("an instance has no ARC-Message-Signature"));
        if (!set->seal)
            return breaks(verify, BYTES("an instance has no ARC-Seal"));
    }
    return true;
}

/* Reads the seals: the first says that there was no chain, the others that it was whole (5.2, steps
 * 2 and 3C). */
static bool read_seals(struct arc_verify *verify)
{
    for (unsigned i = verify->count; i >= 1; i--) {
        struct set *set = &verify->sets[i];
        struct link *link = &set->seal_link;
        if (!dkim_signature_parse(SIGNATURE_ARC_SEAL, set->seal->value, verify->arena,
                                  &link->signature, &link->broken)) {
            snprintf(verify->reason, sizeof verify->reason, "ARC-Seal %u: %.*s", i,
                     BYTES_ARGS(link->broken));
            return breaks(verify, bytes_of(verify->reason));
        }
        if (bytes_equal(link->signature.chain, BYTES("fail"))) {
            verify->is_closed = i == verify->count;
            return breaks(verify, BYTES("a sealer found the chain broken (cv=fail)"));
        }
        if (!bytes_equal(link->signature.chain, i == 1 ? BYTES("none") : BYTES("pass")))
            return breaks(verify, BYTES("a seal's cv= does not fit its instance"));
        if (!arena_copy(verify->arena, set->payload, &set->payload))
            return breaks(verify, BYTES("the chain is too long"));
    }
    return true;
}

static void hash_field(EVP_MD_CTX *context, struct buf *form, const struct header_field *field,
                       bool is_own)
{
    buf_clear(form);
    if (is_own)
        header_hash_own(form, CANONICAL_RELAXED, field);
    else
        canonical_field(form, CANONICAL_RELAXED, field);
    ASSERT(EVP_DigestUpdate(context, form->at, form->len) == 1);
}

/* A seal covers all sets up to its own, oldest first (5.1.1). The hash of what came before goes on
 * from one to the next, so that fifty sets are hashed once. */
static void hash_seals(struct arc_verify *verify)
{
    EVP_MD_CTX *before = EVP_MD_CTX_new(), *own = EVP_MD_CTX_new();
    struct buf form;
    buf_init(&form, SIZE_MAX);
    ASSERT(before && own && EVP_DigestInit_ex(before, EVP_sha256(), NULL) == 1);
    for (unsigned i = 1; i <= verify->count; i++) {
        struct set *set = &verify->sets[i];
        hash_field(before, &form, set->results, false);
        hash_field(before, &form, set->message, false);
        ASSERT(EVP_MD_CTX_copy_ex(own, before) == 1);
        hash_field(own, &form, set->seal, true);
        ASSERT(EVP_DigestFinal_ex(own, set->seal_link.digest, NULL) == 1);
        hash_field(before, &form, set->seal, false);
    }
    EVP_MD_CTX_free(before);
    EVP_MD_CTX_free(own);
    buf_done(&form);
}

/* Message signatures are read newest first; only the newest one has to be good. */
static void read_messages(struct arc_verify *verify, const struct field_index *index)
{
    for (unsigned i = verify->count; i >= 1; i--) {
        struct set *set = &verify->sets[i];
        struct link *link = &set->message_link;
        if (verify->count - i >= ARC_MESSAGE_SIGNATURES_MOST) {
            link->broken = BYTES("not looked at");
            continue;
        }
        if (!dkim_signature_parse(SIGNATURE_ARC_MESSAGE, set->message->value, verify->arena,
                                  &link->signature, &link->broken))
            continue;
        struct header_cover cover = {link->signature.header_form, link->signature.names,
                                     set->message};
        if (!header_hash(index, &cover, link->digest)) {
            link->broken = BYTES("h= names too many fields");
            continue;
        }
        link->body_place =
            body_hash_want(verify->body, link->signature.body_form, link->signature.body_limit);
        if (link->body_place < 0)
            link->broken = BYTES("the signatures ask for too many hashes of the body");
    }
}

/* Finds the chain, and what of it can be checked without its keys. */
static bool read_chain(struct arc_verify *verify, const struct field_index *index)
{
    bool is_good = true;
    for (size_t i = 0; i < field_index_count(index); i++)
        if (is_of_arc(field_index_view(index, i)))
            is_good = place_field(verify, field_index_view(index, i)) && is_good;
    if (!is_good || verify->count == 0)
        return is_good;
    if (!sets_are_complete(verify) || !read_seals(verify))
        return false;
    hash_seals(verify);
    read_messages(verify, index);
    return true;
}

struct arc_verify *arc_verify_new(struct bytes section, struct body_hash *body,
                                  const struct dkim_limits *limits)
{
    struct arc_verify *verify = NEW(struct arc_verify);
    verify->body = body;
    verify->key_bits_least = limits && limits->key_bits ? limits->key_bits : DKIM_KEY_BITS_LEAST;
    verify->keys = limits ? limits->keys : NULL;
    verify->arena = arena_new(ARENA_BASE + ARENA_FACTOR * section.len);
    if (!has_chain(section))
        return verify;
    verify->sets = memory_new(ARC_SETS_MOST + 1, sizeof *verify->sets);
    struct field_index *index = field_index_new(section);
    if (!index)
        (void)breaks(verify, BYTES("the header section has too many fields"));
    else
        (void)read_chain(verify, index);
    field_index_free(index);
    return verify;
}

void arc_verify_free(struct arc_verify *verify)
{
    if (!verify)
        return;
    free(verify->sets);
    arena_free(verify->arena);
    free(verify);
}

unsigned arc_verify_count(const struct arc_verify *verify)
{
    return verify->count;
}

/* Checks one signature of the chain. False: facts are needed. */
static bool settle(const struct arc_verify *verify, struct link *link, struct facts *facts,
                   struct bytes unfit)
{
    struct dkim_claim claim = {.domain = link->signature.domain,
                               .selector = link->signature.selector,
                               .algorithm = link->signature.key,
                               .key_bits_least = verify->key_bits_least,
                               .keys = verify->keys,
                               .digest = link->digest,
                               .signature = link->signature.signature,
                               .unfit = unfit};
    if (link->is_settled)
        return true;
    if (link->broken.len)
        link->verdict = (struct dkim_verdict){.result = DKIM_PERMERROR, .reason = link->broken};
    else if (!dkim_claim_check(&claim, facts, &link->verdict))
        return false;
    link->is_settled = true;
    return true;
}

/* Why a message signature does not fit the message; empty: it may. */
static struct bytes message_fault(const struct arc_verify *verify, const struct link *link,
                                  int64_t now_s)
{
    const struct dkim_signature *signature = &link->signature;
    if (link->broken.len)
        return link->broken;
    if (signature->expires_s >= 0 && signature->expires_s < now_s)
        return BYTES("the signature has expired");
    const struct body_digest *body = body_hash_view(verify->body, link->body_place);
    if (body->is_short)
        return BYTES("the body is shorter than l= says");
    if (memcmp(body->digest, signature->body_hash.at, BODY_HASH_BYTES) != 0)
        return BYTES("the body was changed: its hash is not that of bh=");
    return BYTES_NONE;
}

/* Asks for all keys at once, and checks by those that are there. False: facts are needed. */
static bool settle_all(struct arc_verify *verify, struct facts *facts, int64_t now_s)
{
    bool is_complete = true;
    for (unsigned i = verify->count; i >= 1; i--) {
        struct set *set = &verify->sets[i];
        struct bytes unfit = message_fault(verify, &set->message_link, now_s);
        if (!settle(verify, &set->message_link, facts, unfit))
            is_complete = false;
        if (!settle(verify, &set->seal_link, facts, BYTES_NONE))
            is_complete = false;
    }
    return is_complete;
}

static enum arc_outcome fail(struct arc_verify *verify, struct arc_report *out, const char *field,
                             unsigned instance, struct bytes reason)
{
    snprintf(verify->reason, sizeof verify->reason, "%s %u: %.*s", field, instance,
             BYTES_ARGS(reason));
    *out = (struct arc_report){
        .result = ARC_FAIL, .instances = verify->count, .reason = bytes_of(verify->reason)};
    return ARC_DONE;
}

/* The oldest message signature that is good, those newer than it being good as well. */
static unsigned oldest_pass(const struct arc_verify *verify)
{
    unsigned oldest = verify->count;
    while (oldest > 1 && verify->sets[oldest - 1].message_link.verdict.result == DKIM_PASS)
        oldest--;
    return oldest == 1 ? 0 : oldest;
}

enum arc_outcome arc_verify_finish(struct arc_verify *verify, struct facts *facts, int64_t now_s,
                                   struct arc_report *out)
{
    unsigned newest = verify->count;
    if (verify->broken.len || newest == 0) {
        *out = (struct arc_report){.result = verify->broken.len ? ARC_FAIL : ARC_NONE,
                                   .instances = newest,
                                   .is_closed = verify->is_closed,
                                   .reason = verify->broken};
        return ARC_DONE;
    }
    /* A changed message breaks the chain: no key need be asked for. */
    struct bytes fault = message_fault(verify, &verify->sets[newest].message_link, now_s);
    if (fault.len)
        return fail(verify, out, "ARC-Message-Signature", newest, fault);
    if (!settle_all(verify, facts, now_s))
        return ARC_NEEDS_FACTS;
    const struct link *message = &verify->sets[newest].message_link;
    if (message->verdict.result != DKIM_PASS)
        return fail(verify, out, "ARC-Message-Signature", newest, message->verdict.reason);
    for (unsigned i = newest; i >= 1; i--) {
        const struct link *seal = &verify->sets[i].seal_link;
        if (seal->verdict.result != DKIM_PASS)
            return fail(verify, out, "ARC-Seal", i, seal->verdict.reason);
    }
    *out = (struct arc_report){
        .result = ARC_PASS, .instances = newest, .oldest_pass = oldest_pass(verify)};
    for (unsigned i = 1; i <= newest; i++)
        out->sets[i - 1] = (struct arc_set){.sealer = verify->sets[i].seal_link.signature.domain,
                                            .signer = verify->sets[i].message_link.signature.domain,
                                            .results = verify->sets[i].payload};
    return ARC_DONE;
}
