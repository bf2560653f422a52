# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share; sourced, never run. All that they make lies under the ignored .build/.

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/.build
LOGS=$BUILD/log
VENV=$BUILD/venv
COLLECTIONS=$BUILD/collections
GUESTS=$BUILD/guest
GUEST=$GUESTS/v1

# The user's own settings must neither help nor hinder: what passes here passes elsewhere.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV "${!ANSIBLE_@}" "${!MOLECULE_@}"
export LC_ALL=C.UTF-8
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
export ANSIBLE_CONFIG=$BUILD/ansible.cfg ANSIBLE_HOME=$BUILD/ansible ANSIBLE_COLLECTIONS_PATH=$COLLECTIONS
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false ANSIBLE_NOCOWS=true
[[ -t 1 ]] || export NO_COLOR=1
# Others may run this checkout than own it (a mounted folder, root); git refuses to read it then, without this.
export GIT_CONFIG_COUNT=$((${GIT_CONFIG_COUNT:-0} + 1))
export "GIT_CONFIG_KEY_$((GIT_CONFIG_COUNT - 1))=safe.directory" "GIT_CONFIG_VALUE_$((GIT_CONFIG_COUNT - 1))=$ROOT"
# The demo's user must be able to read what root makes for it.
umask 022

# Ends the script with one line for the user.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

is_root() {
    [[ $(id -u) == 0 ]]
}

# Makes .build/; a clear line where an earlier run as root left a folder that this user may not write to.
make_build_folder() {
    mkdir -p "$LOGS" 2>/dev/null || true
    [[ -w $BUILD && -w $LOGS ]] ||
        die "cannot write to $BUILD; if another user (root?) made it, run as that user or delete it"
    # ansible reads a file rather than nothing, or it would go on to the user's.
    : >"$ANSIBLE_CONFIG"
}

# Runs a command with its output in a log file (LAST_LOG) and one line on the terminal: step LABEL COMMAND...
# STEP_NOTE names a function that prints a note to that line, from the log.
# Call it as a plain command, never under if, && or ||: bash ignores errexit in all that runs below those.
step() {
    local label=$1 start=$SECONDS status log note
    log=$LOGS/$(tr -cs '[:alnum:]\n' - <<<"${1,,}").log
    LAST_LOG=$log
    shift
    printf '  %-34s ' "$label"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [[ $status == 0 ]]; then
        note=$("${STEP_NOTE:-true}" "$log")
        printf 'done (%d s)%s\n' $((SECONDS - start)) "${note:+, $note}"
        return
    fi
    printf 'FAILED\n\n'
    tail -n 20 "$log" | sed 's/^/    /'
    printf '\nThe whole log: %s\n' "$log"
    exit "$status"
}

# Makes this checkout importable as ansible_collections.virt.image, for playbooks and for Python.
link_collection() {
    local link=$COLLECTIONS/ansible_collections/virt/image
    [[ -L $link && $link -ef $ROOT ]] && return
    mkdir -p "${link%/*}"
    ln -sfn "$ROOT" "$link"
}

# Copies the files that git tracks or would track to FOLDER/ansible_collections/virt/image, for those who cannot use
# the link: ansible-test resolves it, and another user may not be able to read this checkout.
copy_collection() {
    local target=$1/ansible_collections/virt/image
    rm -rf "$target"
    mkdir -p "$target"
    (
        cd "$ROOT"
        if [[ -e .git ]]; then
            git ls-files -coz --exclude-standard
        else
            # An unpacked archive.
            find . -path ./.build -prune -o -type f -print0
        fi |
            # A file deleted since the last commit is still listed.
            while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done |
            tar -c --no-recursion --null -T - |
            tar -x --no-same-owner -C "$target"
    )
}

# Builds the small guest once, in the versions named (default: v1): build_guest [v1|v2|broken|ssh|xen-v1|xen-v2]...
# The builder itself sees what is done already, so this costs nothing later. Two parts of script/test may both want one.
build_guest() {
    local version folder arguments=() lock
    [[ $# -gt 0 ]] || set -- v1
    exec {lock}>"$BUILD/guest.lock"
    flock "$lock"
    for version in "$@"; do
        folder=$GUESTS/$version
        case $version in
        v1) arguments=() ;;
        v2) arguments=(--version 2) ;;
        # Boots, but never says that it is well.
        broken) arguments=(--version 3 --broken) ;;
        # With an SSH server, and Python for Ansible's modules.
        ssh) arguments=(--ssh) ;;
        # Paravirtualised, from its kernel or by pygrub, and fully virtualised.
        xen-v1) arguments=(--xen) ;;
        xen-v2) arguments=(--xen --version 2) ;;
        *) die "no version '$version' of the guest; there are: v1 v2 broken ssh xen-v1 xen-v2" ;;
        esac
        if [[ ! -e $folder/image.xml ]]; then
            step "building the guest image ($version)" "$ROOT/tests/guest/build" "$folder" "${arguments[@]}"
        else
            "$ROOT/tests/guest/build" "$folder" "${arguments[@]}"
        fi
    done
    exec {lock}>&-
}
