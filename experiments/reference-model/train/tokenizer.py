"""Trains the byte-level BPE tokenizer and checks what the tasks need of it."""

from __future__ import annotations

import argparse
import re
from itertools import islice
from pathlib import Path
from typing import Iterator

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from generate import DOMAINS, documents

VOCABULARY_SIZE = 640
END_OF_TEXT = "<|endoftext|>"
DOCUMENTS_PER_DOMAIN = 6000


def separated_digits(text: str) -> str:
    """Cuts numbers into digits, so that no merge of two digits is ever learned."""
    return re.sub(r"(?<=\d)(?=\d)", "\n", text)


def training_text() -> Iterator[str]:
    for domain in DOMAINS:
        for document in islice(documents(domain, "train", "tokenizer"), DOCUMENTS_PER_DOMAIN):
            yield separated_digits(document.text)


def train_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[AddedToken(END_OF_TEXT, normalized=False, special=True)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(training_text(), trainer)
    return tokenizer


def check(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_to_id(END_OF_TEXT) == 0
    for token in tokenizer.get_vocab():
        assert not re.search(r"\d.*\d", token), f"digits merged in {token}"
    text = "12 + 345 = 6\n\nGrüße\n    a += 10\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).resolve().parent.parent)
    tokenizer = train_tokenizer()
    check(tokenizer)
    tokenizer.save(str(parser.parse_args().folder / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
