#!/bin/sh
# tool.sh KERNEL-CHECK ROOT: kernel-check as its users meet it: mistakes, files, exit codes.
check=$1 root=$2
export TIMBRE_ROOT="$root"
unset TIMBRE_CAPS    # what is tried here is the tool, with kernels that it must find
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
passed=0 failed=0

# expect CODE PATTERN ARGUMENT…: exit code and a line of the output
expect() {
    wanted=$1 pattern=$2
    shift 2
    "$check" "$@" >output 2>&1 </dev/null
    code=$?
    if [ "$code" = "$wanted" ] && grep -q -e "$pattern" output; then
        passed=$((passed + 1))
    else
        echo "kernel-check $*: exit $code (wanted $wanted), no line with '$pattern':"
        head -n 6 output | sed 's/^/    | /'
        failed=$((failed + 1))
    fi
}

expect 2 'did you mean --kernel?' --kernels scale
expect 2 'did you mean scale?' --kernel scael
expect 2 'did you mean rmsnorm_fwd?' --contract rmsnorm_fwt
expect 2 'did you mean scale?' --shader none.comp --as scala
expect 2 'no such file' --shader none.comp --as scale
expect 2 'go together' --shader none.comp
expect 2 'chosen by --kernel' scale
expect 2 'needs --bench' --baseline x.json
expect 2 'are for --shader' --define A=1
expect 2 'is no number' --seed one
expect 2 'families such as' --compile-for navi31,voodoo
expect 2 'did you mean scale?' --list --kernel scael
expect 2 'did you mean scale?' --compile-for navi31 --kernel scael
expect 2 'but no --junit' --compile-for navi31 --junit a.xml
expect 2 'prints its table only' --retune --json a.json
expect 0 'of [0-9]* kernels built' --version
expect 0 'skeleton:' --contract scale

"$check" --kernel scale --case smallest >output 2>&1
if [ $? = 77 ]; then
    echo "skipped: $(grep -m 1 skipped output)"
    echo "$passed passed, $failed failed, 1 skipped"
    exit "$failed"
fi
expect 2 'no case of these kernels' --kernel scale --case nonsense
expect 2 'numbers separated by commas' --kernel scale --tuning 1,2,3
expect 2 'from 0 to 4294967295' --kernel scale --push -1
expect 2 'from 0 to 4294967295' --kernel scale --push 4294967296
expect 0 '^1 passed, 0 failed' --kernel scale --case smallest --push 0x1e
expect 77 '^1 passed, 0 failed' --kernel add_texel --caps none
expect 2 'constant 0 of scale is 0' --kernel scale --tuning 0
expect 2 'constant 1 of rmsnorm_bwd_w is 0' --kernel rmsnorm_bwd_w --tuning 64,0
expect 2 'word 3 of rope_fwd is a size' --kernel rope_fwd --push 7,13,3,0
expect 0 '^1 passed, 0 failed' --kernel scale --case accumulate --push 0x1e,0.0,0
expect 0 '^1 passed, 0 failed' --kernel scale --case smallest --json a.json --junit a.xml
grep -q '"verdict":.*"passed"' a.json && passed=$((passed + 1)) || failed=$((failed + 1))
grep -q '<testsuite .*tests="1" failures="0"' a.xml && passed=$((passed + 1)) || failed=$((failed + 1))

sed 's/push.factor \*/push.factor +/' "$root/shaders/scale.comp" >mine.comp
expect 1 'again: tools/kernel-check --shader .mine.comp. --as scale --case' --shader mine.comp --as scale
sed 's/push.factor \*/push.faktor */' "$root/shaders/scale.comp" >mine.comp
expect 1 'mine.comp:[0-9]*:.*faktor' --shader mine.comp --as scale
cp "$root/shaders/scale.comp" mine.comp
expect 2 'ID=VALUE with ids below 1' --shader mine.comp --as scale --spec 7=1
expect 2 'constant 0 of scale is 0' --shader mine.comp --as scale --spec 0=0
expect 0 'race on' --shader mine.comp --as scale --spec 0=32 --define UNUSED=1
# no driver may see what does not fit the row, whatever is asked for
sed 's/set = 0/set = 3/' "$root/shaders/scale.comp" >mine.comp
expect 1 'the shader has set 3' --shader mine.comp --as scale --case smallest
expect 1 'the shader has set 3' --shader mine.comp --as scale --bench
sed 's/GROUP_INDEX \* THREADS/(GROUP_INDEX % gl_NumWorkGroups.x) * THREADS/' "$root/shaders/scale.comp" >mine.comp
expect 1 'reads gl_NumWorkGroups' --shader mine.comp --as scale --case smallest
cp "$root/shaders/scale.comp" mine.comp
expect 0 'no race on' --shader "$root/shaders/attention_fwd_row.comp" --as attention_fwd_row --tuning 2048,64
# runs of one file do not disturb each other, and leave nothing
runs=
for run in 1 2 3 4 5 6 7 8; do
    "$check" --shader mine.comp --as scale --case interface >"run$run" 2>&1 </dev/null &
    runs="$runs $!"
done
for run in $runs; do
    wait "$run" && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "one of eight runs of a file failed"; }
done
ls mine.comp.kernel-check* 2>/dev/null && failed=$((failed + 1)) || passed=$((passed + 1))

expect 0 '% of roof' --kernel scale --case ragged --bench --json before.json
sed 's/\("low":\|"high":\|"seconds":\).*,/\1 1e-9,/' before.json >impossible.json
expect 1 'SLOWER' --kernel scale --case ragged --bench --baseline impossible.json
sed 's/\("low":\|"high":\|"seconds":\).*,/\1 10,/' before.json >easy.json
expect 0 'scale .*ragged .*-' --kernel scale --case ragged --bench --baseline easy.json
expect 1 'again: .*--bench --baseline .impossible.json.' --kernel scale --case ragged --bench --baseline impossible.json
# a default tuning may have changed since; one that is asked for must be the same
sed 's/"tuning":.*,/"tuning": "1",/' easy.json >other.json
expect 0 'before 1$' --kernel scale --case ragged --bench --baseline other.json
expect 1 'none of the 1 measurements is in other.json' --kernel scale --case ragged --bench --baseline other.json --tuning 64
sed 's/"kernel":.*,/"kernel": "copy",/' easy.json >other.json
expect 1 'none of the 1 measurements is in other.json' --kernel scale --case ragged --bench --baseline other.json
expect 1 'no measurements' --kernel scale --case ragged --bench --baseline a.json

# what is found out goes to this test's own folder
export XDG_CACHE_HOME="$folder/cache"
sizes=64,64,64,4,2,16,64
expect 2 'no kernel that matches' --kernel scale --retune
expect 2 'seven numbers' --retune --sizes 1,2,3
expect 2 'is for --retune' --sizes $sizes
expect 0 "^1 kernels in .* remembered in $folder/cache/timbre/kernels-.*-64x64x64x4x2x16x64" \
    --device 0 --kernel attention_fwd_decode --retune --sizes $sizes
expect 0 'chosen: measured here' --device 0 --kernel attention_fwd_decode --case decode --bench --sizes $sizes
for file in "$folder"/cache/timbre/kernels-*; do
    sed 's/"tunings":.*/"tunings": {"attention_bwd_q_tile": [3, 64, 4]}}/; /tunings/q' "$file" >bad && mv bad "$file"
done
expect 0 'holds what this build never writes' --device 0 --kernel attention_fwd_decode --case decode --bench \
    --sizes $sizes

# two cards of one name: a driver that is found twice
icd=$(find /usr/share/vulkan/icd.d -name 'lvp_icd*.json' 2>/dev/null | head -n 1)
if [ -n "$icd" ]; then
    cp "$icd" second.json
    export VK_ICD_FILENAMES="$icd:$folder/second.json" VK_DRIVER_FILES="$icd:$folder/second.json"
    if "$check" --kernel scale --case smallest | grep -q '^device: .*(device 1)'; then
        sed 's/push.factor \*/push.factor +/' "$root/shaders/scale.comp" >mine.comp
        expect 1 'again: .* --device 1 ' --shader mine.comp --as scale --case smallest
        expect 0 '(device 1): 1 passed' --kernel scale --case smallest --junit two.xml --json two.json
        grep -q '(device 0)' two.xml && grep -q '(device 1)' two.json && passed=$((passed + 1)) ||
            failed=$((failed + 1))
    fi
    unset VK_ICD_FILENAMES VK_DRIVER_FILES
fi

# what is known at Ctrl-C is written
"$check" --kernel 'a*' --jobs 1 --json stopped.json --junit stopped.xml >output 2>&1 </dev/null &
sleep 3
kill -INT $!
wait $!
[ $? = 130 ] && grep -q '"verdict":.*"passed"' stopped.json && grep -q '</testsuite>' stopped.xml &&
    passed=$((passed + 1)) || { failed=$((failed + 1)); echo "Ctrl-C: no files"; tail -n 3 output; }

# devices-table records what came to its end only; a program in kernel-check's place ends as told
mkdir -p table/tools/lib table/build/tools/kernel_check table/build/tools/devices_table
cp "$root/tools/devices-table" table/tools/
echo 'build_folder() { echo "$root/$1"; }; build_timbre() { :; }; keep_shader_cache() { :; }' >table/tools/lib/build.sh
touch table/tools/lib/apt.sh table/tools/lib/drivers.sh table/tools/lib/oracles.sh
cat >table/build/tools/kernel_check/kernel-check <<'END'
#!/bin/sh
echo 'device: a card, a driver, seed 1'
case "$*" in *--bench*) printf 'roof: 1 GFLOP/s\n1 passed, 0 failed, 0 skipped\n'; exit 0 ;; esac
[ "$CLOSING" = no ] || echo '7 passed, 0 failed, 0 skipped'
[ "$CRASH" = no ] || kill -SEGV $$
END
printf '#!/bin/sh\necho folded; grep passed "$4"\n' >table/build/tools/devices_table/devices_table
chmod +x table/build/tools/*/*
fold() { CLOSING=$1 CRASH=$2 bash table/tools/devices-table check --device 0 2>&1; }
fold yes no | tail -n 1 | grep -q '^7 passed' && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "not folded"; }
for ended in 'yes yes' 'no no' 'no yes'; do
    if fold $ended | grep -q folded; then
        failed=$((failed + 1))
        echo "devices-table folds what crashed ($ended)"
    else
        passed=$((passed + 1))
    fi
done

# a lost device is opened again; what has no room is skipped
faults=$(dirname "$check")/../../tests/faults
if [ -e "$faults/timbre_faults.json" ]; then
    export VK_LAYER_PATH="$faults" VK_INSTANCE_LAYERS=VK_LAYER_TIMBRE_faults
    export TIMBRE_FAULTS=lost@submit:20
    expect 1 '^[0-9]* passed, 1 failed' --device 0 --jobs 1 --kernel 'scale'
    export TIMBRE_FAULTS=oom@submit:20
    expect 0 '1 skipped: .*out of device memory' --device 0 --jobs 1 --kernel 'scale'
    export TIMBRE_FAULTS=lost@submit:20,oom@open:3-
    expect 1 "kernel-check: .* cannot be opened again" --device 0 --jobs 1 --kernel "scale"
    unset VK_LAYER_PATH VK_INSTANCE_LAYERS TIMBRE_FAULTS
fi
expect 1 'passed, 1 failed' --kernel scale --case smallest --json "$folder/no/such/folder.json"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
