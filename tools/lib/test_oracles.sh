# Every comparison with other people's software, repeated live. Sourced by tools/test --oracles.
# Writes the table docs/oracles.md. Needs tools/lib/oracles.sh.

oracle_work=$(mktemp -d)
oracle_rows=$oracle_work/rows
: >"$oracle_rows"
shared=${TIMBRE_SHARED:-$root/../shared}

# oracle WHAT AGAINST BAR COMMAND…: one row of the table; the figure is the last line printed
oracle() {
    local what=$1 against=$2 bar=$3 start verdict figure
    shift 3
    start=$(date +%s)
    if "$@" >"$oracle_work/log" 2>&1; then
        verdict=holds
        passed=$((passed + 1))
    else
        verdict='**fails**'
        add_failure "$what against $against"
        tail -n 5 "$oracle_work/log" | cut -c 1-200 | sed 's/^/    | /'
    fi
    figure=$(grep -v '^ *$' "$oracle_work/log" | tail -n 1 | tr '|' '/' | cut -c 1-110)
    echo "| $what | $against | $bar | $figure | $verdict |" >>"$oracle_rows"
    time_line "$what" "" "$start"
}

# made_anew KIND LIMIT GOLDEN COMMAND…: the golden file equals what its script prints today
made_anew() {
    local kind=$1 limit=$2 golden=$3
    shift 3
    "$@" >"$oracle_work/new" || return 1
    "$python" "$root/tools/oracles/same.py" "$kind" "$limit" "$golden" "$oracle_work/new"
}

gradients_anew() { # MODEL_NAME [its file, when make_golden.py does not make it]
    "$python" "$root/tests/model/golden/make_golden.py" "$oracle_work" "${2:-$1}" >&2 || return 1
    "$python" "$root/tools/oracles/same.py" f32 1e-5 "$root/tests/model/golden/$1.gradients.f32" \
        "$oracle_work/$1.gradients.f32"
}

smollm2_anew() {
    "$python" "$root/tests/model/golden/make_smollm2.py" "$TIMBRE_TEST_MODEL" "$oracle_work/smollm2.txt" >&2 || return 1
    "$python" "$root/tools/oracles/same.py" numbers 1e-5 "$root/tests/model/golden/smollm2.txt" "$oracle_work/smollm2.txt"
}

# ours MODEL ADAPTER|-: what our engine says after the prompts
ours() {
    rm -f "$oracle_work/logits"
    "$build/tests/export/greedy" "$1" "$2" 32 "$oracle_work/logits" <"$oracle_work/prompts" >"$oracle_work/ours.jsonl"
}

prompts_plain() {
    printf '%s\n' 'Once upon a time' 'The little dog' 'Lily and Tom went to' 'One day a big' 'She was happy because' \
        >"$oracle_work/prompts"
}

# one prompt a line, so a space stands where the template has a line end
prompts_chat() {
    local letter
    for letter in 'Can we take our dog along?' 'My suitcase did not arrive.' 'I love long hikes alone.' \
        'Please cancel my booking.' 'Where is it warm in March?'; do
        echo "<|im_start|>user $letter<|im_end|> <|im_start|>assistant "
    done >"$oracle_work/prompts"
}

peft_export() { # MODEL ADAPTER
    rm -rf "$oracle_work/peft"
    ours "$1" "$2" && "$build/src/cli/timbre" export "$2" --base "$1" --to peft -o "$oracle_work/peft" >&2 &&
        "$python" "$root/tests/export/compare_peft.py" "$1" "$oracle_work/peft" "$oracle_work/ours.jsonl" "$oracle_work/logits"
}

llama_export() { # MODEL ADAPTER [same]
    rm -f "$oracle_work/lora.gguf"
    ours "$1" "$2" && "$build/src/cli/timbre" export "$2" --base "$1" --to gguf-lora -o "$oracle_work/lora.gguf" >&2 &&
        NODE_PATH=$node_path node "$root/tests/export/compare_llama.mjs" "$1" "$oracle_work/lora.gguf" \
            "$oracle_work/ours.jsonl" "$oracle_work/logits" ${3:-}
}

llama_base() { # MODEL
    ours "$1" - && NODE_PATH=$node_path node "$root/tests/export/compare_llama.mjs" "$1" - \
        "$oracle_work/ours.jsonl" "$oracle_work/logits"
}

oracle_table() {
    {
        echo '# Against other people'"'"'s software'
        echo
        echo 'Written by `tools/test --oracles`: every comparison was repeated live.'
        echo
        echo "- date: $(date +%F); device: $("$build/src/cli/timbre" devices | sed -n 's/^Timbre would use //p')"
        "$python" - <<'END'
import importlib.metadata as m
print("- " + ", ".join(f"{n} {m.version(n)}" for n in
      ["torch", "transformers", "peft", "tokenizers", "gguf", "safetensors"]))
END
        [ -z "$node_path" ] || echo "- llama.cpp as in node-llama-cpp $(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$node_path/node-llama-cpp/package.json" | head -n 1)"
        echo
        echo '| what | against | bar | measured | |'
        echo '|---|---|---|---|---|'
        cat "$oracle_rows"
    } >"$oracle_work/oracles.md"
    cp "$oracle_work/oracles.md" "$root/docs/oracles.md" 2>/dev/null || cat "$oracle_work/oracles.md"
}

oracles() {
    local stories=$shared/data/models/stories260K/stories260K-f32.gguf
    if ! python=$(oracle_python); then
        add_failure "the Python environment for the oracles could not be made"
        return
    fi
    node_path=$(oracle_node_path) || { node_path=; add_skip "llama.cpp: node-llama-cpp could not be installed"; }
    if [ -d "$shared/data/templates" ]; then
        oracle 'chat templates, text' jinja2 'every byte' made_anew exact 0 "$root/tests/data/golden/templates.json" \
            "$python" "$root/tests/data/golden/make_templates.py" "$shared"
    fi
    if [ -n "${TIMBRE_TEST_MODEL:-}" ]; then
        oracle 'SmolLM2, ids of 300 hard lines' tokenizers 'every id' made_anew exact 0 \
            "$root/tests/data/golden/smollm2_tokens.json" "$python" "$root/tests/data/golden/make_tokens.py" "$TIMBRE_TEST_MODEL"
        oracle 'SmolLM2, golden log-probabilities' transformers '1e-5' smollm2_anew
        oracle 'SmolLM2, top-20 log p on 5 chat prompts' 'transformers (golden)' 'top-10 within 1e-3' \
            "$build/tests/model/test_model_smollm2" "$root/tests/model/golden"
    fi
    if [ -f "$stories" ]; then
        oracle 'small random model, golden gradients' PEFT '1e-5' gradients_anew random
        oracle 'odd sizes, golden gradients' PEFT '1e-5' gradients_anew odd
        oracle 'wide heads, golden gradients' PEFT '1e-5' gradients_anew wide
        oracle 'stories260K, golden gradients' PEFT '1e-5' gradients_anew stories260K \
            "$shared/data/models/stories260K/stories260K-f32.gguf"
        oracle 'LoRA gradients, two packed segments' 'PEFT (golden)' '1e-4 of the norm' \
            "$build/tests/model/test_model_lora_gradients" "$root/tests/model/golden" "$shared"
        oracle '30 steps, losses' 'PEFT (golden)' '1e-3 relative' \
            "$build/tests/train/test_train_golden" "$stories" "$root/tests/train/golden/peft_steps.json"
        "$python" "$root/tools/oracles/make_adapter.py" "$stories" "$oracle_work/stories.gguf" >/dev/null
        prompts_plain
        oracle 'stories260K f32, PEFT export' PEFT 'same 32 tokens, KL 0.01' peft_export "$stories" "$oracle_work/stories.gguf"
        [ -z "$node_path" ] || oracle 'stories260K f32, GGUF-LoRA' llama.cpp 'same 32 tokens, KL 0.01' \
            llama_export "$stories" "$oracle_work/stories.gguf" same
    fi
    if [ -n "${TIMBRE_TEST_MODEL:-}" ]; then
        "$python" "$root/tools/oracles/make_adapter.py" "$TIMBRE_TEST_MODEL" "$oracle_work/smollm2.gguf" >/dev/null
        prompts_chat
        oracle 'SmolLM2 Q4_1, PEFT export' PEFT 'KL 0.01' peft_export "$TIMBRE_TEST_MODEL" "$oracle_work/smollm2.gguf"
        if [ -n "$node_path" ]; then
            oracle 'SmolLM2 Q4_1, base' llama.cpp 'KL 0.01' llama_base "$TIMBRE_TEST_MODEL"
            oracle 'SmolLM2 Q4_1, GGUF-LoRA' llama.cpp 'KL 0.01' llama_export "$TIMBRE_TEST_MODEL" "$oracle_work/smollm2.gguf"
        fi
    fi
    oracle_table
}

oracles
rm -rf "$oracle_work"
