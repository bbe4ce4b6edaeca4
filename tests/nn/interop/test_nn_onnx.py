"""`export_onnx`: ONNX Runtime computes what the model computes, for any number of examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor, nn
from autograd_mini.models.gans.adversarial import AdversarialModel
from autograd_mini.models.recipes import RECIPES
from autograd_mini.nn.onnx import operators
from autograd_mini.primitive import registry
from autograd_mini.tensor import Array
from autograd_mini.trees import leaves

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

EXAMPLES = 4


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-1.5, 1.5, shape).astype(np.float32)


def run(path: Path, *inputs: Array) -> list[Array]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip((x.name for x in session.get_inputs()), inputs, strict=True)))


def check(
    model: Callable[..., Any], path: Path, *examples: Array, sizes: tuple[int, ...] = (1, EXAMPLES, 7), tolerance: float = 1e-5
) -> None:
    """Exports a model and compares results for several numbers of examples."""
    nn.export_onnx(model, examples, path, dynamic_batch=sizes != ())
    for size in sizes or (len(examples[0]),):
        inputs = [np.concatenate([x] * 2)[:size] if sizes else x for x in examples]
        with ag.no_grad(), nn.evaluation(model) if isinstance(model, nn.Module) else ag.no_grad():
            expected = [x.numpy() for x in leaves(model(*map(Tensor, inputs)))]
        found = run(path, *inputs)
        assert [x.shape for x in found] == [x.shape for x in expected]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


DIGITS = sorted(model for model, data in RECIPES if data == "digits")


def randomize(model: nn.Module) -> None:
    """Changes parameters and running statistics, so that none of them is still 0 or 1."""
    for i, tensor in enumerate([*model.parameters(), *model.buffers()]):
        if tensor.data.dtype.kind == "f":
            tensor.data[...] = np.random.default_rng(i).uniform(0.05, 0.3, tensor.shape)


@pytest.mark.parametrize("name", DIGITS)
def test_every_model_agrees(name: str, path: Path) -> None:
    model = RECIPES[name, "digits"].build()
    randomize(model)
    check(model, path, np.random.default_rng(0).random((EXAMPLES, 8, 8), np.float32))


@pytest.mark.parametrize("name", [name for name in DIGITS if isinstance(RECIPES[name, "digits"].build(), AdversarialModel)])
def test_every_generator_agrees(name: str, path: Path) -> None:
    model = RECIPES[name, "digits"].build()
    size = model.generator_input(model.noise(2), np.array([1, 2])).shape[1] if name == "cgan" else model.noise(2).shape[1]
    check(model.generator, path, numbers(EXAMPLES, size))


IMAGE = (3, 8, 8)
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    **{name: (getattr(nn, name), (6, 4)) for name in (
        "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "Identity", "LeakyReLU", "LogSigmoid",
        "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmin", "Softplus", "Softshrink",
        "Softsign", "Tanh", "Tanhshrink", "Dropout", "Flatten",
    )},
    **{f"BatchNorm{n}d": (lambda n=n: getattr(nn, f"BatchNorm{n}d")(6), (6, *[4] * n)) for n in (1, 2, 3)},
    **{f"{kind}{n}d": (lambda kind=kind, n=n: getattr(nn, f"{kind}{n}d")(2, 3, 2), (2, *[6] * n)) for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": (lambda kind=kind, n=n: getattr(nn, f"{kind}Pool{n}d")(3, 2, 1), (2, *[7] * n)) for kind in ("Avg", "Max") for n in (1, 2, 3)},
    **{f"{kind}Pad2d": (lambda kind=kind: getattr(nn, f"{kind}Pad2d")((1, 2, 0, 3)), (2, 5, 6)) for kind in ("Circular", "Reflection", "Replication", "Zero")},
    "GELU, tanh": (lambda: nn.GELU(approximate="tanh"), (6,)),
    "Threshold": (lambda: nn.Threshold(0.1, 2.0), (6,)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 6), (6, 4, 4)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(6, affine=True), (6, 4, 4)),
    "LayerNorm": (lambda: nn.LayerNorm((6, 4)), (6, 4)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (6, 4)),
    "ConstantPad1d": (lambda: nn.ConstantPad1d((1, 2), 3.5), (2, 5)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(3), IMAGE),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d(4), IMAGE),
    "a grouped, dilated convolution": (lambda: nn.Conv2d(4, 6, 3, padding="same", groups=2, dilation=2), (4, 8, 8)),
    "a transposed convolution with all options": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=3, padding=1, output_padding=2, groups=2), (4, 5, 5)),
    "nearest": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "bilinear": (lambda: nn.Upsample(size=(5, 11), mode="bilinear"), IMAGE),
    "trilinear": (lambda: nn.Upsample(scale_factor=2, mode="trilinear"), (2, 3, 3, 3)),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (4, 3, 3)),
    "LSTM": (lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True), (3, 4)),
    "GRU": (lambda: nn.GRU(4, 5, batch_first=True), (3, 4)),
    "RNN": (lambda: nn.RNN(4, 5, batch_first=True), (3, 4)),
    "Transformer": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (3, 8)),
    "weight normalisation": (lambda: nn.WeightNorm(nn.Linear(4, 3)), (4,)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_agrees(name: str, path: Path) -> None:
    make, shape = LAYERS[name]
    layer = make()
    if list(layer.buffers()):
        randomize(layer)
    check(layer, path, numbers(EXAMPLES, *shape))


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "indices": lambda x: x[:, 1, None, 3:0:-1] + x[:, -1:, ..., 2:],
    "an array of indices": lambda x: x[:, [2, 0, 0]],
    "reductions": lambda x: ag.stack([x.max(axis=2), x.min(axis=2), x.prod(axis=2), ag.logsumexp(x, axis=2)], axis=1),
    "everything summed": lambda x: x.sum(axis=(1, 2), keepdims=True) / ag.norm(x, axis=2, keepdims=True),
    "classes": lambda x: ag.argmax(x, axis=2),
    "choices": lambda x: ag.where((x > 0) & ~(x > 1), x**2.0, ag.minimum(x, -0.5)),
    "triangles": lambda x: ag.tril(x[:, :, :3]) - ag.triu(x[:, :, :3], 1),
    "flip": lambda x: ag.flip(x, axis=(1, 2)),
    "clip": lambda x: ag.clip(x, -0.25, 0.5) * ag.log10(ag.exp(x)) + ag.log2(x * x + 1),
    "the batch joined with another axis": lambda x: (x.reshape(-1, 5) @ np.ones((5, 2), np.float32)).reshape(x.shape[0], 3, 2),
    "a constant for each example": lambda x: x + ag.broadcast_to(Tensor([1.0, 2.0, 3.0, 4.0, 5.0]), x.shape),
    "one array for each example": lambda x: ag.concatenate([x, ag.zeros((x.shape[0], 1, 5))], axis=1),
    "integers and floats": lambda x: x * ag.arange(5) + (x > 0).astype("float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_agree(name: str, path: Path) -> None:
    check(FUNCTIONS[name], path, numbers(EXAMPLES, 3, 5))


# Functions that are defined on other numbers than these.
DOMAIN = {"arccosh": (1.1, 3), "log": (0.1, 3), "log10": (0.1, 3), "log2": (0.1, 3), "sqrt": (0.1, 3), "power": (0.1, 3)}


def is_elementwise(name: str) -> bool:
    primitive = registry[name]
    return primitive.elementwise and name not in ("cast", "copy", "clip", "elu", "leaky_relu", "where")


@pytest.mark.parametrize("name", sorted(filter(is_elementwise, operators.RULES)))
def test_every_elementwise_rule_agrees(name: str, path: Path) -> None:
    low, high = DOMAIN.get(name, (-0.9, 0.9))
    values = np.random.default_rng(0).uniform(low, high, (2, EXAMPLES, 3)).astype(np.float32)
    function = getattr(ag, name, None) or getattr(nn.functional, name.removesuffix("_tanh"))
    if name.startswith(("logical", "bitwise", "invert")):
        values = values > 0
    options = {"approximate": "tanh"} if name == "gelu_tanh" else {}
    arity = (
        2
        if registry[name].fast_arity == 2
        or name.startswith(("logical_a", "logical_o", "logical_x", "greater", "less", "equal", "bitwise"))
        else 1
    )
    check(lambda *x: function(*x, **options), path, *values[:arity])


def test_every_rule_belongs_to_a_primitive() -> None:
    assert set(operators.RULES) <= set(registry)


# -- names and sizes in the file ---------------------------------------------------------------------------------------------


def test_weights_keep_their_names_and_the_batch_has_one(path: Path) -> None:
    import onnx

    nn.export_onnx(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), numbers(2, 3), path, input_names=["x"], output_names=["y"])
    graph = onnx.load(path).graph
    assert {w.name for w in graph.initializer} == {"0.weight", "0.bias"}
    (x,), (y,) = graph.input, graph.output
    assert (x.name, y.name) == ("x", "y")
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["batch", 3]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["batch", 2]


def test_what_does_not_depend_on_the_input_is_a_constant(path: Path) -> None:
    """Batch normalisation in evaluation mode, for example, is one product and one sum."""
    import onnx

    layer = nn.BatchNorm1d(3)
    randomize(layer)
    nn.export_onnx(layer, numbers(2, 3), path)
    assert {node.op_type for node in onnx.load(path).graph.node} <= {"Mul", "Add", "Sub", "Identity"}


def test_several_inputs_and_results(path: Path) -> None:
    check(
        lambda a, b: {"sum": a + b, "parts": [a * b]},
        path,
        numbers(EXAMPLES, 3),
        numbers(EXAMPLES, 3, seed=1),
    )


def test_integers_select_rows(path: Path) -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 2))
    check(model, path, np.random.default_rng(0).integers(0, 7, (EXAMPLES, 3)))


def test_double_precision(path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    for parameter in model.parameters():
        parameter.data = parameter.data.astype(np.float64)
    check(model, path, numbers(EXAMPLES, 4).astype(np.float64), tolerance=1e-12)


def test_a_fixed_batch(path: Path) -> None:
    check(lambda x: x - x[0], path, numbers(EXAMPLES, 3), sizes=())


def test_the_model_is_unchanged(path: Path) -> None:
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {k: v.copy() for k, v in model.state_dict().items()}
    nn.export_onnx(model, numbers(2, 3), path)
    assert model.training
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())


# -- errors ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: ag.inv(x[:, :2, :2]), r"ONNX has no operation for inv"),
        (lambda x: ag.pad(x, ((0, 0), (1, 1), (0, 0)), mode="symmetric"), r"ONNX has no operation for pad with mode='symmetric'"),
        (lambda x: ag.norm(x, ord=3, axis=1), r"ONNX has no operation for norm with ord=3"),
        (lambda x: x + ag.randn(5), r"draws random numbers"),
        (lambda x: x if x.sum() > 0 else -x, r"the model cannot be recorded.*ag\.where"),
        (lambda x: x.numpy(), r"cannot be recorded: jit: \.numpy\(\)"),
        (lambda x: x * 2 if x.shape[0] > 2 else ag.exp(x), r"something else for another number"),
        (lambda x: x[: x.shape[0] - 1], r"getitem depends on the number of examples"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_named(function: Callable[[Tensor], Any], message: str, path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        nn.export_onnx(function, numbers(2, 3, 5), path)
    assert not path.exists()


def test_names_are_checked(path: Path) -> None:
    with pytest.raises(ValueError, match=r"input_names must be 1 name, got \['a', 'b'\]"):
        nn.export_onnx(lambda x: x + 1, numbers(2, 3), path, input_names=["a", "b"])


@pytest.mark.parametrize("names", ["", [""], [3]])
def test_a_name_is_a_text_that_is_not_empty(names: Any, path: Path) -> None:
    with pytest.raises(ValueError, match="output_names must be 1 name, got"):
        nn.export_onnx(nn.Linear(2, 1), np.zeros((1, 2), np.float32), path, output_names=names)


def test_one_name_needs_no_list(path: Path) -> None:
    nn.export_onnx(nn.Linear(2, 1), np.zeros((1, 2), np.float32), path, input_names="画像<&>")
    import onnx

    assert [x.name for x in onnx.load(path).graph.input] == ["画像<&>"]


def test_a_model_that_cannot_be_called_is_an_error(path: Path) -> None:
    with pytest.raises(TypeError, match="model must be a module or a function of tensors, got 3"):
        nn.export_onnx(3, np.zeros((1, 2), np.float32), path)


def test_an_example_without_a_batch_is_an_error(path: Path) -> None:
    with pytest.raises(ValueError, match=r"example must have a batch as first axis, got shape \(\)"):
        nn.export_onnx(lambda x: x + 1, 3.0, path)
