#!/usr/bin/env python3
"""Writes smollm2_tokens.json: ids of 300 hard lines and of some conversations by Hugging Face
tokenizers, for test_tokens.c.

Usage: make_tokens.py SmolLM2-135M-Instruct.gguf > smollm2_tokens.json   (needs gguf, tokenizers)
The tokenizer is put together from the file's vocabulary and merges; the pipeline is the one of
the model's tokenizer.json (single digits, then byte level)."""
import json
import random
import sys

import gguf
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

PIECES = [
    " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u0085", "\u180e", "\u2028",
    "\u3000", "\u200b", "\u200d", "\ufeff", "\x01", "\x1b[0m", "\x7f",
    "a", "the", "Hello", "WORLD", "don't", "DON'T", "we'Ve", "'ll", "'LL", "'S", "'\u017f", "I'm",
    "0", "7", "42", "1234567", "3.14", "\u0661\u0662", "\u00bd", "\u2163", "\u0967", "\U0001d7d8",
    "\u00e9", "e\u0301", "Gr\u00fc\u00dfe", "na\u00efve", "\u0130stanbul", "\u1e9e", "\u01c5",
    "\u4f60\u597d", "\u65e5\u672c\u8a9e", "\uc548\ub155", "\u0645\u0631\u062d\u0628\u0627",
    "\u05e9\u05dc\u05d5\u05dd", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "\u041f\u0440\u0438\u0432\u0435\u0442", "\u0393\u03b5\u03b9\u03ac", "\u10d2\u10d0",
    "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea",
    "\u2764\ufe0f", "\U00010348", "\ufffd", "\U0010fffd", "\ue000",
    "!", "?!", "...", "\u2026", "\u2014", "\u201cquote\u201d", "(x)", "[[", "]]", "{}", "<|im_end|>",
    "<|im_start|>", "<|endoftext|>", "</s>", "[INST]", "#", "$5", "50%", "a_b", "a-b", "a/b",
    "https://example.org/?q=1&r=%20", "me@example.org", "int main(void) { return 0; }",
    "\\n", "\\u0041", "^~`|", "\u20ac", "\u2211\u222b", "\u2192", "x\u00b2", "==", "!=", "->",
    "The quick brown fox jumps over the lazy dog.", "supercalifragilisticexpialidocious",
    "aaaaaaaaaaaaaaaaaaaaaaaa", "________", "--------", "        ", "\t\t\t", "\n\n\n\n",
]
CHATS = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": "You answer letters.\n"},
     {"role": "user", "content": "\n\n  Where is my luggage?\r\n"}],
    [{"role": "user", "content": "one"}, {"role": "assistant", "content": "Two, three."},
     {"role": "user", "content": "Gr\u00fc\u00dfe \U0001f600"}],
]


def lines():
    source = random.Random(300)
    made = [piece for piece in PIECES]
    while len(made) < 300:
        count = source.randint(2, 9)
        joint = source.choice(["", "", " "])
        made.append(joint.join(source.choice(PIECES) for _ in range(count)))
    return made[:300]


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    field = {name: reader.fields["tokenizer.ggml." + name].contents()
             for name in ("tokens", "merges", "token_type", "pre")}
    assert field["pre"] == "smollm"
    vocabulary = {token: index for index, token in enumerate(field["tokens"])}
    merges = [tuple(merge.split(" ")) for merge in field["merges"]]
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    plain.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    texts = [{"text": line, "ids": plain.encode(line).ids} for line in lines()]
    special = Tokenizer.from_str(plain.to_str())
    special.add_special_tokens([AddedToken(token, normalized=False) for token, kind
                                in zip(field["tokens"], field["token_type"]) if kind == 3])
    chats = []
    for messages in CHATS:
        text = "" if messages[0]["role"] == "system" else (
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by "
            "Hugging Face<|im_end|>\n")
        for message in messages:
            text += f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
        ids = special.encode(text + "<|im_start|>assistant\n").ids
        chats.append({"messages": messages, "ids": ids})
    print('{"lines": [')
    print(",\n".join(json.dumps(row, separators=(",", ":")) for row in texts))
    print('], "chats": [')
    print(",\n".join(json.dumps(row, separators=(",", ":")) for row in chats))
    print("]}")


main()
