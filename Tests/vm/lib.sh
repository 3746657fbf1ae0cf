# shellcheck shell=bash
# Sourced by images and run.

# shellcheck disable=SC2034 # theirs
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# guest_folder SUITE: the suite's guest, as images leaves it and run boots it; removed, it is made anew.
guest_folder() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/netanomalyd/guests/$1"; }
