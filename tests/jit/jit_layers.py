"""Every public layer with the shape of its input, for `test_jit_public.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as ag
from autograd_mini import Tensor, nn

LABELS = np.array([2, 0, 1])
V, M, SERIES, IMAGE, VOLUME, SEQUENCE = (3,), (3, 3), (2, 1, 5), (2, 1, 4, 4), (2, 1, 2, 4, 3), (4, 2, 3)


class FirstOutput(nn.Module):
    """Calls a layer with its input, `copies` times, and returns the first of the results."""

    def __init__(self, layer: nn.Module, copies: int = 1):
        self.layer, self.copies = layer, copies

    def forward(self, x: Tensor) -> Tensor:
        results = self.layer(*[x] * self.copies)
        return results[0] if isinstance(results, tuple) else results


POOLS = ("AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool")


class UnpoolNet(nn.Module):
    """Max pooling and its inverse."""

    def __init__(self, axes: int):
        self.pool = getattr(nn, f"MaxPool{axes}d")(2, return_indices=True)
        self.unpool = getattr(nn, f"MaxUnpool{axes}d")(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.unpool(*self.pool(x), output_size=x.shape)


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), IMAGE),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGE),
    **{f"{name}1d": (lambda f=getattr(nn, f"{name}1d"): f(2), SERIES) for name in POOLS},
    **{f"{name}3d": (lambda f=getattr(nn, f"{name}3d"): f(2), VOLUME) for name in POOLS},
    **{
        f"{name}{axes}d": (lambda f=getattr(nn, f"{name}{axes}d"): f(1), shape)
        for name in ("CircularPad", "ReflectionPad", "ReplicationPad", "ZeroPad")
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"ConstantPad{axes}d": (lambda f=getattr(nn, f"ConstantPad{axes}d"): f(1, 0.5), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    **{
        f"MaxUnpool{axes}d": (lambda axes=axes: UnpoolNet(axes), shape)
        for axes, shape in ((1, SERIES), (2, IMAGE), (3, VOLUME))
    },
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((None, 3)), IMAGE),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(1), VOLUME),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 2, padding=1, padding_mode="circular"), VOLUME),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(1, 2, 3, dilation=2, output_padding=1), SERIES),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(1, 2, 2, stride=2), VOLUME),
    "Fold": (lambda: nn.Sequential(nn.Unfold(2), nn.Fold(4, 2)), IMAGE),
    "PixelShuffle": (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Tanh(), nn.PixelShuffle(2)), IMAGE),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), IMAGE),
    "Unfold": (lambda: nn.Unfold(2), IMAGE),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), M),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(3), M),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(1), IMAGE),
    "Conv1d": (lambda: nn.Conv1d(1, 2, 3), (2, 1, 5)),
    "Conv2d": (lambda: nn.Conv2d(1, 2, 3), IMAGE),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(1, 2, 3), IMAGE),
    "Dropout2d": (nn.Dropout2d, IMAGE),
    "ELU": (lambda: nn.ELU(nn.Parameter(0.7)), M),
    "Embedding": (lambda: nn.Sequential(nn.Lambda(lambda x: (x > 0).astype("int64")), nn.Embedding(2, 3)), M),
    "Flatten": (nn.Flatten, IMAGE),
    "CELU": (lambda: nn.CELU(nn.Parameter(0.7)), M),
    "GLU": (nn.GLU, (3, 4)),
    "GroupNorm": (lambda: nn.GroupNorm(1, 3), M),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(1, affine=True), SERIES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(1, affine=True, track_running_stats=True), IMAGE),
    "InstanceNorm3d": (lambda: nn.InstanceNorm3d(1), VOLUME),
    "PReLU": (lambda: nn.PReLU(3), M),
    "RMSNorm": (lambda: nn.RMSNorm(3), M),
    "Softmax2d": (nn.Softmax2d, IMAGE),
    "Threshold": (lambda: nn.Threshold(0.2, -1.0), M),
    "GRU": (lambda: FirstOutput(nn.GRU(3, 2, 2, dropout=0.5)), SEQUENCE),
    "GRUCell": (lambda: nn.GRUCell(3, 2), M),
    "GaussianNoise": (lambda: nn.GaussianNoise(nn.Parameter(0.3)), M),
    "Hardtanh": (lambda: nn.Hardtanh(max_val=nn.Parameter(0.5)), M),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Tanh()), M),
    "Lambda": (lambda: nn.Lambda(ag.sin), M),
    "LSTM": (lambda: FirstOutput(nn.LSTM(3, 2, bidirectional=True, batch_first=True)), SEQUENCE),
    "LSTMCell": (lambda: FirstOutput(nn.LSTMCell(3, 2)), M),
    "LayerNorm": (lambda: nn.LayerNorm(3), M),
    "LeakyReLU": (lambda: nn.LeakyReLU(nn.Parameter(0.2)), M),
    "Linear": (lambda: nn.Linear(3, 2), M),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGE),
    "MinibatchDiscrimination": (lambda: nn.MinibatchDiscrimination(3, 2), M),
    "ModuleDict": (lambda: nn.ModuleDict({"a": nn.Linear(3, 2)})["a"], M),
    "ModuleList": (lambda: nn.ModuleList([nn.Linear(3, 2)])[0], M),
    "MultiheadAttention": (lambda: FirstOutput(nn.MultiheadAttention(6, 2, 0.3), 3), (4, 2, 6)),
    "RNN": (lambda: FirstOutput(nn.RNN(3, 2, nonlinearity="relu")), SEQUENCE),
    "RNNCell": (lambda: nn.RNNCell(3, 2), M),
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 2), nn.ReLU()), M),
    "SpectralNorm": (lambda: nn.SpectralNorm(nn.Linear(3, 2)), M),
    "Transformer": (lambda: FirstOutput(nn.Transformer(6, 2, 1, 1, 5), 2), (4, 2, 6)),
    "TransformerDecoder": (
        lambda: FirstOutput(nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 5), 2), 2),
        (4, 2, 6),
    ),
    "TransformerDecoderLayer": (lambda: FirstOutput(nn.TransformerDecoderLayer(6, 2, 5, norm_first=True), 2), (4, 2, 6)),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 5), 2, nn.LayerNorm(6)),
        (4, 2, 6),
    ),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(6, 2, 5, activation="gelu"), (4, 2, 6)),
    "Unflatten": (lambda: nn.Unflatten(1, (3, 1)), M),
    "Upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "VirtualBatch": (lambda: nn.VirtualBatch(nn.Linear(3, 2), np.ones((2, 3), np.float32)), M),
    "VirtualBatchNorm": (lambda: nn.VirtualBatch(nn.VirtualBatchNorm(3), [[-1.0, 0.5, 2.0], [1.0, 0.0, 3.0]]), M),
    "WeightNorm": (lambda: nn.WeightNorm(nn.Linear(3, 2)), M),
}
TARGETS = np.array([[0.2, 0.9, 0.5], [0.1, 0.4, 0.7], [0.3, 0.6, 0.8]])
SIGNS = np.array([1.0, -1.0, 1.0])
LOSSES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    **{name: lambda loss, x: loss(x, TARGETS.astype(x.dtype)) for name in (
        "BCEWithLogitsLoss", "HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "PoissonNLLLoss",
    )},
    "BCELoss": lambda loss, x: loss(ag.sigmoid(x), TARGETS.astype(x.dtype)),
    "CosineEmbeddingLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), SIGNS.astype(x.dtype)),
    "CosineSimilarity": lambda loss, x: loss(x, TARGETS.astype(x.dtype)),
    "PairwiseDistance": lambda loss, x: loss(x, TARGETS.astype(x.dtype)),
    "CrossEntropyLoss": lambda loss, x: loss(x, LABELS),
    "GaussianNLLLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), x * x + 1),
    "HingeEmbeddingLoss": lambda loss, x: loss(x, np.sign(TARGETS - 0.5 + 0.01).astype(x.dtype)),
    "KLDivLoss": lambda loss, x: loss(ag.log_softmax(x, axis=1), TARGETS.astype(x.dtype)),
    "MarginRankingLoss": lambda loss, x: loss(x[0], x[1], SIGNS.astype(x.dtype)),
    "MultiLabelSoftMarginLoss": lambda loss, x: loss(x, np.round(TARGETS).astype(x.dtype)),
    "NLLLoss": lambda loss, x: loss(ag.log_softmax(x, axis=1), LABELS),
    "SoftMarginLoss": lambda loss, x: loss(x, np.sign(TARGETS - 0.5 + 0.01).astype(x.dtype)),
    "TripletMarginLoss": lambda loss, x: loss(x, TARGETS.astype(x.dtype), 2 * TARGETS.astype(x.dtype)),
}  # fmt: skip
LAYERS |= {name: (lambda name=name: nn.Lambda(lambda x, loss=getattr(nn, name)(): LOSSES[name](loss, x)), M) for name in LOSSES}
LAYERS |= {
    "ParameterDict": (lambda: nn.Lambda(lambda x, p=nn.ParameterDict({"a": nn.Parameter(0.5)}): x * p["a"]), M),
    "ParameterList": (lambda: nn.Lambda(lambda x, p=nn.ParameterList([nn.Parameter(0.5)]): x * p[0]), M),
}
PLAIN = {  # layers without arguments
    "GELU", "SELU", "Dropout", "LogSigmoid", "LogSoftmax", "Mish", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softplus",
    "Softsign", "Tanh", "Hardshrink", "Hardsigmoid", "Hardswish", "Softmin", "Softshrink", "Tanhshrink",
}  # fmt: skip
LAYERS |= {name: (getattr(nn, name), M) for name in PLAIN}
