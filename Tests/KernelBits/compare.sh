#!/bin/sh
# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

# Runs every kernel over many shapes in every variant with a fused multiply-add: those of this processor, and NEON under
# emulation. All must give the same bits. Needs Clang; for NEON aarch64-linux-gnu-gcc and qemu-aarch64-static.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../Sources/CMixtureKernels
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang=${CLANG:-clang}
flags="-std=c11 -O2 -Wall -Wextra -Werror -I$kernels/include"

# compile NAME OPTIONS...: the objects of the kernels and of the driver.
compile() {
  name=$1
  shift
  for source in "$kernels"/*.c "$here/main.c"; do
    "$clang" $flags "$@" -c "$source" -o "$work/$name-$(basename "$source" .c).o"
  done
}

compile native
"$clang" "$work"/native-*.o -lm -o "$work/native"
reference=
for variant in avx512 avx2 neon; do
  if "$work/native" "$variant" > "$work/$variant.txt" 2> /dev/null; then
    reference=${reference:-$variant}
    cmp "$work/$reference.txt" "$work/$variant.txt"
    echo "$variant: $(wc -l < "$work/$variant.txt") results, the bits of $reference"
  fi
done
[ -n "$reference" ] || { echo "no variant of this processor has a fused multiply-add"; exit 1; }

if [ "$(uname -m)" = aarch64 ]; then
  exit 0
fi
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
  command -v "$tool" > /dev/null || { echo "neon: skipped, $tool is not installed"; exit 0; }
done
compile neon -target aarch64-linux-gnu --sysroot=/usr/aarch64-linux-gnu -isystem /usr/aarch64-linux-gnu/include
aarch64-linux-gnu-gcc -static "$work"/neon-*.o -lm -o "$work/emulated"
for variant in neon portable; do
  qemu-aarch64-static "$work/emulated" "$variant" > "$work/$variant.txt"
  cmp "$work/$reference.txt" "$work/$variant.txt"
  echo "$variant (emulated aarch64): $(wc -l < "$work/$variant.txt") results, the bits of $reference"
done
