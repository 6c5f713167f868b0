#!/bin/sh
# shakespeare.sh TIMBRE SHARED: stories260K on the last tenth of Tiny Shakespeare, encoded line
# by line with BOS once, in windows whose positions restart, against llama2.c's mean loss; TIMBRE_CAPS
# (none, range=8M) applies as everywhere.
timbre=$1
shared=$2
text=$shared/data/datasets/tinyshakespeare/input.txt
model=$shared/data/models/stories260K/stories260K-f32.gguf
if [ ! -f "$text" ] || [ ! -f "$model" ]; then
    echo "no shared inputs here"
    echo "0 passed, 0 failed, 1 skipped"
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
tail -c +1003855 "$text" > "$work/tail.txt"
passed=0
failed=0

# window, wanted mean loss
check() {
    if ! "$timbre" eval "$model" "$work/tail.txt" --window "$1" --by-line --bos once --json \
        > "$work/result.json"; then
        echo "window $1: eval failed"
        failed=$((failed + 1))
        return
    fi
    # 72,443 tokens, the mean within 2e-4
    if awk -v wanted="$2" '
        { gsub(/[",:]/, " ") }
        $1 == "tokens" { tokens = $2 }
        $1 == "mean_nll" { mean = $2 }
        END { apart = mean - wanted; exit !(tokens == 72443 && apart < 2e-4 && apart > -2e-4) }
    ' "$work/result.json"; then
        passed=$((passed + 1))
    else
        echo "window $1: wanted $2, got $(tr -d '\n\t' < "$work/result.json")"
        failed=$((failed + 1))
    fi
}

check 512 5.034795
check 256 5.070409
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
