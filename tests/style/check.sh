#!/bin/sh
# check.sh ROOT: the rules that a program can check. Sizes (files <= 600 lines, functions
# <= 60, shaders <= 200), which folder may include which, options named in sentences, and every
# public header alone.
# Prints what breaks a rule and "N passed, N failed, N skipped"; exit 1 on a failure.
root=${1:-.}
cd "$root" || exit 1
passed=0
failed=0

report() { # RULE OUTPUT: one rule, failed when there is output
    if [ -n "$2" ]; then
        printf '%s:\n%s\n' "$1" "$2"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
}

sources=$(find runtime src include tests tools examples \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
shaders=$(find shaders \( -name '*.comp' -o -name '*.glsl' \) | sort)

report 'files over 600 lines' "$(for file in $sources; do
    awk -v file="$file" 'END { if (NR > 600) print "  " file ": " NR }' "$file"
done)"

report 'shaders over 200 lines' "$(for file in $shaders; do
    awk -v file="$file" 'END { if (NR > 200) print "  " file ": " NR }' "$file"
done)"

# a function's body stands between a brace at column 0 and the next closing one
report 'functions over 60 lines' "$(for file in $sources; do
    awk -v file="$file" '
        /^\{/ { start = NR }
        /^\}$/ && start { if (NR - start + 1 > 60) print "  " file ":" start ": " NR - start + 1; start = 0 }
    ' "$file"
done)"

# folder: the folders its #include "…" may name (its own is always allowed)
layers='runtime/base:timbre
runtime/gpu:base
runtime/kernels:base gpu
runtime/check:base gpu kernels
src/data:base
src/graph:base gpu kernels
src/model:base gpu kernels graph data
src/train:base gpu kernels graph data model
src/infer:base gpu kernels graph data model
src/export:base gpu kernels graph data model train infer
src/report:base gpu kernels graph data model train infer
src/api:base gpu kernels check graph data model train infer export report timbre
src/cli:base timbre'
report 'includes across layers' "$(printf '%s\n' "$layers" | while IFS=: read -r folder allowed; do
    [ -d "$folder" ] || continue
    own=$(basename "$folder")
    grep -n '^#include "[a-z_0-9]*/' "$folder"/*.[ch] "$folder"/*/*.[ch] 2>/dev/null |
    while IFS= read -r line; do
        named=$(printf '%s' "$line" | sed 's/.*#include "\([a-z_0-9]*\)\/.*/\1/')
        case " $own $allowed " in
        *" $named "*) ;;
        *) echo "  $line" ;;
        esac
    done
done)"

report 'vulkan.h outside runtime/gpu' "$(grep -ln '#include .*\(vulkan\|volk\)' -r runtime src tools tests include \
    --include='*.c' --include='*.h' | grep -v '^runtime/gpu/' | grep -v -e '^tools/kernel_check/' -e '^tests/faults/' | sed 's/^/  /')"

report 'operating system headers outside runtime/base/os_*' "$(grep -n \
    '#include <\(unistd\|fcntl\|sys/[a-z]*\|windows\|io\|dirent\|signal\)\.h>' -r runtime src --include='*.c' --include='*.h' |
    grep -v '^runtime/base/os_' | sed 's/^/  /')"

report 'sentences that name an option which is not in src/cli/options.c' "$(grep -o '"[^"]*"' -r src --include='*.c' |
    sed -n 's/^\([^:]*\):.*[^a-z-]\(--[a-z][a-z-]*\).*/\1 \2/p' | sort -u |
    while read -r file option; do
        [ "$option" = --lora ] ||      # of llama-cli
            grep -q "{\"$option\"" src/cli/options.c || echo "  $file: $option"
    done)"

compiler=${CC:-cc}
report 'public headers that do not compile alone' "$(for header in include/timbre/*.h; do
    $compiler -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c "$header" > /dev/null 2>&1 ||
        echo "  $header (C11)"
    ! command -v c++ > /dev/null || c++ -Iinclude -fsyntax-only -x c++ "$header" > /dev/null 2>&1 ||
        echo "  $header (C++)"
done)"

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" = 0 ]
