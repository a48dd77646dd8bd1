"""Greedy continuations by transformers in f32, token ids.

usage: python greedy.py NAME=FOLDER... > greedy.json
Made with torch 2.13.0+cpu, transformers 5.24.0: reference-model=../../../experiments/reference-model
english-moe-20m=(the shared model of that name)
"""
import json
import sys

import tokenizers
import torch
import transformers

PROMPTS = [
    "the cat", "once upon a time there was", "12 + 7 =", "def add(a, b):\n    return",
    "reverse of abc is",
]

torch.manual_seed(0)
torch.set_num_threads(1)
result = {}
for argument in sys.argv[1:]:
    name, folder = argument.split("=", 1)
    tokenizer = tokenizers.Tokenizer.from_file(folder + "/tokenizer.json")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()
    cases = []
    for prompt in PROMPTS:
        ids = tokenizer.encode(prompt).ids
        with torch.no_grad():
            out = model.generate(
                torch.tensor([ids]), do_sample=False, max_new_tokens=24, use_cache=True,
                attention_mask=torch.ones(1, len(ids), dtype=torch.long), pad_token_id=0)
        cases.append({"prompt": ids, "continuation": out[0, len(ids):].tolist()})
    result[name] = cases
print("{\n" + ",\n".join(
    json.dumps(name) + ": [\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]"
    for name, cases in result.items()) + "\n}")
