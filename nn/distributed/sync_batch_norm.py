"""`SyncBatchNorm`: batch normalisation over the rows of all ranks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

import autograd_mini as ag
from autograd_mini.tensor import Tensor

from ..layers.normalization import BatchNorm
from ..module import Module
from .communicator import as_communicator, world
from .operations import all_reduce


class SyncBatchNorm(BatchNorm):
    """`BatchNorm1d`, `2d` and `3d` with μ and σ² over the rows of all ranks; alone, it is one of them, bit for bit.

    In training, each rank computes the mean and variance of its rows. One exchange collects them, one in the backward pass
    distributes their gradients. Without this layer, each rank normalises by its own rows, as with smaller batches.

    Parameters
    ----------
    num_features         number C of channels
    eps                  ε, which is added to the variance
    momentum             weight of a batch in the running statistics; None: the average over all batches
    affine               whether γ = `weight` and β = `bias` exist
    track_running_stats  without them, evaluation uses the statistics of the batch
    comm                 a communicator of mpi4py; None: all ranks that `mpiexec` started
    dtype                dtype of parameters and buffers; None: the default dtype

    Examples
    --------
    >>> from autograd_mini import nn
    >>> nn.SyncBatchNorm(1, eps=0.0)([[1.0], [3.0]]).tolist()
    [[-1.0], [1.0]]
    """

    shapes: ClassVar = {2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        comm: Any = None,
        *,
        dtype: DTypeLike | None = None,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype=dtype)
        self.comm = world() if comm is None else as_communicator(comm)
        self.is_synchronised = self.comm.size > 1

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, comm: Any = None) -> Any:
        """Returns the module with each `BatchNorm` in it replaced by a `SyncBatchNorm` with the same parameters and buffers.

        >>> from autograd_mini import nn
        >>> net = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
        >>> net[1]
        SyncBatchNorm(3, eps=1e-05, momentum=0.1)
        """
        if isinstance(module, BatchNorm) and not isinstance(module, cls):
            return cls._of(module, comm)
        for name, child in list(module.named_children()):
            setattr(module, name, cls.convert_sync_batchnorm(child, comm))
        return module

    @classmethod
    def _of(cls, layer: BatchNorm, comm: Any) -> Self:
        affine, tracked = layer.weight is not None, layer.running_mean is not None
        new = cls(layer.num_features, layer.eps, layer.momentum, affine, tracked, comm)
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(new, name, getattr(layer, name))
        new.train(layer.training)
        return new

    def normalise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the result, and the mean and unbiased variance of the rows of all ranks as constants."""
        if self.comm.size == 1:
            return super().normalise(x)
        axes, column = (0, *range(2, x.ndim)), (self.num_features, *(1,) * (x.ndim - 2))
        counts, means, variances = self._of_all_ranks(x, axes)
        total = ag.maximum(ag.sum(counts), 1)
        shares = counts / total
        mean = ag.sum(shares * means, 0)
        var = ag.sum(shares * (variances + ag.square(means - mean)), 0)
        y = (x - ag.reshape(mean, column)) / ag.sqrt(ag.reshape(var, column) + self.eps)
        if self.weight is not None and self.bias is not None:
            y = y * ag.reshape(self.weight, column) + ag.reshape(self.bias, column)
        return y, mean.detach(), var.detach() * (total / ag.maximum(total - 1, 1))

    def _of_all_ranks(self, x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the number of values, the means and the variances of each rank: (R, 1), (R, C), (R, C)."""
        count = x.size // self.num_features if self.comm.has_rows else 0
        row = ag.concatenate([ag.full((1,), float(count), dtype=x.dtype), ag.mean(x, axes), ag.var(x, axes)])
        place = np.zeros((self.comm.size, 1), x.dtype)
        place[self.comm.rank] = 1
        table = all_reduce(place * row, self.comm, float(len(x)) if self.comm.has_rows else 0.0)
        counts, channels = table[:, :1].detach(), self.num_features
        return counts, table[:, 1 : channels + 1], table[:, channels + 1 :]
