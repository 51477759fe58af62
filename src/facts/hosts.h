/* A hosts file (hosts(5)): names of this machine and its neighbours, looked at before the DNS is
 * asked for an address. */
#pragma once

#include "facts/facts.h"

/* Answers FACT_A and FACT_AAAA of a name that the file's text has (compared without case, and with
 * or without a final dot). As with the C library, a name that is there is not asked of the DNS, so
 * one with addresses of the other family only is ANSWER_NODATA. False: the file does not say; the
 * table is untouched. Lines that cannot be read are passed over. The whole text is looked through
 * each time. */
bool hosts_answer(struct bytes text, struct facts *facts, enum fact_type type, struct bytes name);
