#!/usr/bin/env python3
"""Compares a golden file with one made anew by its script.

    same.py exact|numbers|f32 LIMIT OLD NEW

exact: the bytes. numbers: the same text around numbers that differ by at most LIMIT relative to
the larger one (or LIMIT absolutely below 1). f32: raw floats, the norm of the difference over the
norm. Prints the largest difference; exit 1 when it is over the limit."""
import re
import sys

import numpy

NUMBER = re.compile(r"-?\d+\.\d+(?:[eE][-+]?\d+)?|-?\d+[eE][-+]?\d+")


def differ_numbers(old, new):
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return float("inf")
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new))
    return max((abs(float(a) - float(b)) / max(1.0, abs(float(a))) for a, b in pairs), default=0.0)


def main():
    kind, limit, old_path, new_path = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4]
    old, new = open(old_path, "rb").read(), open(new_path, "rb").read()
    if kind == "exact":
        difference = 0.0 if old == new else float("inf")
    elif kind == "numbers":
        difference = differ_numbers(old.decode(), new.decode())
    elif len(old) != len(new):
        difference = float("inf")
    else:
        a, b = (numpy.frombuffer(x, dtype=numpy.float32).astype(float) for x in (old, new))
        difference = float(numpy.linalg.norm(a - b) / numpy.linalg.norm(a))
    print(f"made anew: largest difference {difference:.1e}")
    sys.exit(0 if difference <= limit else 1)


main()
