#!/bin/sh
# mutants.sh KERNEL-CHECK ROOT [WORD]: writes each error of mutants/list.txt (or those whose line
# holds WORD) into a copy of its shader and demands that kernel-check --shader catches it, by the
# check that the list names. Prints a table and "N passed, N failed, N skipped"; exit 0, 1 or 77.
check=$1 root=$2 word=${3:-}
export TIMBRE_ROOT="$root"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

# field N of $line, without the spaces around the separators
field() {
    printf '%s' "$line" | awk -F ' *@ ?' -v n="$1" '{ text = $n; sub(/ $/, "", text); printf "%s", text }'
}

# replace FILE FROM TO >COPY: the first occurrence; fails when there is none
replace() {
    FROM=$2 TO=$3 awk 'BEGIN { RS = "\001"; from = ENVIRON["FROM"]; to = ENVIRON["TO"]
            gsub(/\\n/, "\n", from); gsub(/\\n/, "\n", to) }
        { at = index($0, from); if (!at) exit 1
          printf "%s%s%s", substr($0, 1, at - 1), to, substr($0, at + length(from)) }' "$1"
}

# the checks that spoke, from the output of kernel-check
caught_by() {
    {
        grep -q 'with .* as large\|with inputs' "$1" && echo extremes
        grep -q 'NaN: not written' "$1" && echo 'unwritten output'
        grep -q 'elements are wrong' "$1" && echo values
        grep -q ': wrote [0-9]* bytes' "$1" && echo 'guard bands'
        grep -q 'two runs gave different bits' "$1" && echo 'two runs'
        grep -q 'an input was changed' "$1" && echo 'inputs kept'
        grep -q 'FAILED .* interface' "$1" && echo interface
        grep -q 'this device has [0-9]* and' "$1" && echo limits
    } | paste -s -d, | sed 's/,/, /g'
}

printf '%-44s %-20s %-22s %s\n' mutant kernel 'caught by' case
while IFS= read -r line; do
    case $line in
    '#'* | '') continue ;;
    *"$word"*) ;;
    *) continue ;;
    esac
    what=$(field 1) kernel=$(field 2) file=$(field 3) from=$(field 4) to=$(field 5) wanted=$(field 6)
    source=$("$check" --contract "$kernel" | sed -n '1s/.*shaders\/\([a-z_0-9]*\.comp\).*/\1/p')
    rm -rf "${folder:?}"/*
    mkdir "$folder/lib" "$folder/push"
    cp "$root/shaders/$source" "$folder/$source"
    cp "$root"/shaders/push/push.h "$folder/push/"
    if ! replace "$root/shaders/$file" "$from" "$to" >"$folder/$file"; then
        printf '%-44s %-20s %s\n' "$what" "$kernel" "NOT APPLIED: $file has no such text any more"
        failed=$((failed + 1))
        continue
    fi
    case $to in *atomicAdd\(dw*)
        sed -i 's/^#version 450/&\n#extension GL_EXT_shader_atomic_float : require/' "$folder/$source" ;;
    *atomicCompSwap\(bits*)
        sed -i 's/^void main()/layout(set = 0, binding = 3) buffer Bits { uint bits[]; };\n&/' "$folder/$source" ;;
    esac
    "$check" --shader "$folder/$source" --as "$kernel" --first >"$folder/output" 2>&1
    code=$?
    if [ "$code" = 77 ]; then
        echo "skipped: $(grep -m 1 skipped "$folder/output")"
        exit 77
    fi
    by=$(caught_by "$folder/output")
    where=$(sed -n 's/.*FAILED [a-z_0-9]* \([^[]*[^[ ]\).*/\1/p' "$folder/output" | head -n 1)
    case $code,$by in
    1,*"$wanted"*)
        printf '%-44s %-20s %-22s %s\n' "$what" "$kernel" "$by" "$where"
        passed=$((passed + 1)) ;;
    *)
        printf '%-44s %-20s NOT CAUGHT by %s (exit %s, %s)\n' "$what" "$kernel" "$wanted" "$code" "${by:-nothing}"
        grep -m 3 -E 'ERROR|FAILED|wrong|kernel-check:' "$folder/output" | sed 's/^/    | /'
        failed=$((failed + 1)) ;;
    esac
done <"$root/tests/kernels/mutants/list.txt"
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
