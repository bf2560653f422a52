# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2034,SC2153
# The parts of script/test: for each a name, a line, and the function run_NAME; sourced after lib.sh and libvirtd.sh.
set -euo pipefail

PARTS=(unit fuzz pairs browser integration-own integration-apart sanity lint docs integration molecule)
# What runs when it is named, or with --all: the others fill half an hour on 2 cores.
MORE_PARTS=(sanity-newest example guides galaxy)
# What runs with --xen only: it emulates a whole host.
XEN_PARTS=(xen)
declare -A DOES=(
    [unit]='pytest over tests/unit'
    [fuzz]='the tests over generated input, with more cases'
    [pairs]="the domains of libvirt's own test suite, as libvirt wrote them"
    [browser]='the pages in a real Chromium'
    [integration-own]='the targets that bring a libvirtd of their own (root)'
    [integration-apart]='some of the targets, on a libvirtd apart from the one of the others (root)'
    [sanity]='ansible-test sanity'
    [sanity-newest]='the same with the newest ansible-core, where there is a Python for it'
    [lint]='ansible-lint, shellcheck, REUSE, vermin, changelog and documentation'
    [docs]='the documentation builds without a warning, and its links lead somewhere'
    [integration]='the targets against a real libvirtd, with real guests (root)'
    [molecule]='the scenarios of molecule (root)'
    [example]='the role of examples/molecule, tested on guests as its user would (root)'
    [guides]='the guides do what they say (root)'
    [xen]='the target xen on a real host of Xen, which QEMU emulates (root)'
    [galaxy]='the tarball in an empty environment: its documentation, and the demo (root)'
)
# Those that use the system's libvirtd, or leave something in it.
LIBVIRT_PARTS=(integration xen)
# Those that have one of their own (script/apart), with these options of unshare: who fetches packages needs this machine's
# network, and has no network of libvirt.
declare -A APART=([integration-apart]='--net' [molecule]='--net' [example]='--net' [guides]='--net' [galaxy]='')
# The versions of the small guest that a part uses.
declare -A BUILDS=([integration]='v1 v2 broken' [integration-apart]='v1 v2 broken' [molecule]=v1 [example]=ssh [guides]='v1 v2' [galaxy]=v1 [xen]='xen-v1 xen-v2')
# What targets that integration leaves out have in their files "aliases".
OWN_TARGETS=virt_image/own/
APART_TARGETS=virt_image/apart/
XEN_TARGETS=virt_image/xen/
NEWEST='ansible-core>=2.21,<2.22'

# Plain pytest: no daemon, no root, and much quicker to start than ansible-test units.
run_unit() {
    run_pytest "$@" tests/unit
}

# The tests over generated input once more, with 12 times as many cases: 10,800 descriptors and capabilities that were
# mutated, and some thousands for the grammar and others (examples() in tests/unit/support.py).
run_fuzz() {
    VIRT_IMAGE_FUZZ=12 run_pytest -m fuzz "$@" tests/unit
}

# What libvirt made of the domains of its own test suite: nothing of it is a change, and all else is one.
run_pairs() {
    local suite
    if ! suite=$("$ROOT/script/libvirt-suite" 2>&1); then
        printf 'skipped: %s\n' "$suite"
        return 0
    fi
    VIRT_IMAGE_LIBVIRT=$suite run_pytest "$@" tests/unit/test_libvirt_pairs.py
}

# The pages in a real Chromium; its pictures are in .build/browser. One browser, one process.
run_browser() {
    run_pytest --numprocesses 0 "$@" tests/browser
}

run_pytest() {
    # With VIRT_IMAGE_RANDOM=1 other examples, and another order of sets, each time; else the same.
    [[ -n ${VIRT_IMAGE_RANDOM:-} ]] || export PYTHONHASHSEED=0
    # Where hypothesis keeps the random examples that failed, for the next run.
    export HYPOTHESIS_STORAGE_DIRECTORY=$BUILD/hypothesis
    cd "$ROOT"
    # A process for each core; a test that takes long does not keep others waiting.
    "$VENV/bin/python" -m pytest -o cache_dir="$BUILD/pytest" --import-mode=importlib \
        --numprocesses "$(nproc)" --dist worksteal "$@"
}

# ansible_test VENV COMMAND [ARGUMENT...]: runs ansible-test of an environment in a copy of the collection that is the
# part's own, with a home of its own (see ansible_test_home.py).
ansible_test() {
    local venv=$1 folder=$BUILD/ansible-test/$PART home=$BUILD/home-${1##*/}
    shift
    copy_collection "$folder"
    "$venv/bin/python" "$ROOT/script/ansible_test_home.py" "$home"
    (
        cd "$folder/ansible_collections/virt/image"
        # Else it finds the repository above, which ignores this folder.
        git init -q
        integration_config >tests/integration/integration_config.yml
        HOME=$home "$venv/bin/ansible-test" "$@"
    )
}

# One Python, that of the environment; vermin (see lint) watches over what runs on the hosts' older ones.
run_sanity() {
    ansible_test "$VENV" sanity --python "$(python_version "$VENV/bin/python")" "$@"
}

# The same with the newest ansible-core, which wants a newer Python than Debian's.
run_sanity-newest() {
    local venv=$BUILD/venv-newest python
    if ! python=$(newest_python); then
        printf 'skipped: no Python 3.12 or newer, with venv, is here\n'
        return 0
    fi
    [[ $(cat "$venv/.ready" 2>/dev/null) == "$python $NEWEST" ]] ||
        step "installing $NEWEST" install_newest "$python" "$venv"
    "$venv/bin/ansible-test" --version
    ansible_test "$venv" sanity --python "$(python_version "$venv/bin/python")" "$@"
}

install_newest() {
    local python=$1 venv=$2
    "$python" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input "$NEWEST"
    printf '%s\n' "$python $NEWEST" >"$venv/.ready"
}

# Prints the oldest interpreter that the newest ansible-core takes; pyenv's are not on the path.
newest_python() {
    local python pyenv=''
    ! command -v pyenv >/dev/null || pyenv=$(pyenv root)
    for python in python3 python3.12 "$pyenv"/versions/3.12*/bin/python3 python3.13 "$pyenv"/versions/3.13*/bin/python3; do
        if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
            "$python" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

# All linters, even after one has failed: a person wants to see everything at once.
run_lint() {
    local broken=() scripts
    cd "$ROOT"
    mkdir -p "$BUILD/home"
    PATH=$VENV/bin:$PATH
    mapfile -t scripts < <(git ls-files -co --exclude-standard | shell_scripts)
    lint shellcheck shellcheck -x "${scripts[@]}"
    lint reuse reuse lint --lines
    lint vermin vermin --quiet --no-tips --violations -t=3.9- plugins/modules plugins/module_utils
    lint antsibull-changelog antsibull-changelog lint
    # It writes a log to the home folder.
    lint antsibull-docs env HOME="$BUILD/home" antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
    lint ansible-lint ansible-lint --offline --strict "$@"
    [[ ${#broken[@]} == 0 ]] || die "lint: ${broken[*]} failed"
}

# lint NAME COMMAND...: runs one linter and remembers whether it failed.
lint() {
    local name=$1
    shift
    printf -- '--- %s\n' "$name"
    "$@" || broken+=("$name")
}

# Prints those of the files on stdin that a shell runs; not those of the guest, which are BusyBox's.
shell_scripts() {
    local file line
    while IFS= read -r file; do
        [[ -f $file && $file != tests/guest/root/* ]] || continue
        IFS= read -r line <"$file" 2>/dev/null || true
        [[ $file == *.sh || $line =~ ^#!.*[/\ ](ba|da)?sh( |$) ]] && printf '%s\n' "$file"
    done
}

# ansible-test runs the targets one after the other; modules run under the Python of apt's libvirt bindings.
run_integration() {
    # Unless somebody names some.
    [[ $# -gt 0 ]] || set -- --exclude "$OWN_TARGETS" --exclude "$APART_TARGETS" --exclude "$XEN_TARGETS"
    on_libvirtd integration_targets "$@"
}

# Those that need nothing of this machine's libvirtd, at the same time as the others.
run_integration-apart() {
    [[ $# -gt 0 ]] || set -- "$APART_TARGETS"
    on_libvirtd integration_targets "$@"
}

# Those that bring a libvirtd of their own, beside the others.
run_integration-own() {
    is_root || die 'these tests make a user, and daemons; run them as root'
    [[ $# -gt 0 ]] || set -- "$OWN_TARGETS"
    trap close_kvm EXIT
    open_kvm
    integration_targets "$@"
}

# The same playbooks on a host of Xen and on this machine.
run_xen() (
    # It is not to keep the lock of a run that was killed.
    trap '"$ROOT/script/xen-host" down {LOCK}>&-' EXIT
    "$ROOT/script/xen-host" up {LOCK}>&-
    # It has a trap of its own.
    (on_libvirtd integration_targets "$XEN_TARGETS" "$@")
)

integration_targets() {
    local host_python=/usr/bin/python3
    ansible_test "$VENV" integration --allow-destructive --continue-on-error \
        --controller "origin:python=$(python_version "$VENV/bin/python")@$VENV/bin/python" \
        --target "controller:python=$(python_version $host_python)@$host_python" "$@"
}

# What the targets find as variables; ansible-test reads it from this file.
integration_config() {
    cat <<END
guest_image_dir: $GUEST
guest_image_v2_dir: $GUESTS/v2
guest_image_broken_dir: $GUESTS/broken
iso_path: /usr/lib/ipxe/ipxe.iso
guests_dir: $GUESTS
xen_inventory: $BUILD/xen-host/inventory.yml
xen_ssh: $BUILD/xen-host/ssh
END
}

run_molecule() {
    on_libvirtd molecule_scenarios "$@"
}

molecule_scenarios() {
    cd "$ROOT/extensions"
    PATH=$VENV/bin:$PATH GUEST_IMAGE_DIR=$GUEST "$VENV/bin/molecule" test --all "$@"
}

run_example() {
    on_libvirtd with_pool molecule_example
}

# The example as its reader has it, with the small guest as the image, in the pool named. What is to be other than a reader
# has it is molecule's base configuration: the pool, no KVM, a file on a disk (the guest's own root is in memory), fewer steps
# for each module in a guest that is slow.
molecule_example() {
    local project=$BUILD/example left
    rm -rf "$project"
    cp -R "$ROOT/examples/molecule" "$project"
    mkdir "$project/images"
    ln -s "$GUESTS/ssh" "$project/images/small"
    cat >"$project/base.yml" <<END
provisioner:
  env:
    ANSIBLE_PIPELINING: "true"
  inventory:
    group_vars:
      all:
        hello_path: /data/hello
        molecule_guest: {virt_type: qemu, pool: $1}
END
    cd "$project"
    PATH=$VENV/bin:$PATH
    molecule --base-config base.yml test
    left=$(virsh -q vol-list "$1" | grep -v '^ *sha256-' || true)
    [[ -z $left ]] || die "molecule destroy left $left"
    left=$(find "$project" -name 'ssh_key*' -o -name 'instance_config.yml')
    [[ -z $left ]] || die "molecule destroy left $left"
}

# Runs a command with the name of a new storage pool, which is gone with its volumes at the end: with_pool COMMAND...
with_pool() {
    local name=virt-image-pool folder=/var/lib/libvirt/virt-image-pool status
    # Of a run that was killed.
    ! virsh -q pool-destroy "$name" 2>/dev/null || rm -rf "$folder"
    mkdir -p "$folder"
    virsh -q pool-create-as "$name" dir --target "$folder"
    # Put back at the end, as it was (on_libvirtd).
    virsh -q net-start default 2>/dev/null || true
    set +e
    (
        set -e
        "$@" "$name"
    )
    status=$?
    set -e
    virsh -q pool-destroy "$name"
    rm -rf "$folder"
    return "$status"
}

# The site builds without a warning, its links lead somewhere, and what its pages show is valid.
run_docs() {
    "$ROOT/script/docs"
    PYTHONPATH=$COLLECTIONS VIRT_IMAGE_SITE=$BUILD/docs/html run_pytest -W ignore::PendingDeprecationWarning "$@" tests/guides
}

# The guides do what they say, one after the other, each in a folder of its own; all of them, or those named.
run_guides() {
    PYTHONPATH=$COLLECTIONS on_libvirtd "$VENV/bin/python" -m ansible_collections.virt.image.tests.guides.run "$BUILD" "$@"
}

run_galaxy() {
    on_libvirtd "$ROOT/tests/galaxy/check" "$BUILD/galaxy" "$GUEST/image.xml" "$VENV/bin/ansible-builder"
}

python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
