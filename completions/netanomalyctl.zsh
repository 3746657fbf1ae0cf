#compdef netanomalyctl
# Completion of netanomalyctl's command line for zsh.

local state
local -a common=(
    '--control=[control socket]:socket:_files'
    '--version[print the version]'
    '(-h --help)'{-h,--help}'[print a summary]'
)

_arguments -C $common '1: :->command' '*:: :->rest'

case $state in
    command)
        local -a commands=(
            'status:what is watched, and what became of every event'
            'self-test:make each anomaly and tell which are seen'
            'help:print a summary'
        )
        _describe command commands
        ;;
    rest)
        case $words[1] in
            status) _arguments $common '--json[print the report as the daemon sent it]' ;;
            self-test) _arguments ${common[2,-1]} '--json[print the report for a program]' ;;
            help) _arguments '1:command:(status self-test)' ;;
        esac
        ;;
esac
