"""The calls of modules and losses that the tensors of a graph recorded, and the paths under which pictures show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from autograd_mini import nn
from autograd_mini.tensor import Tensor
from autograd_mini.tools.calls import DETACH, marks_of

Path: TypeAlias = tuple[str, ...]
Roots: TypeAlias = Mapping[str, nn.Module]  # modules by the name with which their paths start; the name may be empty

USE: Final = " #"  # before the number of a use, in the path of a module that is called several times
FUNCTION: Final = "()"  # at the end of the path of a function such as a loss


class Call(NamedTuple):
    """A call: the module if it still exists, its class or the function's name, and the creation numbers inside."""

    module: nn.Module | None
    kind: str
    is_function: bool
    first: int
    last: int


class Box(NamedTuple):
    """A call as pictures show it: its path, the title of the path, and the creation numbers inside."""

    path: Path
    title: str
    first: int
    last: int


def recorded_calls(tensors: Iterable[Tensor]) -> list[Call]:
    """Returns the calls that returned some of these tensors, in order of their start."""
    calls: dict[int, Call] = {}
    for t in tensors:
        if t._primitive is None:
            continue  # a leaf that a call returned has no operations
        for owner, kind, first, last, _ in marks_of(t):
            is_function = isinstance(kind, str)
            calls[first] = Call(owner and owner(), kind if is_function else kind.__name__, is_function, first, last)
    return [calls[first] for first in sorted(calls)]


def outermost_modules(calls: Iterable[Call]) -> Roots:
    """Returns the modules with parameters that were called from outside all others, to name paths if `params` is not given.

    One module needs no name. Several are named by their classes, and by numbers if the classes are the same.
    """
    found: dict[int, nn.Module] = {}
    end = 0
    for call in calls:
        if call.first > end and call.module is not None and any(True for _ in call.module.parameters()):
            found.setdefault(id(call.module), call.module)
            end = call.last
    modules = list(found.values())
    inner = {id(part) for module in modules for part in module.modules() if part is not module}
    modules = [module for module in modules if id(module) not in inner]
    if len(modules) == 1:
        return {"": modules[0]}
    counts = Counter(type(module).__name__ for module in modules)
    used: Counter[str] = Counter()
    roots: dict[str, nn.Module] = {}
    for module in modules:
        name = type(module).__name__
        used[name] += 1
        roots[name if counts[name] == 1 else f"{name}{used[name]}"] = module
    return roots


def paths_of(roots: Roots) -> dict[int, str]:
    """Maps the id of each module to its path."""
    paths: dict[int, str] = {}
    for key, root in roots.items():
        for path, module in root.named_modules():
            paths.setdefault(id(module), ".".join(filter(None, (key, path))))
    return paths


class Origin(NamedTuple):
    """Where a leaf without gradient was computed: the title of the module, and whether `detach` cut it off."""

    key: int
    title: str
    is_detached: bool


def find_origin(leaf: Tensor, paths: Mapping[int, str]) -> Origin | None:
    """Returns the outermost module that returned a leaf under `no_grad` or before `detach`; None for any other leaf."""
    marks = [] if leaf._requires_grad or isinstance(leaf, nn.Parameter) else marks_of(leaf)
    detached = any(kind is DETACH for _, kind, *_ in marks)
    for owner, kind, first, *_ in marks:
        if isinstance(kind, type):
            path = paths.get(id(owner()), "")
            return Origin(first, f"{path} · {kind.__name__}" if path else kind.__name__, detached)
    return Origin(-leaf._seq, "", True) if detached else None


def make_boxes(calls: list[Call], roots: Roots) -> list[Box]:
    """Returns a box for each call, in order of their start; calls that run inside others are inside their boxes.

    The only call of a root without a name needs no box: its path is empty. A function that does all that the loss around it
    does needs none either.
    """
    paths, parents = paths_of(roots), _parents(calls)
    hidden = [_is_only_call_of_loss(calls, parents, i) for i in range(len(calls))]
    names = [_names(calls, parents, i, paths) for i in range(len(calls))]
    siblings = Counter((parents[i], name) for i, (_, name) in enumerate(names) if not hidden[i])
    used: Counter[tuple[int | None, str]] = Counter()
    boxes: list[Box] = []
    for i, call in enumerate(calls):
        parent = parents[i]
        outer = boxes[parent] if parent is not None else Box((), "", 0, 0)
        label, name = names[i]
        if hidden[i]:
            boxes.append(outer._replace(first=call.first, last=call.last))
            continue
        used[parent, name] += 1
        number = f"{USE}{used[parent, name]}" if siblings[parent, name] > 1 else ""
        part = (name or call.kind) + number + FUNCTION * call.is_function if name or number else ""
        title = f"{label}{number} · {call.kind}" if label else f"{call.kind}{number}"
        boxes.append(Box((*outer.path, part) if part else outer.path, title, call.first, call.last))
    return boxes


def _parents(calls: list[Call]) -> list[int | None]:
    """Returns, for each call, the index of the innermost call around it."""
    parents: list[int | None] = []
    stack: list[int] = []
    for i, call in enumerate(calls):
        while stack and calls[stack[-1]].last < call.first:
            stack.pop()
        parents.append(stack[-1] if stack else None)
        stack.append(i)
    return parents


def _is_only_call_of_loss(calls: list[Call], parents: list[int | None], i: int) -> bool:
    """Whether call i is the function that a loss module, or another loss function, calls for all of its work."""
    parent = parents[i]
    if parent is None or not calls[i].is_function:
        return False
    outer = calls[parent]
    return (outer.is_function or "loss" in type(outer.module).__module__) and parents.count(parent) == 1


def _names(calls: list[Call], parents: list[int | None], i: int, paths: Mapping[int, str]) -> tuple[str, str]:
    """Returns the path of a call's module ("" if it has none), and its name inside the calls around it."""
    path = None if calls[i].is_function else paths.get(id(calls[i].module))
    if path is None:
        return "", calls[i].kind
    parent = parents[i]
    while parent is not None:
        outer = paths.get(id(calls[parent].module))
        if outer is not None and not calls[parent].is_function:
            return path, path.removeprefix(f"{outer}.")
        parent = parents[parent]
    return path, path


def scopes_at(boxes: list[Box], numbers: Iterable[int]) -> dict[int, Path]:
    """Maps creation numbers to the path of the innermost box around them."""
    scopes: dict[int, Path] = {}
    stack: list[Box] = []
    waiting = 0
    for number in sorted(numbers):
        while waiting < len(boxes) and boxes[waiting].first <= number:
            stack.append(boxes[waiting])
            waiting += 1
        while stack and stack[-1].last < number:
            stack.pop()
        scopes[number] = stack[-1].path if stack else ()
    return scopes
