#!/usr/bin/env python3
"""Writes templates.json: what Jinja makes of chat templates, for test_template.c.

Usage: make_templates.py SHARED > templates.json   (needs jinja2; SHARED holds data/templates)
Environment as in transformers (trim_blocks, lstrip_blocks), but without strftime_now, so that
templates with a date fall back to their own. A template that raises gives a null text."""
import json
import pathlib
import sys

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

SYSTEM = {"role": "system", "content": "You answer letters.\nBriefly. "}
CONVERSATIONS = {
    "ask": [{"role": "user", "content": "Hello"}],
    "system ask": [SYSTEM, {"role": "user", "content": "  What's \"left\"?\n"}],
    "reply": [{"role": "user", "content": "Hello"},
              {"role": "assistant", "content": "\n Grüße \u3000"}],
    "system reply": [SYSTEM, {"role": "user", "content": "Hi"},
                     {"role": "assistant", "content": "<|im_end|></s>"}],
    "talk": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"},
             {"role": "user", "content": "three"}, {"role": "assistant", "content": "four"},
             {"role": "user", "content": "five"}],
    "system talk": [SYSTEM, {"role": "user", "content": "one"},
                    {"role": "assistant", "content": " two "},
                    {"role": "user", "content": "three"}],
    "out of turn": [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}],
}

# Written for this test in the ways such templates are found in the wild.
INLINE = {
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "chatml trimmed, blocks": "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + \"\\n\" + message.content | trim + '<|im_end|>\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
    "chatml with bos": "{{bos_token}}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "mistral, replies end in a space": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "mistral, system first": "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content'] %}\n    {%- set loop_messages = messages[1:] %}\n{%- else %}\n    {%- set loop_messages = messages %}\n{%- endif %}\n\n{{- bos_token }}\n{%- for message in loop_messages %}\n    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n        {{- raise_exception('roles must alternate') }}\n    {%- endif %}\n    {%- if message['role'] == 'user' %}\n        {%- if loop.first and system_message is defined %}\n            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}\n        {%- else %}\n            {{- ' [INST] ' + message['content'] + ' [/INST]' }}\n        {%- endif %}\n    {%- elif message['role'] == 'assistant' %}\n        {{- ' ' + message['content'] + eos_token}}\n    {%- else %}\n        {{- raise_exception('Only user and assistant roles are supported') }}\n    {%- endif %}\n{%- endfor %}\n",
    "llama2": "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "llama3, prompt on request": "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "zephyr": "{% for message in messages %}\n{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token }}\n{% endfor %}\n{{ '<|assistant|>' }}",
    "chatml with text outside": "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}",
    "unclosed": "{% for message in messages %}{{ '<|im_start|>",
}
KINDS = {  # what each is recognised as; null: refused
    "smollm2": "chatml", "chatml trimmed, blocks": "chatml", "chatml with bos": "chatml",
    "mistral, replies end in a space": "mistral", "mistral, system first": "mistral",
    "llama2": "llama2", "llama3, prompt on request": "llama3", "zephyr": None,
    "chatml with text outside": None, "unclosed": None,
    "Qwen-Qwen2.5-7B-Instruct.jinja": "chatml",
    "meta-llama-Llama-3.1-8B-Instruct.jinja": "llama3",
    "meta-llama-Llama-3.2-3B-Instruct.jinja": "llama3",
    "mistralai-Mistral-Nemo-Instruct-2407.jinja": "mistral",
}


def fail(message):
    raise jinja2.exceptions.TemplateError(message)


def render(source, messages, prompt):
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                extensions=[loopcontrols])
    environment.globals["raise_exception"] = fail
    template = environment.from_string(source)
    try:
        return template.render(messages=messages, add_generation_prompt=prompt,
                               bos_token="<s>", eos_token="</s>")
    except jinja2.exceptions.TemplateError:
        return None


def case(name, source, inline):
    kind = KINDS.get(name)
    renders = []
    for title, messages in CONVERSATIONS.items() if kind else ():
        ends = messages[-1]["role"] == "user"
        if title == "out of turn" and kind not in ("mistral", "llama2"):
            continue
        # such a template loses the system text once the last message is a reply
        last = "loop.last and system_message" in source
        if last and messages[0]["role"] == "system" and not ends:
            continue
        # the prompt is part of the text whether asked for or not
        if not ends and "add_generation_prompt" not in source and kind == "llama3":
            continue
        renders.append({"conversation": title, "prompt": ends,
                        "text": render(source, messages, ends)})
    return {"name": name, "source": source if inline else None, "kind": kind, "renders": renders}


def main():
    folder = pathlib.Path(sys.argv[1]) / "data/templates/jinja"
    cases = [case(name, source, True) for name, source in INLINE.items()]
    cases += [case(path.name, path.read_text(), False) for path in sorted(folder.glob("*.jinja"))]
    json.dump({"conversations": CONVERSATIONS, "cases": cases}, sys.stdout, indent=1,
              ensure_ascii=True)
    print()


main()
