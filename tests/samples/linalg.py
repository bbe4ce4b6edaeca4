"""Samples of matrix products, and of operations that need well-conditioned matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as ag
from autograd_mini.apply import recorded
from samples.call import Call
from samples.strategies import values


@st.composite
def _matmul(draw: Any) -> Call:
    drawn = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3))
    return Call(ag.matmul, tuple(draw(values(shape)) for shape in drawn.input_shapes))


@st.composite
def _linear(draw: Any) -> Call:
    *batch, n_in, n_out = draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    operands = [draw(values((*batch, n_in))), draw(values((n_out, n_in)))]
    if draw(st.booleans()):
        operands.append(draw(values((n_out,))))
    return Call(ag.linear, tuple(operands))


_SUMS = [
    "ij,jk", "ij,jk->ki", "bij,bjk->bik", "bi,bi->b", "i,j->ij", "ij,ij->", "ijk,lk->jli", "ab,bc,cd->ad", "i,i,i->i",
    "bij,jk,bk->bi", "ii,i->i", "iij,j->i", "ij,kj->k", "...ij,jk->...ik", "...,...", "i...,i...->...", "i,->i", "ba,bc,b->ac",
]  # fmt: skip


@st.composite
def _einsum(draw: Any) -> Call:
    """An einsum with lengths for its letters; some axes have length 1 and broadcast."""
    subscripts = draw(st.sampled_from(_SUMS))
    size = {i: draw(st.integers(0, 3)) for i in sorted(set(subscripts) - set(".,->"))}
    hidden = draw(st.lists(st.integers(1, 3), max_size=2))
    operands = []
    for names in subscripts.split("->")[0].split(","):
        shape = [size[i] for i in names.replace("...", "")]
        at = names.find("...")
        if at >= 0:
            shape[at:at] = hidden[draw(st.integers(0, len(hidden))) :]
        elif shape and len(set(names)) == len(names) and draw(st.integers(0, 9)) == 0:
            shape[0] = 1
        operands.append(draw(values(tuple(shape))))
    return Call(lambda *xs: ag.einsum(subscripts, *xs), tuple(operands), f"einsum {subscripts}")


@st.composite
def regular_matrices(draw: Any, batch: tuple[int, ...] | None = None, n: int | None = None) -> np.ndarray:
    """A stack of matrices whose diagonal dominates."""
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=2)) if batch is None else batch
    n = draw(st.integers(0, 3)) if n is None else n
    signs = np.diag(np.where(np.arange(n) % 2, -3.0, 3.0))
    return draw(values((*batch, n, n), -1, 1)) + signs


def _of_matrix(function: Callable[..., Any]) -> st.SearchStrategy[Call]:
    return regular_matrices().map(lambda x: Call(function, (x,)))


@st.composite
def _solve(draw: Any) -> Call:
    a = draw(regular_matrices())
    n = a.shape[-1]
    shape = draw(st.sampled_from([(n,), (n, 2), (n, 0), (*a.shape[:-2], n, 1)]))
    return Call(ag.solve, (a, draw(values(shape))))


@st.composite
def _cofactor_backward(draw: Any) -> Call:
    x = draw(regular_matrices())
    return Call(recorded.cofactor_backward, (draw(values(x.shape, -1, 1)), x))


def _cholesky(x: ag.Tensor) -> ag.Tensor:
    """Of a symmetric positive definite matrix made from any."""
    return ag.cholesky(x @ ag.swapaxes(x, -1, -2))


@st.composite
def _spread_matrices(draw: Any, square: bool = False) -> np.ndarray:
    """A stack of matrices, tall, wide or square, with eigenvalues, singular values and pivots that differ clearly."""
    batch = draw(hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=2))
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    columns = rows if square else columns
    return draw(values((*batch, rows, columns), -0.5, 0.5)) + np.eye(rows, columns) * (2.0 + 3 * np.arange(columns))


def _of_spread(function: Callable[..., Any], square: bool = False) -> st.SearchStrategy[Call]:
    return _spread_matrices(square).map(lambda x: Call(function, (x,)))


def _symmetric(x: ag.Tensor) -> ag.Tensor:
    return x + ag.swapaxes(x, -1, -2)


SAMPLES: dict[str, st.SearchStrategy[Call]] = {
    "cholesky": _of_matrix(_cholesky),
    "cofactor": _of_matrix(recorded.cofactor),
    "cofactor_backward": _cofactor_backward(),
    "det": _of_matrix(ag.det),
    "eigh": _of_spread(lambda x: tuple(ag.eigh(_symmetric(x))), square=True),
    "einsum": _einsum(),
    "expm": _of_matrix(ag.expm),
    "inv": _of_matrix(ag.inv),
    "inverse_or_nan": _of_matrix(recorded.inverse_or_nan),
    "linear": _linear(),
    "lu_factor": _of_spread(lambda x: ag.lu_factor(x).LU, square=True),
    "matmul": _matmul(),
    "pinv": _of_spread(ag.pinv),
    "qr": _of_spread(lambda x: tuple(ag.qr(x))),
    "slogdet": _of_matrix(ag.slogdet),
    "solve": _solve(),
    "svd": _of_spread(lambda x: tuple(ag.svd(x))),
}
