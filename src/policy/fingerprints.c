#include "policy/fingerprints.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct fingerprints {
    uint8_t (*at)[FINGERPRINT_SIZE];
    size_t count;
};

struct fingerprints *fingerprints_new(void)
{
    return NEW(struct fingerprints);
}

void fingerprints_free(struct fingerprints *fingerprints)
{
    if (!fingerprints)
        return;
    free(fingerprints->at);
    free(fingerprints);
}

static bool scan_digit(uint8_t byte, unsigned *out)
{
    byte = ascii_lower(byte);
    if (ascii_is_digit(byte))
        *out = byte - '0';
    else if (byte >= 'a' && byte <= 'f')
        *out = byte - 'a' + 10U;
    else
        return false;
    return true;
}

bool fingerprint_scan(struct bytes text, uint8_t out[FINGERPRINT_SIZE])
{
    uint8_t result[FINGERPRINT_SIZE];
    bool has_colons = text.len == FINGERPRINT_SIZE * 3 - 1;
    size_t step = has_colons ? 3 : 2;
    if (!has_colons && text.len != FINGERPRINT_SIZE * 2)
        return false;
    for (size_t i = 0; i < FINGERPRINT_SIZE; i++) {
        unsigned high, low;
        if (!scan_digit(text.at[i * step], &high) || !scan_digit(text.at[i * step + 1], &low) ||
            (has_colons && i > 0 && text.at[i * step - 1] != ':'))
            return false;
        result[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(out, result, sizeof result);
    return true;
}

bool fingerprints_add(struct fingerprints *fingerprints, struct bytes text)
{
    uint8_t fingerprint[FINGERPRINT_SIZE];
    if (!fingerprint_scan(text, fingerprint))
        return false;
    fingerprints->at =
        memory_resize(fingerprints->at, fingerprints->count + 1, sizeof *fingerprints->at);
    memcpy(fingerprints->at[fingerprints->count++], fingerprint, sizeof fingerprint);
    return true;
}

bool fingerprints_have(const struct fingerprints *fingerprints,
                       const uint8_t fingerprint[FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < fingerprints->count; i++)
        if (memcmp(fingerprints->at[i], fingerprint, FINGERPRINT_SIZE) == 0)
            return true;
    return false;
}

size_t fingerprints_count(const struct fingerprints *fingerprints)
{
    return fingerprints->count;
}
