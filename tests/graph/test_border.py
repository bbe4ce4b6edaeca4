"""Wrong arguments are named at the border, with their value and what is expected; never by an error from inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as ag
from autograd_mini import Tensor

T = Tensor([1.0, 2.0])
M = Tensor([[1.0, 2.0], [3.0, 4.0]])
W = Tensor([1.0, 2.0], requires_grad=True)
IMAGE, KERNEL = ag.ones((1, 1, 4, 4)), ag.ones((1, 1, 2, 2))


def set_grad(value: Any) -> None:
    Tensor([1.0, 2.0], requires_grad=True).grad = value


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # values
    "None": (lambda: Tensor(None), TypeError, "expected numbers, got None of type NoneType"),
    "a dict": (lambda: ag.sin({"a": 1.0}), TypeError, "expected numbers, got {'a': 1.0} of type dict"),
    "a string": (lambda: ag.add(T, "a"), TypeError, "expected numbers, got 'a' of type str"),
    "None in a list": (lambda: Tensor([1.0, None]), TypeError, r"expected numbers, got \[1.0, None\] of type list"),
    "None as an operand": (lambda: ag.matmul(M, None), TypeError, "expected numbers, got None"),
    "an unknown dtype": (lambda: Tensor([1.0], dtype="foo"), TypeError, "expected a dtype such as 'float32'.*got 'foo'"),
    "a cast to an unknown dtype": (lambda: T.astype("foo"), TypeError, "expected a dtype .* got 'foo'"),
    "an unknown default": (lambda: ag.set_default_dtype("foo"), TypeError, "expected a dtype .* got 'foo'"),
    # gradients
    "a number as a gradient": (lambda: set_grad(0.0), TypeError, r"Tensor of shape \(2,\) and dtype float32, got 0.0 of type float"),
    "an array as a gradient": (lambda: set_grad(np.zeros(2)), TypeError, "got array.* of type ndarray; write ag.Tensor"),
    "a gradient of another shape": (lambda: set_grad(ag.zeros(3)), ValueError, r"got shape \(3,\)"),
    "a gradient of another dtype": (lambda: set_grad(Tensor(np.zeros(2))), ValueError, "dtype float32, got shape .* dtype float64"),
    "nothing to differentiate": (
        lambda: (T * 2).sum().backward(), RuntimeError,
        "nothing here requires a gradient.*create the input with requires_grad=True",
    ),
    "inputs that are not tensors": (lambda: ag.grad(W.sum(), 3.0), TypeError, "inputs must be a tensor or a list of tensors, got 3.0"),
    "outputs that are not tensors": (lambda: ag.grad(3.0, W), TypeError, "outputs must be a tensor or a list of tensors, got 3.0"),
    "a hook that is not a function": (lambda: W.register_hook(3), TypeError, "register_hook: expected a function, got 3"),
    "a checkpoint of no function": (lambda: ag.checkpoint(3, T), TypeError, "checkpoint: expected a function, got 3"),
    "a compiled number": (lambda: ag.jit(3), TypeError, "jit: expected a function, got 3"),
    # ints
    "a stride": (lambda: ag.conv2d(IMAGE, KERNEL, stride=1.0), ValueError, "stride must be an int or a pair of ints, got 1.0"),
    "a pool": (lambda: ag.max_pool2d(IMAGE, 2.0), ValueError, "kernel_size must be an int or a pair of ints, got 2.0"),
    "lengths": (lambda: ag.reshape(T, 2.0), TypeError, "reshape: expected ints, got 2.0"),
    "a shape of None": (lambda: ag.broadcast_to(T, None), TypeError, "broadcast_to: expected ints, got None"),
    "zeros": (lambda: ag.zeros(2.0), TypeError, "zeros: expected ints, got 2.0"),
    "ones": (lambda: ag.ones((2, 1.5)), TypeError, r"ones: expected ints, got \(2, 1.5\)"),
    "full": (lambda: ag.full(None, 1.0), TypeError, "full: expected ints, got None"),
    "rand": (lambda: ag.rand(2.5), TypeError, "rand: expected ints, got 2.5"),
    "eye": (lambda: ag.eye("a"), TypeError, "eye: rows must be an int, got 'a'"),
    "linspace": (lambda: ag.linspace(0, 1, 2.5), TypeError, "linspace: count must be an int, got 2.5"),
    "roll": (lambda: ag.roll(T, 1.5), TypeError, "roll: shift must be an int, got 1.5"),
    "tril": (lambda: ag.tril(M, "a"), TypeError, "tril: k must be an int, got 'a'"),
    "diag": (lambda: ag.diag(T, 1.5), TypeError, "diag: k must be an int, got 1.5"),
    "diagonal": (lambda: ag.diagonal(M, 0.5), TypeError, "diagonal: offset must be an int, got 0.5"),
    "topk": (lambda: ag.topk(T, 1.0), TypeError, "topk: k must be an int, got 1.0"),
    "tile": (lambda: ag.tile(T, 1.5), TypeError, "tile: expected ints, got 1.5"),
    "repeat": (lambda: ag.repeat(T, 1.5), TypeError, "repeat: repeats must be an int, got 1.5"),
    "negative repeats": (lambda: ag.repeat(T, -1), ValueError, "repeats must be at least 0, got -1"),
    "split": (lambda: ag.split(T, 1.5), TypeError, "split: sections must be an int, got 1.5"),
    "diff": (lambda: ag.diff(T, 1.5), TypeError, "diff: n must be an int, got 1.5"),
    "ddof": (lambda: ag.var(T, ddof="a"), TypeError, "var: ddof must be a number, got 'a'"),
    "ddof nan": (lambda: ag.std(T, ddof=np.nan), ValueError, "std: ddof must be finite, got nan"),
    "digits as a number": (lambda: ag.norm(T, "2"), TypeError, "norm: ord must be a number, got '2'"),
    # names and flags
    "a name": (lambda: Tensor(1.0, name=5), TypeError, "Tensor: name must be a string, got 5"),
    "a name of an array": (lambda: ag.from_numpy(np.ones(1), name=5), TypeError, "from_numpy: name must be a string, got 5"),
    "requires_grad": (lambda: Tensor(1.0, requires_grad="no"), TypeError, "must be True or False, got 'no'"),
    "keepdims": (lambda: M.sum(0, "no"), TypeError, "sum: keepdims must be True or False, got 'no'"),
    "a second axis": (lambda: M.sum(0, 2), TypeError, "sum: keepdims must be True or False, got 2"),
    "a mode": (lambda: ag.set_grad_enabled("no"), TypeError, "enabled must be True or False, got 'no'"),
    "no function": (lambda: ag.no_grad(3), TypeError, "no_grad: expected a function to decorate, or nothing, got 3"),
    "a cast to nothing": (lambda: T.astype(None), TypeError, "expected a dtype .* got None"),
    "a string as an index": (lambda: T["a"], IndexError, "getitem: an index must be ints.*got 'a'"),
    # lists of tensors
    "hstack of nothing": (lambda: ag.hstack([]), ValueError, "hstack: expected at least one tensor, got none"),
    "vstack of nothing": (lambda: ag.vstack([]), ValueError, "vstack: expected at least one tensor, got none"),
    "a number to join": (lambda: ag.concatenate(3), TypeError, r"expected a list of tensors, got 3; write \[a, b\]"),
    "None to stack": (lambda: ag.stack(None), TypeError, "expected a list of tensors, got None"),
    # indices
    "take": (lambda: ag.take(T, [0, 5]), IndexError, "5 is out of range for axis 0 of length 2"),
    "take along an axis": (lambda: ag.take(M, [[-3]], axis=1), IndexError, "-3 is out of range for axis 1 of length 2"),
    "gather": (lambda: ag.gather(M, 1, [[0, 2]]), IndexError, "2 is out of range for axis 1 of length 2"),
    # einsum
    "einsum of numbers": (lambda: ag.einsum(3), TypeError, "expected a string such as 'ij,jk->ik'.* types int"),
    "einsum without letters": (lambda: ag.einsum(M, M), TypeError, "types Tensor, Tensor"),
    "einsum with a large number": (lambda: ag.einsum(T, [99]), TypeError, "axis numbers below 52"),
    "einsum with too few operands": (lambda: ag.einsum("ij,jk", M), ValueError, "expects 2 operands, got 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named_with_its_value(name: str) -> None:
    use, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        use()


INTEGERS = {
    "roll": lambda n: ag.roll(T, n), "tril": lambda n: ag.tril(M, n), "diag": lambda n: ag.diag(T, n),
    "topk": lambda n: ag.topk(T, n)[0], "repeat": lambda n: ag.repeat(T, n), "tile": lambda n: ag.tile(T, n),
    "split": lambda n: ag.split(T, n)[0], "zeros": lambda n: ag.zeros(n), "diff": lambda n: ag.diff(T, n),
    "reshape": lambda n: ag.reshape(T[:1], n), "stride": lambda n: ag.conv2d(IMAGE, KERNEL, stride=n),
}  # fmt: skip


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("one", [np.int64(1), np.array(1), Tensor(1)])
def test_every_kind_of_integer_is_an_int(name: str, one: Any) -> None:
    assert INTEGERS[name](one).tolist() == INTEGERS[name](1).tolist()


@pytest.mark.parametrize("join", [ag.concatenate, np.concatenate])
def test_concatenate_without_an_axis_joins_flattened_tensors(join: Callable[..., Any]) -> None:
    joined = join([W, M], axis=None)
    assert joined.tolist() == [1, 2, 1, 2, 3, 4]
    assert ag.grad((joined * np.arange(6.0)).sum(), W).tolist() == [0, 1]


@pytest.mark.parametrize("einsum", [ag.einsum, np.einsum])
def test_einsum_takes_lists_of_axis_numbers(einsum: Callable[..., Any]) -> None:
    a, b = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True), Tensor(np.arange(12.0).reshape(3, 4))
    for arguments in ((a, [0, 1], b, [1, 2]), (a, [0, 1], b, [1, 2], [2, 0]), (a, [..., 1], b, [1, 2], [..., 2])):
        result = einsum(*arguments)
        plain = [x.detach().numpy() if isinstance(x, Tensor) else x for x in arguments]
        np.testing.assert_array_equal(result.detach().data, np.einsum(*plain))
        assert ag.grad(result.sum(), a).tolist() == [b.data.sum(1).tolist()] * 2
