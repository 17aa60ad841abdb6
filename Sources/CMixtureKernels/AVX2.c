// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "Variant.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if MK_SINGLE
#define MK_NAME(x) mk_avx2_single_##x
#define MK_WIDTH 8
#else
#define MK_NAME(x) mk_avx2_##x
#define MK_TEXT "avx2"
#define MK_WIDTH 4
#endif
#define MK_WHOLE 0
#define MK_SPAN 3
#define MK_HEIGHT 4
#define MK_FIRST 0
#define MK_PANELS 3
#define MK_TOGETHER 1
#define MK_AHEAD 2
#define MK_EXPONENTIALS 1
#define MK_ABREAST 2
#define MK_FUSED 1
#define MK_SETTLE(x) __asm__ volatile("" : "+x"(x) : : "memory")
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#if !MK_SINGLE
#define MK_LOOKUP mk_lookup
// A permutation chooses among eight halves of doubles: one for the first four of the table and one for the others.
static inline __attribute__((always_inline)) __m256i mk_lookup_four(__m256i low, __m256i high, __m256i index) {
  const __m256i odd = _mm256_set1_epi64x(0x100000000);
  const __m256i twice = _mm256_add_epi32(index, index);
  const __m256i halves = _mm256_add_epi32(_mm256_shuffle_epi32(twice, 0xa0), odd);
  const __m256d a = _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(low, halves));
  const __m256d b = _mm256_castsi256_pd(_mm256_permutevar8x32_epi32(high, halves));
  return _mm256_castpd_si256(_mm256_blendv_pd(a, b, _mm256_castsi256_pd(_mm256_slli_epi64(index, 61))));
}
typedef uint64_t mk_words __attribute__((vector_size(64)));
static inline __attribute__((always_inline)) mk_words mk_lookup(mk_words table, mk_words index) {
  const __m256i low = (__m256i)__builtin_shufflevector(table, table, 0, 1, 2, 3);
  const __m256i high = (__m256i)__builtin_shufflevector(table, table, 4, 5, 6, 7);
  typedef uint64_t half __attribute__((vector_size(32)));
  const half a = (half)mk_lookup_four(low, high, (__m256i)__builtin_shufflevector(index, index, 0, 1, 2, 3));
  const half b = (half)mk_lookup_four(low, high, (__m256i)__builtin_shufflevector(index, index, 4, 5, 6, 7));
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}
#endif
#define MK_KEPT(pointer) __asm__("" : "+r"(pointer))
#include "Kernels.inc"
#pragma clang attribute pop
#endif
