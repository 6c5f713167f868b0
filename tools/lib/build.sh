# Where and how the tools build. Sourced by tools/*; $root is the checkout.

# The user's folder for things worth keeping between runs; empty when there is none.
cache_folder() {
    local cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
    [ -n "$cache" ] && mkdir -p "$cache/timbre" 2>/dev/null && [ -w "$cache/timbre" ] &&
        printf '%s/timbre' "$cache"
}

# build_folder NAME: where the build of that name lives: in the checkout, or, when that is
# read-only, in the user's cache under a name made from the checkout's path.
build_folder() {
    local cache
    if [ -w "$root" ]; then
        printf '%s/%s' "$root" "$1"
    else
        cache=$(cache_folder) || cache=${TMPDIR:-/tmp}/timbre-$(id -u)
        printf '%s/%s-%s' "$cache" "$1" "$(printf '%s' "$root" | cksum | cut -d ' ' -f 1)"
    fi
}

# The newer glslang that tools/compilers-setup keeps; empty when there is none.
cached_glslang() {
    local cache
    cache=$(cache_folder) && [ -x "$cache/compilers/glslang/glslang" ] &&
        printf '%s/compilers/glslang/glslang' "$cache"
}

# follow_glslang FOLDER: a build without a choice of its own takes the newer glslang once it is
# there, and the system's again once it is gone.
follow_glslang() {
    local configured cached
    configured=$(sed -n 's/^glslang = //p' "$1/meson-private/cmd_line.txt" 2>/dev/null | head -n 1)
    cached=$(cached_glslang)
    if [ -z "$configured" ] && [ -n "$cached" ] || [ -n "$configured" ] && [ ! -x "$configured" ]; then
        meson configure "$1" -Dglslang="$cached"
    fi
}

# build_timbre FOLDER [meson option…]: sets up and compiles; quiet unless it fails.
build_timbre() {
    local folder=$1 log
    shift
    log=$(mktemp) || return 1
    if [ ! -f "$folder/build.ninja" ]; then
        rm -rf "$folder"
        if ! meson setup "$folder" "$root" -Dglslang="$(cached_glslang)" "$@" >"$log" 2>&1 </dev/null; then
            tail -n 25 "$log"
            rm -f "$log"
            return 1
        fi
    fi
    follow_glslang "$folder" >"$log" 2>&1
    if ! ninja -C "$folder" >"$log" 2>&1 </dev/null; then
        grep -E -A 6 'error|FAILED|ERROR' "$log" | head -n 60
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Compiled shaders of CPU drivers are kept between runs: compiling them is most of a first run.
keep_shader_cache() {
    local cache
    if [ -z "${MESA_SHADER_CACHE_DIR:-}" ] && cache=$(cache_folder); then
        export MESA_SHADER_CACHE_DIR="$cache/mesa"
    fi
}
