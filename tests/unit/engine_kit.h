/* SPDX-License-Identifier: MIT
 * An engine with one job for tests of single files of core/engine: the clock, the loop's timers and the store thread
 * are this program, and move only when the test says so. What else the tested file calls, its test defines itself;
 * the linker then takes no other part of the engine. No database, no network, no thread.
 */
#ifndef TESTS_UNIT_ENGINE_KIT_H
#define TESTS_UNIT_ENGINE_KIT_H

#include "core/engine/state/state.h"
#include "tests/unit/runner.h"

struct engine_kit {
    struct engine engine;
    struct job job; /* "mail": discovered, neither held nor paused */
    struct job_config config;
    struct table table;
    struct job *jobs[1];
};
extern struct engine_kit kit;

enum { KIT_START = 1800000000 }; /* 2027-01-15 08:00 UTC */

/* A daemon with its store available, at KIT_START. Timers and work of the test before are an error. */
void kit_begin(void);
/* Nothing may be left: no timer, no work for the store, no busy engine. */
void kit_end(void);

/* Time passes on both clocks; timers fire in their order, each at its time. */
void kit_wait_ms(int64_t ms);
void kit_wait(int64_t seconds);
/* The system's clock is set; the boot clock and the timers do not notice. */
void kit_set_clock(int64_t seconds_forward);
size_t kit_timers(void);

/* The store does all that was submitted, also what its results lead to. */
void kit_store_answers(void);
/* From now on nothing that was submitted is done; its result is this error instead. 0: it works again. */
void kit_store_fails(int error, const char *text);
size_t kit_store_waiting(void);
/* It takes work and does none of it until it is told to go on. */
void kit_store_stalls(bool stalls);

#endif
