#!/usr/bin/env python3
"""Writes a random adapter of all linears as GGUF-LoRA, strong enough to change what is said.

    make_adapter.py MODEL.gguf OUTPUT.gguf      (needs gguf, numpy)"""
import sys

import gguf
import numpy

RANK, ALPHA = 4, 8.0


def main(model, output):
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(output, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    random = numpy.random.default_rng(3)
    for tensor in reader.tensors:
        if not tensor.name.startswith("blk.") or "norm" in tensor.name:
            continue
        inputs, outputs = (int(n) for n in tensor.shape[:2])
        a = random.standard_normal((RANK, inputs)) / numpy.sqrt(inputs)
        b = random.standard_normal((outputs, RANK)) * 0.1
        writer.add_tensor(tensor.name + ".lora_a", a.astype(numpy.float32))
        writer.add_tensor(tensor.name + ".lora_b", b.astype(numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(sys.argv[1], sys.argv[2])
