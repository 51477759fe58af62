#include "letter.h"

#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/dkim_key.h"
#include "auth/header_hash.h"
#include "auth/tag.h"
#include "mail/base64.h"

enum { FILE_LIMIT = 4 << 20 };

void letter_init(struct letter *letter, struct bytes text)
{
    bool has_crlf = bytes_search(text, BYTES("\r\n")) < text.len;
    buf_init(&letter->text, 2 * FILE_LIMIT);
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\n' && !has_crlf)
            buf_add_byte(&letter->text, '\r');
        buf_add_byte(&letter->text, text.at[i]);
    }
    size_t length;
    struct bytes whole = buf_view(&letter->text);
    if (!header_end(whole, &length))
        length = whole.len;
    letter->section = bytes_sub(whole, 0, length);
    letter->body = bytes_from(whole, length + 2);
}

void letter_done(struct letter *letter)
{
    buf_done(&letter->text);
}

struct buf file_read(const char *path)
{
    struct buf text;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        abort();
    }
    buf_init(&text, FILE_LIMIT);
    for (int byte; (byte = fgetc(file)) != EOF;)
        buf_add_byte(&text, (uint8_t)byte);
    fclose(file);
    return text;
}

void facts_add_txt(struct facts *facts, struct bytes name, struct bytes record)
{
    struct answer_record records[] = {{.data = record}};
    struct answer answer = {.status = ANSWER_FOUND, .records = records, .count = 1};
    facts_answer(facts, FACT_TXT, name, &answer);
}

void facts_answer_open(struct facts *facts, enum answer_status status)
{
    struct question question;
    struct answer answer = {.status = status};
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &answer);
}

EVP_PKEY *ed25519_new(void)
{
    static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
                                     0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
                                     0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
                                     0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
}

size_t sign_digest(EVP_PKEY *pkey, const uint8_t *digest, uint8_t *out)
{
    size_t len = 512;
    if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        ASSERT(EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
               EVP_DigestSign(context, out, &len, digest, DIGEST_BYTES) == 1);
        EVP_MD_CTX_free(context);
        return len;
    }
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    ASSERT(EVP_PKEY_sign_init(context) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
           EVP_PKEY_sign(context, out, &len, digest, DIGEST_BYTES) == 1);
    EVP_PKEY_CTX_free(context);
    return len;
}

/* bh= for those tags. */
static void print_body_hash(struct buf *out, struct bytes tags, const struct letter *letter)
{
    struct bytes forms = BYTES("simple/simple"), limit;
    uint64_t most = BODY_WHOLE;
    (void)tag_find(tags, "c", &forms);
    if (tag_find(tags, "l", &limit) && !scan_u64(limit, BODY_WHOLE, &most))
        most = BODY_WHOLE;
    struct body_hash *body = body_hash_new();
    enum canonical_form form =
        bytes_ends_nocase(forms, BYTES("/relaxed")) ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
    int place = body_hash_want(body, form, most);
    body_hash_add(body, letter->body);
    body_hash_end(body);
    base64_print(out, (struct bytes){body_hash_view(body, place)->digest, BODY_HASH_BYTES});
    body_hash_free(body);
}

void sign_loosely(struct buf *out, const char *tags, const struct letter *letter, EVP_PKEY *pkey)
{
    struct bytes forms = BYTES("simple/simple"), names = BYTES_NONE;
    struct header_field own;
    uint8_t digest[DIGEST_BYTES], signature[512];
    struct buf field;
    buf_init(&field, 1 << 20);
    buf_addf(&field, "DKIM-Signature: %s; bh=", tags);
    print_body_hash(&field, bytes_of(tags), letter);
    buf_add(&field, BYTES("; b="));
    (void)tag_find(bytes_of(tags), "c", &forms);
    (void)tag_find(bytes_of(tags), "h", &names);
    struct bytes rest = buf_view(&field);
    ASSERT(header_next(&rest, &own));
    struct field_index *index = field_index_new(letter->section);
    struct header_cover cover = {
        bytes_starts(forms, BYTES("relaxed")) ? CANONICAL_RELAXED : CANONICAL_SIMPLE, names, &own};
    ASSERT(header_hash(index, &cover, digest));
    field_index_free(index);
    buf_add(out, buf_view(&field));
    base64_print(out, (struct bytes){signature, sign_digest(pkey, digest, signature)});
    buf_add(out, BYTES("\r\n"));
    buf_done(&field);
}
