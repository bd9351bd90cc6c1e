"""Compiled modules on disk: only what this user has written, and what is whole, is loaded.

A file is named after the key of its module and a hash of its own content, so that a file that was cut short or changed
is told from a whole one by its name.  It is written under a temporary name, synced and renamed: any number of processes
may compile the same source at once without a lock.
"""

import atexit
import contextlib
import glob
import hashlib
import logging
import os
import shutil
import stat
import sysconfig
import tempfile
import time
from pathlib import Path

from theano.configdefaults import config

from ._fallbacks import tell_once

__all__ = ["cache_dir", "cached_files", "find_module", "graph_path", "is_trusted", "put_module", "temporary_path"]

logger = logging.getLogger("pymc3_vi")

#: Seconds after which a temporary file belongs to no process that still compiles, and a directory to none that lives.
_OLD_FILE, _OLD_DIRECTORY = 3600, 7 * 86400
#: Seconds after which a rewritten graph that nobody has read is removed: some have another name in every process.
_OLD_GRAPH = 30 * 86400

_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
_PROBE = "probe"
_temporary = []
_swept = set()


def cache_dir():
    """Directory of the shared objects: ``pymc3_vi`` in Theano's compile directory.

    Where that cannot be written, or others than this user could have written to it, a temporary directory that lives
    as long as the process.
    """
    if _temporary:
        return _temporary[0]
    wanted = os.path.join(config.compiledir, "pymc3_vi")
    try:
        os.makedirs(wanted, mode=0o700, exist_ok=True)
        _make_private(wanted)
        # Only an attempt tells: access() says yes to root on a read-only file system.
        handle, name = tempfile.mkstemp(prefix=_PROBE, dir=wanted)
        os.close(handle)
        os.unlink(name)
        problem = _untrusted(wanted)
    except OSError as error:
        problem = f"cannot be written: {error}"
    if problem is None:
        _sweep(wanted)
        return wanted
    directory = tempfile.mkdtemp(prefix="pymc3_vi_")
    tell_once(f"Compiled code goes to {directory}, because {wanted} {problem}", "It is compiled anew by every process.")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    _temporary.append(directory)
    return directory


def _make_private(directory):
    """Take the right to write from others, where an earlier version or the umask gave it."""
    if hasattr(os, "getuid"):
        found = os.stat(directory)
        if found.st_uid == os.getuid() and found.st_mode & 0o022:
            with contextlib.suppress(OSError):
                os.chmod(directory, stat.S_IMODE(found.st_mode) & ~0o022)


def _untrusted(path):
    """Why others than this user may have written what is at `path`, or None."""
    if not hasattr(os, "getuid"):
        return None
    found = os.stat(path)
    if found.st_uid != os.getuid():
        return f"belongs to another user ({found.st_uid})"
    return "may be written by others" if found.st_mode & 0o022 else None


def is_trusted(path):
    """Whether there is a file that nobody but this user may have written."""
    return os.path.exists(path) and _untrusted(path) is None


def cached_files(directory):
    """Paths of the shared objects and the rewritten graphs in the cache `directory`."""
    names = "pv_*" + glob.escape(_SUFFIX), str(graph_path("", "*"))
    return sorted(path for name in names for path in glob.glob(os.path.join(glob.escape(directory), name)))


def graph_path(directory, key):
    """Path of the rewritten graph with the name `key`."""
    return Path(directory, f"graph_{key}.pickle")


def find_module(directory, name):
    """Path of the whole file of the module `name`, or None.  Broken files are removed, those of others left alone."""
    for path in glob.glob(os.path.join(glob.escape(directory), f"{name}-*" + glob.escape(_SUFFIX))):
        try:
            problem = _untrusted(path)
            if problem is not None:
                tell_once(f"{path} is not loaded, because it {problem}", "It is compiled anew.")
                continue
            if os.path.basename(path) == _file_name(name, path):
                return path
            logger.debug("%s is broken; it is compiled anew.", path)
            os.unlink(path)
        except OSError:  # `clear_cache` in another process, or a file that cannot be read
            continue
    return None


def put_module(temporary, directory, name):
    """Move a new file to where :func:`find_module` finds it; returns the path."""
    os.chmod(temporary, 0o700)
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    path = os.path.join(directory, _file_name(name, temporary))
    os.replace(temporary, path)
    return path


def temporary_path(directory, name):
    """Where this process may write a new file."""
    return os.path.join(directory, f"{name}.{os.getpid()}.tmp")


def _file_name(name, path):
    """Name of the file of the module `name` with the content of `path`."""
    with open(path, "rb") as file:
        content = file.read()
    return f"{name}-{hashlib.sha256(content).hexdigest()[:16]}{_SUFFIX}"


def _sweep(directory):
    """Remove, once in a process, what processes that were killed have left, and graphs that nobody reads."""
    if directory in _swept:
        return
    _swept.add(directory)
    now = time.time()
    for pattern, age in (("*.tmp", _OLD_FILE), (_PROBE + "*", _OLD_FILE), (graph_path("", "*").name, _OLD_GRAPH)):
        for path in glob.glob(os.path.join(glob.escape(directory), pattern)):
            with contextlib.suppress(OSError):
                if now - os.stat(path).st_mtime > age:
                    os.unlink(path)
    for path in glob.glob(os.path.join(glob.escape(tempfile.gettempdir()), "pymc3_vi_*")):
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and not _untrusted(path) and now - os.stat(path).st_mtime > _OLD_DIRECTORY:
                shutil.rmtree(path, ignore_errors=True)
