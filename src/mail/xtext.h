/* The encoding of parameter values in MAIL and RCPT (RFC 3461, 4), and the ORCPT parameter with
 * it, the UTF-8 address type of RFC 6533, 3 included. */
#pragma once

#include "mail/address.h"

enum {
    ENVID_LIMIT = 100, /* bytes; RFC 3461, 4.4 */
    ORCPT_LIMIT = 500, /* bytes; RFC 3461, 4.2 */
};

/* Appends the value as xtext. */
void xtext_print(struct buf *out, struct bytes value);
/* Appends the value that the xtext stands for (any bytes may come of it); false, with nothing
 * appended, for what is no xtext. */
MUST_CHECK bool xtext_scan(struct buf *out, struct bytes xtext);
bool xtext_is_valid(struct bytes xtext);

/* May it be the value of ENVID=: xtext of printable ASCII, within the limit, not empty? */
bool envid_is_valid(struct bytes envid);
/* May it be the value of ORCPT=: "type;xtext", or "utf-8;…" in the forms of RFC 6533, of which
 * those with bytes over 127 need ADDRESS_UTF8? */
bool orcpt_is_valid(struct bytes orcpt, enum address_charset charset);

/* Appends a valid ORCPT as the value of an Original-Recipient field: "type; address", decoded as
 * far as the charset of the field goes (RFC 3464, 2.3.1; RFC 6533, 3) and as no control byte
 * comes of it. */
void orcpt_print_field(struct buf *out, struct bytes orcpt, enum address_charset charset);
/* Appends an address as it is where it is ASCII or the charset is ADDRESS_UTF8; else with its bytes
 * over 127 as \x{…} (RFC 6533, 3: utf-8-addr-xtext). The address is valid UTF-8. */
void unitext_print(struct buf *out, struct bytes address, enum address_charset charset);
