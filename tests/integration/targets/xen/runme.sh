#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# One inventory with a host of each kind: a dom0 of Xen (script/xen-host), and this machine with QEMU.
set -euo pipefail

cd "$(dirname -- "$0")"
config=../../integration_config.yml
inventory=$(sed -n 's/^xen_inventory: //p' "$config")

play() {
    ansible-playbook -i "$inventory" -i hosts.yml -e "@$config" "$@"
}

# Whatever happens.
trap 'play remove.yml' EXIT
play prepare.yml
# What is prepared stays as it is.
play prepare.yml | tee /dev/stderr | awk '/unreachable=/ { hosts++; if (!/changed=0 +unreachable=0 +failed=0/) bad++ } END { exit bad || hosts != 2 }'
play site.yml
play rollout.yml
play xen.yml
play remote.yml
trap - EXIT
play remove.yml
