# Other Vulkan drivers that run on the processor, unpacked into the user's cache without
# installing them. Sourced by tools/test --full; needs tools/lib/apt.sh and build.sh.

# driver_file FOLDER NAME LIBRARY: writes what the Vulkan loader reads, prints its path.
driver_file() {
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.2.0"}}\n' \
        "$3" >"$1/$2.json"
    printf '%s/%s.json' "$1" "$2"
}

# unpack_packages FOLDER NAME…: downloads through FOLDER/source.list and unpacks into FOLDER/root.
unpack_packages() {
    local folder=$1 package
    shift
    (cd "$folder" && private_apt "$folder" apt-get update && private_apt "$folder" apt-get download "$@" &&
        for package in ./*.deb; do dpkg -x "$package" root && rm -f "$package"; done) >"$folder/log" 2>&1
}

# SwiftShader, out of the distribution's browser: 32-bit floats only, subgroups of four,
# workgroups up to 256. Prints the driver file's path.
driver_swiftshader() {
    local folder library
    folder=$(cache_folder)/swiftshader || return 1
    library=$folder/root/usr/lib/chromium/libvk_swiftshader.so
    if [ ! -f "$library" ]; then
        mkdir -p "$folder"
        private_sources deb >"$folder/source.list"
        unpack_packages "$folder" chromium-common || return 1
    fi
    driver_file "$folder" swiftshader "$library"
}

# The newer lavapipe of backports, with the libraries it wants newer. Prints the driver
# file's path; its libraries are beside it, so LD_LIBRARY_PATH is needed too.
driver_backports() {
    local folder library
    folder=$(cache_folder)/backports || return 1
    library=$folder/root/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so
    if [ ! -f "$library" ]; then
        mkdir -p "$folder"
        private_sources deb -backports >"$folder/source.list"
        unpack_packages "$folder" mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 || return 1
    fi
    driver_file "$folder" lavapipe "$library"
}

# matrix_unpack FOLDER: the drivers and all that they need, libc and ld.so included, as on a
# system where nothing is installed, without installing them.
matrix_unpack() {
    local folder=$1 part package
    release_sources deb stable stable-backports >"$folder/source.list"
    [ -s "$folder/source.list" ] || { echo "the system's own repositories are not known"; return 1; }
    rm -rf "$folder/root" "$folder/cache"
    mkdir -p "$folder/cache/archives/partial" "$folder/root/usr"
    : >"$folder/status"
    private_apt "$folder" apt-get update &&
        private_apt "$folder" apt-get -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" -y \
            --no-install-recommends --download-only -t stable-backports install mesa-vulkan-drivers libvulkan1 || return 1
    for part in bin sbin lib lib64; do      # as all systems have them now; packages use both names
        mkdir "$folder/root/usr/$part" && ln -s "usr/$part" "$folder/root/$part" || return 1
    done
    for package in "$folder"/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/root" || return 1
    done
    rm -rf "$folder/cache"
}

# The lavapipe of stable-backports, which has cooperative matrices, with all libraries of that
# release: programs must be built to use them (matrix_link). Prints the driver file's path, or one
# line that says why there is none.
driver_matrix() {
    local folder library
    folder=$(cache_folder)/matrix || { echo "there is no folder to keep it in"; return 1; }
    library=$(ls "$folder"/root/usr/lib/*/libvulkan_lvp.so 2>/dev/null)
    if [ -z "$library" ]; then
        mkdir -p "$folder"
        if ! matrix_unpack "$folder" >"$folder/log" 2>&1 </dev/null; then
            rm -rf "$folder/root"
            grep -E '^(E|W|Err)' "$folder/log" | tail -n 1 | grep . || tail -n 1 "$folder/log"
            return 1
        fi
        library=$(ls "$folder"/root/usr/lib/*/libvulkan_lvp.so)
    fi
    driver_file "$folder" lavapipe "$library"
}

# matrix_link DRIVER_FILE: Meson's option for programs that run with the libraries beside that
# driver. An rpath of the old kind also holds for what they load themselves.
matrix_link() {
    local libraries interpreter
    libraries=$(dirname "$(ls "${1%/*}"/root/usr/lib/*/libvulkan_lvp.so)")
    interpreter=$(ls "$libraries"/ld-linux*.so.*)
    printf "%s['-Wl,--dynamic-linker=%s', '-Wl,--disable-new-dtags', '-Wl,-rpath,%s']" -Dc_link_args= \
        "$interpreter" "$libraries"
}
