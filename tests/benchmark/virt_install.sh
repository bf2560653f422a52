#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The guests through virt-install, as in a loop of a shell script: virt_install.sh URI POOL BASE PREFIX NUMBER
set -euo pipefail
uri=$1 pool=$2 base=$3 prefix=$4 number=$5
folder=${base%/*}
for ((index = 0; index < number; index++)); do
    name=$prefix$index
    if virsh -q -c "$uri" dominfo "$name" >/dev/null 2>&1; then
        continue
    fi
    qemu-img create -q -f qcow2 -F raw -b "$base" "$folder/$name-root.qcow2"
    qemu-img create -q -f raw "$folder/$name-data.raw" 10M
    virt-install -q --connect "$uri" --virt-type qemu --name "$name" --memory 64 --vcpus 1 --import --noreboot \
        --osinfo detect=off,require=off --network network=default,model=virtio --graphics none --print-xml \
        --disk "path=$folder/$name-root.qcow2,format=qcow2,bus=virtio" \
        --disk "path=$folder/$name-data.raw,format=raw,bus=virtio" >"$folder/../$name.xml"
    virsh -q -c "$uri" define "$folder/../$name.xml" >/dev/null
done
# It was asked for in the folder of a pool.
virsh -q -c "$uri" pool-refresh "$pool" >/dev/null
