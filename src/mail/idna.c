#include "mail/idna.h"

#include <idn2.h>
#include <string.h>

#include "mail/address.h"

/* Appends a name of ASCII alone. */
static bool add_ascii(struct bytes name, struct buf *out)
{
    if (name.len > HOST_NAME_LIMIT || !domain_is_valid(name, ADDRESS_ASCII))
        return false;
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, ascii_lower(name.at[i]));
    return true;
}

bool idna_to_ascii(struct bytes domain, struct buf *out)
{
    char text[DOMAIN_LIMIT + 1];
    uint8_t *found = NULL;
    if (domain.len && domain.at[domain.len - 1] == '.')
        domain.len--;
    if (bytes_is_ascii(domain))
        return add_ascii(domain, out);
    if (domain.len > DOMAIN_LIMIT || bytes_find(domain, 0) < domain.len || !bytes_is_utf8(domain))
        return false;
    memcpy(text, domain.at, domain.len);
    text[domain.len] = 0;
    int status =
        idn2_lookup_u8((const uint8_t *)text, &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    ASSERT(status != IDN2_MALLOC);
    bool is_name = status == IDN2_OK && add_ascii(bytes_of((const char *)found), out);
    idn2_free(found);
    return is_name;
}
