#include "auth/dkim_sign.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/header_hash.h"
#include "base/memory.h"
#include "mail/base64.h"

enum {
    COLUMNS = 76,       /* of a line of the field, its tab counted as one */
    SAME_NAME_MOST = 8, /* fields of one name that are signed; honest ones have one or two */
    FIELD_LIMIT = 16 * 1024,
};

struct own_field {
    struct buf start; /* all of the field up to "b=" */
    struct buf signature;
};

struct dkim_sign {
    struct dkim_sign_plan plan; /* its texts are in `texts` */
    struct dkim_sign_key keys[DKIM_SIGN_KEYS_MOST];
    struct buf texts, names; /* names: h= */
    EVP_MD_CTX *header;      /* has hashed the fields that h= names */
    struct body_hash *body;  /* the caller's */
    int body_place;
    struct own_field fields[DKIM_SIGN_KEYS_MOST];
};

/* What RFC 6376, 5.4.1 recommends, and what says how a body is to be read. A sealed field is named
 * once more than it occurs, so that adding one breaks the signature: a second From or Subject is
 * what some readers show. Fields that forwarders and lists add in good faith are signed as far as
 * they are there. */
static const struct {
    const char *name;
    bool is_sealed;
} signed_fields[] = {
    {"From", true},
    {"Reply-To", true},
    {"Subject", true},
    {"Date", true},
    {"Message-ID", true},
    {"To", true},
    {"Cc", true},
    {"In-Reply-To", true},
    {"References", true},
    {"MIME-Version", true},
    {"Content-Type", true},
    {"Content-Transfer-Encoding", true},
    {"Content-Disposition", true},
    {"Content-ID", false},
    {"Content-Description", false},
    {"Content-Language", false},
    {"Sender", false},
    {"Auto-Submitted", false},
    {"Resent-Date", false},
    {"Resent-From", false},
    {"Resent-To", false},
    {"Resent-Cc", false},
    {"List-Id", false},
    {"List-Help", false},
    {"List-Unsubscribe", false},
    {"List-Unsubscribe-Post", false},
    {"List-Subscribe", false},
    {"List-Post", false},
    {"List-Owner", false},
    {"List-Archive", false},
};

static void add_name(struct buf *names, const char *name)
{
    if (names->len)
        buf_add_byte(names, ':');
    buf_add(names, bytes_of(name));
}

/* Chooses the names of h= and hashes the fields that they pick. */
static void hash_fields(struct dkim_sign *sign, const struct field_index *index)
{
    struct buf form;
    buf_init(&form, SIZE_MAX);
    for (size_t i = 0; i < COUNT(signed_fields); i++) {
        size_t count = 0;
        for (size_t k = field_index_count(index); k-- > 0 && count < SAME_NAME_MOST;) {
            const struct header_field *field = field_index_view(index, k);
            if (!bytes_equal_nocase(field->name, bytes_of(signed_fields[i].name)))
                continue;
            canonical_field(&form, CANONICAL_RELAXED, field);
            add_name(&sign->names, signed_fields[i].name);
            count++;
        }
        if (signed_fields[i].is_sealed)
            add_name(&sign->names, signed_fields[i].name);
    }
    sign->header = EVP_MD_CTX_new();
    ASSERT(sign->header && EVP_DigestInit_ex(sign->header, EVP_sha256(), NULL) == 1);
    if (form.len)
        ASSERT(EVP_DigestUpdate(sign->header, form.at, form.len) == 1);
    buf_done(&form);
}

/* A copy of the plan's text, which stays where it is: the buffer has room for all. */
static struct bytes keep(struct dkim_sign *sign, struct bytes text)
{
    size_t at = sign->texts.len;
    buf_add(&sign->texts, text);
    return bytes_from(buf_view(&sign->texts), at);
}

static void keep_plan(struct dkim_sign *sign, const struct dkim_sign_plan *plan)
{
    size_t len = plan->domain.len + plan->identity.len;
    for (size_t i = 0; i < plan->key_count; i++)
        len += plan->keys[i].selector.len;
    buf_init(&sign->texts, len);
    (void)buf_reserve(&sign->texts, len);
    sign->plan = *plan;
    sign->plan.domain = keep(sign, plan->domain);
    sign->plan.identity = keep(sign, plan->identity);
    for (size_t i = 0; i < plan->key_count; i++) {
        sign->keys[i] = plan->keys[i];
        sign->keys[i].selector = keep(sign, plan->keys[i].selector);
    }
    sign->plan.keys = sign->keys;
}

struct dkim_sign *dkim_sign_new(const struct dkim_sign_plan *plan, struct bytes section,
                                struct body_hash *body)
{
    ASSERT(plan->key_count > 0 && plan->key_count <= DKIM_SIGN_KEYS_MOST);
    struct field_index *index = field_index_new(section);
    if (!index)
        return NULL;
    struct dkim_sign *sign = NEW(struct dkim_sign);
    sign->body = body;
    sign->body_place = body_hash_want(body, CANONICAL_RELAXED, BODY_WHOLE);
    ASSERT(sign->body_place >= 0);
    keep_plan(sign, plan);
    buf_init(&sign->names, FIELD_LIMIT);
    for (size_t i = 0; i < DKIM_SIGN_KEYS_MOST; i++) {
        buf_init(&sign->fields[i].start, FIELD_LIMIT);
        buf_init(&sign->fields[i].signature, RSA_BITS_MOST / 8);
    }
    hash_fields(sign, index);
    field_index_free(index);
    return sign;
}

void dkim_sign_free(struct dkim_sign *sign)
{
    if (!sign)
        return;
    for (size_t i = 0; i < DKIM_SIGN_KEYS_MOST; i++) {
        buf_done(&sign->fields[i].start);
        buf_done(&sign->fields[i].signature);
    }
    EVP_MD_CTX_free(sign->header);
    buf_done(&sign->texts);
    buf_done(&sign->names);
    free(sign);
}

/* Appends the names, folded behind colons. */
static void print_names(struct buf *out, struct bytes names)
{
    size_t column = 3; /* a tab and "h=" */
    bool has_more = true;
    buf_add(out, BYTES("\r\n\th="));
    while (has_more) {
        struct bytes name;
        has_more = bytes_cut(names, ':', &name, &names);
        if (column + name.len + 1 > COLUMNS) {
            buf_add(out, BYTES("\r\n\t"));
            column = 1;
        }
        buf_add(out, name);
        buf_add_byte(out, has_more ? ':' : ';');
        column += name.len + 1;
    }
}

static void print_start(struct dkim_sign *sign, size_t key)
{
    const struct dkim_sign_plan *plan = &sign->plan;
    const struct body_digest *body = body_hash_view(sign->body, sign->body_place);
    struct buf *out = &sign->fields[key].start;
    buf_clear(out);
    buf_addf(out, "DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed;\r\n\td=%.*s; s=%.*s;",
             key_algorithm_name(plan->keys[key].algorithm), BYTES_ARGS(plan->domain),
             BYTES_ARGS(plan->keys[key].selector));
    if (plan->identity.len)
        buf_addf(out, "\r\n\ti=%.*s;", BYTES_ARGS(plan->identity));
    buf_addf(out, "\r\n\tt=%lld;", (long long)plan->now_s);
    if (plan->lifetime_s)
        buf_addf(out, " x=%lld;", (long long)(plan->now_s + plan->lifetime_s));
    print_names(out, buf_view(&sign->names));
    buf_add(out, BYTES("\r\n\tbh="));
    base64_print(out, (struct bytes){body->digest, BODY_HASH_BYTES});
    buf_add(out, BYTES(";\r\n\tb="));
}

void dkim_sign_digest(struct dkim_sign *sign, size_t key, uint8_t digest[DIGEST_BYTES])
{
    struct header_field field;
    struct buf form;
    ASSERT(key < sign->plan.key_count);
    print_start(sign, key);
    struct bytes rest = buf_view(&sign->fields[key].start);
    ASSERT(header_next(&rest, &field));
    buf_init(&form, FIELD_LIMIT + 3);
    header_hash_own(&form, CANONICAL_RELAXED, &field);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ASSERT(context && EVP_MD_CTX_copy_ex(context, sign->header) == 1);
    ASSERT(EVP_DigestUpdate(context, form.at, form.len) == 1);
    ASSERT(EVP_DigestFinal_ex(context, digest, NULL) == 1);
    EVP_MD_CTX_free(context);
    buf_done(&form);
}

void dkim_sign_add(struct dkim_sign *sign, size_t key, struct bytes signature)
{
    ASSERT(key < sign->plan.key_count);
    buf_clear(&sign->fields[key].signature);
    buf_add(&sign->fields[key].signature, signature);
}

void dkim_sign_print(const struct dkim_sign *sign, struct buf *out)
{
    for (size_t i = 0; i < sign->plan.key_count; i++) {
        const struct own_field *field = &sign->fields[i];
        struct buf text;
        if (field->signature.len == 0)
            continue;
        buf_init(&text, 2 * RSA_BITS_MOST / 8);
        base64_print(&text, buf_view(&field->signature));
        buf_add(out, buf_view(&field->start));
        size_t room = COLUMNS - 3; /* behind a tab and "b=" */
        for (struct bytes rest = buf_view(&text); rest.len; room = COLUMNS - 1) {
            buf_add(out, bytes_sub(rest, 0, room));
            rest = bytes_from(rest, room);
            if (rest.len)
                buf_add(out, BYTES("\r\n\t"));
        }
        buf_add(out, BYTES("\r\n"));
        buf_done(&text);
    }
}
