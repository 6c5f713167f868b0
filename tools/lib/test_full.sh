# The slow part of tools/test: the same tests under everything that finds what they do not.
# Sourced by tools/test --full.

. "$root/tools/lib/apt.sh"
. "$root/tools/lib/drivers.sh"
packages_need "the full tests" $packages_full || true

# Leaks inside the driver's compiler are not ours.
sanitizer_settings() {
    printf 'leak:libvulkan_lvp\nleak:libLLVM\nleak:libVkLayer\nleak:libvulkan.so\n' >"$1/lsan.supp"
    export LSAN_OPTIONS="suppressions=$1/lsan.supp:print_suppressions=0"
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
}

full_sanitizers() {
    local folder
    folder=$(build_folder build-sanitize)
    build_or_fail "build: ASan + UBSan" "$folder" --buildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false || return 0
    sanitizer_settings "$folder"
    run_suites "$folder" "sanitized " -t 8 --wrapper "$root/tools/lib/sanitized.sh"
    unset LSAN_OPTIONS ASAN_OPTIONS UBSAN_OPTIONS
}

full_compilers() {
    local folder
    build_or_fail "build: gcc -Werror" "$(build_folder build-gcc)" --buildtype=release -Dwerror=true
    folder=$(build_folder build-clang)
    if command -v clang >/dev/null; then
        CC=clang build_or_fail "build: clang -Werror" "$folder" --buildtype=release -Dwerror=true &&
            run_suite "$folder" "clang fast" --suite fast
    else
        add_skip "clang is not here"
    fi
}

# validation_layer FOLDER FEATURES: the Khronos layer for every program from here on. Each begins the
# file that it writes to anew, so that is a pipe, and what comes out is collected in
# FOLDER/messages.txt, where no test can swallow it.
validation_layer() {
    rm -rf "$1"
    mkdir -p "$1"
    mkfifo "$1/pipe"
    exec 9<>"$1/pipe"        # open for writing, too: it does not end with the first program
    cat <&9 >>"$1/messages.txt" &
    validation_reader=$!
    cat >"$1/vk_layer_settings.txt" <<END
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn,info
khronos_validation.log_filename = $1/pipe
khronos_validation.enables = $2
END
    export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_SETTINGS_PATH=$1
}

# Without the one that gpu_device provokes to see that it is heard.
validation_messages() {
    sleep 1                  # what is still in the pipe
    cat "$1/messages.txt" 2>/dev/null | grep -E 'Validation (Error|Warning)|SYNC-HAZARD' |
        grep -c -v 'Capability (Float64) was declared'
}

validation_end() {
    kill "$validation_reader" 2>/dev/null
    wait "$validation_reader" 2>/dev/null
    exec 9>&-
    unset VK_INSTANCE_LAYERS VK_LAYER_SETTINGS_PATH
}

# validation_silent LABEL FOLDER PROGRAMS: passes when the layer was at work in at least so many and
# found nothing.
validation_silent() {
    local count programs
    count=$(validation_messages "$2")
    validation_end
    programs=$(grep -c 'Validation Layer Active' "$2/messages.txt")
    if [ "$programs" -lt "$3" ]; then
        add_failure "$1: the layer was active in $programs programs only"
    elif [ "$count" -gt 0 ]; then
        add_failure "$1: $count messages in $2/messages.txt"
        grep -E 'Validation (Error|Warning)|SYNC-HAZARD' "$2/messages.txt" | head -n 6 | cut -c 1-300 | sed 's/^/    | /'
    else
        echo "$1: silent in $programs programs"
        passed=$((passed + 1))
    fi
}

has_validation_layer() {
    [ -f /usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json ] && return 0
    add_skip "the Vulkan validation layer is not here"
    return 1
}

# Core and synchronisation checks over everything that uses a device.
full_validation() {
    local folder=$build/validation
    has_validation_layer || return 0
    validation_layer "$folder" VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
    run_suite "$build" "validated gpu" --suite gpu --num-processes 1 -t 6
    validation_silent validation "$folder" 30
}

# GPU-assisted checks: every shader with a check of its own around every access to a buffer. That
# makes them so long that only small shapes are affordable. A shader that reads beyond its
# binding comes first: were the layer not at work, silence would mean nothing.
full_assisted() {
    local folder=$build/assisted kernel_check=$build/tools/kernel_check/kernel-check
    has_validation_layer || return 0
    validation_layer "$folder" "VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_EXT,\
VK_VALIDATION_FEATURE_ENABLE_GPU_ASSISTED_RESERVE_BINDING_SLOT_EXT"
    sed 's/\* x4\[i\]/* x4[i + 1000000]/' "$root/shaders/scale.comp" >"$folder/beyond.comp"
    TIMBRE_ROOT=$root "$kernel_check" --shader "$folder/beyond.comp" --as scale --case smollm2 \
        >"$folder/beyond.log" 2>&1
    if [ "$(validation_messages "$folder")" = 0 ]; then
        validation_end
        add_skip "this validation layer does not see a read beyond a binding"
        return 0
    fi
    : >"$folder/messages.txt"
    count_program "GPU-assisted kernel-check" "$kernel_check" --case smallest
    validation_silent "GPU-assisted validation" "$folder" 1
}

# What a plain Vulkan 1.2 card offers, and one whose bindings are tiny.
full_capabilities() {
    local caps
    for caps in none range=8M; do
        TIMBRE_CAPS=$caps run_suite "$build" "gpu caps $caps" --suite gpu --num-processes 1 -t 4
        TIMBRE_CAPS=$caps run_suite "$build" "shakespeare caps $caps" model_shakespeare
    done
}

# train_here LABEL: models, gradients, and training against PEFT on the driver in the environment.
train_here() {
    run_suite "$build" "$1 training" -t 10 --num-processes 1 gpu_device model_stories \
        model_lora_gradients train_trainer train_golden infer_generator
}

# kernel-check and training on other drivers. The newer lavapipe compiles the widest attention
# heads for minutes each, which its cache remembers.
full_drivers() {
    local driver width
    for width in 128 512; do    # llvmpipe's subgroups are as wide as its vectors: 4 and 16
        LP_NATIVE_VECTOR_WIDTH=$width count_program "subgroups, vectors of $width bits" \
            "$build/tools/kernel_check/kernel-check" --kernel '*_subgroup' --all-tunings
    done
    # a barrier missing between lanes of the same eight shows with subgroups of four only
    LP_NATIVE_VECTOR_WIDTH=128 count_program "shared-memory tiles, vectors of 128 bits" \
        "$build/tools/kernel_check/kernel-check" --kernel '*_tile'
    if driver=$(driver_swiftshader); then
        export VK_ICD_FILENAMES=$driver VK_DRIVER_FILES=$driver
        count_program "SwiftShader kernel-check" "$build/tools/kernel_check/kernel-check"
        train_here SwiftShader
        unset VK_ICD_FILENAMES VK_DRIVER_FILES
    else
        add_skip "SwiftShader cannot be fetched here"
    fi
    if driver=$(driver_backports); then
        export VK_ICD_FILENAMES=$driver VK_DRIVER_FILES=$driver
        export LD_LIBRARY_PATH=${driver%/*}/root/usr/lib/x86_64-linux-gnu
        count_program "backports kernel-check" "$build/tools/kernel_check/kernel-check"
        train_here backports
        unset VK_ICD_FILENAMES VK_DRIVER_FILES LD_LIBRARY_PATH
    else
        add_skip "the newer lavapipe of backports cannot be fetched here"
    fi
}

# A first run on a CPU driver that plays matrix units: they are not tried, which would take a minute.
matrix_untried() {
    local folder=$1/matrix begin=$SECONDS
    rm -rf "$folder"
    mkdir -p "$folder"
    if XDG_CACHE_HOME=$folder timeout 30 "$1/src/cli/timbre" devices >"$folder/devices.txt" 2>&1 &&
        grep -q 'coopmat not used: not tried' "$folder/devices.txt" && ! grep -q 'coopmat used' "$folder/devices.txt"; then
        passed=$((passed + 1))
        echo "timbre devices, first run: $((SECONDS - begin)) s, matrix units not tried"
    else
        add_failure "timbre devices, first run, after $((SECONDS - begin)) s"
        tail -n 8 "$folder/devices.txt" | sed 's/^/    | /'
    fi
}

# Kernels for matrix units, executed: the newest lavapipe plays cooperative matrices. All kernels;
# those rows under all their tilings (one of each shader: those that decode weights on the way are
# the same but for that); training as it is chosen there, without them, and with them in use. The first time its shader compiler takes some 15 minutes of a core.
full_matrix() {
    local driver folder
    "$root/tools/compilers-setup" glslang || true
    if [ -z "$(cached_glslang)" ] && ! sh "$root/shaders/probe.sh" glslangValidator GL_KHR_cooperative_matrix; then
        add_skip "matrix units: there is no glslang here that knows them"
        return 0
    fi
    if ! driver=$(driver_matrix); then
        add_skip "matrix units: the newest lavapipe cannot be fetched here: $driver"
        return 0
    fi
    folder=$(build_folder build-matrix)
    build_or_fail "build: the newest libraries" "$folder" --buildtype=release "$(matrix_link "$driver")" || return 0
    export VK_ICD_FILENAMES=$driver VK_DRIVER_FILES=$driver
    matrix_untried "$folder"
    count_program "matrix kernel-check" "$folder/tools/kernel_check/kernel-check"
    count_program "matrix units, all tilings" "$folder/tools/kernel_check/kernel-check" --kernel '*_coopmat' --all-tunings
    # not gpu_device, which calls the validation layer: Debian 12's is older than the extension
    run_suite "$folder" "matrix training" -t 10 --num-processes 1 model_stories model_lora_gradients train_trainer \
        train_golden train_golden_wide train_golden_chat infer_generator
    run_suite "$folder" "training on matrix units" -t 4 --num-processes 1 --suite matrix
    unset VK_ICD_FILENAMES VK_DRIVER_FILES
}

# Every family of cards that the newer drivers compile for; sets them up first.
full_families() {
    "$root/tools/compilers-setup" || add_skip "not all compilers of other cards can be set up here"
    compile_families all
}

full_windows() {
    count_program "Windows under Wine" "$root/tools/test-windows"
}

# A crash at every single write of a checkpoint, not only at every thirteenth.
full_crashes() {
    run_suite "$build" "full" --suite full --num-processes 1
}

# No command may open a socket that leaves the machine. (The driver may ask for a display.)
full_offline() {
    local folder=$build/offline calls tiny=$root/tests/tiny/tiny-chat.gguf timbre=$build/src/cli/timbre
    if ! command -v strace >/dev/null; then
        add_skip "strace is not here"
        return 0
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    head -n 6 "$root/examples/travel-voice/heldout.jsonl" >"$folder/letters.jsonl"
    (cd "$folder" && cp "$tiny" tiny.gguf && {
        follow() { strace -f -qq -e trace=execve,socket,connect,sendto -o "$1.strace" -- "${@:2}" >"$1.out" 2>&1; }
        follow devices "$timbre" devices &&
            follow inspect "$timbre" inspect tiny.gguf &&
            follow check "$timbre" data check tiny.gguf letters.jsonl &&
            follow train "$timbre" train tiny.gguf letters.jsonl -o run --steps 2 &&
            follow eval "$timbre" eval tiny.gguf letters.jsonl --adapter run &&
            follow generate "$timbre" generate tiny.gguf hello --adapter run --max-tokens 4 &&
            follow export "$timbre" export run --to gguf-lora -o voice.gguf
    }) || { add_failure "offline: a command failed, see $folder"; return 0; }
    calls=$(cat "$folder"/*.strace | grep -E 'socket\(|connect\(|sendto\(' | grep -c -v -E 'AF_UNIX|AF_LOCAL')
    if [ -n "$(grep -L 'execve(' "$folder"/*.strace)" ]; then   # nothing was watched
        add_failure "offline: strace cannot follow programs here"
    elif [ "$calls" = 0 ]; then
        passed=$((passed + 7))
        echo "offline: 7 commands, no socket"
    else
        add_failure "offline: $calls calls, see $folder/*.strace"
    fi
}

# meson install, and the example of the API built as another project would: by pkg-config.
full_install() {
    local folder=$build/installed config
    rm -rf "$folder"
    if DESTDIR=$folder meson install -C "$build" --no-rebuild >"$build/install.log" 2>&1 &&
        "$(find "$folder" -type f -name timbre | head -n 1)" --version >>"$build/install.log" 2>&1 &&
        config=$(find "$folder" -name timbre.pc) && [ -n "$config" ] &&
        cc "$root/examples/api/voice.c" -o "$folder/voice" $(PKG_CONFIG_PATH=${config%/*} \
            PKG_CONFIG_SYSROOT_DIR=$folder pkg-config --static --cflags --libs timbre) \
            >>"$build/install.log" 2>&1 &&
        (cd "$folder" && head -n 4 "$root/examples/travel-voice/train.jsonl" >letters.jsonl &&
            ./voice "$root/tests/tiny/tiny-chat.gguf" letters.jsonl run) >>"$build/install.log" 2>&1; then
        passed=$((passed + 1))
        echo "installed, and a program built against it trains"
    else
        add_failure "meson install"
        tail -n 5 "$build/install.log"
    fi
}

[ "$full" != all ] || full=${full_parts// /,}
for part in ${full//,/ }; do
    if [ "$(type -t "full_$part")" = function ]; then
        "full_$part"
    else
        add_failure "the part $part is missing"
    fi
done
