# shellcheck shell=bash
# Completion of netanomalyd's command line for bash.

_netanomalyd() {
    # shellcheck disable=SC2034 # _init_completion sets all of them
    local cur prev words cword split
    _init_completion -s || return
    case $prev in
    --config | --control) _filedir ;;
    --output) mapfile -t COMPREPLY < <(compgen -W "auto journal json text" -- "$cur") ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "--check-config --config --control --dump-config --help --json
            --keep-state --list-rules --output --reload --self-test --version" -- "$cur")
        ;;
    esac
}

complete -F _netanomalyd netanomalyd
