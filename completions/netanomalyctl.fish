# Completion of netanomalyctl's command line for fish.

set -l commands status self-test help

complete -c netanomalyctl -f
complete -c netanomalyctl -n "not __fish_seen_subcommand_from $commands" -a status \
    -d 'What is watched, and what became of every event'
complete -c netanomalyctl -n "not __fish_seen_subcommand_from $commands" -a self-test \
    -d 'Make each anomaly and tell which are seen'
complete -c netanomalyctl -n "not __fish_seen_subcommand_from $commands" -a help -d 'Print a summary'
complete -c netanomalyctl -n '__fish_seen_subcommand_from help' -a 'status self-test'
complete -c netanomalyctl -n 'not __fish_seen_subcommand_from self-test help' -l control -r -F -d 'Control socket'
complete -c netanomalyctl -n '__fish_seen_subcommand_from status self-test' -l json -d 'Print the report for a program'
complete -c netanomalyctl -l version -d 'Print the version'
complete -c netanomalyctl -s h -l help -d 'Print a summary'
