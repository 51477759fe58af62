/* One SPF check under way, shared by the files of the module. It lives for one call of spf_check:
 * nothing is kept between rounds. */
#pragma once

#include "auth/spf.h"
#include "auth/spf_macro.h"
#include "auth/spf_record.h"

/* One record under evaluation: the identity's own, or one that it includes. A redirect takes the
 * place of the record that has it. */
struct spf_frame {
    uint8_t room[SPF_NAME_LIMIT];
    struct bytes domain; /* <domain> of RFC 7208, 4.1 */
    struct bytes record;
    struct bytes rest; /* terms not yet evaluated */
    struct spf_outline outline;
    struct spf_term include; /* the one that the frame above this evaluates */
    bool is_redirected;
};

struct spf_check {
    const struct spf_query *query;
    struct facts *facts;
    struct spf_values values;
    bool has_utf8_local;
    bool has_asked_names; /* by %{p} */
    /* Each but the first is of a term that counts. */
    struct spf_frame frames[SPF_TERM_LIMIT + 1];
    size_t depth;
    enum spf_result result; /* SPF_NEEDS_FACTS: not known yet */
    struct bytes mechanism;
    unsigned terms, voids;
    struct buf problem;
};

enum spf_step {
    SPF_STEP_NEEDS_FACTS,
    SPF_STEP_MATCH,
    SPF_STEP_NO_MATCH,
    SPF_STEP_ENTER, /* include and redirect: the name in the frame above */
    SPF_STEP_OVER,  /* check->result is final: an error */
};

/* Ends the check with an error, which is for people. */
enum spf_step spf_conclude(struct spf_check *check, enum spf_result result, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* spf_evaluate.c: one mechanism, or the redirect at the end of a record. */
enum spf_step spf_evaluate(struct spf_check *check, const struct spf_term *term);
/* Asks for what the terms behind the present one will want to know, within what the limits leave:
 * to wait for one answer after the other would take as many times as long. */
void spf_ask_ahead(struct spf_check *check);

enum spf_target { SPF_TARGET_FOUND, SPF_TARGET_NEEDS_FACTS, SPF_TARGET_NONE, SPF_TARGET_OVER };
/* The <target-name> of a domain-spec (RFC 7208, 4.8), appended; the top frame's domain when the
 * spec is empty. SPF_TARGET_NONE: the term matches nothing (RFC 8616, 4). */
enum spf_target spf_find_target(struct spf_check *check, struct bytes spec, struct buf *out);
/* What %{p} stands for (RFC 7208, 7.3); false: facts are needed. */
MUST_CHECK bool spf_find_validated(struct spf_check *check);
