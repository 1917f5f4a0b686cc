"""One thread for OpenMP and BLAS: sums over several come in any order, and a fit that is done again must be equal."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import threadpoolctl

T = TypeVar("T")

_entering = threading.Lock()
_limits: list = []  # one for each fit inside `one_thread`; the first of them holds the limit


def _limit(user_api: str):
    """A limit of these libraries alone: that of `threadpool_limits` sets all back to what it found when it ends."""
    return threadpoolctl.ThreadpoolController().select(user_api=user_api).limit(limits=1)


@contextmanager
def one_openmp_thread() -> Iterator[None]:
    """OpenMP with one thread, in this thread of Python alone."""
    with _limit("openmp"):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS with one thread while anybody is inside, and OpenMP with one in this thread.

    BLAS has one limit for the process. Fits in several threads may overlap in any way, so who enters first sets it, and
    who leaves last lifts it.
    """
    with one_openmp_thread():
        with _entering:
            if not _limits:
                _let_any_thread()
            _limits.append(_limits[0] if _limits else _limit("blas"))
        try:
            yield
        finally:
            with _entering:
                limit = _limits.pop()
                if not _limits:
                    _let_any_thread()
                    limit.restore_original_limits()
                    _let_any_thread()


def in_threads(function: Callable[[int], T], numbers: Iterable[int], advance: Callable[[], None]) -> list[T]:
    """What a function gives for each number, in their order: several at once, each on one thread.

    `advance` is called after each. Found is the same however many run at once.
    """

    def alone(number: int) -> T:
        with one_openmp_thread():
            return function(number)

    found = []
    with one_thread(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for each in pool.map(alone, numbers):
            found.append(each)
            advance()
    return found


def _let_any_thread() -> None:
    """Let any thread set the limit of OpenBLAS: newer threadpoolctl hears only the one that set it last."""
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)
