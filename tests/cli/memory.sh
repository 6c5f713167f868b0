#!/bin/sh
# memory.sh TIMBRE TINY_CHAT_GGUF: files larger than main memory. Under every limit a command ends
# well or with exit code 4 and one sentence; it never aborts.
timbre=$1
model=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0

printf '{"prompt":"Hi","completion":"Yo"}\n' > one.jsonl
if ! (ulimit -v 16384 && "$timbre" data check "$model" one.jsonl) > /dev/null 2>&1; then
    echo 'skipped: no limit on memory can be set, or this build needs more (sanitizers)'
    echo '0 passed, 0 failed, 1 skipped'
    exit 77
fi
awk 'BEGIN { for (i = 0; i < 12000; i++) printf "{\"messages\":[{\"role\":\"user\",\"content\":\"Letter %d, is there room?\"},{\"role\":\"assistant\",\"content\":\"Off to the hills, %d of you!\"}]}\n", i, i }' > many.jsonl
awk 'BEGIN { printf "{\"prompt\":\"Hi\",\"completion\":\""; for (i = 0; i < 100000; i++) printf "word%d ", i; print "\"}" }' > long.jsonl
awk 'BEGIN { printf "{\"messages\":["; for (i = 0; i < 12000; i++) printf "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"; print "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}]}" }' > talk.jsonl

# squeeze NAME COMMAND...: under ever wider limits
squeeze() {
    name=$1 wrong= well=0 short=0
    shift
    for mib in 11 13 15 18 22 27 34 48 96; do
        (ulimit -v $((mib * 1024)) && exec timeout 120 "$@") > /dev/null 2> error
        code=$?
        lines=$(grep -vc '^warning: ' error)
        case $code:$lines in
        0:0) well=$((well + 1)) ;;
        4:1) grep -q '^timbre: .*no memory \|^timbre: .*fit in\(to\)* memory' error && short=$((short + 1)) || wrong="$wrong; $(tail -n 1 error)" ;;
        *) wrong="$wrong; $mib MiB: code $code, $(grep -v '^warning: ' error | head -n 2 | cut -c 1-100)" ;;
        esac
    done
    if [ -z "$wrong" ] && [ $well -gt 0 ] && [ $short -gt 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s: %d well, %d with a sentence%s\n' "$name" $well $short "$wrong"
    fi
}
squeeze 'many examples' "$timbre" data check "$model" many.jsonl
squeeze 'a long reply' "$timbre" data check "$model" long.jsonl
squeeze 'a long conversation' "$timbre" data check "$model" talk.jsonl
squeeze 'showing' "$timbre" data show "$model" many.jsonl
squeeze 'showing as JSON' "$timbre" data show "$model" long.jsonl --json
squeeze 'a text' "$timbre" tokenize "$model" long.jsonl --ids
# a line that is not usable is named, or there is no room to read it
awk 'BEGIN { printf "{\"messages\":["; for (i = 0; i < 100000; i++) printf "0,"; print "0]}" }' > zeros.jsonl
wrong= named=0 mib=11
while [ $mib -le 30 ]; do
    (ulimit -v $((mib * 1024)) && exec timeout 120 "$timbre" data check "$model" zeros.jsonl) > /dev/null 2> error
    case $? in
    3) named=$((named + 1)) ;;
    4) grep -q '^timbre: .*no memory ' error || wrong="$wrong; $(tail -n 1 error)" ;;
    *) wrong="$wrong; $mib MiB: $(tail -n 1 error)" ;;
    esac
    mib=$((mib + 1))
done
if [ -z "$wrong" ] && [ $named -gt 0 ] && [ $named -lt 20 ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    printf 'failed: a list of numbers: %d named%s\n' $named "$wrong"
fi
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
