// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Which variants this processor runs, best first, and the one in use.

#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "Variant.h"

const mk_kernels *mk_variant(ptrdiff_t index) {
  const mk_kernels *runnable[4];
  ptrdiff_t count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    runnable[count++] = mk_avx512_table();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    runnable[count++] = mk_avx2_table();
#elif defined(__aarch64__)
  runnable[count++] = mk_neon_table();
#endif
  runnable[count++] = mk_portable_table();
  return index >= 0 && index < count ? runnable[index] : NULL;
}

static const mk_kernels *choose(void) {
  const char *forced = getenv("MIXTURES_KERNELS");
  if (forced != NULL) {
    for (ptrdiff_t i = 0; mk_variant(i) != NULL; i++)
      if (strcmp(mk_variant(i)->name, forced) == 0) return mk_variant(i);
  }
  return mk_variant(0);
}

const mk_kernels *mk_active(void) {
  // Racing first calls all choose the same table.
  static _Atomic(const mk_kernels *) active = NULL;
  const mk_kernels *table = atomic_load_explicit(&active, memory_order_acquire);
  if (table == NULL) {
    table = choose();
    atomic_store_explicit(&active, table, memory_order_release);
  }
  return table;
}

ptrdiff_t mk_processor_count(void) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) > 0)
    return CPU_COUNT(&allowed);
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? online : 1;
}
