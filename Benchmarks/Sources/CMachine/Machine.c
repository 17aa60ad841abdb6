// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "CMachine.h"

// Twelve chains: more than latency times issue rate of any processor here, and few enough for sixteen registers.
#define CHAINS 12

// The empty assembly makes every step of every chain happen, in a register.
#define LOOP(NAME, LANES, REGISTER)                                                                     \
  static double NAME(long rounds) {                                                                     \
    typedef double vector __attribute__((vector_size(8 * LANES)));                                      \
    vector a[CHAINS];                                                                                   \
    vector factor = (vector){} + 0.5, term = (vector){} + 1.0;                                          \
    for (int i = 0; i < CHAINS; ++i) a[i] = (vector){} + (double)i;                                     \
    for (long round = 0; round < rounds; ++round) {                                                     \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < CHAINS; ++i) {                             \
        a[i] = __builtin_elementwise_fma(a[i], factor, term);                                           \
        __asm__ volatile("" : "+" REGISTER(a[i]));                                                      \
      }                                                                                                 \
    }                                                                                                   \
    for (int i = 0; i < CHAINS; ++i) __asm__ volatile("" : : REGISTER(a[i]));                           \
    return 2.0 * LANES * CHAINS * (double)rounds;                                                       \
  }

#if defined(__x86_64__)

__attribute__((target("avx512f"))) LOOP(multiply_add_avx512, 8, "v")
__attribute__((target("avx2,fma"))) LOOP(multiply_add_avx2, 4, "x")

const char *machine_vectors(void) {
  if (__builtin_cpu_supports("avx512f")) return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
  return "none";
}

double machine_multiply_add(long rounds) {
  if (__builtin_cpu_supports("avx512f")) return multiply_add_avx512(rounds);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiply_add_avx2(rounds);
  return 0;
}

#elif defined(__aarch64__)

LOOP(multiply_add_neon, 2, "w")

const char *machine_vectors(void) { return "NEON"; }

double machine_multiply_add(long rounds) { return multiply_add_neon(rounds); }

#else

const char *machine_vectors(void) { return "none"; }

double machine_multiply_add(long rounds) { return (void)rounds, 0; }

#endif

double machine_read(const double *numbers, size_t count) {
  typedef double vector __attribute__((vector_size(64), aligned(8)));
  vector sums[4] = {{0}};
  size_t i = 0;
  for (; i + 32 <= count; i += 32)
    for (int j = 0; j < 4; ++j) sums[j] += *(const vector *)(numbers + i + 8 * j);
  double sum = 0;
  for (int j = 0; j < 4; ++j)
    for (int lane = 0; lane < 8; ++lane) sum += sums[j][lane];
  for (; i < count; ++i) sum += numbers[i];
  return sum;
}
