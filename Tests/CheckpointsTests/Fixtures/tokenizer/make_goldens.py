"""Trains a small byte-level BPE tokenizer and records what the reference makes of difficult texts.

Written with Python 3.11+, tokenizers 0.23.3 (the versions used stand in goldens.json).
Run:  python make_goldens.py            writes the files beside it
      python make_goldens.py DATA       also prints the WikiText-2 goldens of RealDataTokenizerTests,
                                        from DATA/models/english-moe-20m and DATA/corpora
"""

import copy
import gzip
import json
import pathlib
import platform
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent

SENTENCES = """
A tokenizer cuts a text into pieces that a model knows. The pieces are bytes, or pairs of pieces
that were seen together often. It's the pair that we've seen most often that is merged first; then
the next, and so on, until the vocabulary is full. They'll say that's all there is to it, and they're
nearly right: I'd add that the order of the merges is the tokenizer. We can't change it later.
Numbers such as 1, 12, 123, 1984 and 3.14159 are cut from words, and so are (brackets), "quotes",
dashes - and -- longer ones --- and = signs == of === every ==== length.
Der Würfel fällt, das Maß ist voll; où est la bibliothèque? Ça va très bien, merci beaucoup.
Быстрая лиса прыгает через ленивую собаку. 一二三四五六七八九十 日本語 한국어 🙂🙂🚀
for row in range(rows):
    for column in range(columns):
        total += weights[row][column] * inputs[column]
"""

TEXT = (
    "It's we've they'll I'd I'm you're can't; IT'S WE'VE 'tis 'll''s '' 's\n"
    "Emoji: 🙂 🙂🙂 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 and text\n"
    "Marks: e\u0301 é a\u0308ä o\u0302\u0323 \u0301alone क्षि \u0e01\u0e33 Å \u212b \u1e9b\u0323 ﬁ\n"
    "Digits: 0123456789 1,000.50 ٣٤٥ १२३ Ⅷ ½ x² ₃ 12ab34 ㊿\n"
    "Mixed: abcабвαβγ漢字かなカナ한글 עברית العربية\u200f ไทย\u200bzero\u2060width\ufeff\n"
    "Spaces:  two   three\t\ttabs \t mixed\u00a0nbsp \u00a0\u00a0both\u2003em\u3000wide \u2028line\u2029par\x85nel\n"
    "Control: \x00\x01\x1b[0m \x1c\x1d\x1e\x1f\x7f\r\n\r\n\x0b\x0c end\n"
    "Long:" + " " * 90 + "x" + "=" * 70 + "\n\n\n\n   \n \n\t\nlines\n"
    "Word: " + "ab" * 60 + " " + "the" * 40 + "aaaaaaaaaaaaaaaaaaaaaaaaa\n"
    "Special: <|endoftext|>in<|endoftext|><|end <|pad|> <|pad|>|><|padded|> |endoftext|>\n"
    "   trailing   "
)

SHORT = [
    "", " ", "  ", "\n", " \n", "\n ", "a", " a", "  a", "\na", "a ", "a\n\n", "'", "''", "'s", " 's", "'re", "'r",
    "'l", "'ll", "it's", "\u00a0", "\u00a0\u00a0a", "\t\ta", " \u3000a", "e\u0301", "\u0301", "🙂", " 🙂", "1", " 12a",
    "<|endoftext|>", "<|endoftext|><|pad|>", "a<|pad|>b", "<|pad|> b", "<|padded|>", "The tokenizer knows",
    "\U0001f468\u200d\U0001f4bb", "\U00020000\U00010400", "tokenization tokenization",
]

ADDED = [
    AddedToken("<|endoftext|>", special=True, normalized=False),
    AddedToken("<|pad|>", special=True, normalized=False),
    AddedToken("<|padded|>", special=False, normalized=True),
    AddedToken("d|><|", special=False, normalized=True),
]


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=496, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator([SENTENCES], trainer)
    tokenizer.add_tokens(ADDED)
    return json.loads(tokenizer.to_str())


def variants(plain):
    """The same merges with each supported setting changed."""
    joined = copy.deepcopy(plain)
    joined["model"]["merges"] = [" ".join(pair) for pair in plain["model"]["merges"]]
    spaced = copy.deepcopy(plain)
    spaced["pre_tokenizer"]["add_prefix_space"] = True
    unsplit = copy.deepcopy(plain)
    unsplit["pre_tokenizer"]["use_regex"] = False
    whole = copy.deepcopy(plain)
    whole["model"]["ignore_merges"] = True
    # The reference numbers added tokens on from the model's own, whatever the file says.
    whole["model"]["vocab"]["Ġtokenization"] = len(whole["model"]["vocab"])
    for token in whole["added_tokens"]:
        token["id"] += 1
    template = copy.deepcopy(plain)
    template["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "<|pad|>", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            name: {"id": name, "ids": [next(t["id"] for t in plain["added_tokens"] if t["content"] == name)],
                   "tokens": [name]}
            for name in ("<|endoftext|>", "<|pad|>")},
    }
    return {"plain": plain, "joined": joined, "spaced": spaced, "unsplit": unsplit, "whole": whole, "template": template}


def encoded(tokenizer, text):
    return {
        "text": text,
        "ids": tokenizer.encode(text, add_special_tokens=False).ids,
        "idsWithSpecialTokens": tokenizer.encode(text, add_special_tokens=True).ids,
    }


def decoded(tokenizer):
    """Every id, rising and in strides, so that most sequences are not UTF-8."""
    sequences = [[i * stride % 500 for i in range(500)] for stride in (1, 7, 143, 211)]
    return [
        {"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=False),
         "textWithoutSpecialTokens": tokenizer.decode(ids, skip_special_tokens=True)} for ids in sequences]


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for byte in b"".join(i.to_bytes(4, "little") for i in ids):
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def print_wikitext(data):
    tokenizer = Tokenizer.from_file(str(data / "models/english-moe-20m/tokenizer.json"))
    raw = gzip.open(data / "corpora/wikitext2_raw_test.gz").read().decode()
    # One row a line; a row of white space alone is empty, another keeps its line feed.
    lines = raw.split("\n")
    rows = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    joined = "\n\n".join(row if row.strip() else "" for row in rows)
    for name, text in ("raw", raw), ("joined", joined):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        print(f"{name}: {len(ids)} tokens, FNV-1a 64 {fnv1a(ids):#018x}")


def main():
    goldens = {"versions": {"python": platform.python_version(), "tokenizers": tokenizers.__version__}, "variants": {}}
    for name, definition in variants(train()).items():
        text = json.dumps(definition, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.tokenizer.json").write_text(text + "\n", encoding="utf-8")
        tokenizer = Tokenizer.from_str(text)
        goldens["variants"][name] = {
            "vocabularySize": tokenizer.get_vocab_size(with_added_tokens=True),
            "encoded": [encoded(tokenizer, case) for case in SHORT + [TEXT]],
            "decoded": decoded(tokenizer) if name == "plain" else [],
        }
    (HERE / "text.txt").write_bytes(TEXT.encode())
    (HERE / "goldens.json").write_text(json.dumps(goldens, separators=(",", ":")) + "\n")
    if len(sys.argv) > 1:
        print_wikitext(pathlib.Path(sys.argv[1]))


main()
