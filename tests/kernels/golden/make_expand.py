#!/usr/bin/env python3
"""Makes tests/kernels/golden/expand_TYPE.bin: 512 values of each stored type as random blocks,
followed by their f32 values as the gguf package dequantises them, NF4 as bitsandbytes does.
Needs gguf, numpy, torch, bitsandbytes.

    make_expand.py OUTPUT_FOLDER

Scales include subnormal, negative, zero and the largest halves; no infinities or NaN."""
import sys
from pathlib import Path

import bitsandbytes.functional
import gguf
import numpy as np
import torch
from gguf.quants import dequantize

VALUES = 512
SCALES = np.array([0.0123, -0.071, 6e-8, 3.1e-5, 0.0, 65504.0, 1.0, -2e-7], dtype=np.float16)
# type, bytes of a block, values in it, byte positions of its half-precision scales
TYPES = [("Q8_0", 34, 32, [0]), ("Q4_0", 18, 32, [0]), ("Q4_1", 20, 32, [0, 2]),
         ("Q5_0", 22, 32, [0]), ("Q4_K", 144, 256, [0, 2]), ("Q6_K", 210, 256, [208]),
         ("Q5_1", 24, 32, [0, 2]), ("Q2_K", 84, 256, [80, 82]), ("Q3_K", 110, 256, [108]),
         ("Q5_K", 176, 256, [0, 2]), ("IQ4_NL", 18, 32, [0])]


def main(folder):
    random = np.random.default_rng(20)
    for name, size, values, positions in TYPES:
        blocks = random.integers(0, 256, (VALUES // values, size), dtype=np.uint8)
        for block in blocks:
            for position in positions:
                block[position:position + 2] = random.choice(SCALES, 1).view(np.uint8)
        wanted = dequantize(blocks, gguf.GGMLQuantizationType[name])
        write(folder, name, blocks, wanted)
    halves = random.integers(0, 1 << 16, VALUES, dtype=np.uint16)
    f16 = np.where(halves >> 10 & 31 == 31, halves & 0x83ff, halves).astype(np.uint16)
    bf16 = np.where(halves >> 7 & 255 == 255, halves & 0x807f, halves).astype(np.uint16)
    write(folder, "F16", f16, f16.view(np.float16).astype(np.float32))
    write(folder, "BF16", bf16, (bf16.astype(np.uint32) << 16).view(np.float32))


    nf4(folder, random)


def nf4(folder, random):
    absmax = np.array([0.031, 3e38, 1e-30, 0.0, 1.0, 0.7, 65504.0, 2.5e-7], dtype=np.float32)
    packed = random.integers(0, 256, (VALUES // 64, 32), dtype=np.uint8)
    state = bitsandbytes.functional.QuantState(
        torch.from_numpy(absmax), shape=torch.Size([VALUES]), dtype=torch.float32, blocksize=64,
        code=bitsandbytes.functional.get_4bit_type("nf4", device="cpu"), quant_type="nf4")
    wanted = bitsandbytes.functional.dequantize_4bit(
        torch.from_numpy(packed.reshape(-1, 1)), state).numpy().reshape(-1)
    blocks = np.hstack([absmax.reshape(-1, 1).view(np.uint8), packed])
    write(folder, "NF4", blocks, wanted)


def write(folder, name, blocks, wanted):
    assert wanted.dtype == np.float32 and wanted.size == VALUES
    path = Path(folder) / f"expand_{name.lower()}.bin"
    path.write_bytes(blocks.tobytes() + wanted.tobytes())


main(sys.argv[1])
