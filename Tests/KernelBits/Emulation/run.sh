#!/bin/sh
# Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

# Runs the AVX-512 kernels on a machine without AVX-512, in the emulator Bochs, and compares their bits with those of AVX2
# here. A Linux kernel boots with the driver of this folder's parent as its only program; it takes a minute or two.
#
# Needs root, Clang, and of Debian 12: apt-get install bochs bochs-term bochsbios vgabios isolinux syslinux-common xorriso cpio
# gcc libc6-dev. The kernel is fetched by apt-get download.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../Sources/CMixtureKernels
clang=${CLANG:-clang}
package=${LINUX_PACKAGE:-$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download "$package" > /dev/null
dpkg -x linux-image-*.deb kernel
for source in "$kernels"/*.c "$here/../main.c"; do
  "$clang" -std=c11 -O2 -I"$kernels/include" -c "$source"
done
"$clang" -static ./*.o -lm -o driver

mkdir -p root/dev disc/isolinux
gcc -O2 -Wall -Wextra -Werror -static "$here/init.c" -o root/init
cp driver root/driver
mknod root/dev/console c 5 1
(cd root && find . | cpio -o -H newc --quiet | gzip) > disc/initrd.gz
cp kernel/boot/vmlinuz-* disc/vmlinuz
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$here/isolinux.cfg" disc/isolinux/
xorriso -as mkisofs -quiet -o disc.iso -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table disc 2> /dev/null

# Debian's Bochs has its debugger built in and waits for the word to continue; it ends with 1 when the guest shuts down.
echo c > commands
timeout 1500 bochs -q -f "$here/bochsrc" -rc commands < /dev/null > console.txt 2> messages.txt || true
./driver avx2 > avx2.txt
grep -aq '^=== begin avx512 status=0' console.txt || { echo "avx512 did not run in the emulator"; exit 1; }
sed -n '/^=== begin avx512 /,/^=== end avx512/p' console.txt | grep -av '^===' > avx512.txt
cmp avx512.txt avx2.txt
echo "avx512 (emulated): $(wc -l < avx512.txt) results, the bits of avx2"
