/* Key records: a good one has its data within the record; a key that opens checks signatures. */
#include "auth/dkim_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t digest[DIGEST_BYTES];
    struct dkim_key key;
    struct bytes reason = BYTES_NONE;
    if (dkim_key_parse((struct bytes){data, size}, &key, &reason) != DKIM_KEY_GOOD) {
        ASSERT(reason.len > 0);
        return 0;
    }
    ASSERT(key.data.len > 0 && key.data.at >= data && key.data.at + key.data.len <= data + size);
    struct public_key *opened = dkim_key_open(&key);
    if (!opened)
        return 0;
    ASSERT(public_key_bits(opened) <= RSA_BITS_MOST);
    ASSERT(!public_key_verify(opened, digest, BYTES("no signature")));
    public_key_free(opened);
    return 0;
}
