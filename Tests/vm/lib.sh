# shellcheck shell=bash
# Sourced by images and run, and by those of Tests/container.

# shellcheck disable=SC2034 # theirs
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# guest_folder SUITE: the suite's guest, as images leaves it and run boots it; removed, it is made anew.
guest_folder() { echo "$(cache_folder)/guests/$1"; }

# tree_folder SUITE: the suite's tree for a container, the same way.
tree_folder() { echo "$(cache_folder)/trees/$1"; }

cache_folder() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/netanomalyd"; }

# lock_folder FOLDER: waits until nobody else is making it.
lock_folder() {
    mkdir -p "${1%/*}"
    exec {lock}>"$1.lock"
    flock "$lock"
}

# The mirror that this machine's apt uses where that is Debian's, so that a guest comes from where its host came from.
# shellcheck disable=SC2016 # what stands for the address is apt's to fill in
mirror() {
    [ -z "${NETANOMALY_MIRROR:-}" ] || { echo "$NETANOMALY_MIRROR" && return; }
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
        grep -m 1 . || die "this machine's apt has no Debian mirror: give NETANOMALY_MIRROR="
}

# unpack_tree SUITE FOLDER PACKAGES: a small Debian system; texts for people are left out.
unpack_tree() {
    local source
    source=$(mirror) || exit 1
    echo "Debian $1: unpacking"
    mmdebstrap --quiet --variant=minbase --include="$3" --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$1" "$2" "deb $source $1 main"
}
