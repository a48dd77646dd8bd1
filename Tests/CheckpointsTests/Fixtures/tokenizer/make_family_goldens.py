"""Reduces the tokenizers of five families to a few hundred tokens and records what the reference makes of them.

Written with Python 3.11+, tokenizers 0.23.3 (the versions used stand in the goldens).
Run:  python make_family_goldens.py DATA     writes `families/` beside it from DATA/tokenizers, and prints the
                                             fingerprints of FamilyTokenizerTests over DATA/corpora
"""

import copy
import gzip
import json
import pathlib
import platform
import random
import sys

import tokenizers
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
MERGES = 300
FILES = {"gpt2": "gpt2", "olmoe": "olmoe-1b-7b", "qwen2": "qwen2.5", "deepseek2": "deepseek-v2", "llama2": "llama2"}
CORPORA = ("wikitext2_raw_test", "olmoe_sample_github_oss_with_stack.txt")

EXTRA = [
    "don'T 'ſ x'LL 'RE we'Ve", "1234567 12 345", "a\r\n\r\n b \r c\n\n  \n", "!?\n\n! \r\nx", "  \n  x", "\u3000。、x \u3000!",
    "x\u3000\u3000y", "tail \t ", "µg ªº ǅ ʼn ℝ ΩΩ 𐐀𐒰 ꭰ ﬀ", "漢字かな交じり文。한글 텍스트", "ไทยภาษา हिन्दी عربي עברית", "é e\u0301 a\u0308\u0323",
    "\u1100\u1161\u11a8 가\u11a8 \u212b", "\u08ca\u0323 \U00011935\U00011930", "\u088f\U000323b0 \U00011de0\U0001e6c0",
    "<s>a<s> b</s>", " <s>", "▁▁x ▁", "<0x0A>\n", "\x00\x1c\x85", "Hello  world   of    spaces" + " " * 40 + "end",
    "<|endoftext|> x <|im_start|>user", "|||IP_ADDRESS||| <|padding|>", "<｜begin▁of▁sentence｜>x", "👩‍👩‍👧‍👦🏳️‍🌈👍🏽", "naïve_café[0] += x*2;",
    "a [M] b[M]c x[M] \u3000[L]  y [R]  z[R][L] [B] éM] [M]é",
]


def parts(merge):
    return merge.split(" ") if isinstance(merge, str) else merge


def reduced(full, texts):
    """The first merges, the alphabet, and byte tokens; ids are numbered anew in the old order."""
    definition = copy.deepcopy(full)
    model = definition["model"]
    model["merges"] = model["merges"][:MERGES]
    used = set("".join(texts)) | {"▁"} if model.get("byte_fallback") else None
    keep = {t for m in model["merges"] for t in (*parts(m), "".join(parts(m)))}
    keep |= {t["content"] for t in full["added_tokens"]}
    for token in model["vocab"]:
        is_byte = len(token) == 6 and token.startswith("<0x")
        if is_byte or (len(token) == 1 and (used is None or (token in used and ord(token) < 0x3000))):
            keep.add(token)
    kept = [t for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1]) if t in keep]
    model["vocab"] = {token: index for index, token in enumerate(kept)}
    return renumbered(definition)


def renumbered(definition):
    """Added tokens get the ids that the reference would give them."""
    vocabulary, next_id = definition["model"]["vocab"], len(definition["model"]["vocab"])
    for token in definition["added_tokens"]:
        token["id"] = vocabulary.get(token["content"], next_id)
        next_id = max(next_id, token["id"] + 1)
    for name, special in (definition["post_processor"] or {}).get("special_tokens", {}).items():
        special["ids"] = [next(t["id"] for t in definition["added_tokens"] if t["content"] == name)]
    return definition


def metaspace(llama, scheme, split):
    """Llama 2 as newer files write it."""
    variant = copy.deepcopy(llama)
    part = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
    variant.update(normalizer=None, pre_tokenizer=part, decoder=part)
    return variant


def flagged(base):
    """Added tokens that strip white space or stand alone."""
    variant = copy.deepcopy(base)
    flags = {"[M]": ("single_word",), "[L]": ("lstrip",), "[R]": ("rstrip",), "[B]": ("lstrip", "rstrip"), "éM]": ()}
    for index, (content, names) in enumerate(flags.items()):
        token = {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": index % 2 == 0, "special": False}
        variant["added_tokens"].append(token | {name: True for name in names})
    return renumbered(variant)


def variants(data, texts):
    full = {name: json.load(gzip.open(data / f"tokenizers/{file}.tokenizer.json.gz")) for name, file in FILES.items()}
    small = {name: reduced(definition, texts) for name, definition in full.items()}
    llama3 = copy.deepcopy(small["qwen2"])
    pattern = llama3["pre_tokenizer"]["pretokenizers"][0]["pattern"]
    pattern["Regex"] = pattern["Regex"].replace(r"|\p{N}|", r"|\p{N}{1,3}|")
    llama3["model"]["ignore_merges"] = True
    unknown = copy.deepcopy(small["llama2"])
    unknown["model"]["byte_fallback"] = False
    apart = copy.deepcopy(unknown)
    apart["model"]["fuse_unk"] = False
    return small | {
        "llama3": llama3, "flagged": flagged(small["qwen2"]), "flagged-llama2": flagged(small["llama2"]),
        "metaspace-first": metaspace(small["llama2"], "first", False),
        "metaspace-always": metaspace(small["llama2"], "always", True),
        "metaspace-never": metaspace(small["llama2"], "never", False), "unknown": unknown, "unknown-apart": apart}


def encoded(tokenizer, text):
    plain, special = (tokenizer.encode(text, add_special_tokens=flag).ids for flag in (False, True))
    return {"text": text, "ids": plain} | ({"idsWithSpecialTokens": special} if special != plain else {})


def decoded(tokenizer):
    """Random ids: most sequences of bytes are not UTF-8."""
    generator = random.Random(7)
    size = tokenizer.get_vocab_size()
    sequences = [[generator.randrange(size) for _ in range(40)] for _ in range(8)]
    return [{"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False)} for ids in sequences]


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def print_fingerprints(data):
    for name, file in FILES.items():
        tokenizer = Tokenizer.from_str(gzip.open(data / f"tokenizers/{file}.tokenizer.json.gz").read().decode())
        for corpus in CORPORA:
            ids = tokenizer.encode(gzip.open(data / f"corpora/{corpus}.gz").read().decode(), add_special_tokens=False).ids
            text = tokenizer.decode(ids, skip_special_tokens=False).encode()
            prints = [fnv1a(b"".join(i.to_bytes(4, "little") for i in ids)), fnv1a(text)]
            print(f'("{file}", "{corpus}", {len(ids)}, {prints[0]:#018x}, {prints[1]:#018x}),')


def main():
    data = pathlib.Path(sys.argv[1])
    texts = EXTRA + [(HERE / "text.txt").read_bytes().decode()]
    folder = HERE / "families"
    folder.mkdir(exist_ok=True)
    goldens = {"versions": {"python": platform.python_version(), "tokenizers": tokenizers.__version__}, "variants": {}}
    for name, definition in variants(data, texts).items():
        text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{name}.tokenizer.json").write_text(text + "\n", encoding="utf-8")
        tokenizer = Tokenizer.from_str(text)
        goldens["variants"][name] = {
            "vocabularySize": tokenizer.get_vocab_size(with_added_tokens=True),
            "encoded": [encoded(tokenizer, case) for case in texts], "decoded": decoded(tokenizer)}
    (folder / "goldens.json").write_text(json.dumps(goldens, ensure_ascii=False, separators=(",", ":")) + "\n")
    print_fingerprints(data)


main()
