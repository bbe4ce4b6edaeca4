"""Expressions that both libraries evaluate; `goldens.json` has what PyTorch 2.13 gives.

`python tests/pytorch/functional_cases.py` writes that file, in an environment with PyTorch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

GOLDENS = Path(__file__).with_name("goldens.json")
RNG = np.random.default_rng(7)
X = RNG.normal(size=(4, 3)) * 2
Y = RNG.normal(size=(4, 3))
P = 1 / (1 + np.exp(-X))
T = (RNG.random((4, 3)) > 0.5).astype(float)
IMAGE = RNG.normal(size=(2, 3, 5, 6))
ARRAYS = {
    "y": Y, "t": T, "p": P, "labels": np.array([0, 2, 1, -100]), "whole": np.array([0, 2, 1, 1]), "w": np.array([0.5, 2.0, 1.5]),
    "q": np.exp(Y) / np.exp(Y).sum(1, keepdims=True), "signs": np.array([1.0, -1.0, 1.0, -1.0]), "counts": np.abs(np.round(Y * 3)),
    "positive": np.abs(Y) + 0.1, "column": np.array([[1.0], [2.0], [0.5], [1.0]]), "kernel": RNG.normal(size=(4, 3, 3, 3)),
    "bias": RNG.normal(size=4), "transposed": RNG.normal(size=(3, 2, 3, 3)), "mean": RNG.normal(size=3), "var": np.array([0.5, 1.0, 2.0]),
    "cube": np.sin(np.arange(4.0 * 2 * 2 * 2 * 2)).reshape(4, 2, 2, 2, 2),
}  # fmt: skip

# of x, a matrix (4, 3)
ROWS = """
F.mse_loss(x, y) | F.mse_loss(x, y, reduction="sum") | F.mse_loss(input=x, target=y, reduction="none")
F.l1_loss(x, y) | F.smooth_l1_loss(x, y, beta=0.5) | F.huber_loss(x, y, delta=0.7) | nn.MSELoss()(x, y)
nn.L1Loss(reduction="sum")(x, y) | nn.SmoothL1Loss(beta=2.0)(x, y) | nn.HuberLoss(delta=2.0)(x, y)
F.cross_entropy(x, labels) | F.cross_entropy(x, labels, weight=w) | F.cross_entropy(x, whole, label_smoothing=0.1)
F.cross_entropy(x, labels, w, label_smoothing=0.2, reduction="none") | F.cross_entropy(x, whole, ignore_index=1)
F.cross_entropy(x, labels, weight=w, label_smoothing=0.2) | F.cross_entropy(x, whole, weight=w, ignore_index=1, reduction="sum")
F.cross_entropy(x, q) | F.cross_entropy(x, q, weight=w) | nn.CrossEntropyLoss(weight=w, label_smoothing=0.3)(x, labels)
nn.CrossEntropyLoss(ignore_index=1, reduction="sum")(x, whole) | F.nll_loss(F.log_softmax(x, dim=1), labels, weight=w)
nn.NLLLoss(ignore_index=2)(F.log_softmax(x, dim=-1), whole) | nn.NLLLoss(w, reduction="none")(F.log_softmax(x, 1), whole)
F.binary_cross_entropy(F.sigmoid(x), t) | F.binary_cross_entropy(F.sigmoid(x), t, weight=w)
F.binary_cross_entropy(F.sigmoid(x), t, weight=column, reduction="sum") | nn.BCELoss(w)(F.sigmoid(x), t)
F.binary_cross_entropy_with_logits(x, t, pos_weight=w) | F.binary_cross_entropy_with_logits(x, t, weight=column, pos_weight=w)
F.binary_cross_entropy_with_logits(x * 500, t, pos_weight=w) | nn.BCEWithLogitsLoss(pos_weight=w)(x, p)
nn.BCEWithLogitsLoss(weight=w, reduction="none")(x, t)
F.kl_div(F.log_softmax(x, 1), q) | F.kl_div(F.log_softmax(x, 1), q, reduction="batchmean")
nn.KLDivLoss(reduction="batchmean", log_target=True)(F.log_softmax(x, 1), q.log())
F.gaussian_nll_loss(x, y, positive) | nn.GaussianNLLLoss(full=True)(x, y, positive) | F.gaussian_nll_loss(x, y, var=positive, eps=0.5)
F.poisson_nll_loss(x, counts) | F.poisson_nll_loss(x, counts, full=True) | nn.PoissonNLLLoss(log_input=False)(x.abs(), counts)
F.cosine_similarity(x, y) | F.cosine_similarity(x, y, dim=0) | F.cosine_embedding_loss(x, y, signs, margin=0.1)
nn.CosineSimilarity(dim=0, eps=1e-6)(x, y) | nn.PairwiseDistance(p=3.0, keepdim=True)(x, y)
nn.CosineEmbeddingLoss(reduction="sum")(x, y, signs) | F.pairwise_distance(x, y) | F.pairwise_distance(x, y, p=1.0, keepdim=True)
F.margin_ranking_loss(x, y, t * 2 - 1, margin=0.3) | nn.MarginRankingLoss()(x, y, t * 2 - 1)
F.hinge_embedding_loss(x, t * 2 - 1) | nn.HingeEmbeddingLoss(margin=2.0)(x, t * 2 - 1)
F.triplet_margin_loss(x, y, q) | nn.TripletMarginLoss(margin=0.2, swap=True)(x, y, q)
F.soft_margin_loss(x, t * 2 - 1) | nn.SoftMarginLoss(reduction="sum")(x, t * 2 - 1)
F.multilabel_soft_margin_loss(x, t) | nn.MultiLabelSoftMarginLoss(weight=w)(x, t)
F.relu(x) | F.relu(x, inplace=False) | F.relu6(x * 3) | F.leaky_relu(x, 0.3) | F.elu(x, alpha=0.5) | F.celu(x, 0.7) | F.selu(x)
F.silu(x) | F.mish(x) | F.gelu(x) | F.gelu(x, approximate="tanh") | F.hardtanh(x, -0.5, 1.5) | F.hardsigmoid(x * 2) | F.hardswish(x * 2)
F.softplus(x, beta=2.0) | F.softsign(x) | F.logsigmoid(x) | F.tanh(x) | F.sigmoid(x) | F.prelu(x, w) | F.prelu(x, w[:1])
F.softmax(x, dim=0) | F.softmin(x, dim=1) | F.log_softmax(x, dim=-1) | F.glu(x.t(), dim=-1) | F.normalize(x) | F.normalize(x, p=1, dim=0)
F.normalize(x * 0.0) | F.linear(x, kernel[:, :, 0, 0], bias) | F.layer_norm(x, (3,), w, mean) | F.pad(x, (1, 2)) | F.pad(x, (-1, 1), value=3.0)
F.embedding(whole, x) | F.embedding(whole, x, padding_idx=1) | F.batch_norm(x, mean, var) | F.batch_norm(x, None, None, w, mean, training=True)
x.std(dim=0) | x.var(dim=1, unbiased=False) | x.norm(dim=1) | x.norm(p=1, dim=0) | x.max(dim=1)[0] | x.min(dim=0).values | x.median(dim=0).values
x.sort(dim=1).values | x.topk(2, dim=1)[0] | x.prod(dim=1, keepdim=True) | x.logsumexp(dim=1) | x.cumsum(dim=0) | x.unflatten(0, (2, 2))
x.masked_fill(t.bool(), 0.5) | x.clamp(-1, 1) | x.clamp(min=0.3) | x.gather(1, whole.view(-1, 1)) | x.index_select(0, whole) | x.addcmul(y, t, value=2)
x.chunk(2, dim=1)[1] | x.split([1, 2], dim=1)[1] | x.expand(2, 4, 3) | x.roll(1, dims=0) | x.flip(dims=[0])
x.repeat_interleave(2, dim=1) | x.narrow(1, 1, 2) | x.unbind(1)[2] | x.lerp(y, 0.25) | x.view(2, 6) | x.permute(1, 0) | x.t() | x.mm(y.t())
x.add(y, alpha=3) | x.sub(y, alpha=0.5) | x.div(positive) | x.pow(2) | x.exp().log1p() | x.square().rsqrt() | x.atan2(y) | x.scatter(1, whole.view(-1, 1), 9.0)
"""
# of x, images (2, 3, 5, 6)
IMAGES = """
F.conv2d(x, kernel) | F.conv2d(x, kernel, bias, 2, 1) | F.conv2d(x, kernel, bias, stride=1, padding="same", dilation=1)
F.conv_transpose2d(x, transposed, None, 2, 1, 1) | F.max_pool2d(x, 2) | F.max_pool2d(x, 3, 2, 1) | F.avg_pool2d(x, 2, stride=1)
F.adaptive_avg_pool2d(x, (2, 3)) | F.adaptive_avg_pool2d(x, 1) | F.pad(x, (1, 1, 2, 0)) | F.pad(x, (1, 2, 0, 3), mode="reflect")
F.pad(x, (1, 2, 2, 1), mode="replicate") | F.pad(x, (1, 2, 2, 1), mode="circular") | F.pad(x, (1, 0, 0, 1), value=2.0)
F.interpolate(x, scale_factor=2) | F.interpolate(x, size=(10, 9), mode="bilinear") | F.interpolate(x, (7, 8), mode="bilinear", align_corners=True)
F.interpolate(x, scale_factor=(2, 3), mode="nearest") | F.batch_norm(x, mean, var, w, mean, eps=1e-3) | F.batch_norm(x, None, None, training=True)
F.cross_entropy(x, whole[:2].view(2, 1, 1).expand(2, 5, 6)) | F.normalize(x) | F.prelu(x, w) | F.log_softmax(x, dim=1) | x.flatten(1) | x.mean(dim=(2, 3))
x.amax(dim=(1, 2), keepdim=True) | x.permute(0, 2, 3, 1) | x.view(2, -1) | x.unsqueeze(0) | x.transpose(1, 2) | x.std(dim=(0, 2))
"""
# of x, images, series (2, 3, 9) and volumes (2, 2, 4, 5, 3); functions of windows, and layers without parameters
WINDOWS = {
    "images": """
F.conv2d(x, kernel, bias, (2, 1), (1, 0), 2, groups=1) | F.conv2d(x, kernel[:3, :1], padding="valid", groups=3)
F.conv_transpose2d(x, transposed, stride=1, dilation=3, output_padding=2) | F.conv_transpose2d(x, transposed, bias[:2], 3, 1, (2, 1))
F.max_pool2d(x, 2, return_indices=True)[0] | F.max_pool2d(x, 2, return_indices=True)[1] * x[:, :, :2, :3] | F.max_pool2d(x, 3, 2, 0, 2)
F.max_pool2d(x, 2, ceil_mode=True) | F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(5, 6))
F.avg_pool2d(x, 3, 2, 1, True) | F.avg_pool2d(x, 3, 2, 1, count_include_pad=False) | F.avg_pool2d(x, 2, divisor_override=3)
F.adaptive_max_pool2d(x, (2, 4)) | F.adaptive_max_pool2d(x, (7, 1)) | F.adaptive_max_pool2d(x, 3, return_indices=True)[1] * x[:, :, :3, :3]
F.adaptive_avg_pool2d(x, (None, 4)) | F.interpolate(x, (7, 4), mode="bicubic") | F.interpolate(x, 8, mode="bicubic", align_corners=True)
F.interpolate(x, (3, 8), mode="area") | F.interpolate(x, (7, 4), mode="nearest-exact") | F.interpolate(x, (3, 2), mode="bilinear", antialias=True)
F.interpolate(x, (3, 9), mode="bicubic", antialias=True) | F.interpolate(x, scale_factor=1.7, mode="bilinear")
F.interpolate(x, scale_factor=(1.7, 0.6), mode="bilinear", recompute_scale_factor=True) | F.pixel_unshuffle(x[:, :, :4], 2)
F.pixel_shuffle(x.view(2, 9, 2, 5), 3) | F.unfold(x, (2, 3)) | F.unfold(x, 2, dilation=2, padding=(1, 0), stride=2)
F.fold(F.unfold(x, 3, padding=1) ** 2, (5, 6), 3, padding=1) | F.conv2d(x[0], kernel) | F.max_pool2d(x[0], 2) | F.avg_pool2d(x[0], 2)
F.pad(x, (-1, 2, 1, -2), mode="reflect") | F.pad(x, (-1, 2, 1, -2), mode="circular") | nn.ReflectionPad2d((2, 1, 0, 3))(x)
nn.ReplicationPad2d((2, 1, 0, -2))(x) | nn.CircularPad2d(2)(x) | nn.ZeroPad2d((-1, 2, 1, 0))(x) | nn.ConstantPad2d(1, 0.5)(x)
nn.Upsample(scale_factor=2, mode="bicubic")(x) | nn.PixelShuffle(1)(x) | nn.Unfold(2)(x) | nn.Fold((5, 6), 2)(nn.Unfold(2)(x))
""",
    "series": """
F.conv1d(x, kernel[:, :, 0]) | F.conv1d(x, kernel[:, :, 0], bias, 2, 1, 2) | F.conv1d(x, kernel[:, :, 0, :2], padding="same", dilation=3)
F.conv_transpose1d(x, transposed[:, :, 0], None, 2, 1, 1) | F.conv_transpose1d(x, transposed[:, :, 0], dilation=3, output_padding=2)
F.max_pool1d(x, 3, 2, 1) | F.max_pool1d(x, 2, 2, ceil_mode=True) | F.max_unpool1d(*F.max_pool1d(x, 2, return_indices=True), 2)
F.avg_pool1d(x, 3, 2, 1, True, False) | F.adaptive_avg_pool1d(x, 4) | F.adaptive_max_pool1d(x, 4) | F.adaptive_max_pool1d(x, 11)
F.interpolate(x, 13, mode="linear") | F.interpolate(x, scale_factor=2.5) | F.interpolate(x, 4, mode="area") | F.pad(x, (3, 2), "reflect")
nn.ReflectionPad1d((3, 1))(x) | nn.ReplicationPad1d((3, -1))(x) | nn.CircularPad1d((9, 4))(x) | nn.ZeroPad1d(2)(x) | F.conv1d(x[0], kernel[:, :, 0])
""",
    "volumes": """
F.conv3d(x, cube) | F.conv3d(x, cube, bias, (2, 1, 1), (1, 0, 1), (1, 2, 1)) | F.conv3d(x, cube[:, :1], padding="same", groups=2)
F.conv_transpose3d(x, cube[:2], None, 2, 1, 1) | F.conv_transpose3d(x, cube[:2], bias[:2], dilation=2, output_padding=(1, 0, 1))
F.max_pool3d(x, 2) | F.max_pool3d(x, (3, 2, 1), 2, (1, 1, 0), ceil_mode=True) | F.avg_pool3d(x, 2) | F.avg_pool3d(x, 2, 1, 1, divisor_override=5)
F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2, output_size=(4, 5, 3)) | F.adaptive_avg_pool3d(x, (2, 3, 2))
F.adaptive_max_pool3d(x, (2, 3, 2)) | F.interpolate(x, (3, 6, 4), mode="trilinear") | F.interpolate(x, scale_factor=2, mode="nearest")
F.interpolate(x, (2, 3, 5), mode="trilinear", align_corners=True) | F.interpolate(x, (2, 3, 5), mode="area")
nn.ReflectionPad3d((1, 2, 0, 3, 1, 1))(x) | nn.ReplicationPad3d((1, -1, 0, 3, 1, 1))(x) | nn.CircularPad3d(1)(x) | nn.BatchNorm3d(2).double()(x)
""",
}
MADE = {"images": IMAGE, "series": RNG.normal(size=(2, 3, 9)), "volumes": RNG.normal(size=(2, 2, 4, 5, 3))}
CASES = {
    (kind, case.strip()): (text, array)
    for kind, text, array in (
        ("rows", ROWS, X),
        ("images", IMAGES, IMAGE),
        *((k, text, MADE[k]) for k, text in WINDOWS.items()),
    )
    for case in text.replace("\n", "|").split("|")
    if case.strip()
}


def evaluate(case: tuple[str, str], library: Any, nn: Any, functional: Any) -> tuple[Any, Any]:
    """Returns the values of an expression, and the gradient of x for the loss Σ values · (1, 2, 3, …)/10."""
    names = {name: library.tensor(array) for name, array in ARRAYS.items()}
    x = library.tensor(CASES[case][1], requires_grad=True)
    result = eval(case[1], {"F": functional, "nn": nn, "x": x, **names})
    weights = library.tensor(np.arange(1, result.numel() + 1).reshape(tuple(result.shape)) / 10)
    (result * weights).sum().backward()
    return result.detach().numpy(), x.grad.numpy()


def summary(values: Any) -> list[float]:
    """Three numbers that any wrong element changes: the sum, the sum of squares, and a weighted sum."""
    flat = np.asarray(values, np.float64).ravel()
    return [float(v) for v in (flat.sum(), (flat * flat).sum(), flat @ np.cos(np.arange(flat.size)))]


if __name__ == "__main__":
    import torch

    found = {}
    for key in CASES:
        values, gradient = evaluate(key, torch, torch.nn, torch.nn.functional)
        found[f"{key[0]}: {key[1]}"] = [list(values.shape), *summary(values), *summary(gradient)]
    GOLDENS.write_text(
        "{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()) + "\n}\n", encoding="utf-8"
    )
    print(f"{len(found)} cases of PyTorch {torch.__version__}")
