/* Domains that somebody probably mistyped: close to the name of a provider whom many have their
 * mail at ("gmial.com"), or with an ending that looks like another ("example.con"). A guess for
 * people to judge; nothing is sent by it. Pure. */
#pragma once

#include "base/buf.h"

enum typo_kind {
    TYPO_NONE,
    TYPO_PROVIDER, /* a change or two from a well-known provider's domain */
    TYPO_ENDING,   /* the last label is no usual one, and close to one */
};

/* Finds what the domain (ASCII, in any case) was probably meant to be, and appends it, in lower
 * case. TYPO_NONE, with nothing appended: there is no guess, or the domain is a well-known one.
 * Distances are Damerau's (optimal string alignment): a letter more, fewer or other, or two
 * swapped, is one change. Names of up to 7 letters may differ by one, longer ones by two. */
enum typo_kind typo_find(struct bytes domain, struct buf *out);
