"""The file format: named arrays and a JSON header in one ``.npz``, sealed with a checksum; no pickle anywhere.

A file is an uncompressed zip archive as NumPy writes it, so ``numpy.load`` opens it too.  Member ``header.npy`` is the
UTF-8 text of a JSON object as bytes (uint8), every other member ``<name>.npy`` an array of numbers.  The archive's
comment, which ends the file, is ``pymc3_vi sha256 `` and the hexadecimal SHA-256 of all bytes before the digest.  So
a change of any byte, and any missing byte, is seen before anything is read.

The checksum is no signature: whoever writes a file can seal it.  What protects the reader is that a file holds only
numbers and JSON, which no reader executes, and that members are not compressed, so that none is larger than the file.
"""

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from ..errors import FileFormatError, UnwritablePathError

__all__ = ["FORMAT", "FORMAT_VERSION", "check_writable", "read_container", "write_container"]

FORMAT = "pymc3_vi"

#: Rises by one when a reader of the version before would misunderstand a file.
FORMAT_VERSION = 1

_SEAL = b"pymc3_vi sha256 "
_DIGEST = 64
_HEADER = "header"
# Of the zip format: how a member begins, where its name is, how the end record begins and its size without comment.
_ZIP_MAGIC, _NAME_AT = b"PK\x03\x04", 30
_ZIP_END, _ZIP_END_SIZE = b"PK\x05\x06", 22


# -------------------------------------------------------------------------------------------------------- writing
def write_container(path, header, arrays):
    """Write a file in one stroke: readers of `path` see the old file or the new one, never a part.

    Parameters
    ----------
    path : str or path
    header : dict
        JSON-able; ``format`` and ``format_version`` are added.
    arrays : dict of str to ndarray
        Numeric arrays.
    """
    header = dict(format=FORMAT, format_version=FORMAT_VERSION, **header)
    data = _sealed(_archive(header, arrays))
    try:
        _replace(_target(path), data)
    except UnwritablePathError:
        raise
    except OSError as error:  # no such folder, no permission, no space left
        raise _unwritable(path, error) from error


def check_writable(path):
    """Raise UnwritablePathError unless a file can be written at `path`."""
    target = _target(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=str(target.parent))
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    os.unlink(temporary)


def _unwritable(path, error):
    why = error.strerror or error
    return UnwritablePathError(f"{path} cannot be written: {why}. Choose a folder that can be.")


def _target(path):
    """The file that `path` leads to: symbolic links are followed, and what is no regular file is refused."""
    target = Path(os.path.realpath(str(path)))
    if os.path.islink(str(target)):
        raise UnwritablePathError(f"{path} cannot be written: symbolic links lead from it to itself.")
    if target.exists() and not target.is_file():
        raise UnwritablePathError(
            f"{path} cannot be written: it is {_kind(target)}, no regular file. Choose another path."
        )
    return target


def _kind(path):
    """What a path that is no regular file is, in words."""
    kinds = {"directory": path.is_dir, "named pipe": path.is_fifo, "socket": path.is_socket}
    return next((f"a {word}" for word, is_one in kinds.items() if is_one()), "a device")


def _archive(header, arrays):
    """Bytes of the zip archive, its end prepared for a seal."""
    buffer = io.BytesIO()
    text = json.dumps(header, allow_nan=False).encode()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _write_member(archive, _HEADER, np.frombuffer(text, dtype="uint8"))
        for name in sorted(arrays):
            _write_member(archive, name, np.asarray(arrays[name]))
        archive.comment = _SEAL + b"0" * _DIGEST
    return buffer.getvalue()


def _write_member(archive, name, array):
    member = io.BytesIO()
    np.lib.format.write_array(member, array, allow_pickle=False)
    # A fixed date makes equal contents equal files.
    archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), member.getvalue())


def _sealed(data):
    body = data[:-_DIGEST]
    return body + hashlib.sha256(body).hexdigest().encode()


def _replace(path, data):
    """Put `data` at `path` atomically, and on the disk before this returns."""
    folder = path.parent
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=str(folder))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, str(path))
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _permissions(path):
    """Those of the file that is replaced, else what the process gives to new files."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder):
    # The new name must outlive a power failure too; Windows cannot open folders.
    if os.name == "nt":
        return
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -------------------------------------------------------------------------------------------------------- reading
def read_container(path):
    """Header and arrays of a file.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    header : dict
    arrays : dict of str to ndarray

    Raises
    ------
    FileFormatError
        With ``reason`` 'foreign', 'truncated', 'damaged' or 'version'.
    FileNotFoundError
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # reading a pipe or a device may never end
        raise FileFormatError(f"{path} is {_kind(path)}, not a file of {FORMAT}.", "foreign")
    data = path.read_bytes()
    _check_seal(path, data)
    try:
        members = _members(data)
        header = json.loads(members.pop(_HEADER).tobytes().decode())
    except _NotOurs as error:
        raise FileFormatError(f"{path} is not a file of {FORMAT}: {error}", "foreign") from None
    except Exception as error:  # sealed by somebody else: whatever it breaks, it is no file of ours
        raise FileFormatError(f"{path} is sealed but cannot be read: {error!r}.", "foreign") from None
    _check_version(path, header)
    return header, members


class _NotOurs(Exception):
    """The archive holds what this package never writes."""


def _check_seal(path, data):
    """Raise FileFormatError unless the seal at the end fits all bytes before it."""
    if not data[-len(_SEAL) - _DIGEST :].startswith(_SEAL):
        _explain_missing_seal(path, data)
    if hashlib.sha256(data[:-_DIGEST]).hexdigest().encode() != data[-_DIGEST:]:
        raise FileFormatError(
            f"{path} is damaged: its contents do not fit its checksum. Use an earlier copy.", "damaged"
        )


def _explain_missing_seal(path, data):
    begins = data[: len(_ZIP_MAGIC)] == _ZIP_MAGIC[: len(data)]
    if not begins:
        raise FileFormatError(f"{path} is not a file of {FORMAT}: it is no npz archive.", "foreign")
    end = data.rfind(_ZIP_END)
    comment_at = end + _ZIP_END_SIZE
    complete = end >= 0 and len(data) >= comment_at
    if not complete or len(data) < comment_at + int.from_bytes(data[comment_at - 2 : comment_at], "little"):
        raise FileFormatError(
            f"{path} is cut off: {len(data)} bytes are there and the end is missing. This package replaces files in "
            "one stroke, so it was cut while being copied; use an earlier copy.",
            "truncated",
        )
    if data[_NAME_AT : _NAME_AT + len(_HEADER)] == _HEADER.encode():
        raise FileFormatError(f"{path} is damaged: its checksum cannot be read. Use an earlier copy.", "damaged")
    raise FileFormatError(f"{path} is not a file of {FORMAT}: the archive does not carry its checksum.", "foreign")


def _members(data):
    """Arrays of a zip archive by name."""
    arrays, claimed = {}, 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                raise _NotOurs(f"its member {entry.filename!r} is compressed.")
            if not entry.filename.endswith(".npy"):
                raise _NotOurs(f"its member {entry.filename!r} is no array.")
            claimed += entry.file_size
            if claimed > len(data):  # members that overlap would take many times the memory of the file
                raise _NotOurs(f"its members claim {claimed} bytes and more, of {len(data)} that there are.")
            arrays[entry.filename[:-4]] = _array(entry.filename, archive.read(entry))
    return arrays


def _array(name, content):
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype.kind not in "biuf":
        raise _NotOurs(f"its member {name!r} holds {array.dtype}, and only numbers are read.")
    return array


def _check_version(path, header):
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{path} is not a file of {FORMAT}: its header does not say so.", "foreign")
    version = header.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise FileFormatError(f"{path} has no valid format version (it says {version!r}).", "foreign")
    if version > FORMAT_VERSION:
        raise FileFormatError(
            f"{path} has format version {version}, written by {FORMAT} {header.get('package_version', '(unknown)')}; "
            f"this installation reads versions up to {FORMAT_VERSION}. Upgrade {FORMAT} to read it.",
            "version",
        )
