#!/bin/sh
# terminal.sh TIMBRE TINY_CHAT_GGUF: how it behaves at a terminal and when one goes away.
timbre=$1
model=$2
command -v script > /dev/null || { echo 'skipped: no script(1) here'; exit 77; }
. "$(dirname "$0")/check.inc"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$timbre" timbre && ln -s "$model" model.gguf || exit 1
passed=0 failed=0

# at COLUMNS COMMAND: runs it at a terminal of that width; the output, a redrawn line each its own
at() {
    timeout 60 script -qec "stty cols $1; $2" /dev/null | tr '\r' '\n'
}

for i in 1 2 3 4 5 6 7 8; do
    printf '{"messages":[{"role":"user","content":"Hello %d"},{"role":"assistant","content":"Off we go, %d!"}]}\n' $i $i
done > letters.jsonl
options='--steps 40 --step-examples 2 --row-tokens 64 --rank 2'

at 50 "./timbre train model.gguf letters.jsonl -o narrow $options" < /dev/null > narrow.log
check 'steps are shown' grep -q 'step 40/40' narrow.log
check 'no step is wider than the terminal' sh -c "! grep '^step' narrow.log | grep '.\{50\}'"
at 200 "./timbre train model.gguf letters.jsonl -o wide $options" < /dev/null > wide.log
check 'a wide one shows all' grep -q 'step 40/40 .*loss .*lr .*norm .*tok/s .*fill .*left' wide.log

printf 'Dear team,\n\nwhere to in March?\n' > letter.txt
at 80 './timbre tokenize model.gguf - --ids' < letter.txt | tail -n 2 > typed.ids
./timbre tokenize model.gguf letter.txt --ids > file.ids
check 'one Ctrl-D ends what is typed' sh -c 'grep -qF "$(cat file.ids)" typed.ids'
at 80 './timbre chat model.gguf --max-tokens 2' < letter.txt > chat.log
check 'a pasted letter is one message' sh -c 'test "$(grep -c "^> " chat.log)" = 2 || { cat chat.log; false; }'

# a model of chance says everything; what it says must not steer the terminal
wild='./timbre generate model.gguf hello --temperature 50 --seed 3 --max-tokens 400 --quiet'
control() { LC_ALL=C grep -q "$(printf '[\001-\010\013\014\016-\037\177]')" "$1"; }
$wild 2> /dev/null > piped.reply
check 'the reply has control characters' control piped.reply
at 80 "$wild 2> /dev/null" < /dev/null > shown.reply
check 'a terminal gets none of them' sh -c "test -s shown.reply && ! LC_ALL=C grep -q '$(printf '[\001-\010\013\014\016-\037\177]')' shown.reply"
check 'but signs instead' env LC_ALL=C grep -q "$(printf '\342\220[\200-\241]')" shown.reply

complete() { # WORD...: what bash offers for the last
    PATH=.:$PATH bash -c 'eval "$(timbre help completions)"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _timbre
        echo "${#COMPREPLY[@]} ${COMPREPLY[*]}"' sh "$@"
}
check 'bash completes commands' test "$(complete timbre tr)" = '1 train'
check 'bash completes options' test "$(complete timbre train --st)" = '2 --steps --step-examples'
check 'bash completes verbs' test "$(complete timbre data '')" = '2 check show'
check 'bash is left to complete files' test "$(complete timbre train mo)" = '0 '

./timbre train model.gguf letters.jsonl -o piped $options 2>&1 > result.log | head -n 1 > /dev/null
check 'a run outlives the reader of its progress' test -s piped/adapter/adapter.gguf -a -s result.log
# under nohup the hang-up is ignored, as it should be: env gives the program a fresh start
heeding=
env --default-signal=HUP true 2> /dev/null && heeding='env --default-signal=HUP'
$heeding ./timbre train model.gguf letters.jsonl -o hung --steps 100000 --step-examples 2 --row-tokens 64 --rank 2 \
    > /dev/null 2> hung.log &
pid=$!
for i in $(seq 200); do
    [ -s hung/metrics.jsonl ] && break
    sleep 0.1
done
kill -HUP $pid
wait $pid
code=$?
check 'a closed window is like Ctrl-C' sh -c "test $code = 130 && grep -q 'go on with' hung.log"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
