#!/bin/sh
# sanitized.sh COMMAND…: runs a test of the sanitizer build. The Vulkan loader unloads the
# driver, and what the driver leaked then has no name to suppress it by; so the driver stays
# loaded. That cannot be done for the validation layer, which test_gpu_device uses, nor for
# programs that a script starts: those are not searched for leaks.
#
# The driver allocates and frees for every workgroup. With a quarantine of freed memory
# kernel-check's cases of 65,535 groups and more would take more than 20 GB.
driver=$(ls /usr/lib/*/libvulkan_lvp.so 2>/dev/null | head -n 1)
case $1 in
    */kernel-check) ASAN_OPTIONS="$ASAN_OPTIONS:quarantine_size_mb=0:thread_local_quarantine_size_kb=0" ;;
esac
case $1 in
    */test_gpu_device | */sh | */bash) ;;
    *)
        if [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]; then
            LD_PRELOAD="$(cc -print-file-name=libasan.so) $driver" exec "$@"
        fi
        ;;
esac
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" exec "$@"
