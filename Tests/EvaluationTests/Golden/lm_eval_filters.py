#!/usr/bin/env python3
"""Numbers found in texts by lm-eval's filters of gsm8k, and their exact match: lm_eval_filters.py > lm-eval.filters.json"""

from __future__ import annotations

import json

import lm_eval.tasks
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter
from pathlib import Path

from lm_eval.tasks._yaml_loader import load_yaml

CONFIG = load_yaml(Path(lm_eval.tasks.__file__).parent / "gsm8k/gsm8k.yaml")
OPTIONS = {key: CONFIG["metric_list"][0][key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")}
TARGETS = ["They pay 3*4=<<3*4=12>>12 each.\n#### 12", "It is\n#### 1,234", "#### -7", "5 and\n#### 3.50"]
TEXTS = [
    " 12", "#### 12", "so it is\n#### 12.", "#### 1,234", "#### $1,234", "the answer is $1234.", "#### -7", "-7", "- 7",
    "It costs $12.00", "12\n\n", "#### 12 or #### 13", "12.5.", "1.", ".5", "$", "$$", "..", "-", "a-5b", "", "none",
    "#### ", "#### abc 12", "#### 12\r\n", "٣ is no 3", "3.50", "x = -$12", "12,", "#### ,", "-1-2", "100% of 12%", "12e3",
]


def found(rule: dict, text: str) -> str:
    options = {key: value for key, value in rule["filter"][0].items() if key != "function"}
    return RegexFilter(**options).apply([[text]], [{}])[0][0]


def main() -> None:
    rules = {rule["name"]: rule for rule in CONFIG["filter_list"]}
    items = []
    for number, text in enumerate(TEXTS * 2):
        target = TARGETS[(number + number // len(TEXTS)) % len(TARGETS)]
        strict, flexible = found(rules["strict-match"], text), found(rules["flexible-extract"], text)
        match = {key: bool(exact_match_hf_evaluate([value], [target], **OPTIONS)["exact_match"])
                 for key, value in (("strictMatch", strict), ("flexibleMatch", flexible))}
        items.append({"text": text, "target": target, "strict": strict, "flexible": flexible, **match})
    print("[" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "]")


if __name__ == "__main__":
    main()
