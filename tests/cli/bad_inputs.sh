#!/bin/sh
# bad_inputs.sh TIMBRE TINY_CHAT_GGUF: everything a person can get wrong. Each row gives the
# exit code wanted and a word that its one sentence must hold. A failure must say exactly one
# line (after it, indented, may stand the list of bad data lines), beginning with "timbre:", print nothing on standard output and leave no partial output.
timbre=$1
model=$2
work=$(mktemp -d) || exit 1
trap 'umount "$work/small" 2>/dev/null; chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
cd "$work" || exit 1
# what earlier builds left in the user's cache must not be spoken of here; Mesa's own may stay
MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}}
XDG_CACHE_HOME=$work/cache
export MESA_SHADER_CACHE_DIR XDG_CACHE_HOME
mkdir cache

# ---- the files of the table ----
good='{"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":"Good day to you"}]}'
printf '%s\n' "$good" > good.jsonl
: > empty.jsonl
printf '\n \n\n' > blank.jsonl
printf '%s\n{"messages":[\n' "$good" > cut.jsonl
printf '%s\nnot json\n' "$good" > text.jsonl
printf '{"messages":"hi"}\n' > string.jsonl
printf '{"messages":[]}\n' > nobody.jsonl
printf '{"messages":[{"role":"user","content":"hi"}]}\n' > noreply.jsonl
printf '{"messages":[{"role":"wizard","content":"hi"},{"role":"assistant","content":"x"}]}\n' > wizard.jsonl
printf '{"messages":[{"role":"user"},{"role":"assistant","content":"x"}]}\n' > nocontent.jsonl
printf '{"messages":[{"role":"user","content":7},{"role":"assistant","content":"x"}]}\n' > number.jsonl
printf '{"text":"hello"}\n' > unknown.jsonl
printf '[1,2]\n' > array.jsonl
printf '{"messages":[{"role":"user","content":"\377\376"},{"role":"assistant","content":"x"}]}\n' > utf8.jsonl
printf '{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"x"}],"weight":-1}\n' > weight.jsonl
head -c 10000000 /dev/zero | tr '\0' 'a' > long.jsonl
mkdir folder readonly
printf 'hello\n' > letter.txt
: > empty.txt
printf 'caf\351\n' > ansi.txt
printf '\n\n' > newlines.txt
printf 'GGUX and more bytes than a header needs\n' > magic.gguf
: > empty.gguf
cp "$model" whole.gguf
size=$(wc -c < whole.gguf)
for part in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    head -c $((size * part / 21)) whole.gguf > "cut$part.gguf"
done
{ printf 'GGUF\003\000\000\000\377\377\377\377\377\377\377\177'; tail -c +17 whole.gguf; } > many.gguf
{ printf 'GGUF\011\000\000\000'; tail -c +9 whole.gguf; } > version.gguf
{ printf 'GGUF\000\000\000\003'; tail -c +9 whole.gguf; } > bigendian.gguf
# the last tensor, output_norm.weight, becomes NaN
{ head -c $((size - 256)) whole.gguf; head -c 256 /dev/zero | tr '\0' '\377'; } > nan.gguf
mkdir peft_empty peft_broken
printf '{"r": "sixteen"}\n' > peft_broken/adapter_config.json
mkdir run_taken && printf 'x' > run_taken/file

"$timbre" generate whole.gguf hello --max-tokens 1 > first.log 2>&1    # tells what it finds about a card once

# try CODE WORD ARGUMENTS...
try() {
    wanted=$1
    word=$2
    shift 2
    before=$(ls -A)
    timeout 120 "$timbre" "$@" > out.log 2> err.log < /dev/null
    got=$?
    # the sentence; a list of bad data lines may follow it, indented
    lines=$(grep -vc '^  ' err.log)
    problem=
    [ "$got" = "$wanted" ] || problem="exit $got instead of $wanted"
    grep -qi -- "$word" err.log || problem="$problem; no '$word'"
    [ "$lines" = 1 ] || problem="$problem; $lines lines"
    head -c 7 err.log | grep -q 'timbre:' || problem="$problem; does not begin with timbre:"
    [ ! -s out.log ] || problem="$problem; prints on standard output"
    rm -f out.log
    mv err.log "$work/../timbre-bad-inputs.$$" 2>/dev/null
    [ "$before" = "$(ls -A)" ] || problem="$problem; leaves $(ls -At | head -n 1) behind"
    if [ -n "$problem" ]; then
        failed=$((failed + 1))
        printf 'failed: timbre %s\n    %s\n' "$*" "$problem"
        sed 's/^/    | /' "$work/../timbre-bad-inputs.$$" | head -n 5
        rm -rf run out
    else
        passed=$((passed + 1))
    fi
    rm -f "$work/../timbre-bad-inputs.$$"
}

# ---- usage: 2 ----
try 2 train trian
try 2 train help trian
try 2 rank train whole.gguf good.jsonl -o run --rnak 3
try 2 'mean --lr?' train whole.gguf good.jsonl -o run --learning-rate 1e-4
try 2 'mean --step-examples?' train whole.gguf good.jsonl -o run --batch-size=4
try 2 'mean --output?' train whole.gguf good.jsonl --out run
try 2 'the model comes first' train good.jsonl whole.gguf -o run
try 2 quotes generate whole.gguf dear team
try 2 value train whole.gguf good.jsonl -o
try 2 'rank wants at least 1' train whole.gguf good.jsonl -o run --rank 0
try 2 rank train whole.gguf good.jsonl -o run --rank -4
try 2 rank train whole.gguf good.jsonl -o run --rank four
try 2 lr train whole.gguf good.jsonl -o run --lr -1
try 2 lr train whole.gguf good.jsonl -o run --lr nan
try 2 lr train whole.gguf good.jsonl -o run --lr 0
try 2 epochs train whole.gguf good.jsonl -o run --epochs 0
try 2 warmup train whole.gguf good.jsonl -o run --warmup 1.5
try 2 row-tokens train whole.gguf good.jsonl -o run --row-tokens 0
try 2 schedule train whole.gguf good.jsonl -o run --schedule zigzag
try 2 method train whole.gguf good.jsonl -o run --method magic
try 2 target train whole.gguf good.jsonl -o run --targets attn_x
try 2 head train whole.gguf good.jsonl -o run --targets output
try 2 vram train whole.gguf good.jsonl -o run --vram much
try 2 '-o' train whole.gguf good.jsonl
try 2 usage train
try 2 usage inspect
try 2 usage inspect whole.gguf whole.gguf
try 2 'does not belong' inspect whole.gguf --rank 3
try 2 check data chekc whole.gguf good.jsonl
try 2 not generate whole.gguf hello --file letter.txt
try 2 usage export run_taken
try 2 exist train whole.gguf good.jsonl -o run_taken
try 2 share train whole.gguf good.jsonl -o run --val 10%
try 2 share train whole.gguf good.jsonl -o run --val 1.5
try 2 bos eval whole.gguf letter.txt --bos twice
try 2 caps devices --caps sideways
# ---- models: 3 ----
try 3 missing.gguf inspect missing.gguf
try 3 'one GGUF file' inspect folder
try 3 empty.gguf inspect empty.gguf
try 3 magic.gguf inspect magic.gguf
try 3 many.gguf inspect many.gguf
try 3 version inspect version.gguf
try 3 bigendian.gguf inspect bigendian.gguf
try 3 nan.gguf train nan.gguf good.jsonl -o run
try 3 letter.txt inspect letter.txt
for part in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    try 3 "cut$part.gguf" inspect "cut$part.gguf"
done
# ---- data: 3 ----
for bad in empty blank cut text string nobody noreply wizard nocontent number unknown array utf8 weight long; do
    try 3 "$bad.jsonl" train whole.gguf "$bad.jsonl" -o run
done
try 3 missing.jsonl train whole.gguf missing.jsonl -o run
try 3 folder train whole.gguf folder -o run
try 3 'line 2' data check whole.gguf text.jsonl
try 3 empty.txt eval whole.gguf empty.txt
try 3 missing.txt eval whole.gguf missing.txt
try 3 missing.txt tokenize whole.gguf missing.txt
try 3 empty generate whole.gguf ''
try 3 empty generate whole.gguf --file empty.txt
try 3 empty generate whole.gguf --file newlines.txt
try 3 UTF-8 generate whole.gguf --file ansi.txt
try 3 UTF-8 generate whole.gguf --file utf8.jsonl
try 3 context generate whole.gguf "$(head -c 3000 long.jsonl)"
# ---- adapters and runs ----
try 3 missing generate whole.gguf hello --adapter missing
try 3 peft_empty generate whole.gguf hello --adapter peft_empty
try 3 peft_broken generate whole.gguf hello --adapter peft_broken
try 3 letter.txt generate whole.gguf hello --adapter letter.txt
try 3 whole.gguf generate whole.gguf hello --adapter whole.gguf
try 3 'not a RUN' export missing --to peft -o out
try 3 'not a RUN' export folder --to peft -o out
try 3 'not a RUN' export whole.gguf --to peft -o out
try 3 empty train whole.gguf empty.jsonl -o run --val good.jsonl
try 3 missing.jsonl train whole.gguf good.jsonl -o run --val missing.jsonl
# ---- devices: 4 ----
try 4 device generate whole.gguf hello --device 99
try 4 device generate whole.gguf hello --device nosuchcard
try 4 vram train whole.gguf good.jsonl -o run --vram 100k
VK_ICD_FILENAMES=/nonexistent/icd.json VK_DRIVER_FILES=/nonexistent/icd.json
export VK_ICD_FILENAMES VK_DRIVER_FILES
try 4 vulkan generate whole.gguf hello
try 4 vulkan train whole.gguf good.jsonl -o run
unset VK_ICD_FILENAMES VK_DRIVER_FILES
# ---- a folder that cannot be written: 1 ----
mkdir small
if mount -t tmpfs -o size=1m none small 2> /dev/null; then
    try 1 'has 1.0 MB left, and the run will need 1.4 MB' train whole.gguf good.jsonl -o small/run --steps 9
    try 1 'will need' train whole.gguf good.jsonl -o small/run --epochs 9
    if "$timbre" train whole.gguf good.jsonl -o small/run --steps 9 --rank 4 --quiet > /dev/null; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo 'failed: a run that fits a small disk'
    fi
    umount small
else
    skipped=$((skipped + 1))
    echo 'skipped: a nearly full disk (no right to mount one)'
fi
if [ "$(id -u)" = 0 ]; then
    skipped=$((skipped + 1))
    echo 'skipped: read-only folder (running as root)'
else
    chmod a-w readonly
    try 1 readonly train whole.gguf good.jsonl -o readonly/run
fi
try 1 letter.txt train whole.gguf good.jsonl -o letter.txt/run

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
