#!/bin/sh
# lost.sh TIMBRE TINY_CHAT_GGUF, under the fault layer: a device that goes away while a command
# works. Once: opened again, with one line about it and the same result. For good: exit code 4,
# one sentence, and a run that goes on.
timbre=$1
model=$2
. "$(dirname "$0")/check.inc"
check_also=error
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
# what earlier builds left in the user's cache must not be spoken of here; Mesa's own may stay
MESA_SHADER_CACHE_DIR=${MESA_SHADER_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}}
XDG_CACHE_HOME=$work/cache
export MESA_SHADER_CACHE_DIR XDG_CACHE_HOME
mkdir cache
passed=0 failed=0
LP_NUM_THREADS=0
export LP_NUM_THREADS

# faulty FAULTS CODE OUTPUT COMMAND...: ends with this code; standard error in the file error
faulty() {
    faults=$1 wanted=$2 output=$3
    shift 3
    TIMBRE_FAULTS=$faults "$@" > "$output" 2> error
    code=$?
    [ $code = "$wanted" ] || { echo "code $code"; return 1; }
}
lines() { [ "$(wc -l < error)" = "$1" ] && grep -q "$2" error; }
numbers() { sed 's/"seconds".*//' "$1" | cmp - calm.numbers; }

for i in 1 2 3 4 5 6; do
    printf '{"messages":[{"role":"user","content":"Letter %d"},{"role":"assistant","content":"Off to the hills %d"}]}\n' $i $i
done > letters.jsonl

"$timbre" --version > /dev/null 2>&1 || exit 1
faulty '' 0 calm.eval "$timbre" eval "$model" letters.jsonl --json --row-tokens 64
code=$?
if [ $code != 0 ] && grep -q 'Vulkan' error; then
    echo "lost: skipped: $(cat error)"
    echo '0 passed, 0 failed, 1 skipped'
    exit 77
fi
sed 's/"seconds".*//' calm.eval > calm.numbers
check 'eval goes on' faulty 'lost@submit:4' 0 eval.json "$timbre" eval "$model" letters.jsonl --json --row-tokens 64
check 'eval says so' lines 1 'the device was lost; opened it again'
check 'eval gives the same numbers' numbers eval.json
check 'eval gives up' faulty 'lost@submit:4,lost@submit:8' 4 eval.json "$timbre" eval "$model" letters.jsonl --json --row-tokens 64
check 'eval says why' lines 2 'lost twice during the evaluation'

set -- "$timbre" generate "$model" 'Where to?' --max-tokens 12
faulty '' 0 calm.reply "$@"
check 'generate goes on' faulty 'lost@wait:9' 0 reply "$@"
check 'generate says so' lines 2 'the device was lost; opened it again'
check 'generate gives the same reply, once' cmp reply calm.reply
check 'generate gives up' faulty 'lost@wait:9,lost@submit:14' 4 reply "$@"
check 'generate says why' lines 2 'lost twice while answering'

train() { "$timbre" train "$model" letters.jsonl --steps 4 --step-examples 3 --row-tokens 64 --rank 4 --quiet "$@"; }
train -o calm > /dev/null 2>&1
check 'train ends when the device does not come back' faulty 'lost@wait:14,lost@open:2-' 4 out train -o gone
check 'train says how to go on' lines 1 'is saved, go on with: timbre train .* --resume'
check 'train ends when the device goes before the run has begun' faulty 'lost@wait:2,lost@open:2-' 4 out train -o none
check 'train says that nothing was begun' lines 1 'before the first step .*; nothing was begun'
check 'train leaves no RUN then' test ! -e none
check 'train ends when nothing is saved yet' faulty 'lost@wait:5,lost@open:2-' 4 out train -o early
check 'train promises no state then' lines 1 'after step 0 .*no step is saved yet, begin again with: timbre train .* --resume'
check 'train begins again' faulty '' 0 out train -o early --resume
check 'train ends with the same bits as well' cmp calm/adapter/adapter.gguf early/adapter/adapter.gguf
check 'train goes on' faulty '' 0 out train -o gone --resume
check 'train ends with the same bits' cmp calm/adapter/adapter.gguf gone/adapter/adapter.gguf

set -- "$timbre" export calm --to gguf-lora -o
check 'export goes on' faulty 'lost@submit:4' 0 out "$@" voice.gguf
check 'export says so' lines 1 'the device was lost; opened it again'
check 'export gives up' faulty 'lost@submit:4,lost@submit:6' 4 out "$@" other.gguf
check 'export says what to do' lines 2 'other.gguf was written, but .* remove it and export again'
check 'export writes the same' cmp voice.gguf other.gguf
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
