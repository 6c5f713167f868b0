#!/bin/sh
# example.sh EXAMPLE TINY_CHAT_GGUF: the 40 lines of examples/api/voice.c do what they say.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
for i in 1 2 3 4; do
    printf '{"messages":[{"role":"user","content":"Letter %d"},{"role":"assistant","content":"Reply %d"}]}\n' $i $i
done > "$folder/letters.jsonl"
output=$("$1" "$2" "$folder/letters.jsonl" "$folder/run") || { echo "$output"; echo '0 passed, 1 failed, 0 skipped'; exit 1; }
steps=$(printf '%s\n' "$output" | grep -c '^step [1-4]: loss [0-9]')
if [ "$steps" = 4 ] && [ "$(printf '%s\n' "$output" | wc -l)" -ge 5 ] &&
    "$1" "$2" /nonexistent "$folder/other" | grep -q nonexistent; then
    echo '1 passed, 0 failed, 0 skipped'
else
    printf '%s\n0 passed, 1 failed, 0 skipped\n' "$output"
    exit 1
fi
