"""Deterministic text of five domains, with the questions whose answers the text contains.

Every document belongs to exactly one split, decided by the SHA-256 of its text, so the
training, calibration, validation and test texts are disjoint by construction.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

SPLITS = (("train", 88), ("calibration", 92), ("validation", 96), ("test", 100))
DOCUMENT_SEPARATOR = "\n\n"
FILE_SEED = 20_260_1
TEXT_BYTES = {"calibration": 100_000, "validation": 80_000, "test": 100_000}
MIXED_BYTES = 300_000
ITEMS_PER_DOMAIN = 200


@dataclass
class Question:
    """A span of a document that only the text before it determines."""

    kind: str
    start: int
    answer: str
    wrong: list[str]


@dataclass
class Document:
    text: str = ""
    questions: list[Question] = field(default_factory=list)

    def write(self, text: str) -> None:
        self.text += text

    def ask(self, kind: str, answer: str, wrong: list[str]) -> None:
        """Appends an answer and remembers it with its wrong alternatives."""
        self.questions.append(Question(kind, len(self.text), answer, wrong))
        self.text += answer


def pick_wrong(rng: random.Random, answer: str, candidates: list[str]) -> list[str]:
    """Three different wrong answers, drawn from all the candidates alike."""
    pool = sorted(set(candidates) - {answer})
    return [" " + choice for choice in rng.sample(pool, 3)]


def forget_repetition(document: Document, before: int) -> None:
    """Takes the last line back if the document has it already: it would be mere copying."""
    if document.text[before:] in document.text[:before]:
        document.text = document.text[:before]
        document.questions.pop()


# --- arithmetic -----------------------------------------------------------------------


def near_numbers(rng: random.Random, value: int) -> list[str]:
    """Numbers as long as the true one that a sloppy calculation could give."""
    offsets = [-20, -11, -10, -9, -2, -1, 1, 2, 9, 10, 11, 20]
    if value >= 100:
        offsets += [-100, 100]
    length = len(str(value))
    near = [str(value + offset) for offset in offsets if value + offset >= 0]
    near = [text for text in near if len(text) == length]
    swapped = str(value)[::-1]
    if swapped[0] != "0":
        near.append(swapped)
    return pick_wrong(rng, str(value), near)


def sum_line(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(1, 99), rng.randint(1, 99)
    return f"{a} + {b}", a + b


def difference_line(rng: random.Random) -> tuple[str, int]:
    a, b = sorted((rng.randint(1, 99), rng.randint(1, 99)), reverse=True)
    return f"{a} - {b}", a - b


def product_line(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    return f"{a} * {b}", a * b


def chain_line(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(1, 30), rng.randint(1, 30)
    c = rng.randint(0, min(30, a + b))
    return f"{a} + {b} - {c}", a + b - c


ARITHMETIC = {"sum": sum_line, "difference": difference_line, "product": product_line, "chain": chain_line}
ARITHMETIC_WEIGHTS = (35, 25, 20, 20)


def arithmetic(rng: random.Random) -> Document:
    document = Document()
    for index in range(rng.randint(5, 8)):
        kind = rng.choices(list(ARITHMETIC), ARITHMETIC_WEIGHTS)[0]
        left, value = ARITHMETIC[kind](rng)
        document.write(("\n" if index else "") + left + " =")
        document.ask(kind, f" {value}", near_numbers(rng, value))
    return document


# --- copying and reversing ------------------------------------------------------------

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LETTER_TASKS: dict[str, Callable[[list[str]], list[str]]] = {
    "copy": lambda letters: letters,
    "reverse": lambda letters: letters[::-1],
    "rotate": lambda letters: letters[1:] + letters[:1],
    "sort": sorted,
}
LETTER_WEIGHTS = (15, 45, 15, 25)


def spoiled_letters(rng: random.Random, answer: list[str]) -> list[str]:
    """The answer with two neighbours swapped, or with one letter changed."""
    spoiled: set[str] = set()
    while len(spoiled) < 3:
        letters = list(answer)
        place = rng.randrange(len(letters) - 1)
        if rng.random() < 0.6:
            letters[place], letters[place + 1] = letters[place + 1], letters[place]
        else:
            letters[place + rng.randint(0, 1)] = rng.choice(LETTERS)
        if letters != answer:
            spoiled.add(" " + " ".join(letters))
    return rng.sample(sorted(spoiled), 3)


def reversal(rng: random.Random) -> Document:
    document = Document()
    for index in range(rng.randint(3, 6)):
        kind = rng.choices(list(LETTER_TASKS), LETTER_WEIGHTS)[0]
        letters = rng.sample(LETTERS, rng.randint(4, 8))
        answer = LETTER_TASKS[kind](letters)
        document.write(("\n" if index else "") + f"{kind} {' '.join(letters)} ;")
        document.ask(kind, " " + " ".join(answer), spoiled_letters(rng, answer))
    return document


# --- key-value recall -----------------------------------------------------------------

KEYS = (
    "lamp door tree coin rope bell cup ring book shoe fork drum sail nail leaf seed bone hook "
    "comb vase sock tent kite flag"
).split()
VALUES = (
    "red blue gold pink gray teal lime navy rust plum jade ruby sand snow coal mint rose wine "
    "moss clay onyx pearl amber ivory"
).split()


def table_text(table: dict[str, str]) -> str:
    return "table " + " , ".join(f"{key} is {value}" for key, value in table.items())


def ask_get(rng: random.Random, document: Document, table: dict[str, str], old: list[str]) -> None:
    key = rng.choice(list(table))
    document.write(f"\nget {key} :")
    document.ask("get", f" {table[key]}", pick_wrong(rng, table[key], list(table.values()) + old))


def ask_find(rng: random.Random, document: Document, table: dict[str, str], old: list[str]) -> None:
    key = rng.choice(list(table))
    document.write(f"\nfind {table[key]} :")
    document.ask("find", f" {key}", pick_wrong(rng, key, list(table)))


def ask_put(rng: random.Random, document: Document, table: dict[str, str], old: list[str]) -> None:
    """Overwrites a value and asks for it: the old value is always among the wrong answers."""
    key = rng.choice(list(table))
    old.append(table[key])
    table[key] = rng.choice([value for value in VALUES if value not in table.values() and value not in old])
    document.write(f"\nput {key} is {table[key]}")
    asked = key if rng.random() < 0.5 else rng.choice(list(table))
    document.write(f"\nget {asked} :")
    document.ask("update", f" {table[asked]}", pick_wrong(rng, table[asked], list(table.values()) + old))


def ask_next(rng: random.Random, document: Document, table: dict[str, str], old: list[str]) -> None:
    """Asks for the value of the key written after the named one."""
    keys = list(table)
    place = rng.randrange(len(keys) - 1)
    answer = table[keys[place + 1]]
    document.write(f"\nafter {keys[place]} :")
    document.ask("after", f" {answer}", pick_wrong(rng, answer, list(table.values()) + old))


RECALL = (ask_get, ask_find, ask_put, ask_next)
RECALL_WEIGHTS = (35, 20, 25, 20)


def recall(rng: random.Random) -> Document:
    size = rng.randint(4, 8)
    table = dict(zip(rng.sample(KEYS, size), rng.sample(VALUES, size)))
    document = Document(table_text(table))
    old: list[str] = []
    for _ in range(rng.randint(3, 6)):
        before = len(document.text)
        rng.choices(RECALL, RECALL_WEIGHTS)[0](rng, document, table, old)
        forget_repetition(document, before)
    return document


# --- stories --------------------------------------------------------------------------

NAMES = "Anna Ben Clara David Emma Frank Grace Henry Iris Jack Karin Leo Maria Nils Olga Peter".split()
JOBS = "baker farmer teacher sailor doctor painter singer miller".split()
TOWNS = "Lund Oslo Bern Riga Paris Rome Turin Porto".split()
PETS = "dog cat goat horse parrot rabbit".split()
PLACES = "garden market river castle forest kitchen school station bridge tower".split()
THINGS = "apple letter basket candle hammer violin blanket lantern".split()


@dataclass
class Scene:
    """Who the people are, where they stand and what they hold."""

    people: list[str]
    job: dict[str, str]
    town: dict[str, str]
    pet: dict[str, str]
    place: dict[str, str]
    holder: dict[str, str]


def new_scene(rng: random.Random) -> Scene:
    people = rng.sample(NAMES, rng.randint(2, 3))

    def dealt(values: list[str]) -> dict[str, str]:
        return dict(zip(people, rng.sample(values, len(people))))

    return Scene(people, dealt(JOBS), dealt(TOWNS), dealt(PETS), {}, {})


def introduce(rng: random.Random, scene: Scene, person: str) -> str:
    job, town, pet = scene.job[person], scene.town[person], scene.pet[person]
    return rng.choice(
        [
            f"{person} was a {job} from {town} who had a {pet}.",
            f"In {town} lived a {job} called {person}, who had a {pet}.",
            f"{person} had a {pet} and worked as a {job} in {town}.",
        ]
    )


def move(rng: random.Random, scene: Scene, person: str) -> str:
    scene.place[person] = rng.choice([place for place in PLACES if place != scene.place.get(person)])
    verb = rng.choice(["walked", "went", "ran", "travelled"])
    opening = rng.choice(["Then ", "Later ", "After that ", ""])
    return f"{opening}{person} {verb} to the {scene.place[person]}."


def take(rng: random.Random, scene: Scene, person: str) -> str:
    thing = rng.choice([thing for thing in THINGS if thing not in scene.holder])
    scene.holder[thing] = person
    return f"{person} {rng.choice(['picked up', 'found', 'took'])} the {thing}."


def give(rng: random.Random, scene: Scene, thing: str) -> str:
    giver = scene.holder[thing]
    scene.holder[thing] = rng.choice([person for person in scene.people if person != giver])
    return f"{giver} gave the {thing} to {scene.holder[thing]}."


def happen(rng: random.Random, scene: Scene) -> str:
    """One event that changes the scene."""
    draw = rng.random()
    if draw < 0.25 and scene.holder:
        return give(rng, scene, rng.choice(list(scene.holder)))
    person = rng.choice(scene.people)
    if draw < 0.5 and len(scene.holder) < 3:
        return take(rng, scene, person)
    return move(rng, scene, person)


def ask_person(rng: random.Random, document: Document, scene: Scene) -> None:
    """A question about an introduced, unchanging fact."""
    person = rng.choice(scene.people)
    asked, facts, values = rng.choice(
        [
            (f"What was the work of {person}?", scene.job, JOBS),
            (f"Which town was {person} from?", scene.town, TOWNS),
            (f"Which animal did {person} have?", scene.pet, PETS),
        ]
    )
    # The other people's values come first: they are the answers a careless reader gives.
    others = [value for other, value in facts.items() if other != person]
    rest = rng.sample([value for value in values if value not in facts.values()], 3 - len(others))
    document.write(f" {asked} Answer:")
    document.ask("fact", f" {facts[person]}", [f" {value}" for value in others + rest])


def ask_place(rng: random.Random, document: Document, scene: Scene) -> None:
    person = rng.choice(list(scene.place))
    document.write(f" Where was {person} in the end? Answer:")
    document.ask("place", f" {scene.place[person]}", wrong_places(rng, document, scene.place[person]))


def wrong_places(rng: random.Random, document: Document, answer: str) -> list[str]:
    """Places of the same story first, so that the mere mention of a place tells nothing."""
    named = [place for place in PLACES if place in document.text and place != answer]
    unnamed = [place for place in PLACES if place not in document.text]
    chosen = rng.sample(named, min(3, len(named)))
    return [f" {place}" for place in chosen + rng.sample(unnamed, 3 - len(chosen))]


def ask_thing_place(rng: random.Random, document: Document, scene: Scene) -> None:
    thing = rng.choice([thing for thing, holder in scene.holder.items() if holder in scene.place])
    answer = scene.place[scene.holder[thing]]
    document.write(f" Where was the {thing} in the end? Answer:")
    document.ask("carried", f" {answer}", wrong_places(rng, document, answer))


def ask_holder(rng: random.Random, document: Document, scene: Scene) -> None:
    thing = rng.choice(list(scene.holder))
    answer = scene.holder[thing]
    others = [person for person in scene.people if person != answer]
    rest = rng.sample([name for name in NAMES if name not in scene.people], 3 - len(others))
    document.write(f" Who had the {thing} in the end? Answer:")
    document.ask("holder", f" {answer}", [f" {person}" for person in others + rest])


def stories(rng: random.Random) -> Document:
    scene = new_scene(rng)
    sentences = [introduce(rng, scene, person) for person in scene.people]
    sentences += [move(rng, scene, person) for person in scene.people]
    sentences += [take(rng, scene, rng.choice(scene.people))]
    sentences += [happen(rng, scene) for _ in range(rng.randint(2, 5))]
    document = Document(" ".join(sentences))
    for _ in range(rng.randint(2, 4)):
        asker = rng.choices([ask_person, ask_place, ask_holder, ask_thing_place], [30, 25, 25, 20])[0]
        before = len(document.text)
        document.write("\nQuestion:")
        asker(rng, document, scene)
        forget_repetition(document, before)
    return document


# --- tiny programs --------------------------------------------------------------------

VARIABLES = "abcdkmnpqtxy"


def show(document: Document, rng: random.Random, kind: str, name: str, value: int, others: list[int]) -> None:
    """Prints a number; other numbers of the program and near misses are the wrong answers."""
    document.write(f"print({name})\n#")
    length = len(str(value))
    seen = sorted({str(other) for other in others if other != value and len(str(other)) == length})
    chosen = rng.sample(seen, min(2, len(seen)))
    near = [str(value + step) for step in (-4, -3, -2, -1, 1, 2, 3, 4) if value + step >= 0]
    near = [text for text in near if len(text) == length and text not in chosen]
    wrong = chosen + rng.sample(near, 3 - len(chosen))
    document.ask(kind, f" {value}", [f" {text}" for text in wrong])


def assignments(rng: random.Random, document: Document) -> None:
    """Straight-line code over two or three variables."""
    names = rng.sample(VARIABLES, rng.randint(2, 3))
    values = {name: rng.randint(1, 9) for name in names}
    for name in names:
        document.write(f"{name} = {values[name]}\n")
    for _ in range(rng.randint(1, 2)):
        target, left, right = rng.choice(names), rng.choice(names), rng.choice(names)
        values[target] = values[left] + values[right]
        document.write(f"{target} = {left} + {right}\n")
        show(document, rng, "assign", target, values[target], list(values.values()))
        document.write("\n")
    other = rng.choice([name for name in names if name != target])
    show(document, rng, "assign", other, values[other], list(values.values()))


def loop(rng: random.Random, document: Document) -> None:
    name, start, step, times = rng.choice(VARIABLES), rng.randint(0, 9), rng.randint(1, 5), rng.randint(2, 5)
    document.write(f"{name} = {start}\nfor i in range({times}):\n    {name} += {step}\n")
    value = start + step * times
    show(document, rng, "loop", name, value, [value - step, value + step, step * times, start + step])


def condition(rng: random.Random, document: Document) -> None:
    first, second = rng.sample(VARIABLES, 2)
    a, b = rng.sample(range(1, 20), 2)
    sign = rng.choice("<>")
    holds = a < b if sign == "<" else a > b
    step = rng.randint(1, 5)
    document.write(f"{first} = {a}\n{second} = {b}\nif {first} {sign} {second}:\n    {first} += {step}\n")
    document.write(f"else:\n    {second} += {step}\n")
    after = {first: a + step * holds, second: b + step * (not holds)}
    for name in rng.sample([first, second], 2):
        show(document, rng, "if", name, after[name], [a, b, a + step, b + step])
        document.write("\n")
    document.text = document.text[:-1]


def listing(rng: random.Random, document: Document) -> None:
    name = rng.choice(VARIABLES)
    values = rng.sample(range(1, 10), rng.randint(3, 6))
    document.write(f"{name} = {values}\n")
    if rng.random() < 0.5:
        values.append(rng.choice([number for number in range(1, 10) if number not in values]))
        document.write(f"{name}.append({values[-1]})\n")
    place = rng.randrange(len(values))
    for expression, value in rng.sample(
        [
            (f"{name}[{place}]", values[place]),
            (f"max({name})", max(values)),
            (f"min({name})", min(values)),
            (f"len({name})", len(values)),
            (f"{name}[-1]", values[-1]),
        ],
        3,
    ):
        show(document, rng, "list", expression, value, values)
        document.write("\n")
    document.text = document.text[:-1]


def programs(rng: random.Random) -> Document:
    document = Document()
    for index in range(rng.randint(1, 2)):
        document.write("\n" if index else "")
        rng.choices([assignments, loop, condition, listing], [30, 25, 20, 25])[0](rng, document)
    return document


# --- splits and files -----------------------------------------------------------------

DOMAINS: dict[str, Callable[[random.Random], Document]] = {
    "arithmetic": arithmetic,
    "reversal": reversal,
    "recall": recall,
    "stories": stories,
    "programs": programs,
}


def split_of(text: str) -> str:
    bucket = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 100
    return next(name for name, end in SPLITS if bucket < end)


def documents(domain: str, split: str, seed: int | str) -> Iterator[Document]:
    """The endless stream of one domain's documents that belong to a split."""
    rng = random.Random(f"{domain}/{seed}")
    while True:
        document = DOMAINS[domain](rng)
        if split_of(document.text) == split:
            yield document


def distinct_until(stream: Iterator[Document], byte_count: int) -> list[Document]:
    """The first different documents that together fill so many bytes."""
    chosen: dict[str, Document] = {}
    size = 0
    for document in stream:
        if document.text in chosen:
            continue
        chosen[document.text] = document
        size += len(document.text) + len(DOCUMENT_SEPARATOR)
        if size >= byte_count:
            return list(chosen.values())
    raise AssertionError("a stream of documents has no end")


def write_text(path: Path, chosen: list[Document]) -> None:
    path.write_text(DOCUMENT_SEPARATOR.join(document.text for document in chosen) + "\n")


def multiple_choice(rng: random.Random, identifier: str, document: Document) -> dict[str, object]:
    question = rng.choice(document.questions)
    choices = question.wrong + [question.answer]
    rng.shuffle(choices)
    return {
        "id": identifier,
        "context": document.text[: question.start],
        "choices": choices,
        "answer": choices.index(question.answer),
    }


def make_items(domain: str, tests: list[Document]) -> list[dict[str, object]]:
    """One question of each of the first test documents; no model has a say in the choice."""
    rng = random.Random(f"{domain}/items/{FILE_SEED}")
    return [
        multiple_choice(rng, f"{domain}-{number:04d}", document)
        for number, document in enumerate(tests[:ITEMS_PER_DOMAIN], start=1)
    ]


def write_domain(folder: Path, domain: str) -> None:
    for split, byte_count in TEXT_BYTES.items():
        chosen = distinct_until(documents(domain, split, FILE_SEED), byte_count)
        write_text(folder / "text" / f"{split}.{domain}.txt", chosen)
        if split == "test":
            lines = [json.dumps(item) for item in make_items(domain, chosen)]
            (folder / "items" / f"{domain}.jsonl").write_text("\n".join(lines) + "\n")


def write_mixed_calibration(folder: Path) -> None:
    """Other calibration documents than the per-domain files', domains in random order."""
    rng = random.Random(f"mixed/{FILE_SEED}")
    streams = {domain: documents(domain, "calibration", f"mixed/{FILE_SEED}") for domain in DOMAINS}
    share = MIXED_BYTES // len(streams)
    chosen = [document for stream in streams.values() for document in distinct_until(stream, share)]
    rng.shuffle(chosen)
    write_text(folder / "calibration.mixed.txt", chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).resolve().parent.parent)
    folder = parser.parse_args().folder
    for name in ("text", "items"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for domain in DOMAINS:
        write_domain(folder, domain)
    write_mixed_calibration(folder)


if __name__ == "__main__":
    main()
