"""Limits of OpenMP and BLAS: fits overlap in threads as they like, and none is left behind."""

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import ThreadpoolController

from vade_tf.threads import one_openmp_thread, one_thread


def blas() -> set[int]:
    return {library.num_threads for library in ThreadpoolController().select(user_api="blas").lib_controllers}


@pytest.fixture
def four_threads():
    """BLAS as on a machine with four processors."""
    with ThreadpoolController().select(user_api="blas").limit(limits=4):
        if blas() != {4}:
            pytest.skip("this BLAS takes no number of threads")
        yield


@pytest.mark.parametrize("outer", [one_thread, one_openmp_thread])
@pytest.mark.parametrize("order", ["abAB", "abBA", "baAB"])
def test_who_leaves_last_lifts_the_limit(four_threads, order, outer):
    """Small letters enter and capitals leave, each in a thread of its own."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        fits = {"a": (one, one_thread()), "b": (other, outer())}
        for step in order:
            thread, fit = fits[step.lower()]
            thread.submit(fit.__enter__ if step.islower() else lambda fit=fit: fit.__exit__(None, None, None)).result()
            if step.islower() and step == "a":
                assert blas() == {1}
        assert blas() == {4}
        found = []
        late = threading.Thread(
            target=lambda: found.append(ThreadpoolController().select(user_api="blas").limit(limits=2))
        )
        late.start()
        late.join()
        assert blas() == {2}  # others are heard again
        found[0].restore_original_limits()


def openmp() -> set[int]:
    return {library.num_threads for library in ThreadpoolController().select(user_api="openmp").lib_controllers}


@pytest.mark.parametrize("inside", [one_openmp_thread, one_thread])
def test_openmp_has_one_thread_inside_and_as_many_as_before_after(inside):
    """Sums over several come in any order: a fit that is done again would not be equal."""
    importlib.import_module("sklearn.cluster")  # which brings OpenMP
    with ThreadpoolController().select(user_api="openmp").limit(limits=4):
        if openmp() != {4}:
            pytest.skip("this OpenMP takes no number of threads")
        with inside():
            assert openmp() == {1}
        assert openmp() == {4}
