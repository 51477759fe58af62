/* tools/tidy includes this in front of every source, so that the analyzer knows what it cannot see
 * from one file alone: these two always give false. */
#pragma once
#include "base/error.h"
#define error_set(...) ((void)error_set(__VA_ARGS__), false)
#define error_wrap(...) ((void)error_wrap(__VA_ARGS__), false)
