# shellcheck shell=bash
# Completion of netanomalyctl's command line for bash.

_netanomalyctl() {
    # shellcheck disable=SC2034 # _init_completion sets what is not set here
    local cur prev words cword split word choices="help self-test status --control --help --version"
    _init_completion -s || return
    if [ "$prev" = --control ]; then
        _filedir
        return
    fi
    for word in "${words[@]:1:cword-1}"; do
        case $word in
        help) choices="self-test status" ;;
        self-test) choices="--help --json --version" ;;
        status) choices="--control --help --json --version" ;;
        *) continue ;;
        esac
        break
    done
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$cur")
}

complete -F _netanomalyctl netanomalyctl
