"""Where runs are: which folder is free for one, and who trains in it."""

import pytest

from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.location import check_unused, held, reserved
from vade_tf.storage import write_whole

CONFIG = TrainConfig(data="x.npy", clusters=2)
DATA = {"source": "x.npy", "rows": 60, "features": 5, "crc32": 1}


@pytest.mark.parametrize("name", ["notes.txt", "data.json", "checkpoints/pretrained.npz"])
def test_a_folder_with_a_file_of_somebody_is_not_free(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=r"^out: "):
        check_unused(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("at", ["data.json", "config.json"])
def test_a_kill_while_a_run_is_made_leaves_a_free_folder(at, tmp_path, monkeypatch):
    """config.json says that there is a run, and comes last: one without data.json could not be continued."""

    def killed(path, content):
        if path.name == at:
            raise KeyboardInterrupt
        write_whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("vade_tf.runs.folder.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            Run.create(tmp_path, CONFIG, DATA)
    check_unused(tmp_path)
    run = Run.create(tmp_path, CONFIG, DATA)
    assert (run.data, Run.open(tmp_path).config) == (DATA, CONFIG)


def test_a_reserved_folder_is_no_other_process_s_and_is_gone_if_nothing_came_of_it(tmp_path):
    parent = tmp_path / "runs"
    with reserved(parent, "a") as one, reserved(parent, "a") as other:
        assert (one.name, other.name) == ("a", "a-2")
        (one / "config.json").touch()
    assert [file.name for file in parent.iterdir()] == ["a"]


def test_who_holds_a_folder_clears_what_a_kill_left_and_nobody_else_trains_there(tmp_path):
    left = tmp_path / "checkpoints" / f".{'0' * 16}.unfinished"
    left.mkdir(parents=True)
    (left / "state.npz").touch()
    with held(tmp_path, "resume"):
        assert not left.exists()
        with pytest.raises(InputError, match=r"^resume: "), held(tmp_path, "resume"):
            pass


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path)
    with pytest.raises(InputError, match="checkpoints"), held(tmp_path / "run", "resume"):
        pass
