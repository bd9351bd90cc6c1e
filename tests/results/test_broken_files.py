"""200 files that are not what they should be: each is refused with the reason, and none runs anything."""

import io
import os
import pickle
import sys
import zipfile

import pymc3_vi
from pymc3_vi.errors import FileFormatError, UnwritablePathError
from pymc3_vi.results._container import FORMAT_VERSION, _sealed, read_container, write_container

import numpy as np
import pytest

from .models import Y, hierarchy, vector

#: Kinds of broken files, 25 of each, and the reasons that are right for them.
KINDS = {
    "cut off": {"truncated"},
    "one bit flipped": {"damaged", "truncated", "foreign"},
    "64 bytes overwritten": {"damaged", "truncated", "foreign"},
    "random bytes": {"foreign"},
    "pickles and other archives": {"foreign", "damaged"},
    "sealed by somebody else": {"foreign", "kind", "model"},
    "later version": {"version"},
    "another model": {"model"},
}
EACH = 25


class _Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


class _Watch:
    """Notes what Python reports of code that is run and processes that are started.

    'compile' is not among the events, because NumPy parses the headers of arrays with ``ast.literal_eval``.
    """

    EVENTS = (
        "pickle.find_class",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "subprocess.Popen",
        "socket.connect",
        "exec",
        "ctypes.dlopen",
        "os.mkdir",
        "os.remove",
    )

    def __init__(self):
        self.on, self.seen = False, []
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if event == "exec" and os.path.exists(getattr(arguments[0], "co_filename", "")):
            return  # an installed module, imported late
        if self.on and event in self.EVENTS:
            self.seen.append(event)


@pytest.fixture(scope="module")
def watch():
    return _Watch()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files of an approximation and of an inference, the model, and files of other models."""
    folder, model = tmp_path_factory.mktemp("saved"), hierarchy()
    inference = pymc3_vi.FullRankADVI(model=model, random_seed=1)
    inference.fit(20, progressbar=False, obj_optimizer=pymc3_vi.adam(learning_rate=0.01))
    inference.approx.save(folder / "approximation.npz")
    inference.save(folder / "inference.npz")
    others = []
    changed = hierarchy(prior_sd=5.5), hierarchy(shape=3), hierarchy(y=np.append(Y[:-1], Y[-1] + 1e-6))
    for number, other in enumerate([*changed, hierarchy(y=Y[:-1]), vector()]):
        path = folder / f"{number}.npz"
        pymc3_vi.FullRankADVI(model=other, random_seed=1).save(path)
        others.append(path.read_bytes())
    return folder, model, others


def _rewritten(source, path, change):
    """The file with its header or arrays changed and a seal that fits."""
    header, arrays = read_container(source)
    del header["format"], header["format_version"]
    change(header, arrays)
    write_container(path, header, arrays)
    return path.read_bytes()


def _nonsense(rng):
    """Change that puts something senseless at a place of the header that every reader needs."""

    def change(header, arrays):
        keys = ["groups", "class", "generator"]
        place = header["approximation"]
        key = keys[int(rng.integers(len(keys)))]
        place[key] = [3, "__import__('os').mkdir('x')", {"bit_generator": "os.system"}, ["x"]][int(rng.integers(4))]

    return change


def _pickles(rng, bomb):
    choice = int(rng.integers(4))
    if choice == 0:
        return pickle.dumps(_Bomb(bomb))
    buffer = io.BytesIO()
    if choice == 1:
        np.savez(buffer, header=np.array([_Bomb(bomb)], dtype=object), hist=rng.normal(size=3))
    elif choice == 2:
        np.save(buffer, np.array([_Bomb(bomb)], dtype=object), allow_pickle=True)
    else:
        with zipfile.ZipFile(buffer, "w") as archive:  # sealed as our files are
            member = io.BytesIO()
            np.save(member, np.array([_Bomb(bomb)], dtype=object), allow_pickle=True)
            archive.writestr("header.npy", member.getvalue())
            archive.comment = b"pymc3_vi sha256 " + b"0" * 64
        return _sealed(buffer.getvalue())
    return buffer.getvalue()


def _content(kind, data, source, path, others, rng, monkeypatch):
    if kind == "cut off":
        return data[: rng.integers(0, len(data))]
    if kind == "one bit flipped":
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    if kind == "64 bytes overwritten":
        start = int(rng.integers(0, len(data) - 64))
        return data[:start] + rng.bytes(64) + data[start + 64 :]
    if kind == "random bytes":
        return rng.bytes(int(rng.integers(1, 5000)))
    if kind == "pickles and other archives":
        return _pickles(rng, str(path.parent / "bomb"))
    if kind == "sealed by somebody else":
        return _rewritten(source, path, _nonsense(rng))
    if kind == "another model":
        return others[int(rng.integers(len(others)))]
    with monkeypatch.context() as patch:
        patch.setattr("pymc3_vi.results._container.FORMAT_VERSION", FORMAT_VERSION + int(rng.integers(1, 100)))
        return _rewritten_by_a_later_version(source, path)


def _rewritten_by_a_later_version(source, path):
    header, arrays = read_container(source)
    del header["format"], header["format_version"]
    write_container(path, dict(header, package_version="99.0", something_new=1), arrays)
    return path.read_bytes()


@pytest.mark.parametrize("kind", list(KINDS))
def test_200_broken_files(kind, saved, tmp_path, rng, monkeypatch, watch):
    folder, model, others = saved
    bomb = tmp_path / "bomb"
    reasons = []
    for number in range(EACH):
        what = "approximation" if number % 2 else "inference"
        load = pymc3_vi.load if number % 2 else pymc3_vi.Inference.load
        source, path = folder / f"{what}.npz", tmp_path / f"{number}.npz"
        path.write_bytes(_content(kind, source.read_bytes(), source, path, others, rng, monkeypatch))
        watch.seen, watch.on = [], True
        try:
            with pytest.raises(FileFormatError) as caught:
                load(path, model)
        finally:
            watch.on = False
        assert watch.seen == [] and not bomb.exists()
        assert path.name in str(caught.value)
        reasons.append(caught.value.reason)
    assert len(reasons) == EACH and set(reasons) <= KINDS[kind]
    if kind == "one bit flipped":  # in the last hundred bytes it may look like another file
        assert reasons.count("damaged") > 20


def test_there_are_200():
    assert len(KINDS) * EACH == 200


def test_the_good_files_load_and_the_watch_hears(saved, tmp_path, watch):
    folder, model, _ = saved
    assert pymc3_vi.load(folder / "approximation.npz", model).title.startswith("FullRank")
    assert pymc3_vi.Inference.load(folder / "inference.npz", model).state.i == 20
    watch.seen, watch.on = [], True
    pickle.loads(pickle.dumps(_Bomb(str(tmp_path / "bomb"))))
    watch.on = False
    assert "pickle.find_class" in watch.seen and "os.mkdir" in watch.seen and (tmp_path / "bomb").exists()


# ---------------------------------------------------------------- sealed, but not of a fit
def _changed_array(name, value):
    def change(header, arrays):
        arrays[name] = np.asarray(value(arrays[name]))

    return change


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("group0/param0", lambda a: np.where(np.arange(a.size) == 1, np.nan, a), "is not finite in the file"),
        ("group0/param1", lambda a: np.full_like(a, np.inf), "is not finite in the file"),
        ("hist", lambda a: a.reshape(4, -1), "must be a vector of floats. The file has float64 of shape"),
        ("hist", lambda a: np.zeros(3, dtype=int), "must be a vector of floats. The file has int64"),
    ],
)
def test_senseless_arrays_are_refused(saved, tmp_path, name, value, words):
    folder, model, _ = saved
    path = tmp_path / "x.npz"
    _rewritten(folder / "approximation.npz", path, _changed_array(name, value))
    with pytest.raises(FileFormatError, match=words):
        pymc3_vi.load(path, model)


def test_a_senseless_history_of_an_inference_is_refused(saved, tmp_path):
    folder, model, _ = saved
    path = tmp_path / "x.npz"
    _rewritten(folder / "inference.npz", path, _changed_array("inference/history", lambda a: a[None]))
    with pytest.raises(FileFormatError, match="must be a vector of floats"):
        pymc3_vi.Inference.load(path, model)


def test_a_checkpoint_that_cannot_be_written_is_told_before_the_first_step(saved, tmp_path):
    inference = pymc3_vi.FullRankADVI(model=saved[1], random_seed=1)
    for path in (tmp_path / "no" / "x.npz", tmp_path):
        with pytest.raises(UnwritablePathError, match="cannot be written"):
            inference.fit(5, callbacks=[pymc3_vi.Checkpoint(every=5, path=path)], progressbar=False)
        assert len(inference.hist) == 0
