/* Questions and answers as data: what a decision needs to know of the world (DNS), asked for by
 * re-execution. A pure function asks for a fact; when the answer is not there yet it goes on to ask
 * for all else that it knows it will need, and says that it needs facts. Its driver has the open
 * questions answered (in parallel), and calls the function again from its start. Pure: resolves
 * nothing itself.
 *
 * A table is small and short-lived: one for a decision. It is bounded in questions and in bytes;
 * beyond its bounds a question is answered ANSWER_SERVFAIL, so that hostile data ends somewhere. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"

enum fact_type {
    FACT_A,
    FACT_AAAA,
    FACT_MX,
    FACT_TXT,
    FACT_PTR,
    FACT_CNAME,
    FACT_TLSA,
    FACT_SRV,
};
enum { FACT_TYPES = FACT_SRV + 1 };

enum answer_status {
    ANSWER_FOUND,    /* there are records */
    ANSWER_NODATA,   /* the name exists, but has no records of this type */
    ANSWER_NXDOMAIN, /* the name does not exist, or is none */
    ANSWER_SERVFAIL, /* servers failed, DNSSEC validation failed, or the answer is out of bounds */
    ANSWER_TIMEOUT,  /* nobody answered in time */
};

enum {
    FACTS_QUESTION_LIMIT = 256,
    FACTS_RECORD_LIMIT = 100, /* an answer's records beyond are dropped (is_cut) */
    FACTS_BYTES_LIMIT = 1 << 20,
};

struct answer_record {
    /* A: 4 bytes. AAAA: 16 bytes. MX, PTR, CNAME, SRV: the name as text, as the answer spells it,
     * without the final dot (empty: the root). TXT: its strings joined. TLSA: the data. */
    struct bytes data;
    uint16_t preference;               /* MX; of SRV the priority */
    uint16_t weight, port;             /* SRV */
    uint8_t usage, selector, matching; /* TLSA */
};

struct answer {
    enum answer_status status;
    bool is_secure;         /* validated by DNSSEC; also of ANSWER_NODATA and ANSWER_NXDOMAIN */
    bool is_bogus;          /* ANSWER_SERVFAIL because validation failed */
    bool is_cut;            /* there were more records */
    uint32_t ttl_s;         /* how long it may be kept */
    struct bytes canonical; /* the name that has the records, behind CNAMEs; empty: as asked */
    struct bytes reason;    /* for people, of ANSWER_SERVFAIL and ANSWER_TIMEOUT; may be empty */
    const struct answer_record *records;
    size_t count;
};

/* The type and the status as the DNS and our log have them: "MX", "NXDOMAIN". */
const char *fact_type_name(enum fact_type type);
const char *answer_status_name(enum answer_status status);

/* Can the DNS have a record of this name? Not: over 253 bytes, a label empty or over 63 (RFC 1035,
 * 2.3.4), the root, a NUL. */
bool fact_name_is_valid(struct bytes name);

struct facts;
struct facts *facts_new(void);
void facts_free(struct facts *facts);

/* The answer, valid as long as the table; NULL: it is not there yet, and the question is open now.
 * Names are compared without case, and with or without a final dot. What is no name in the DNS has
 * the answer ANSWER_NXDOMAIN at once. */
const struct answer *facts_ask(struct facts *facts, enum fact_type type, struct bytes name);

/* An open question: views belong to the table. */
struct question {
    enum fact_type type;
    struct bytes name; /* lower case, no final dot; ends with a NUL behind the view */
};
/* Walks the open questions, *place from 0; false at the end. Answering while walking is fine. */
bool facts_next_open(const struct facts *facts, size_t *place, struct question *out);
/* Answers a question, open or not asked at all; copies everything. An answer that was there
 * already stays. One that does not fit into the table's bounds becomes ANSWER_SERVFAIL; records
 * beyond FACTS_RECORD_LIMIT are dropped. */
void facts_answer(struct facts *facts, enum fact_type type, struct bytes name,
                  const struct answer *answer);
