#!/bin/sh
# doctor_faults.sh TIMBRE, under the fault layer: a card without memory has no wrong kernels, and one
# that breaks down has a report.
timbre=$1
. "$(dirname "$0")/check.inc"
check_also=output
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

# doctor FAULTS CODE: ends with this code; what it prints is in the file output
doctor() {
    TIMBRE_FAULTS=$1 "$timbre" doctor --report report.json > output 2>&1
    code=$?
    [ $code = "$2" ] || { echo "code $code"; return 1; }
}
says() { grep -q -e "$1" "${2:-output}"; }
lacks() { ! says "$@"; }

if ! "$timbre" devices > output 2>&1; then
    echo "doctor_faults: skipped: $(cat output)"
    echo '0 passed, 0 failed, 1 skipped'
    exit 77
fi
check 'full memory is exit 1' doctor 'oom@allocate:40' 1
check 'the kernel was not tried' says ' could not be tried, case '
check 'the reason is told' says 'MiB of device memory\|out of device memory'
check 'the rest is right' says 'All [0-9]* kernels that were tried compute correctly'
check 'nothing is called wrong' lacks 'wrong numbers'
check 'nobody is alarmed' lacks 'Do not trust\|--caps'
check 'the report says so' says '"verdict":.*"untried"' report.json
check 'the report knows none that is wrong' says '"wrong":[^0-9]*0,' report.json

rm report.json
check 'a lost device is exit 4' doctor 'lost@submit:60' 4
check 'its kernel is named' says 'the device broke down in kernel [a-z]'
check 'the report is spoken of' says 'The report is in report.json'
check 'the report says what happened' says '"failure":.*"the device broke down in kernel ' report.json
check 'the report has what was found before' says '"verdict":.*"right"' report.json
check 'the report has what broke' says 'the device broke down: ' report.json
check 'the report has what was left' says 'the device broke down before its turn' report.json
rm report.json
check 'a device lost at once is exit 4' doctor 'lost@submit:8' 4
check 'that report says what happened' says '"failure":.*"the device broke down while its speed' report.json
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
