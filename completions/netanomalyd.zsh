#compdef netanomalyd
# Completion of netanomalyd's command line for zsh.

local other='(--check-config --dump-config --list-rules --reload --self-test --version -h --help)'

_arguments \
    '--config=[read this file and its drop-ins]:file:_files' \
    '--output=[where entries go]:where:(auto journal json text)' \
    '--control=[control socket]:socket:_files' \
    '--keep-state[leave the state to the next process]' \
    '--json[print a list or report for scripts]' \
    "$other--check-config[print every problem of the configuration]" \
    "$other--dump-config[print the configuration in force]" \
    "$other--list-rules[print all rules]" \
    "$other--reload[have the running daemon reload]" \
    "$other--self-test[make each anomaly and tell which are seen]" \
    "$other--version[print the version]" \
    "$other"{-h,--help}'[print a summary]'
