"""The start of rows of one length: from the rows alone where that is clear, else from all places that show them."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from vade_tf.training import choosing, landmark_starts, regions
from vade_tf.training import groups as finding
from vade_tf.training import start as starts
from vade_tf.training.fitting import begin
from vade_tf.training.settings import Settings

Y = np.arange(400) % 4


@pytest.fixture
def views(rng):
    """Code, the layer before it, and the rows with each column of variance 1 and in one unit: none shows anything."""
    return [rng.normal(size=(400, width)) for width in (4, 6, 5, 5)]


def test_groups_that_each_place_shows_in_part_are_found_in_all_of_them(views, rng):
    """The columns of variance 1 tell two pairs of groups apart, the code two others."""
    views[0][:, 0] += 30 * (Y % 2)
    views[1] = views[0] @ rng.normal(size=(4, 6))
    views[2][:, 0] += 30 * (Y // 2)
    views[3] = views[2] @ rng.normal(size=(5, 5))
    found = starts.start(views[0], 4, "landmark", 0, views, kind="directions").groups
    assert adjusted_rand_score(Y, found) > 0.8
    for kind, some in (("code", views[:2]), ("broad", [*views[:2], views[3]])):
        assert adjusted_rand_score(Y, starts.start(some[0], 4, "landmark", 0, some, kind=kind).groups) < 0.6


def test_groups_that_the_rows_alone_show_clearly_are_taken_whatever_the_code_shows(views):
    """Of other groups, which the code has just as clearly."""
    others = np.random.default_rng(1).permutation(Y)
    views[0] = views[1] = 20 * np.eye(4)[others] + views[0]
    views[3][:, :4] += 20 * np.eye(4)[Y]
    found = starts.start(views[0], 4, "landmark", 0, views, kind="directions").groups
    assert adjusted_rand_score(Y, found) > 0.95


@pytest.mark.parametrize(
    ("agreed", "shown", "taken"),
    [(0.98, True, "rows"), (0.96, True, "halves"), (0.96, False, "all"), (0.74, True, "halves")],
)
def test_how_far_draws_on_the_rows_agree_says_whose_groups_are_taken(views, agreed, shown, taken, monkeypatch):
    groups = {name: np.full(400, number) for number, name in enumerate(("rows", "all", "halves"))}
    monkeypatch.setattr(starts, "alike", lambda draws: agreed)
    monkeypatch.setattr(starts, "of_draws", lambda rows, *more: groups["rows"] if rows is views[3] else None)
    monkeypatch.setattr(starts, "landmark", lambda given, *more: groups["all"] if given is views else Y)
    monkeypatch.setattr(starts.parting, "stand_out", lambda *given: False)
    found = starts.of_directions(views, 4, 0, shown=lambda found: groups["halves"] if shown else found)
    np.testing.assert_array_equal(found, groups[taken])


@pytest.mark.parametrize(("width", "apart"), [(5, 3), (200, 0.27)], ids=["on a graph", "by k-means"])
def test_groups_of_the_columns_are_taken_where_the_code_hides_them(width, apart, rng):
    """The code shows noise: its neighbours are others, which count in all views together."""
    centres = apart * (np.eye(5)[:4] if width == 5 else rng.normal(size=(4, width)))
    rows = centres[Y] + rng.normal(size=(400, width))
    code = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 6))
    views = [code, code, rows @ rng.normal(size=(width, width)) if width == 5 else rows, rows]
    assert adjusted_rand_score(Y, landmark_starts.landmark(views, 4, 0)) < 0.5
    assert adjusted_rand_score(Y, starts.start(code, 4, "landmark", 0, views, kind="directions").groups) > 0.75


def test_groups_of_noise_in_the_columns_are_not_taken_though_those_of_the_code_part_more_there(views, rng):
    views[0] = views[1] = 20 * np.eye(4)[Y] + views[0]
    views[2] = views[3] = rng.normal(size=(400, 60))
    assert adjusted_rand_score(Y, starts.start(views[0], 4, "landmark", 0, views, kind="directions").groups) > 0.95


def test_columns_of_variance_1_count_beside_the_others_where_the_code_shows_noise():
    r, seen = np.random.default_rng(3), []
    scaled = 20 * np.eye(5)[Y] + r.normal(size=(400, 5))
    code, rows = r.normal(size=(400, 3)), r.normal(size=(400, 5))
    found = starts.of_directions([code, code, scaled, rows], 4, 0, shown=lambda groups: seen.append(groups) or groups)
    assert adjusted_rand_score(Y, found) > 0.9
    assert seen[0] is found  # halves are asked of these, too


@pytest.mark.parametrize(("rows", "columns", "settled"), [(400, 20, 1), (400, 20, 0), (400, 0, 0), (30, 20, 0)])
def test_a_bar_is_told_of_as_many_parts_as_it_has(views, rows, columns, settled, monkeypatch):
    """Whichever way it goes: draws that settle it, columns that stand out, all views, rows too few for a graph."""
    for view in views[2:]:
        view[:, :4] += columns * np.eye(4)[Y]
    if not settled:
        monkeypatch.setattr(starts, "SETTLED", 2.0)
    told, views = [], [view[:rows] for view in views]
    starts.start(views[0], 4, "landmark", 0, views, lambda: told.append(1), "directions")
    assert len(told) == starts.parts("landmark", "directions", 4) == 4 * landmark_starts.DRAWS


def test_of_rows_too_few_for_a_graph_the_code_or_the_rows_in_one_unit_say_the_groups(views, monkeypatch):
    few = [view[:30] for view in views]
    assert regions.is_beyond(4, 30)
    monkeypatch.setattr(starts, "of_either", lambda given, *more: [id(view) for view in given])
    assert starts.of_directions(few, 4, 0) == [id(few[number]) for number in (0, 1, 3)]


def test_they_are_read_in_both_units_when_a_fit_starts_and_in_neither_later(rng):
    rows = rng.normal(size=(300, 20)) * np.geomspace(1, 0.01, 20)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    fitting = begin(rows, Settings(clusters=2, hidden=(4,), latent_dim=2, precision="float32"))
    assert finding.found_on(fitting, "init") == "directions"
    code, hidden, each, one = finding.reader(fitting, "init", fitting.data.x)(fitting.data.x)
    assert (code.shape, len(hidden)) == ((300, 2), 300)
    np.testing.assert_allclose(np.square(each - each.mean(axis=0)).sum(), 300 * 20, rtol=1e-3)
    centred = rows - rows.mean(axis=0)
    np.testing.assert_allclose(one @ one.T, 20 * centred @ centred.T, atol=1e-2)
    np.testing.assert_allclose(each @ each.T, (centred / rows.std(axis=0)) @ (centred / rows.std(axis=0)).T, atol=0.05)
    assert finding.found_on(fitting, "regroup") == "code"
    assert len(finding.reader(fitting, "regroup", fitting.data.x)(fitting.data.x)) == 2


def test_borders_are_those_of_the_place_that_shows_the_groups(views):
    views[3][:, :4] += 20 * np.eye(4)[Y]
    own, of_clouds = choosing.borders(views[0], 4, "landmark", 0, views, "directions")
    assert own < 0.2 * of_clouds
