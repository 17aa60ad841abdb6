// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "Variant.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MK_NAME(x) mk_avx512_##x
#define MK_TEXT "avx512"
#define MK_WIDTH 8
#define MK_SPAN 6
#define MK_HEIGHT 8
#define MK_FIRST 1
#define MK_PANELS 3
#define MK_TOGETHER 2
#define MK_AHEAD 4
#define MK_EXPONENTIALS 4
#define MK_ABREAST 4
#define MK_FUSED 1
#define MK_LOAD_PART(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1), p)
#define MK_STORE_PART(p, count, x) _mm512_mask_storeu_pd(p, (__mmask8)((1u << (count)) - 1), x)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#include "Kernels.inc"
#pragma clang attribute pop
#endif
