#!/bin/sh
# probe.sh GLSLANG EXTENSION: exit 0 when this glslang knows the GLSL extension.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
printf '#version 450\n#extension %s : require\nlayout(local_size_x = 1) in;\nvoid main() {}\n' "$2" \
    > "$folder/probe.comp"
"$1" -V --target-env vulkan1.2 -o "$folder/probe.spv" "$folder/probe.comp" > /dev/null 2>&1
