# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# The system's libvirtd for a script of this folder, which has it to itself and leaves it as it was; sourced after lib.sh.
# The script holds a lock in LOCK, which daemons must not keep.

export LIBVIRT_DEFAULT_URI=qemu:///system
# What it notes while it runs; who has a libvirtd apart from others' has a folder of its own for it (script/apart).
RUN=${RUN:-$BUILD/run}

# Runs a command against the system's libvirtd, then compares what libvirt holds with what it held before.
on_libvirtd() {
    local status
    is_root || die "these tests use libvirt's $LIBVIRT_DEFAULT_URI; run them as root"
    mkdir -p "$RUN"
    trap stop_libvirtd EXIT
    start_libvirtd
    libvirt_objects >"$RUN/before"
    networks >"$RUN/networks"
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    restore_networks <"$RUN/networks"
    libvirt_objects >"$RUN/after"
    if ! diff -U 0 "$RUN/before" "$RUN/after" >"$RUN/left"; then
        printf 'The tests left libvirt other than they found it:\n'
        grep '^[-+][a-z]' "$RUN/left"
        status=1
    fi
    return "$status"
}

# Prints a line for each domain, network, pool and volume.
libvirt_objects() {
    local pool
    virsh -q list --all --name | sed -n 's/./domain &/p' | sort
    networks | sed 's/^/network /'
    virsh -q pool-list --all | awk '{ print "pool", $1, $2 }' | sort
    virsh -q pool-list --name | sed '/^ *$/d; s/ *$//' | sort | while IFS= read -r pool; do
        virsh -q pool-refresh "$pool" >/dev/null
        virsh -q vol-list "$pool" | awk -v pool="$pool" '{ print "volume", pool "/" $1 }' | sort
    done
}

# Prints name, state and autostart of each network.
networks() {
    virsh -q net-list --all | awk '{ print $1, $2, $3 }' | sort
}

# Puts the networks listed on stdin back to their state: most tests need the default network, and start it.
restore_networks() {
    local name state autostart now
    now=$(networks)
    while read -r name state autostart; do
        [[ $autostart != no || $now != *"$name active yes"* ]] || virsh -q net-autostart --disable "$name"
        [[ $state != inactive || $now != *"$name active "* ]] || virsh -q net-destroy "$name"
    done
}

# Starts libvirtd where none answers. Each daemon that we start by hand leaves its process id, for stop_libvirtd of
# this run or, if this one is killed, of the next.
start_libvirtd() {
    local daemon pid_file tries
    virsh version >/dev/null 2>&1 && return
    if [[ -d /run/systemd/system ]]; then
        systemctl start libvirtd.service
        touch "$RUN/libvirtd.unit"
    else
        open_kvm
        for daemon in virtlogd libvirtd; do
            pid_file=/run/$daemon.pid
            # It refuses to run twice; virtlogd may be there already.
            if "$daemon" -d -p "$pid_file" 2>"$LOGS/$daemon.log" {LOCK}>&-; then
                cp "$pid_file" "$RUN/$daemon.pid"
            fi
        done
    fi
    for tries in {1..30}; do
        virsh version >/dev/null 2>&1 && return
        sleep 1
    done
    die "libvirtd does not answer after $tries s; see $LOGS/libvirtd.log"
}

# Gives /dev/kvm to the group kvm, as udev does where it runs. Where there is KVM and QEMU's user may not use it,
# libvirtd probes all its emulators again for each guest: seconds, each time. Who sets KVM_HELD has done so for others.
open_kvm() {
    [[ -z ${KVM_HELD-} ]] || return 0
    [[ -c /dev/kvm && ! -e $BUILD/run/kvm ]] || return 0
    ! setpriv --reuid libvirt-qemu --regid kvm --init-groups test -r /dev/kvm -a -w /dev/kvm || return 0
    stat -c '%g %a' /dev/kvm >"$BUILD/run/kvm"
    chgrp kvm /dev/kvm
    chmod g+rw /dev/kvm
}

# Takes back what start_libvirtd did, nothing else.
stop_libvirtd() {
    local daemon pid tries
    if [[ -e $RUN/libvirtd.unit ]]; then
        systemctl stop libvirtd.service
        rm -f "$RUN/libvirtd.unit"
    fi
    for daemon in libvirtd virtlogd; do
        [[ -e $RUN/$daemon.pid ]] || continue
        # A target may have restarted it.
        pid=$(cat "/run/$daemon.pid" 2>/dev/null || cat "$RUN/$daemon.pid")
        # The number may belong to another process by now.
        if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$daemon" ]]; then
            kill "$pid"
            for tries in {1..100}; do
                [[ -e /proc/$pid && $tries -lt 100 ]] || break
                sleep 0.1
            done
        fi
        rm -f "$RUN/$daemon.pid"
    done
    close_kvm
}

# Takes back what open_kvm did.
close_kvm() {
    local group mode
    [[ -z ${KVM_HELD-} && -e $BUILD/run/kvm ]] || return 0
    read -r group mode <"$BUILD/run/kvm"
    chgrp "$group" /dev/kvm
    chmod "$mode" /dev/kvm
    rm -f "$BUILD/run/kvm"
}
