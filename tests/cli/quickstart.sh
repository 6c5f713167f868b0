#!/bin/sh
# quickstart.sh QUICKSTART_RUN TINY_CHAT_GGUF ROOT: a first run trains and shows letters before and
# after; a second one shows the same at once; one whose memory is damaged answers anew.
passed=0 failed=0
check() {
    if eval "$2"; then
        passed=$((passed + 1))
    else
        echo "failed: $1"
        failed=$((failed + 1))
    fi
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/letters"
head -n 4 "$3/examples/travel-voice/train.jsonl" > "$folder/letters/train.jsonl"
head -n 12 "$3/examples/travel-voice/heldout.jsonl" > "$folder/letters/heldout.jsonl"
quickstart() {
    "$1" "$2" "$folder/letters" "$folder/my run" 5 timbre
}
shown() {
    sed -n '/^Held-out letter 1/,/^The adapter is/p' "$folder/$1"
}

quickstart "$1" "$2" > "$folder/first" 2>&1
code=$?
check "the first run ends well" '[ $code = 0 ]'
check "three letters are shown" '[ "$(grep -a -c "^Held-out letter" "$folder/first")" = 3 ]'
check "its replies differ after training" \
    '[ "$(shown first | grep -a -A1 "^  before" | cut -c 11-)" != "$(shown first | grep -a -A1 "^  after" | cut -c 11-)" ]'
check "it says when it trained too little" \
    '! grep -a -q "^[1-9] steps* in" "$folder/first" || grep -a -q "So few steps" "$folder/first"'

quickstart "$1" "$2" > "$folder/second" 2>&1
check "the second run trains nothing" '! grep -a -q "Fine-tuning\|Answering" "$folder/second"'
check "and shows the same" '[ -n "$(shown second)" ] && [ "$(shown second)" = "$(shown first)" ]'

printf '{"model": 3' > "$folder/my run/quickstart.json"
quickstart "$1" "$2" > "$folder/third" 2>&1
check "damaged memory is answered anew" 'grep -a -q "^Answering" "$folder/third"'
check "with the same replies" '[ "$(shown third)" = "$(shown first)" ]'
[ "$failed" = 0 ] || tail -n 20 "$folder/first" "$folder/second" "$folder/third"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
