#!/usr/bin/env bash
# Lays out the root of the image: image-root.sh BINARY DIRECTORY
#
# The binary links to the C library of the machine that built it, so exactly those libraries come along, from where the
# loader finds them. Beside them: how to resolve names, whom to trust, and a user that is not root.
set -euo pipefail

binary=$1
root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs"
install -m 755 "$binary" "$root/usr/bin/tidegate"

# "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)" and "/lib64/ld-linux-x86-64.so.2 (0x...)"
ldd "$binary" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/nologin\ntidegate:x:65532:65532:tidegate:/:/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\ntidegate:x:65532:\n' >"$root/etc/group"
