"""Normalisation as layers: over the batch, over a reference batch, or over the features of each example."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.apply import as_floats, as_floats_or_none, as_number
from autograd_mini.tensor import Shape, Tensor, TensorLike

from .. import init
from ..module import Buffer, Module, Parameter
from .base import Layer, empty

_DETACH = "use .detach() for a constant"


class _Affine(Layer):
    """Base of the layers that end with x̂ γ + β. γ = `weight` starts at 1 and β = `bias` at 0; each may be None."""

    def __init__(self, shape: Shape, weight: bool, bias: bool, dtype: DTypeLike | None):
        self.weight = init.ones_(Parameter(empty(shape, dtype))) if weight else None
        self.bias = init.zeros_(Parameter(empty(shape, dtype))) if bias else None


# -- over the batch --------------------------------------------------------------------------------------------------------


class BatchNorm(_Affine):
    """Base of the batch normalisations, and of all layers with running statistics."""

    shapes: ClassVar[dict[int, str]]  # number of axes of the input -> its shape
    is_synchronised = False  # the statistics are those of several ranks

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__((num_features,), affine, affine, dtype)
        kind = type(self).__name__
        self.num_features, self.eps = num_features, as_number(f"{kind}: eps", eps, _DETACH)
        self.momentum = None if momentum is None else as_number(f"{kind}: momentum", momentum, _DETACH)
        self.running_mean = self.running_var = self.num_batches_tracked = None
        if track_running_stats:
            self.running_mean = init.zeros_(Buffer(empty((num_features,), dtype)))
            self.running_var = init.ones_(Buffer(empty((num_features,), dtype)))
            self.num_batches_tracked = Buffer(0)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_floats_or_none(x, self.weight, self.running_mean)[0]
        if x.ndim not in self.shapes or x.shape[1] != self.num_features:
            shapes = " or ".join(self.shapes.values())
            kind = type(self).__name__
            raise ValueError(f"{kind}: expected an input of shape {shapes} with C = {self.num_features}, got {x.shape}")
        if not self.training and self.running_mean is not None and self.running_var is not None:
            return ag.batch_norm_inference(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)
        if self.training and x.size < 2 * self.num_features and not self.is_synchronised:
            raise ValueError(
                f"{type(self).__name__}: training needs more than one value per channel, got {x.shape}; use batches of two or "
                "more examples, or DataLoader(drop_last=True)"
            )
        y, mean, var = self.normalise(x)
        if self.training:
            self._update_statistics(mean, var)
        return y

    def normalise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the result, and the mean and unbiased variance of the batch as constants."""
        count = x.size // self.num_features
        y, mean, var = ag.batch_norm(x, self.weight, self.bias, self.eps)
        return y, mean.detach(), var.detach() * (count / max(count - 1, 1))

    def _update_statistics(self, mean: Tensor, var: Tensor) -> None:
        """Moves the running statistics towards those of a batch by the share `momentum`, or 1/t for the mean of t batches."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.data = self.num_batches_tracked + 1
        share = 1 / self.num_batches_tracked.astype(np.float64) if self.momentum is None else self.momentum
        self.running_mean.data = self.running_mean * (1 - share) + mean * share
        self.running_var.data = self.running_var * (1 - share) + var * share

    def extra_repr(self) -> str:
        affine = ", affine=False" if self.weight is None else ""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}{affine}"


class BatchNorm1d(BatchNorm):
    """Normalises each channel of (N, C) or (N, C, L): γ (x − μ) / √(σ² + ε) + β (Ioffe & Szegedy 2015).

    Training uses μ and the biased σ² of the batch, and updates `running_mean` and `running_var` with μ and the unbiased
    variance: r ← (1 − momentum) r + momentum · value. Evaluation uses these running statistics. Raises ValueError for another
    shape, and in training for one value per channel. Defaults are PyTorch's; TensorFlow's are eps 1e-3 and momentum 0.01.
    With several ranks of MPI, each one normalises by its own rows; `SyncBatchNorm` uses the rows of all.

    Parameters
    ----------
    num_features         number C of channels
    eps                  ε, which is added to the variance
    momentum             weight of a batch in the running statistics; None: the average over all batches
    affine               whether γ = `weight` and β = `bias` exist
    track_running_stats  without them, evaluation uses the statistics of the batch
    dtype                dtype of parameters and buffers; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> layer = nn.BatchNorm1d(1, eps=0.0)
    >>> layer([[1.0], [3.0]]).tolist()
    [[-1.0], [1.0]]
    >>> layer.running_mean, layer.running_var  # (1 − 0.1) · 1 + 0.1 · 2
    (Tensor([0.2]), Tensor([1.1]))
    >>> list(layer.state_dict())
    ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)"}


class BatchNorm2d(BatchNorm):
    """`BatchNorm1d` for images (N, C, H, W): μ and σ² are computed over the batch and all pixels of a channel.

    `num_features`, `eps`, `momentum`, `affine`, `track_running_stats` and `dtype` are those of `BatchNorm1d`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
    """

    shapes: ClassVar = {4: "(N, C, H, W)"}


class BatchNorm3d(BatchNorm):
    """`BatchNorm1d` for volumes (N, C, D, H, W): μ and σ² are computed over the batch and all voxels of a channel.

    `num_features`, `eps`, `momentum`, `affine`, `track_running_stats` and `dtype` are those of `BatchNorm1d`.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> nn.BatchNorm3d(3)(np.ones((2, 3, 2, 4, 4), np.float32)).shape
    (2, 3, 2, 4, 4)
    """

    shapes: ClassVar = {5: "(N, C, D, H, W)"}


# -- over the features -----------------------------------------------------------------------------------------------------


class LayerNorm(_Affine):
    """Normalises each example over its last axes: γ (x − μ) / √(σ² + ε) + β (Ba et al. 2016).

    Parameters
    ----------
    normalized_shape    lengths of these axes, an int or a tuple
    eps                 ε, which is added to the variance
    elementwise_affine  whether γ = `weight` exists
    bias                whether β = `bias` exists too
    dtype               dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.LayerNorm(2, eps=0.0)([[1.0, 3.0]]).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = as_number("LayerNorm: eps", eps, _DETACH)
        super().__init__(self.normalized_shape, elementwise_affine, elementwise_affine and bias, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ag.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


# -- over parts of an example ----------------------------------------------------------------------------------------------


class GroupNorm(_Affine):
    """Normalises each of `num_groups` groups of channels of each example (N, C, …): γ (x − μ) / √(σ² + ε) + β.

    Parameters
    ----------
    num_groups    number of groups of consecutive channels
    num_channels  number C of channels, a multiple of num_groups
    eps           ε, which is added to the variance
    affine        whether γ = `weight` and β = `bias`, one number per channel, exist
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.GroupNorm(2, 6)(ag.ones((5, 6, 4, 4))).shape
    (5, 6, 4, 4)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, dtype: DTypeLike | None = None
    ):
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: expected num_groups to divide num_channels, got {num_groups=}, {num_channels=}")
        super().__init__((num_channels,), affine, affine, dtype)
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps = as_number("GroupNorm: eps", eps, _DETACH)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_floats_or_none(x, self.weight)[0]
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: expected an input of shape (N, C, …) with C = {self.num_channels}, got {x.shape}")
        return ag.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = ", affine=False" if self.weight is None else ""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}{affine}"


class _InstanceNorm(BatchNorm):
    """Base of the instance normalisations: the statistics of each example, or running ones in evaluation."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype=dtype)

    def forward(self, x: TensorLike) -> Tensor:
        x = as_floats_or_none(x, self.weight, self.running_mean)[0]
        alone = min(self.shapes)  # the number of axes of one example
        if x.ndim not in self.shapes or x.shape[x.ndim - alone] != self.num_features:
            shapes, kind = " or ".join(self.shapes.values()), type(self).__name__
            raise ValueError(f"{kind}: expected an input of shape {shapes} with C = {self.num_features}, got {x.shape}")
        batch = x if x.ndim > alone else ag.expand_dims(x, 0)
        y = self._normalise(batch)
        return y if x.ndim > alone else ag.squeeze(y, 0)

    def _normalise(self, x: Tensor) -> Tensor:
        if self.running_mean is None or self.running_var is None:
            self._check_pixels(x)
            return ag.instance_norm(x, self.weight, self.bias, self.eps)
        if not self.training:
            return ag.batch_norm_inference(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps)
        self._check_pixels(x)
        fixed, pixels, share = x.detach(), tuple(range(2, x.ndim)), self.momentum or 0.0
        mean, var = ag.mean(ag.mean(fixed, pixels), 0), ag.mean(ag.var(fixed, pixels, ddof=1), 0)
        self.running_mean.data = self.running_mean * (1 - share) + mean * share
        self.running_var.data = self.running_var * (1 - share) + var * share
        return ag.instance_norm(x, self.weight, self.bias, self.eps)

    def _check_pixels(self, x: Tensor) -> None:
        if x.size and x.size == len(x) * self.num_features:
            raise ValueError(f"{type(self).__name__}: needs more than one value per channel of an example, got {x.shape}")


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each example, (N, C, L) or (C, L): γ (x − μ) / √(σ² + ε) + β (Ulyanov et al. 2016).

    Training and evaluation are the same, unless `track_running_stats`: training then moves `running_mean` and `running_var`
    towards the mean of the examples' statistics, as in `BatchNorm1d`, and evaluation uses them.

    Parameters
    ----------
    num_features         number C of channels
    eps                  ε, which is added to the variance
    momentum             weight of a batch in the running statistics
    affine               whether γ = `weight` and β = `bias` exist
    track_running_stats  whether evaluation uses running statistics
    dtype                dtype of parameters and buffers; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.InstanceNorm1d(1, eps=0.0)([[[1.0, 3.0]], [[5.0, 9.0]]]).tolist()
    [[[-1.0, 1.0]], [[-1.0, 1.0]]]
    """

    shapes: ClassVar = {2: "(C, L)", 3: "(N, C, L)"}


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images (N, C, H, W) or (C, H, W).

    `num_features`, `eps`, `momentum`, `affine`, `track_running_stats` and `dtype` are those of `InstanceNorm1d`.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.InstanceNorm2d(3)(ag.ones((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    shapes: ClassVar = {3: "(C, H, W)", 4: "(N, C, H, W)"}


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes (N, C, D, H, W) or (C, D, H, W).

    `num_features`, `eps`, `momentum`, `affine`, `track_running_stats` and `dtype` are those of `InstanceNorm1d`.

    >>> import autograd_mini as ag
    >>> from autograd_mini import nn
    >>> nn.InstanceNorm3d(3)(ag.ones((2, 3, 2, 4, 4))).shape
    (2, 3, 2, 4, 4)
    """

    shapes: ClassVar = {4: "(C, D, H, W)", 5: "(N, C, D, H, W)"}


class RMSNorm(_Affine):
    """Divides each example by its root mean square over the last axes: γ x / √(m(x²) + ε) (Zhang & Sennrich 2019).

    Parameters
    ----------
    normalized_shape    lengths of these axes, an int or a tuple
    eps                 ε, which is added to the mean; None: the spacing of numbers at 1 in the input's dtype
    elementwise_affine  whether γ = `weight` exists
    dtype               dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.RMSNorm(2)([[1.0, 7.0]]).round(4).tolist()
    [[0.20000000298023224, 1.399999976158142]]
    """

    def __init__(
        self,
        normalized_shape: int | Shape,
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike | None = None,
    ):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = None if eps is None else as_number("RMSNorm: eps", eps, _DETACH)
        super().__init__(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: TensorLike) -> Tensor:
        return ag.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


# -- over a reference batch ------------------------------------------------------------------------------------------------


class VirtualBatchNorm(_Affine):
    """Batch normalisation with a fixed reference batch: an output does not depend on the rest of its batch.

    The layer belongs into a network inside `VirtualBatch`, which puts the n reference examples before the batch: inputs are
    (n + N, C, …). The references are normalised by their own mean and variance; any other example by the mean and variance
    of the references and itself, in which it has weight 1/(n + 1). Gradients flow through the references too. Training and
    evaluation are the same. With several ranks of MPI, all have the references of rank 0, so an output is the one of a single
    process. Raises ValueError outside a `VirtualBatch`. Source: Salimans et al. 2016, section 3.5.

    Parameters
    ----------
    num_features  number C of channels
    eps           ε, which is added to the variance
    affine        whether γ = `weight` and β = `bias` exist
    dtype         dtype of the parameters; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> net = nn.VirtualBatch(nn.VirtualBatchNorm(1, eps=0.0), [[-1.0], [1.0]])
    >>> net([[0.0], [5.0]])[0] == net([[0.0], [9.0]])[0]
    Tensor([ True])
    """

    references = 0

    def __init__(self, num_features: int, eps: float = 1e-5, affine: bool = True, *, dtype: DTypeLike | None = None):
        super().__init__((num_features,), affine, affine, dtype)
        self.num_features, self.eps = num_features, as_number("VirtualBatchNorm: eps", eps, _DETACH)

    def forward(self, x: TensorLike) -> Tensor:
        x, n = as_floats_or_none(x, self.weight)[0], self.references
        if not n:
            raise ValueError("VirtualBatchNorm: no reference batch; wrap the network: nn.VirtualBatch(network, reference)")
        if x.ndim < 2 or x.shape[1] != self.num_features or len(x) < n:
            raise ValueError(f"VirtualBatchNorm: expected an input of shape ({n} + N, {self.num_features}, …), got {x.shape}")
        pixels, column = tuple(range(2, x.ndim)), (self.num_features, *(1,) * (x.ndim - 2))
        references, batch = x[:n], x[n:]
        mean, var = ag.mean(references, (0, *pixels), keepdims=True), ag.var(references, (0, *pixels), keepdims=True)
        own_mean, own_var = ag.mean(batch, pixels, keepdims=True), ag.var(batch, pixels, keepdims=True)
        # Variance of a mixture: the variance within its parts plus that between their means. E[x²] − E[x]² would lose digits.
        share = 1 / (n + 1)
        both_mean = mean * (1 - share) + own_mean * share
        both_var = var * (1 - share) + own_var * share + ag.square(own_mean - mean) * (share * (1 - share))
        y = ag.concatenate([(references - mean) / ag.sqrt(var + self.eps), (batch - both_mean) / ag.sqrt(both_var + self.eps)])
        if self.weight is None or self.bias is None:
            return y
        return y * ag.reshape(self.weight, column) + ag.reshape(self.bias, column)

    def extra_repr(self) -> str:
        affine = ", affine=False" if self.weight is None else ""
        return f"{self.num_features}, eps={self.eps}{affine}"


class VirtualBatch(Module):
    """Runs the network `module` on a fixed `reference` batch together with each batch, for the `VirtualBatchNorm` inside.

    The reference examples are put before the batch, and their outputs are removed. `reference` is a buffer of the state.
    Raises ValueError if it is empty, or if its examples have another shape than the batch's.

    >>> import numpy as np
    >>> from autograd_mini import nn
    >>> generator = nn.Sequential(nn.Linear(5, 8, bias=False), nn.VirtualBatchNorm(8), nn.ReLU(), nn.Linear(8, 2))
    >>> generator = nn.VirtualBatch(generator, np.random.default_rng(0).standard_normal((64, 5), np.float32))
    >>> generator(np.zeros((3, 5), np.float32)).shape
    (3, 2)
    """

    def __init__(self, module: Module, reference: TensorLike):
        self.module, self.reference = module, Buffer(reference)
        if not self.reference.ndim or not len(self.reference):
            raise ValueError(f"VirtualBatch: expected one reference example or more, got shape {self.reference.shape}")
        for part in module.modules():
            if isinstance(part, VirtualBatchNorm):
                part.references = len(self.reference)

    def forward(self, x: TensorLike) -> Any:
        x = as_floats(x, self.reference)[0]
        if x.shape[1:] != self.reference.shape[1:]:
            raise ValueError(f"VirtualBatch: expected examples of shape {self.reference.shape[1:]}, got {x.shape[1:]}")
        return self.module(ag.concatenate([self.reference, x]))[len(self.reference) :]
