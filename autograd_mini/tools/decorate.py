"""`decorate`: a function, generator function or coroutine function whose own code runs inside a context manager."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def decorate(function: F, block: Callable[[], AbstractContextManager[Any]]) -> F:
    """Returns `function` with `block()` around its calls; of a generator, around each stretch between two yields.

    So the code that consumes a generator does not run inside the block.
    """
    for is_kind, wrap in _KINDS:
        if is_kind(function):
            return wrap(function, block)  # type: ignore[return-value]
    return _wrap_function(function, block)  # type: ignore[return-value]


def _wrap_function(function: Callable[..., Any], block: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with block():
            return function(*args, **kwargs)

    return call


def _wrap_coroutine(function: Callable[..., Any], block: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with block():
            return await function(*args, **kwargs)

    return call


def _wrap_generator(function: Callable[..., Any], block: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with block():
            generator = function(*args, **kwargs)
        resume, value = generator.send, None
        try:
            while True:
                try:
                    with block():
                        item = resume(value)
                except StopIteration as end:
                    return end.value
                try:
                    value, resume = (yield item), generator.send
                except GeneratorExit:
                    raise
                except BaseException as error:  # thrown in by the consumer: the generator may handle it
                    value, resume = error, generator.throw
        finally:
            with block():
                generator.close()

    return call


def _wrap_async_generator(function: Callable[..., Any], block: Callable[[], AbstractContextManager[Any]]) -> Callable[..., Any]:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with block():
            generator = function(*args, **kwargs)
        resume, value = generator.asend, None
        try:
            while True:
                try:
                    with block():
                        item = await resume(value)
                except StopAsyncIteration:
                    return
                try:
                    value, resume = (yield item), generator.asend
                except GeneratorExit:
                    raise
                except BaseException as error:
                    value, resume = error, generator.athrow
        finally:
            with block():
                await generator.aclose()

    return call


_KINDS = (
    (inspect.isasyncgenfunction, _wrap_async_generator),
    (inspect.isgeneratorfunction, _wrap_generator),
    (inspect.iscoroutinefunction, _wrap_coroutine),
)
