"""The largest memory that this process has had."""

import resource
import sys


def peak() -> float:
    """Largest resident memory of this process so far, MiB (ru_maxrss: Python, TensorFlow and mapped files included)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
