#include "auth/dkim.h"

#include <stdlib.h>
#include <string.h>

#include "auth/dkim_key.h"
#include "auth/header_hash.h"
#include "auth/key_cache.h"
#include "base/memory.h"
#include "facts/facts.h"
#include "mail/idna.h"

/* A signature of the message. */
struct candidate {
    struct dkim_signature signature;
    struct bytes broken; /* why it cannot be good whatever the key; empty: it can */
    uint8_t digest[DIGEST_BYTES];
    int body_place;
    bool is_settled;
    struct dkim_check check;
    struct buf reason; /* of the check, where it is put together */
};

struct dkim_verify {
    struct arena *arena;    /* values of fields, and what was read of them */
    struct body_hash *body; /* the caller's */
    unsigned key_bits_least;
    struct key_cache *keys;
    struct candidate *candidates;
    size_t count, room;
    bool is_cut;
};

enum { REASON_LIMIT = 200 };

const char *dkim_result_name(enum dkim_result result)
{
    switch (result) {
    case DKIM_NONE: return "none";
    case DKIM_PASS: return "pass";
    case DKIM_FAIL: return "fail";
    case DKIM_POLICY: return "policy";
    case DKIM_NEUTRAL: return "neutral";
    case DKIM_TEMPERROR: return "temperror";
    case DKIM_PERMERROR: return "permerror";
    }
    return "";
}

static struct candidate *add_candidate(struct dkim_verify *verify)
{
    if (verify->count == verify->room) {
        verify->room = 2 * verify->room + 1;
        verify->candidates =
            memory_resize(verify->candidates, verify->room, sizeof *verify->candidates);
    }
    struct candidate *candidate = &verify->candidates[verify->count++];
    *candidate = (struct candidate){.is_settled = false};
    buf_init(&candidate->reason, REASON_LIMIT);
    return candidate;
}

/* Reads one signature and hashes the header for it; what is wrong with it is in `broken`. */
static void prepare(struct dkim_verify *verify, const struct field_index *index,
                    const struct header_field *own)
{
    struct candidate *candidate = add_candidate(verify);
    struct dkim_signature *signature = &candidate->signature;
    struct bytes value;
    if (own->value.len > SIGNATURE_VALUE_LIMIT || !arena_copy(verify->arena, own->value, &value)) {
        candidate->broken = BYTES("the signature is too long");
        return;
    }
    if (!dkim_signature_parse(SIGNATURE_DKIM, value, verify->arena, signature, &candidate->broken))
        return;
    struct header_cover cover = {signature->header_form, signature->names, own};
    if (!header_hash(index, &cover, candidate->digest)) {
        candidate->broken = BYTES("h= names too many fields");
        return;
    }
    candidate->body_place =
        body_hash_want(verify->body, signature->body_form, signature->body_limit);
    if (candidate->body_place < 0)
        candidate->broken = BYTES("the signatures ask for too many hashes of the body");
}

/* Of a header section beyond all measure nothing can be said but how many signatures are in it. */
static void refuse_all(struct dkim_verify *verify, struct bytes section, size_t most)
{
    struct header_field field;
    while (header_next(&section, &field)) {
        if (!bytes_equal_nocase(field.name, BYTES("DKIM-Signature")))
            continue;
        verify->is_cut = verify->count == most;
        if (verify->is_cut)
            return;
        add_candidate(verify)->broken = BYTES("the header section has too many fields");
    }
}

struct dkim_verify *dkim_verify_new(struct bytes section, struct body_hash *body,
                                    const struct dkim_limits *limits)
{
    struct dkim_verify *verify = NEW(struct dkim_verify);
    size_t most = limits && limits->signatures ? limits->signatures : DKIM_SIGNATURES_MOST;
    most = most < DKIM_SIGNATURES_MOST ? most : DKIM_SIGNATURES_MOST;
    verify->arena = arena_new(DKIM_SIGNATURES_MOST * SIGNATURE_ARENA);
    verify->body = body;
    verify->key_bits_least = limits && limits->key_bits ? limits->key_bits : DKIM_KEY_BITS_LEAST;
    verify->keys = limits ? limits->keys : NULL;
    if (!header_has(section, BYTES("DKIM-Signature")))
        return verify;
    struct field_index *index = field_index_new(section);
    if (!index) {
        refuse_all(verify, section, most);
        return verify;
    }
    for (size_t i = 0; i < field_index_count(index) && !verify->is_cut; i++) {
        const struct header_field *field = field_index_view(index, i);
        if (!bytes_equal_nocase(field->name, BYTES("DKIM-Signature")))
            continue;
        verify->is_cut = verify->count == most;
        if (!verify->is_cut)
            prepare(verify, index, field);
    }
    field_index_free(index);
    return verify;
}

void dkim_verify_free(struct dkim_verify *verify)
{
    if (!verify)
        return;
    for (size_t i = 0; i < verify->count; i++)
        buf_done(&verify->candidates[i].reason);
    free(verify->candidates);
    arena_free(verify->arena);
    free(verify);
}

size_t dkim_verify_count(const struct dkim_verify *verify)
{
    return verify->count;
}

static struct dkim_verdict verdict(enum dkim_result result, struct bytes reason)
{
    return (struct dkim_verdict){.result = result, .reason = reason};
}

/* What one key record says of the claim. */
static struct dkim_verdict judge(const struct dkim_claim *claim, struct bytes record)
{
    struct dkim_key key;
    struct bytes reason;
    switch (dkim_key_parse(record, &key, &reason)) {
    case DKIM_KEY_GOOD: break;
    case DKIM_KEY_REVOKED:
    case DKIM_KEY_BAD: return verdict(DKIM_PERMERROR, reason);
    }
    if (!key.allows_sha256)
        return verdict(DKIM_PERMERROR, BYTES("the key's h= does not allow sha256"));
    if (key.algorithm != claim->algorithm)
        return verdict(DKIM_PERMERROR, BYTES("the key is of another kind than a= says"));
    if (key.is_strict && claim->is_subdomain)
        return verdict(DKIM_PERMERROR, BYTES("the key's t=s allows no subdomain in i="));
    struct public_key *mine = claim->keys ? NULL : dkim_key_open(&key);
    const struct public_key *opened = claim->keys ? key_cache_view(claim->keys, &key) : mine;
    if (!opened)
        return verdict(DKIM_PERMERROR, BYTES("the key record's p= holds no usable key"));
    struct dkim_verdict out = {.key_bits = public_key_bits(opened), .is_testing = key.is_testing};
    if (key.algorithm == KEY_RSA && out.key_bits < claim->key_bits_least) {
        out.result = DKIM_POLICY;
        out.reason = BYTES("the RSA key is too short to be trusted (RFC 8301)");
    } else if (claim->unfit.len) {
        out.result = DKIM_FAIL;
        out.reason = claim->unfit;
    } else if (public_key_verify(opened, claim->digest, claim->signature)) {
        out.result = DKIM_PASS;
    } else {
        out.result = DKIM_FAIL;
        out.reason = BYTES("the signature does not fit the header fields that it covers");
    }
    public_key_free(mine);
    return out;
}

/* The first record that makes it good counts, else the first one (RFC 6376, 6.1.2). */
static struct dkim_verdict judge_records(const struct dkim_claim *claim,
                                         const struct answer *answer)
{
    struct dkim_verdict best = judge(claim, answer->records[0].data);
    for (size_t i = 1; i < answer->count && i < DKIM_RECORDS_MOST; i++) {
        struct dkim_verdict next = judge(claim, answer->records[i].data);
        if (next.result == DKIM_PASS && best.result != DKIM_PASS)
            best = next;
    }
    return best;
}

bool dkim_claim_check(const struct dkim_claim *claim, struct facts *facts, struct dkim_verdict *out)
{
    struct buf name;
    buf_init(&name, 2 * HOST_NAME_LIMIT + 16);
    buf_add(&name, claim->selector);
    buf_add(&name, BYTES("._domainkey."));
    buf_add(&name, claim->domain);
    const struct answer *answer = facts_ask(facts, FACT_TXT, buf_view(&name));
    buf_done(&name);
    if (!answer)
        return false;
    switch (answer->status) {
    case ANSWER_FOUND: *out = judge_records(claim, answer); return true;
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN:
        *out = verdict(DKIM_PERMERROR, BYTES("there is no key record in the DNS"));
        return true;
    case ANSWER_SERVFAIL:
        *out = verdict(DKIM_TEMPERROR, BYTES("the DNS failed to tell the key"));
        return true;
    case ANSWER_TIMEOUT:
        *out = verdict(DKIM_TEMPERROR, BYTES("the DNS did not answer when asked for the key"));
        return true;
    }
    return true;
}

/* What can be said before a key is asked for: empty when all is well so far. */
static struct bytes refusal(const struct candidate *candidate, int64_t now_s)
{
    const struct dkim_signature *signature = &candidate->signature;
    if (candidate->broken.len)
        return candidate->broken;
    if (signature->expires_s >= 0 && signature->expires_s < now_s)
        return BYTES("the signature has expired");
    if (signature->signed_s >= 0 && signature->signed_s - DKIM_AHEAD_S > now_s)
        return BYTES("the signature is from the future");
    return BYTES_NONE;
}

/* Why the body is not the one that was signed; empty: it is. */
static struct bytes body_fault(const struct dkim_verify *verify, const struct candidate *candidate)
{
    const struct body_digest *body = body_hash_view(verify->body, candidate->body_place);
    if (body->is_short)
        return BYTES("the body is shorter than l= says");
    if (memcmp(body->digest, candidate->signature.body_hash.at, BODY_HASH_BYTES) != 0)
        return BYTES("the body was changed: its hash is not that of bh=");
    return BYTES_NONE;
}

/* A pass that asks for caution says why. */
static void explain_pass(struct dkim_verify *verify, struct candidate *candidate)
{
    const struct body_digest *body = body_hash_view(verify->body, candidate->body_place);
    struct buf *reason = &candidate->reason;
    uint64_t limit = candidate->signature.body_limit;
    if (limit != BODY_WHOLE) {
        candidate->check.is_partial = limit < body->body_bytes;
        buf_add(reason, BYTES("unsafe: l= covers "));
        buf_add_u64(reason, limit);
        buf_add(reason, BYTES(" of "));
        buf_add_u64(reason, body->body_bytes);
        buf_add(reason, BYTES(" bytes of the body"));
    }
    if (candidate->check.is_testing) {
        if (reason->len)
            buf_add(reason, BYTES("; "));
        buf_add(reason, BYTES("the key is for testing (t=y)"));
    }
    candidate->check.reason = buf_view(reason);
}

/* False: facts are needed. The key comes before the body's hash (RFC 6376, 6.1): a revoked key is
 * told as such. */
static bool settle(struct dkim_verify *verify, struct candidate *candidate, struct facts *facts,
                   int64_t now_s)
{
    const struct dkim_signature *signature = &candidate->signature;
    struct dkim_check *check = &candidate->check;
    struct dkim_verdict found;
    if (candidate->is_settled)
        return true;
    *check = (struct dkim_check){.result = DKIM_PERMERROR,
                                 .domain = signature->domain,
                                 .selector = signature->selector,
                                 .algorithm = signature->algorithm,
                                 .identity = signature->identity,
                                 .start = signature->start,
                                 .reason = refusal(candidate, now_s)};
    if (check->reason.len) {
        candidate->is_settled = true;
        return true;
    }
    struct dkim_claim claim = {.domain = signature->domain,
                               .selector = signature->selector,
                               .algorithm = signature->key,
                               .key_bits_least = verify->key_bits_least,
                               .keys = verify->keys,
                               .is_subdomain = signature->is_subdomain,
                               .digest = candidate->digest,
                               .signature = signature->signature,
                               .unfit = body_fault(verify, candidate)};
    if (!dkim_claim_check(&claim, facts, &found))
        return false;
    check->result = found.result;
    check->reason = found.reason;
    check->key_bits = found.key_bits;
    check->is_testing = found.is_testing;
    if (found.result == DKIM_PASS)
        explain_pass(verify, candidate);
    candidate->is_settled = true;
    return true;
}

/* The better a result, the higher; the report's is that of the best signature. */
static int rank(enum dkim_result result)
{
    switch (result) {
    case DKIM_NONE: return 0;
    case DKIM_NEUTRAL: return 1;
    case DKIM_PERMERROR: return 2;
    case DKIM_POLICY: return 3;
    case DKIM_FAIL: return 4;
    case DKIM_TEMPERROR: return 5;
    case DKIM_PASS: return 6;
    }
    return 0;
}

enum dkim_outcome dkim_verify_finish(struct dkim_verify *verify, struct facts *facts, int64_t now_s,
                                     struct dkim_report *out)
{
    bool is_complete = true;
    for (size_t i = 0; i < verify->count; i++)
        is_complete = settle(verify, &verify->candidates[i], facts, now_s) && is_complete;
    if (!is_complete)
        return DKIM_NEEDS_FACTS;
    *out =
        (struct dkim_report){.result = DKIM_NONE, .count = verify->count, .is_cut = verify->is_cut};
    for (size_t i = 0; i < verify->count; i++) {
        out->checks[i] = verify->candidates[i].check;
        if (rank(out->checks[i].result) > rank(out->result))
            out->result = out->checks[i].result;
    }
    return DKIM_DONE;
}
