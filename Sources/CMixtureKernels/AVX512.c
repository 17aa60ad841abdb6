// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "Variant.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if MK_SINGLE
#define MK_NAME(x) mk_avx512_single_##x
#define MK_WIDTH 16
#else
#define MK_NAME(x) mk_avx512_##x
#define MK_TEXT "avx512"
#define MK_WIDTH 8
#endif
#define MK_WHOLE 1
#define MK_SPAN 6
#define MK_HEIGHT 8
#define MK_FIRST 1
#define MK_PANELS 3
#define MK_TOGETHER 2
#define MK_AHEAD 4
#define MK_EXPONENTIALS 4
#define MK_ABREAST 4
#define MK_FUSED 1
#if MK_SINGLE
#define MK_ADD_PART(p, count, x) mk_add_part(p, (__mmask16)((1u << (count)) - 1), x)
#else
#define MK_LOAD_PART(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define MK_STORE_PART(p, count, x) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), x)
#endif
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#if MK_SINGLE
// p[i] += x[i] in those of sixteen lanes that the mask names.
static inline __attribute__((always_inline)) void mk_add_part(double *p, __mmask16 mask, __m512 x) {
  const __mmask8 low = (__mmask8)mask, high = (__mmask8)(mask >> 8);
  const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(x)), b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
  _mm512_mask_storeu_pd(p, low, _mm512_add_pd(_mm512_maskz_loadu_pd(low, p), a));
  if (high) _mm512_mask_storeu_pd(p + 8, high, _mm512_add_pd(_mm512_maskz_loadu_pd(high, p + 8), b));
}
#endif
#include "Kernels.inc"
#pragma clang attribute pop
#endif
