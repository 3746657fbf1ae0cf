# shellcheck shell=bash
# Sourced by the scripts beside it and by Benchmarks/run: what each needs from the machine, asked for once and in one
# sentence; and what packages are made of.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n==> %s\n' "$*"; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "needs root, to load BPF programs and to make network namespaces: sudo $0"
}

# Sets $swift. sudo cuts PATH short, so the usual places are looked at too.
need_swift() {
    local home directory
    home=$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)
    for directory in ${PATH//:/ } "$home/.local/share/swiftly/bin" "$home/.swiftly/bin" {/opt,/usr/local}/swift*/usr/bin; do
        swift=$directory/swift
        if [ -x "$swift" ]; then
            PATH=$directory:$PATH
            return
        fi
    done
    die "needs a Swift 6.2 or newer toolchain and finds none: https://www.swift.org/install/linux says how to get it"
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -q update
    apt-get -q install -y --no-install-recommends "${missing[@]}"
}

# Where unpack_packages puts what the live tests use (Tests/lab/tools.py).
tools_folder() { echo "${NETANOMALY_TEST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/netanomalyd/tools}"; }

# unpack_packages DIRECTORY PACKAGE...: the files of Debian packages, for use without installing them; kept from run to
# run. A package without files of its own stands for the one it depends on.
unpack_packages() {
    local directory=$1 package found work status=0
    shift
    mkdir -p "$directory"
    for package in "$@"; do
        [ ! -e "$directory/.$package" ] || continue
        found=$(apt-cache depends --important "$package" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
        work=$(mktemp -d)
        if (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "${found:-$package}") &&
            dpkg-deb --extract "$work"/*.deb "$directory"; then
            touch "$directory/.$package"
        else
            status=1
        fi
        rm -rf "$work"
    done
    return "$status"
}

# need_build_packages PACKAGE...: what the build takes, and others. Git and certificates fetch its one dependency.
need_build_packages() {
    need_packages binutils ca-certificates git libbpf-dev libc6-dev libncurses6 libstdc++-12-dev libsystemd-dev \
        pkg-config zlib1g-dev "$@"
}

# Why BPF cannot work here, or nothing.
missing_for_bpf() {
    [ -r /sys/kernel/btf/vmlinux ] || echo "this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF)"
    [ -c /dev/net/tun ] || modprobe tun 2>/dev/null || echo "there is no /dev/net/tun"
    unshare --net true 2>/dev/null || echo "network namespaces are not permitted here"
}

# swift_build ARGUMENT...: as the owner of the tree, so that sudo leaves nothing behind that he cannot build over.
swift_build() {
    local owner command
    owner=$(stat -c %U "$root")
    command=("$swift" build --package-path "$root" --explicit-target-dependency-import-check error "$@")
    if [ "$(id -un)" = root ] && [ "$owner" != root ] && [ "$owner" != UNKNOWN ]; then
        command=(runuser -u "$owner" -- env "HOME=$(getent passwd "$owner" | cut -d: -f6)" "PATH=$PATH" "${command[@]}")
    fi
    "${command[@]}"
}

# Said once, in the daemon's source.
package_version() {
    sed -n 's/^public let daemonVersion = "\(.*\)"$/\1/p' "$root/Sources/NetAnomalyDaemon/DaemonOptions.swift"
}

# is_fresh PACKAGE: whether it is younger than all that it is made of.
is_fresh() {
    local others=(-name '.build*' -o -name .git -o -name .ci -o -name dist -o -name Tests -o -name Benchmarks)
    [ -e "$1" ] && [ -z "$(find "$root" -mindepth 1 \( "${others[@]}" \) -prune -o -newer "$1" -print -quit)" ]
}

# lay_out_sources DIRECTORY: what a release's source archive holds.
lay_out_sources() {
    mkdir -p "$1"
    tar -C "$root" --exclude-vcs --exclude='./.build*' --exclude=./dist -c . | tar -C "$1" --no-same-owner -x
}

# into_dist START PACKAGE: with the time of START, so that what was written since makes it stale.
into_dist() {
    touch -r "$1" "$2"
    install -d -o "$(stat -c %U "$root")" -g "$(stat -c %G "$root")" "$root/dist"
    install -p -m 644 -o "$(stat -c %U "$root")" -g "$(stat -c %G "$root")" -t "$root/dist" "$2"
    say "dist/${2##*/}"
}
