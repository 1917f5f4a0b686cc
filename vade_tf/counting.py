"""Whether whole numbers from 0 up are counts of things of one kind: what their columns say together."""

import numpy as np
import scipy.sparse

COUNTED, DOUBTED = 20, 10  # columns of counts, at least; of what may be counts
MOSTLY, SOME = 0.5, 0.02  # share of zeros in a table of counts; in one whose columns have to be alike
TAIL = 10.0  # the largest over the mean of what is not 0
VARYING, APART = 0.8, 1.0  # columns with a variance above their mean; how far these lie off one curve, in logs
EMPTY, ONES = 0.01, 0.05  # a column with such a share of zeros, and fewer ones by zeros, goes up in larger steps
STEPPED = 0.3  # share of such columns, at most
CONSTANT = 1e-9  # variance by the square of the mean, which rounding may leave


class Tally:
    """What is added up of rows of whole numbers from 0 up: of every column zeros, ones, largest, sum and squares."""

    def __init__(self, rows: int, width: int):
        self.rows, self.width = rows, width
        self.zeros, self.ones, self.largest, self.sums, self.squares = np.zeros((5, width))

    def add(self, numbers, columns: slice = slice(None)) -> None:
        """Adds some of the rows, dense or sparse, of some of the columns."""
        sparse = scipy.sparse.issparse(numbers)
        numbers = numbers.astype(np.float64)
        self.zeros[columns] += numbers.shape[0] - np.ravel((numbers != 0).sum(axis=0))
        self.ones[columns] += np.ravel((numbers == 1).sum(axis=0))
        tops = numbers.max(axis=0)
        self.largest[columns] = np.maximum(self.largest[columns], np.ravel(tops.toarray() if sparse else tops))
        self.sums[columns] += np.ravel(numbers.sum(axis=0))
        self.squares[columns] += np.ravel((numbers.multiply(numbers) if sparse else np.square(numbers)).sum(axis=0))

    @property
    def empty(self) -> float:
        """The share of all numbers that are 0."""
        return float(self.zeros.sum()) / max(self.rows * self.width, 1)

    @property
    def has_tail(self) -> bool:
        """Whether the largest number is far above the mean of those that are not 0."""
        filled = self.rows * self.width - self.zeros.sum()
        return bool(self.largest.max(initial=0) * filled >= TAIL * self.sums.sum())

    def are_counts(self) -> bool | None:
        """Whether the numbers are counts; None: they may be, but there are few columns, or hardly any zeros."""
        if self.width >= COUNTED and self.empty >= MOSTLY:
            above = self.largest > 1
            few = above.sum() < min(COUNTED, self.width / 2)
            seen = self.rows - self.zeros
            return self.has_tail and not (few and seen[above].mean() > (1 - MOSTLY) * self.rows)
        if self.width < DOUBTED or not self.has_tail or not self._are_alike():
            return False
        return True if self.width >= COUNTED and self.empty >= SOME else None

    def _are_alike(self) -> bool:
        """Whether all columns count one kind of thing, one by one.

        The variances of such counts lie on one curve over their means m: m + r m^2, as a negative binomial's. Levels,
        marks and years vary less than their mean, columns in several units lie on no one curve, and of amounts, such as
        prices, there are zeros without ones. The tails of counts end anywhere: where most columns have the same largest
        number, it is a code, such as 99 for no answer.
        """
        mean = self.sums / self.rows
        variance = self.squares / self.rows - mean**2
        varied = variance > CONSTANT * mean**2
        m, v = mean[varied], variance[varied]
        if not len(m) or (v >= m).mean() < VARYING:
            return False
        if np.unique(self.largest[varied], return_counts=True)[1].max() > len(m) / 2:
            return False
        excess = max(float(np.median((v - m) / m**2)), 0.0)
        if np.sqrt(np.mean(np.log(v / (m + excess * m**2)) ** 2)) > APART:
            return False
        stepped = (self.zeros >= EMPTY * self.rows) & (self.ones < ONES * self.zeros)
        return bool(stepped.mean() <= STEPPED)
