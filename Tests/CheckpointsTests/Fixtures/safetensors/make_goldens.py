"""Writes small checkpoints with the safetensors and transformers packages, and their values.

Written with safetensors 0.8.0, torch 2.13.0, transformers 5.23.0 (the versions used stand in
goldens.json). Run:  python make_goldens.py            writes the files beside it
"""

import json
import pathlib
import shutil

import safetensors
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def weights():
    generator = torch.Generator().manual_seed(5)
    matrix = torch.randn(3, 5, generator=generator)
    # The smallest normal and subnormal numbers and the largest of each 16-bit type, and -0.
    half = torch.tensor([[6.1035e-05, 5.9605e-08, 65504.0], [-0.0, 1.0009766, -2.5]], dtype=torch.float16)
    brain = torch.tensor([[1.1755e-38, 9.1835e-41, 3.3895e38], [-0.0, 1.0078125, -2.5]], dtype=torch.bfloat16)
    return {
        "model.matrix": matrix,
        "model.half": half,
        "model.brain": brain,
        "model.norm": torch.arange(7, dtype=torch.bfloat16) / 4,
    }


def configuration(folder):
    config = transformers.MixtralConfig(
        vocab_size=64, hidden_size=48, intermediate_size=40, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=3, num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-6,
        max_position_embeddings=256, bos_token_id=1, eos_token_id=[2, 3], sliding_window=128,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0})
    config.save_pretrained(folder)


def single(tensors):
    folder = HERE / "single"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    configuration(folder)


def sharded(tensors):
    folder = HERE / "sharded"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    weight_map = {}
    for number, names in enumerate((["model.matrix", "model.norm"], ["model.half", "model.brain"]), 1):
        name = f"model-{number:05}-of-00002.safetensors"
        save_file({key: tensors[key] for key in names}, folder / name, metadata={"format": "pt"})
        weight_map |= {key: name for key in names}
    size = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    configuration(folder)


def every_type():
    """One tensor of each type that the writer knows, for a comparison byte by byte."""
    tensors = {
        name: torch.tensor([[1, 2, 3]], dtype=dtype)
        for name, dtype in {
            "a.codes": torch.uint8, "b.signed": torch.int8, "c.half": torch.float16, "d.brain": torch.bfloat16,
            "e.index": torch.int32, "f.scale": torch.float32, "g.long": torch.int64, "A.codes": torch.uint8}.items()}
    tensors['odd "name"\\\t\u00e9'] = torch.zeros(0, 4, dtype=torch.float32)
    tensors["scalar"] = torch.tensor(0.5, dtype=torch.float32)
    save_file(tensors, HERE / "every_type.safetensors", metadata={"bits": "2.5"})


def main():
    tensors = weights()
    single(tensors)
    sharded(tensors)
    every_type()
    goldens = {
        "versions": {
            "safetensors": safetensors.__version__, "torch": torch.__version__,
            "transformers": transformers.__version__},
        "tensors": {
            name: {"dtype": {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}[t.dtype],
                   "shape": list(t.shape), "bits": t.float().flatten().view(torch.int32).tolist()}
            for name, t in tensors.items()},
    }
    (HERE / "goldens.json").write_text(json.dumps(goldens, indent=1) + "\n")


main()
