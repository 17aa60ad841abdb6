// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What the processor can do at most: loops that do nothing else.

#ifndef CMACHINE_H
#define CMACHINE_H

#include <stddef.h>

/// Does at least `rounds` rounds of multiply-adds between registers and returns how many flops that were; a
/// multiply-add counts as two.
double machine_multiply_add(long rounds);

/// The widest vectors that `machine_multiply_add` uses here.
const char *machine_vectors(void);

/// Reads `count` doubles once and returns their sum.
double machine_read(const double *numbers, size_t count);

#endif
