"""Loads an exported checkpoint with transformers and writes its float32 logits as raw bytes.

    python load_with_transformers.py exported/ tokens.json logits.f32

Prints "unchanged" if every weight in the model is the one in the file.
"""

import json
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, logging

folder, tokens, out = sys.argv[1:]
logging.set_verbosity_error()
model, info = AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float32, output_loading_info=True)
assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
stored = load_file(folder + "/model.safetensors")
state = model.state_dict()
for name, weight in stored.items():
    if name in state:
        assert torch.equal(state[name], weight.float()), name
with torch.no_grad():
    logits = model(torch.tensor([json.load(open(tokens))])).logits[0]
logits.float().contiguous().numpy().tofile(out)
print("unchanged")
