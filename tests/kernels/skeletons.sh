#!/bin/sh
# skeletons.sh KERNEL-CHECK ROOT: what --contract prints to start from must compile, for one kernel
# of every shader. Prints "N passed, N failed, N skipped".
check=$1 root=$2
export TIMBRE_ROOT="$root"
glslang=$("$check" --version | sed -n '1s/.* by //p')
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0 seen=' '
for kernel in $("$check" --list | sed -n 's/^\([a-z][a-z_0-9]*\) .*/\1/p'); do
    "$check" --contract "$kernel" >"$folder/contract" || exit 1
    source=$(sed -n '1s/.*shaders\/\([a-z_0-9]*\)\.comp.*/\1/p' "$folder/contract")
    case $seen in *" $source "*) continue ;; esac
    seen="$seen$source "
    sed '1,/^skeleton:$/d' "$folder/contract" >"$folder/skeleton.comp"
    if grep -q '^void main' "$folder/skeleton.comp" &&
        "$glslang" -V --target-env vulkan1.2 --quiet -I"$root/shaders" -I"$root/shaders/push" \
            -o "$folder/skeleton.spv" "$folder/skeleton.comp" >"$folder/messages"; then
        passed=$((passed + 1))
    else
        echo "the skeleton of $kernel does not compile:"
        head -n 5 "$folder/messages"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
