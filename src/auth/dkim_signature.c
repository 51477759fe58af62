#include "auth/dkim_signature.h"

#include "auth/body_hash.h"
#include "auth/dkim_key.h"
#include "auth/header_hash.h"
#include "auth/tag.h"
#include "mail/base64.h"
#include "mail/idna.h"

enum {
    START_CHARACTERS = 8, /* of b=: RFC 6008, 3 asks for eight at least */
    INSTANT_DIGITS = 12,  /* RFC 6376, 3.5: t= and x= */
};

/* A signature that is being read. */
struct reading {
    enum signature_kind kind;
    const struct tag_list *list;
    struct arena *arena;
    struct dkim_signature *out;
    struct bytes reason;
};

static bool refuse(struct reading *reading, struct bytes reason)
{
    reading->reason = reason;
    return false;
}

/* A copy without the blanks and line ends within (RFC 6376, 2.8). */
static struct bytes without_blanks(struct reading *reading, struct bytes text)
{
    uint8_t *at = arena_alloc(reading->arena, text.len ? text.len : 1);
    struct bytes dense = {at, 0};
    for (size_t i = 0; at && i < text.len; i++)
        if (text.at[i] != ' ' && text.at[i] != '\t' && text.at[i] != '\r' && text.at[i] != '\n')
            at[dense.len++] = text.at[i];
    return dense;
}

/* text: without blanks. */
static bool read_base64(struct reading *reading, struct bytes text, struct bytes *out)
{
    struct buf decoded;
    buf_init(&decoded, SIGNATURE_BYTES_MOST);
    bool is_good = base64_scan(&decoded, text, BASE64_PLAIN) && decoded.len &&
                   !decoded.overflowed && arena_copy(reading->arena, buf_view(&decoded), out);
    buf_done(&decoded);
    return is_good;
}

/* The name as the DNS has it; false: it is none. U-labels are fine (RFC 8616, 4). */
static bool read_name(struct reading *reading, struct bytes text, struct bytes *out)
{
    struct buf name;
    buf_init(&name, HOST_NAME_LIMIT);
    bool is_good = text.len && text.at[text.len - 1] != '.' && idna_to_ascii(text, &name) &&
                   arena_copy(reading->arena, buf_view(&name), out);
    buf_done(&name);
    return is_good;
}

static bool read_version(struct reading *reading, struct bytes value)
{
    if (bytes_equal(value, BYTES("1")))
        return true;
    return refuse(reading, BYTES("v= is not 1"));
}

static bool read_algorithm(struct reading *reading, struct bytes value)
{
    reading->out->algorithm = value;
    if (bytes_equal(value, BYTES("rsa-sha256"))) {
        reading->out->key = KEY_RSA;
        return true;
    }
    if (bytes_equal(value, BYTES("ed25519-sha256"))) {
        reading->out->key = KEY_ED25519;
        return true;
    }
    if (bytes_equal(value, BYTES("rsa-sha1")))
        return refuse(reading, BYTES("a=rsa-sha1 is too weak to be accepted (RFC 8301)"));
    reading->out->algorithm = BYTES_NONE;
    return refuse(reading, BYTES("a= is unknown"));
}

static bool read_signature(struct reading *reading, struct bytes value)
{
    struct bytes dense = without_blanks(reading, value);
    reading->out->start = bytes_sub(dense, 0, START_CHARACTERS);
    if (read_base64(reading, dense, &reading->out->signature))
        return true;
    reading->out->start = BYTES_NONE;
    return refuse(reading, BYTES("b= is no base64"));
}

static bool read_body_hash(struct reading *reading, struct bytes value)
{
    if (!read_base64(reading, without_blanks(reading, value), &reading->out->body_hash))
        return refuse(reading, BYTES("bh= is no base64"));
    if (reading->out->body_hash.len != BODY_HASH_BYTES)
        return refuse(reading, BYTES("bh= has not the length of a SHA-256 hash"));
    return true;
}

static bool read_domain(struct reading *reading, struct bytes value)
{
    if (read_name(reading, value, &reading->out->domain)) {
        /* RFC 6376, 3.5: a domain has two labels at least. */
        if (bytes_find(reading->out->domain, '.') < reading->out->domain.len)
            return true;
        reading->out->domain = BYTES_NONE;
    }
    return refuse(reading, BYTES("d= is no domain"));
}

static bool read_selector(struct reading *reading, struct bytes value)
{
    if (!read_name(reading, value, &reading->out->selector))
        return refuse(reading, BYTES("s= is no selector"));
    /* Reports have it as it is written (RFC 8601, 2.7.1); the DNS does not mind. */
    return !bytes_is_ascii(value) || arena_copy(reading->arena, value, &reading->out->selector) ||
           refuse(reading, BYTES("the signature is too long"));
}

static bool read_names(struct reading *reading, struct bytes value)
{
    reading->out->names = value;
    if (reading->kind == SIGNATURE_DKIM && !signed_names_have(value, BYTES("From")))
        return refuse(reading, BYTES("h= leaves out the From field"));
    if (reading->kind == SIGNATURE_ARC_MESSAGE && signed_names_have(value, BYTES("ARC-Seal")))
        return refuse(reading, BYTES("h= has the ARC-Seal field (RFC 8617, 4.1.2)"));
    return true;
}

static bool form_of(struct bytes name, enum canonical_form *out)
{
    *out = CANONICAL_SIMPLE;
    if (bytes_equal(name, BYTES("simple")))
        return true;
    *out = CANONICAL_RELAXED;
    return bytes_equal(name, BYTES("relaxed"));
}

static bool read_forms(struct reading *reading, struct bytes value)
{
    struct bytes header, body;
    if (!bytes_cut(value, '/', &header, &body))
        body = BYTES("simple");
    if (form_of(header, &reading->out->header_form) && form_of(body, &reading->out->body_form))
        return true;
    return refuse(reading, BYTES("c= is unknown"));
}

static bool read_limit(struct reading *reading, struct bytes value)
{
    if (scan_u64(value, BODY_WHOLE - 1, &reading->out->body_limit))
        return true;
    return refuse(reading, BYTES("l= is no length"));
}

static bool read_query(struct reading *reading, struct bytes value)
{
    if (dkim_list_has(value, "dns/txt"))
        return true;
    return refuse(reading, BYTES("q= has no dns/txt"));
}

static bool read_instant(struct bytes value, int64_t *out)
{
    uint64_t seconds;
    if (value.len > INSTANT_DIGITS || !scan_u64(value, INT64_MAX, &seconds))
        return false;
    *out = (int64_t)seconds;
    return true;
}

static bool read_signed(struct reading *reading, struct bytes value)
{
    if (read_instant(value, &reading->out->signed_s))
        return true;
    return refuse(reading, BYTES("t= is no instant"));
}

static bool read_expires(struct reading *reading, struct bytes value)
{
    if (!read_instant(value, &reading->out->expires_s))
        return refuse(reading, BYTES("x= is no instant"));
    return true;
}

/* i= of DKIM: the domain behind its "@" is d= or below it. */
static bool read_identity(struct reading *reading, struct bytes value)
{
    struct dkim_signature *out = reading->out;
    struct bytes dense = without_blanks(reading, value), domain;
    size_t at = bytes_find_last(dense, '@');
    if (at == dense.len || !read_name(reading, bytes_from(dense, at + 1), &domain))
        return refuse(reading, BYTES("i= is no address"));
    out->identity = dense;
    if (bytes_equal(domain, out->domain))
        return true;
    out->is_subdomain = true;
    if (domain.len > out->domain.len && bytes_ends_nocase(domain, out->domain) &&
        domain.at[domain.len - out->domain.len - 1] == '.')
        return true;
    return refuse(reading, BYTES("the domain of i= is not within d="));
}

static bool read_instance(struct reading *reading, struct bytes value)
{
    uint64_t instance;
    if (!scan_u64(value, SIGNATURE_INSTANCE_MOST, &instance) || instance == 0)
        return refuse(reading, BYTES("i= is no instance from 1 to 50"));
    reading->out->instance = (unsigned)instance;
    return true;
}

static bool read_chain(struct reading *reading, struct bytes value)
{
    reading->out->chain = value;
    if (bytes_equal(value, BYTES("none")) || bytes_equal(value, BYTES("pass")) ||
        bytes_equal(value, BYTES("fail")))
        return true;
    return refuse(reading, BYTES("cv= is neither none, pass nor fail"));
}

static bool read_nothing(struct reading *reading, struct bytes value)
{
    return refuse(reading, BYTES("a seal has no h= (RFC 8617, 4.1.3)"));
}

enum {
    DKIM = 1 << SIGNATURE_DKIM,
    AMS = 1 << SIGNATURE_ARC_MESSAGE,
    SEAL = 1 << SIGNATURE_ARC_SEAL
};

/* In the order in which they are read: first what the report of a bad one should have, and d=
 * before the i= that is held against it. */
static const struct {
    const char *name;
    unsigned required, optional; /* in which kinds */
    bool (*read)(struct reading *, struct bytes);
    const char *missing;
} tags[] = {
    {"v", DKIM, 0, read_version, "v= is missing"},
    {"a", DKIM | AMS | SEAL, 0, read_algorithm, "a= is missing"},
    {"b", DKIM | AMS | SEAL, 0, read_signature, "b= is missing"},
    {"d", DKIM | AMS | SEAL, 0, read_domain, "d= is missing"},
    {"s", DKIM | AMS | SEAL, 0, read_selector, "s= is missing"},
    {"bh", DKIM | AMS, 0, read_body_hash, "bh= is missing"},
    {"h", DKIM | AMS, 0, read_names, "h= is missing"},
    {"h", 0, SEAL, read_nothing, NULL},
    {"c", 0, DKIM | AMS, read_forms, NULL},
    {"i", 0, DKIM, read_identity, NULL},
    {"i", AMS | SEAL, 0, read_instance, "i= is missing"},
    {"l", 0, DKIM | AMS, read_limit, NULL},
    {"q", 0, DKIM | AMS, read_query, NULL},
    {"t", 0, DKIM | AMS | SEAL, read_signed, NULL},
    {"x", 0, DKIM | AMS, read_expires, NULL},
    {"cv", SEAL, 0, read_chain, "cv= is missing"},
};

/* Reads every tag, so that a bad signature's report has what can be read of it; the first broken
 * rule is the reason. */
static bool read_all(struct reading *reading)
{
    bool is_good = true;
    unsigned kind = 1u << reading->kind;
    for (size_t i = 0; i < COUNT(tags); i++) {
        struct bytes value, first = reading->reason;
        if (!((tags[i].required | tags[i].optional) & kind))
            continue;
        bool is_found = tag_list_find(reading->list, tags[i].name, &value);
        if (is_found ? tags[i].read(reading, value) : !(tags[i].required & kind))
            continue;
        if (!is_found)
            reading->reason = bytes_of(tags[i].missing);
        if (!is_good)
            reading->reason = first;
        is_good = false;
    }
    return is_good;
}

/* i= where it is not written (RFC 6376, 3.5). */
static bool add_identity(struct reading *reading)
{
    struct dkim_signature *out = reading->out;
    struct buf identity;
    if (out->identity.len || reading->kind != SIGNATURE_DKIM)
        return true;
    buf_init(&identity, HOST_NAME_LIMIT + 1);
    buf_add_byte(&identity, '@');
    buf_add(&identity, out->domain);
    bool is_good = arena_copy(reading->arena, buf_view(&identity), &out->identity);
    buf_done(&identity);
    return is_good;
}

static bool instants_are_in_order(struct reading *reading)
{
    const struct dkim_signature *out = reading->out;
    if (out->signed_s < 0 || out->expires_s < 0 || out->expires_s > out->signed_s)
        return true;
    return refuse(reading, BYTES("x= is not after t="));
}

bool dkim_signature_parse(enum signature_kind kind, struct bytes value, struct arena *arena,
                          struct dkim_signature *out, struct bytes *reason)
{
    static const struct dkim_signature nothing = {
        .body_limit = BODY_WHOLE, .signed_s = -1, .expires_s = -1};
    struct dkim_signature signature = nothing;
    struct tag_list list;
    struct reading reading = {kind, &list, arena, &signature, BYTES_NONE};
    /* By RFC 8617, 4.1.2 the default is DKIM's, simple; those who leave c= out sign relaxed, and
     * ARC's own test suite wants that. */
    if (kind == SIGNATURE_ARC_MESSAGE)
        signature.header_form = signature.body_form = CANONICAL_RELAXED;
    *out = nothing;
    if (value.len > SIGNATURE_VALUE_LIMIT) {
        *reason = BYTES("the signature is too long");
        return false;
    }
    tag_list_read(&list, value);
    bool is_good = read_all(&reading);
    if (!list.is_valid)
        is_good = refuse(&reading, BYTES("the signature is no list of tags"));
    is_good = is_good && instants_are_in_order(&reading) && add_identity(&reading);
    if (is_good) {
        *out = signature;
        return true;
    }
    *reason = reading.reason;
    out->algorithm = signature.algorithm;
    out->domain = signature.domain;
    out->selector = signature.selector;
    out->start = signature.start;
    return false;
}
