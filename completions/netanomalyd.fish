# Completion of netanomalyd's command line for fish.

complete -c netanomalyd -f
complete -c netanomalyd -l config -r -F -d 'Read this file and its drop-ins'
complete -c netanomalyd -l output -x -a 'auto journal json text' -d 'Where entries go'
complete -c netanomalyd -l control -r -F -d 'Control socket'
complete -c netanomalyd -l keep-state -d 'Leave the state to the next process'
complete -c netanomalyd -l json -d 'Print a list or report for scripts'
complete -c netanomalyd -l check-config -d 'Print every problem of the configuration'
complete -c netanomalyd -l dump-config -d 'Print the configuration in force'
complete -c netanomalyd -l list-rules -d 'Print all rules'
complete -c netanomalyd -l reload -d 'Have the running daemon reload'
complete -c netanomalyd -l self-test -d 'Make each anomaly and tell which are seen'
complete -c netanomalyd -l version -d 'Print the version'
complete -c netanomalyd -s h -l help -d 'Print a summary'
