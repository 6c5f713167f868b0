# Other people's software to compare with: a Python environment (torch, transformers, PEFT,
# tokenizers, gguf) and a real llama.cpp, set up in the user's cache; TIMBRE_ORACLE_PYTHON and
# TIMBRE_ORACLE_NODE_PATH name ones that are there already. Sourced by tools/*.

oracle_cache=${XDG_CACHE_HOME:-$HOME/.cache}/timbre/oracles

oracle_python() {
    [ -n "${TIMBRE_ORACLE_PYTHON:-}" ] && { echo "$TIMBRE_ORACLE_PYTHON"; return 0; }
    if ! "$oracle_cache/venv/bin/python" -c 'import torch, transformers, peft, gguf, tokenizers, jinja2' 2>/dev/null; then
        mkdir -p "$oracle_cache" &&
            python3 -m venv "$oracle_cache/venv" >&2 &&
            "$oracle_cache/venv/bin/pip" install -q torch transformers peft tokenizers safetensors gguf numpy jinja2 >&2 ||
            return 1
    fi
    echo "$oracle_cache/venv/bin/python"
}

oracle_node_path() {
    [ -n "${TIMBRE_ORACLE_NODE_PATH:-}" ] && { echo "$TIMBRE_ORACLE_NODE_PATH"; return 0; }
    command -v npm >/dev/null || return 1
    if [ ! -d "$oracle_cache/llama/node_modules/node-llama-cpp" ]; then
        mkdir -p "$oracle_cache/llama" &&
            (cd "$oracle_cache/llama" && npm install --silent --ignore-scripts --omit=optional \
                node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1 >&2) || return 1
    fi
    echo "$oracle_cache/llama/node_modules"
}
