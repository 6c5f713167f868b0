#!/bin/sh
# journey.sh TIMBRE TINY_CHAT_GGUF: the whole way of a user on a tiny model: check, fit, train,
# interrupt, resume, evaluate, generate, export, and use what was exported.
timbre=$1
model=$2
. "$(dirname "$0")/check.inc"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir 'Grüße & Mails' && cd 'Grüße & Mails' || exit 1
passed=0 failed=0 skipped=0

same() { cmp "$1" "$2"; }
differ() { ! cmp -s "$1" "$2"; }
fails_with() { # CODE COMMAND...
    wanted=$1
    shift
    "$@"
    [ $? = "$wanted" ]
}

# CRLF, a byte order mark, and letters beyond ASCII
printf '\357\273\277' > letters.jsonl
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf '{"messages":[{"role":"user","content":"Brief %d: wohin im März?"},{"role":"assistant","content":"Auf die Alm, natürlich! %d Grüße."}]}\r\n' $i $i
done >> letters.jsonl
head -n 3 letters.jsonl > held.jsonl
printf '{"prompt":[{"role":"user","content":"Wohin?"}],"chosen":"Auf die Alm!","rejected":"Nirgends."}\n' > pairs.jsonl
options='--steps 8 --step-examples 3 --row-tokens 256 --rank 4 --seed 5 --checkpoint-every 2 --quiet'

check 'data check' "$timbre" data check "$model" letters.jsonl
check 'data show marks the reply' sh -c "'$timbre' data show '$model' letters.jsonl --limit 1 | grep -q '\[\[Auf die Alm'"
check 'data show --json' sh -c "'$timbre' data show '$model' letters.jsonl --json --limit 2 | grep -c '^{.*\"line\":[12],.*\"supervised\":true.*}$' | grep -q '^2$'"
check 'tokenize --json' sh -c "printf abc | '$timbre' tokenize '$model' - --json | grep -q '^{\"tokens\":3,\"ids\":\[[0-9,]*\]}$'"
# the same model, but it says that it knows 24 tokens only
at=$(LC_ALL=C grep -obUa llama.context_length "$model" | cut -d : -f 1)
{ head -c $((at + 24)) "$model"; printf '\030\000\000\000'; tail -c +$((at + 29)) "$model"; } > short.gguf
check 'data check knows rows as training does' sh -c "'$timbre' data check short.gguf letters.jsonl 2>&1 | grep -q 'those beyond 24 '"
check 'fit' "$timbre" fit "$model" letters.jsonl --json
check 'dry run' "$timbre" train "$model" letters.jsonl --dry-run
check 'train' "$timbre" train "$model" letters.jsonl -o whole --val held.jsonl $options
check 'the same seed gives the same bits' "$timbre" train "$model" letters.jsonl -o again --val held.jsonl $options
{ cat letters.jsonl; head -n 2 letters.jsonl; printf '{"prompt":"Und?","completion":" "}\n'; } > repeated.jsonl
check 'train counts what data check names' sh -c "'$timbre' train '$model' repeated.jsonl -o counted --val held.jsonl --steps 1 --quiet 2>&1 |
    grep 'of 18 examples 2 repeat another one, 1 has an empty reply; '"
check 'train says when held-out examples are known' sh -c "'$timbre' train '$model' letters.jsonl -o known --val held.jsonl --steps 1 --quiet 2>&1 |
    grep '3 of 3 held-out examples are among the training examples'"
check 'train warns of --lr 1' sh -c "'$timbre' train '$model' letters.jsonl -o fast --lr 1 --steps 1 --quiet 2>&1 | grep 'warning: --lr 1 is far above'"
find whole/adapter -type f | head -n 1 > adapter_name
adapter=$(sed 's,^whole/,,' adapter_name)
check 'same adapter' same "whole/$adapter" "again/$adapter"
check 'a RUN is never overwritten' fails_with 2 "$timbre" train "$model" letters.jsonl -o whole $options

# Ctrl-C, then resume: the same bits as the run that was not interrupted
"$timbre" train "$model" letters.jsonl -o broken --val held.jsonl $options > /dev/null 2>&1 &
pid=$!
while [ ! -s broken/metrics.jsonl ] && kill -0 $pid 2> /dev/null; do sleep 0.05; done
kill -INT $pid 2> /dev/null
wait $pid
code=$?
if [ $code = 0 ]; then
    skipped=$((skipped + 1))
    echo 'skipped: Ctrl-C (the run was over before)'
else
    check 'Ctrl-C exits with 130' test $code = 130
    check 'resume' "$timbre" train "$model" letters.jsonl -o broken --resume --quiet
    check 'resumed to the same bits' same "whole/$adapter" "broken/$adapter"
fi

"$timbre" eval "$model" held.jsonl --json > base.json 2> /dev/null
check 'eval of the adapter' sh -c "'$timbre' eval '$model' held.jsonl --adapter whole --json > tuned.json"
check 'training lowers the held-out loss' sh -c '
    base=$(sed -n "s/.*\"mean_nll\":[^0-9]*\([0-9.]*\).*/\1/p" base.json)
    tuned=$(sed -n "s/.*\"mean_nll\":[^0-9]*\([0-9.]*\).*/\1/p" tuned.json)
    echo "$base $tuned"; awk "BEGIN { exit !($tuned < $base) }"'
check 'eval of pairs' sh -c "'$timbre' eval '$model' pairs.jsonl --adapter whole --json | grep -q chosen_wins"
check 'eval of text' sh -c "cp letters.jsonl text.txt; '$timbre' eval '$model' text.txt --window 64 --by-line --json | grep -q perplexity"

check 'eval says how it read text' sh -c "'$timbre' eval '$model' text.txt --window 64 --by-line |
    grep 'text.txt: plain text, encoded line by line, windows of 64 tokens, no BOS'"
check 'eval says how it read pairs' sh -c "'$timbre' eval '$model' pairs.jsonl | grep 'pairs.jsonl: pairs, 1 example, scored on the chosen replies'"
check 'eval --json says it too' sh -c "'$timbre' eval '$model' held.jsonl --json | tr -d '[:space:]' | grep '\"read\":{\"as\":\"chat\",\"examples\":3}'"
check 'eval warns of options without effect' sh -c "'$timbre' eval '$model' held.jsonl --window 64 2>&1 | grep '^warning: --window'"
"$timbre" generate "$model" 'Wohin im März?' --adapter whole --max-tokens 12 --json > run.json 2> /dev/null
check 'generate' grep -q '"reply"' run.json
for format in peft gguf-lora; do
    check "export $format" "$timbre" export whole --to $format -o "out-$format"
    "$timbre" generate "$model" 'Wohin im März?' --adapter "out-$format" --max-tokens 12 --json > "$format.json" 2> /dev/null
    check "$format gives the run's reply" same run.json "$format.json"
    check "$format is not overwritten" fails_with 2 "$timbre" export whole --to $format -o "out-$format"
done
"$timbre" generate "$model" 'Wohin im März?' --max-tokens 12 --json > bare.json 2> /dev/null
check 'generate warns of --top-p without a temperature' sh -c "'$timbre' generate '$model' hi --top-p 0.9 --max-tokens 1 --quiet 2>&1 | grep -a '^warning: --top-k and --top-p'"
check 'generate says what cut the reply' sh -c "'$timbre' generate '$model' hi --context 24 2>&1 | grep -a 'the context is full'"
check 'the adapter changes the reply' differ run.json bare.json
printf 'Wohin im März?' | "$timbre" generate "$model" --file - --adapter whole --max-tokens 12 --json > stdin.json 2> /dev/null
check 'letter from standard input' same run.json stdin.json
printf '\357\273\277Wohin im März?\r\n' > windows.txt
"$timbre" generate "$model" --file windows.txt --adapter whole --max-tokens 12 --json > windows.json 2> /dev/null
check 'a letter of a Windows editor' same run.json windows.json
check 'letters side by side' sh -c "'$timbre' generate '$model' --file held.jsonl --adapter whole --max-tokens 5 --batch 2 | wc -l | grep -q '^3$'"
check 'letters of prompts' sh -c "'$timbre' generate '$model' --file repeated.jsonl --max-tokens 2 | wc -l | grep -q '^15$'"
printf 'Hallo\nUnd dann?\n' | "$timbre" chat "$model" --max-tokens 4 --quiet > chat.log 2> /dev/null
check 'chat' test -s chat.log
# the tiny model says bytes that are no UTF-8: they must not end the conversation
check 'chat --json' sh -c "printf 'hi\nyou\n' | '$timbre' chat '$model' --max-tokens 4 --json | grep -c '^{\"reply\":' | grep -q '^2$'"

if command -v strace > /dev/null && strace -f -o trace.log -e trace=network true 2> /dev/null; then
    strace -f -o trace.log -e trace=network "$timbre" train "$model" letters.jsonl -o traced $options > /dev/null 2>&1
    strace -f -o trace2.log -e trace=network "$timbre" generate "$model" hi --max-tokens 2 > /dev/null 2>&1
    check 'no socket but local ones' sh -c "! grep -h 'socket(\|connect(' trace.log trace2.log | grep -v 'AF_UNIX'"
else
    skipped=$((skipped + 1))
    echo 'skipped: sockets (no strace here)'
fi

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ]
