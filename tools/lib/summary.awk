# Reads Meson's testlog.txt; prints skip reasons, what failed with the end of its output,
# and as the last line "TOTAL passed failed skipped programs". A program counts by its own closing
# line "N passed, N failed, N skipped"; without one, or when it died, as one test.
function finish(    i, from) {
    if (name == "")
        return
    programs++
    good = result ~ /exit status 0$/
    all_skipped = result ~ /exit status 77$/ || result == "SKIP"
    if (!counted) {
        if (good) p = 1; else if (all_skipped) s = 1; else f = 1
    } else if (!good && !all_skipped && f == 0)
        f = 1
    passed += p; failed += f; skipped += s
    if (all_skipped && !reasons && lines > 0)
        print "  skipped  " name ": " line[lines]
    if (f > 0) {
        print "  FAILED   " name " (" result ")"
        from = lines > 40 ? lines - 39 : 1
        for (i = from; i <= lines; i++)
            print "    | " line[i]
    }
}
/^=+ [0-9]+\/[0-9]+ =+$/ { finish(); name = result = ""; lines = counted = reasons = p = f = s = 0; next }
/^test: / && name == "" { name = $0; sub(/^test: +/, "", name); sub(/^[^\/]*\/ /, "", name); next }
/^result: / && result == "" { result = $0; sub(/^result: +/, "", result); next }
/^(start time|duration|command): / || /^[-=]+( std(out|err) -+)?$/ || name == "" { next }
/^(Summary of Failures:|Ok: +[0-9]+ *$)/ { finish(); name = ""; next }
/^ *$/ { next }
/^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { counted = 1; p = $1; f = $3; s = $5 + 0; next }
{ line[++lines] = $0 }
/: skipped: / { reasons = 1; print "  skipped  " $0 }
END {
    finish()
    print "TOTAL", passed + 0, failed + 0, skipped + 0, programs + 0
}
