// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#include "Variant.h"

#if defined(__x86_64__)
#define MK_NAME(x) mk_avx512_##x
#define MK_TEXT "avx512"
#define MK_WIDTH 8
#define MK_SPAN 6
#define MK_FUSED 1
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#include "Kernels.inc"
#pragma clang attribute pop
#endif
