"""The file format: what goes in comes out, and nothing else is taken for it."""

import io
import json
import os
import pickle
import zipfile

from pymc3_vi.errors import FileFormatError, UnwritablePathError
from pymc3_vi.results._container import FORMAT_VERSION, _sealed, check_writable, read_container, write_container

import numpy as np
import pytest

HEADER = {"kind": "test", "package_version": "0", "numbers": [1, 2.5, None], "text": "ü"}


def _arrays(rng):
    return {
        "hist": rng.normal(size=100),
        "group0/mu": rng.normal(size=(3, 4)).astype("float32"),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4))),
        "empty": np.empty((0, 3)),
        "scalar": np.float64(3.0),
        "words": rng.integers(0, 2**32, 7).astype("uint64"),
        "yes": np.array([True, False]),
    }


@pytest.fixture
def written(tmp_path, rng):
    path, arrays = tmp_path / "x.npz", _arrays(rng)
    write_container(path, HEADER, arrays)
    return path, arrays


def _reason(path):
    with pytest.raises(FileFormatError) as caught:
        read_container(path)
    assert str(path) in str(caught.value)
    return caught.value.reason


def test_round_trip(written):
    path, arrays = written
    header, found = read_container(path)
    assert header == dict(HEADER, format="pymc3_vi", format_version=FORMAT_VERSION)
    assert set(found) == set(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == np.asarray(value).dtype and found[name].shape == np.shape(value)
        assert found[name].flags.writeable


def test_numpy_opens_it(written):
    path, arrays = written
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["hist"], arrays["hist"])
        assert json.loads(found["header"].tobytes().decode())["kind"] == "test"


def test_equal_contents_are_equal_files(tmp_path, written):
    path, arrays = written
    write_container(tmp_path / "y.npz", HEADER, arrays)
    assert path.read_bytes() == (tmp_path / "y.npz").read_bytes()


def test_every_bit_flip_is_damage(tmp_path, written):
    data = written[0].read_bytes()
    broken = tmp_path / "broken.npz"
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        broken.write_bytes(flipped)
        assert _reason(broken) in ("damaged", "truncated", "foreign")
        if position < len(data) - 200:
            assert _reason(broken) == "damaged"


def test_every_cut_is_seen(tmp_path, written):
    data = written[0].read_bytes()
    broken = tmp_path / "broken.npz"
    for length in range(len(data)):
        broken.write_bytes(data[:length])
        assert _reason(broken) == "truncated"


def test_appended_bytes_are_damage(tmp_path, written):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(written[0].read_bytes() + b"x")
    assert _reason(broken) == "damaged"


def test_later_version_says_to_upgrade(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    monkeypatch.setattr("pymc3_vi.results._container.FORMAT_VERSION", FORMAT_VERSION + 1)
    write_container(path, dict(HEADER, package_version="99.1"), {})
    monkeypatch.undo()
    assert _reason(path) == "version"
    with pytest.raises(FileFormatError, match=f"format version {FORMAT_VERSION + 1}, written by pymc3_vi 99.1"):
        read_container(path)


def _sealed_archive(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"pymc3_vi sha256 " + b"0" * 64
    return _sealed(buffer.getvalue())


def _npy(value, **options):
    member = io.BytesIO()
    np.save(member, value, **options)
    return member.getvalue()


def _header(**changes):
    header = dict(dict(HEADER, format="pymc3_vi", format_version=FORMAT_VERSION), **changes)
    return _npy(np.frombuffer(json.dumps(header).encode(), dtype="uint8"))


class _Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["PYMC3_VI_TEST_BOMB"],)


FOREIGN = {
    "text": lambda: b"hello",
    "pickle": lambda: pickle.dumps(_Bomb()),
    "plain npz": lambda: _plain_npz(),
    "zip": lambda: _sealed_archive({"header.npy": _header(), "code.py": b"print(1)"}),
    "object array": lambda: _sealed_archive(
        {"header.npy": _header(), "x.npy": _npy(np.array([_Bomb()]), allow_pickle=True)}
    ),
    "compressed": lambda: _sealed_archive(
        {"header.npy": _header(), "x.npy": _npy(np.zeros(10**6))}, compression=zipfile.ZIP_DEFLATED
    ),
    "huge shape": lambda: _sealed_archive({"header.npy": _header(), "x.npy": _npy_header((10**15,))}),
    "negative shape": lambda: _sealed_archive({"header.npy": _header(), "x.npy": _npy_header((-1, 7))}),
    "strings": lambda: _sealed_archive({"header.npy": _header(), "x.npy": _npy(np.array(["a"]))}),
    "no header": lambda: _sealed_archive({"x.npy": _npy(np.zeros(3))}),
    "header is no JSON": lambda: _sealed_archive({"header.npy": _npy(np.frombuffer(b"import os", dtype="uint8"))}),
    "deep JSON": lambda: _sealed_archive({"header.npy": _npy(np.frombuffer(b"[" * 10**5, dtype="uint8"))}),
    "header is a list": lambda: _sealed_archive({"header.npy": _npy(np.frombuffer(b"[1]", dtype="uint8"))}),
    "other program": lambda: _sealed_archive({"header.npy": _header(format="other")}),
    "version is a word": lambda: _sealed_archive({"header.npy": _header(format_version="1")}),
    "version is zero": lambda: _sealed_archive({"header.npy": _header(format_version=0)}),
    "npy of another version": lambda: _sealed_archive({"header.npy": b"\x93NUMPY\x09\x00" + _header()[8:]}),
}


def _npy_header(shape):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return member.getvalue() + np.zeros(3).tobytes()


def _plain_npz():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_foreign_files_are_refused_and_run_nothing(tmp_path, monkeypatch, name):
    bomb = tmp_path / "bomb"
    monkeypatch.setenv("PYMC3_VI_TEST_BOMB", str(bomb))
    path = tmp_path / "foreign.npz"
    path.write_bytes(FOREIGN[name]())
    assert _reason(path) == "foreign"
    assert not bomb.exists()


def test_the_bomb_would_go_off_with_pickle(tmp_path, monkeypatch):
    monkeypatch.setenv("PYMC3_VI_TEST_BOMB", str(tmp_path / "bomb"))
    pickle.loads(FOREIGN["pickle"]())
    assert (tmp_path / "bomb").exists()


def test_a_failed_write_leaves_the_old_file_and_no_rest(written, monkeypatch):
    path, arrays = written
    before = path.read_bytes()

    def full_disk(handle):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_container(path, HEADER, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_permissions_are_those_of_new_or_replaced_files(written):
    path, arrays = written
    plain = path.parent / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    os.chmod(path, 0o640)
    write_container(path, HEADER, arrays)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_container(tmp_path / "none.npz")


def test_objects_cannot_be_written(tmp_path):
    with pytest.raises(ValueError):
        write_container(tmp_path / "x.npz", HEADER, {"x": np.array([object()])})
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- what lies at the path
def test_symbolic_links_are_followed(tmp_path, rng):
    real = tmp_path / "real" / "x.npz"
    real.parent.mkdir()
    link, chain, dangling = tmp_path / "link.npz", tmp_path / "chain.npz", tmp_path / "new.npz"
    write_container(real, HEADER, {"a": np.zeros(1)})
    link.symlink_to(real)
    chain.symlink_to(link)
    dangling.symlink_to(tmp_path / "real" / "new.npz")
    for number, path in enumerate((link, chain, dangling)):
        write_container(path, HEADER, {"a": np.full(1, number)})
        assert path.is_symlink() and read_container(path)[1]["a"] == number
    assert read_container(real)[1]["a"] == 1 and (tmp_path / "real" / "new.npz").is_file()
    assert sorted(p.name for p in tmp_path.rglob(".*")) == []


@pytest.mark.parametrize("kind", ["a named pipe", "a directory", "a device"])
def test_what_is_no_file_is_left_alone(tmp_path, kind):
    path = tmp_path / "x.npz"
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    for write in (lambda: write_container(path, HEADER, {}), lambda: check_writable(path)):
        with pytest.raises(UnwritablePathError, match=f"cannot be written: it is {kind}, no regular file"):
            write()
    with pytest.raises(FileFormatError, match=f"is {kind}, not a file of pymc3_vi"):
        read_container(path)
    assert not path.is_file() and not os.path.isfile("/dev/null")


def test_links_that_lead_to_themselves_are_left_alone(tmp_path):
    (tmp_path / "one.npz").symlink_to(tmp_path / "two.npz")
    (tmp_path / "two.npz").symlink_to(tmp_path / "one.npz")
    for write in (lambda path: write_container(path, HEADER, {}), check_writable):
        with pytest.raises(UnwritablePathError, match="lead from it to itself"):
            write(tmp_path / "one.npz")
    assert (tmp_path / "two.npz").is_symlink() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("where", ["no such folder", "a name that is too long", "a full disk"])
def test_what_the_system_refuses_names_the_path(tmp_path, where, monkeypatch):
    path = tmp_path / ("no/x.npz" if where == "no such folder" else "x" * 300 if "long" in where else "x.npz")
    if where == "a full disk":
        monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UnwritablePathError) as caught:
        write_container(path, HEADER, {})
    assert str(caught.value).startswith(f"{path} cannot be written: ") and ".tmp" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UnwritablePathError, match="cannot be written: .*No such file or directory"):
        check_writable(tmp_path / "no" / "x.npz")
    check_writable(tmp_path / "x.npz")
    assert list(tmp_path.iterdir()) == []


def _member(shape_text, body=b""):
    """An ``.npy`` member whose header claims a shape."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape_text}, }}".encode()
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


@pytest.mark.parametrize("shape", ["(-1,)", "(2, -3)", "(-2, -2)"])
def test_negative_shapes_are_refused(tmp_path, shape):
    path, buffer = tmp_path / "x.npz", io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", _member(shape, bytes(32)))
        archive.comment = b"pymc3_vi sha256 " + b"0" * 64
    path.write_bytes(_sealed(buffer.getvalue()))
    assert _reason(path) == "foreign"


def test_members_that_overlap_are_refused(tmp_path):
    """A thousand names of the same bytes: a file of 1 MiB would take 1 GiB."""
    path, buffer = tmp_path / "x.npz", io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a0.npy", _member("(131072,)", bytes(2**20)))
        first = archive.infolist()[0]
        for number in range(1, 1000):
            again = zipfile.ZipInfo(f"a{number}.npy")
            for field in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive.comment = b"pymc3_vi sha256 " + b"0" * 64
    path.write_bytes(_sealed(buffer.getvalue()))
    with pytest.raises(FileFormatError, match="its members claim .* bytes and more"):
        read_container(path)
