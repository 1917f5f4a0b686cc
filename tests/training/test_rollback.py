"""Training that lost the groups of the start: the weights at the end of guidance, and what is said of it."""

import numpy as np
import pytest
from small_fits import begin, sixty

from vade_tf.training import posterior
from vade_tf.training.rollback import keep_groups
from vade_tf.training.store import numbered

Y = np.arange(60) % 3


P = 0.7 * np.eye(3)[Y] + 0.1


@pytest.fixture
def trained(rng, monkeypatch):
    """A fit whose model says the groups `now` at its weights as they are, and `guided` at those that were kept."""

    def make(now, guided, **more):
        fitting = begin(sixty(rng), **more)
        after = fitting.model.get_weights()
        before = [weight + 1 for weight in after]
        if guided is not None:
            fitting.store.save("guided", numbered(before))

        def said(model, x):
            return now if np.array_equal(model.get_weights()[1], after[1]) else guided

        monkeypatch.setattr(posterior, "model_groups", said)
        return fitting, after, before

    return make


LOST, SOME = np.zeros(60, int), np.where(np.arange(60) < 12, 0, Y)


@pytest.mark.parametrize(
    ("now", "guided", "back", "told"),
    [
        ((Y + 1) % 3, Y, False, False),  # names are nothing
        (LOST, Y, True, False),
        (LOST, SOME, True, True),
        (SOME, SOME, False, True),  # it was no better before
        (LOST, None, False, True),
    ],
)
def test_the_weights_at_the_end_of_guidance_are_taken_where_the_bound_alone_lost_groups(
    trained, now, guided, back, told
):
    fitting, after, before = trained(now, guided)
    remedies, findings = keep_groups(fitting, P)
    assert (len(remedies), len(findings)) == (back, told)
    kept = fitting.model.get_weights()
    for mine, theirs in zip(kept[1:], (before if back else after)[1:], strict=True):
        np.testing.assert_array_equal(mine, theirs)
