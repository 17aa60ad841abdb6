// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The same variant in single precision.

#define MK_SINGLE 1
#include "Portable.c"
