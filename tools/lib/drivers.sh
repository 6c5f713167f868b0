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
