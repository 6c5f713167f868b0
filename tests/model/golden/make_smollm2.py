#!/usr/bin/env python3
"""Makes tests/model/golden/smollm2.txt: the 20 most likely next tokens of SmolLM2-135M-Instruct
after five chat prompts, by transformers in double on the weights as the GGUF stores them
(dequantised). Needs torch, transformers, gguf, numpy.

    make_smollm2.py SMOLLM2_GGUF OUTPUT_FILE

Each prompt gives two lines: "prompt N ids …" and "top id:logprob …"."""
import os
import sys
import torch
from transformers import AutoTokenizer
from make_golden import load

PROMPTS = [
    "Can we take our dog along to the resort?",
    "My suitcase did not arrive. What should I do?",
    "I am travelling alone and love long hikes. Where should I go?",
    "Please cancel my booking for next week and refund the deposit.",
    "Dear team, thank you for the wonderful holiday! Would you recommend the same place for "
    "a family with three small children in October, or is it too cold by then?",
]

if __name__ == "__main__":
    folder, name = os.path.split(os.path.abspath(sys.argv[1]))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model, _, _ = load(sys.argv[1])
    with open(sys.argv[2], "w") as out:
        for prompt in PROMPTS:
            text = ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
                    "Hugging Face<|im_end|>\n<|im_start|>user\n" + prompt +
                    "<|im_end|>\n<|im_start|>assistant\n")
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[0, -1]
            top = torch.topk(torch.log_softmax(logits, -1), 20)
            print("prompt", len(ids), *ids, file=out)
            print("top", *(f"{i}:{p:.6f}" for i, p in zip(top.indices.tolist(),
                                                        top.values.tolist())), file=out)
