#!/bin/sh
# doctor.sh TIMBRE: the self-test passes, says so in words, and its report holds nothing private.
timbre=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0

expect() { # WHAT CONDITION…
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "not so: $what"
        failed=$((failed + 1))
    fi
}
lacks() { ! grep -q -w -F -e "$1" "$2"; }

"$timbre" doctor --report report.json >output 2>errors
code=$?
if [ "$code" = 4 ]; then
    cat errors
    echo '0 passed, 0 failed, 1 skipped'
    exit 77
fi
expect 'every kernel is right (exit 0)' [ "$code" = 0 ]
expect 'it says so' grep -q 'All [0-9]* kernels compute correctly on this card' output
expect 'products of matrices were tried' grep -q 'right *products of matrices' output
expect 'the roofs were measured' grep -q 'GFLOP/s of f32 arithmetic, .* GB/s of memory' output
expect 'nothing goes to standard error' [ ! -s errors ]
expect 'the report names the driver' grep -q '"driver"' report.json
expect 'the report lists kernels' grep -q '"kernel":.*"matmul_nt' report.json
expect 'the report does not hold the folder' lacks "$folder" report.json
expect 'the report does not hold the home folder' lacks "${HOME:-/no home}/" report.json
expect 'the report does not hold the machine' lacks "$(uname -n)" report.json
"$timbre" doctor --device 'no such device' >output 2>&1
expect 'an unknown device is exit 4' [ $? = 4 ]
"$timbre" doctor --report no/such/folder/report.json --quiet --device 'no such device' >output 2>&1
expect 'nothing is written without a device' [ ! -e no ]
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
