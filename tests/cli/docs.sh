#!/bin/sh
# docs.sh TIMBRE ROOT: docs/commands.md is what the program says of itself.
if "$1" help markdown | cmp - "$2/docs/commands.md"; then
    echo '1 passed, 0 failed, 0 skipped'
else
    echo 'make it anew: timbre help markdown > docs/commands.md'
    echo '0 passed, 1 failed, 0 skipped'
    exit 1
fi
