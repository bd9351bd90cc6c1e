"""Tables in files and in lazy frames: Parquet and Arrow data sets, Dask data frames, iterables of batches."""

import threading

import numpy as np

from ..errors import DataError
from ._columns import _Column

__all__ = ["frame_columns"]


class Frames:
    """Pieces of a table, one after the other, each read when it is needed; those of the last block are kept.

    Parameters
    ----------
    names : list of str
        Columns that every piece must have.
    lengths : list of int
        Rows of each piece.
    read : callable
        ``read(k, names)`` gives the columns of piece k as a dict of arrays.
    """

    def __init__(self, names, lengths, read):
        self.names, self.read_piece = list(names), read
        self.ends = np.cumsum([0] + [int(n) for n in lengths])
        self.used = {}
        self._kept = {}
        #: Whether the rows are in memory, or come from something that no other process can read.
        self.at_hand = False
        # A block may be read ahead while somebody else asks for rows.
        self._lock = threading.Lock()

    def __getstate__(self):
        return dict(vars(self), _kept={}, _lock=None)

    def __setstate__(self, state):
        vars(self).update(state, _lock=threading.Lock())

    def __len__(self):
        return int(self.ends[-1])

    def _piece(self, k):
        """Columns of piece `k` that are used; refuses one that lacks a column or rows, by name."""
        kept = self._kept.get(k, {})
        if kept and set(self.used) <= set(kept):
            return kept
        found = self.read_piece(k, list(self.used))
        for name in self.used:
            if name not in found:
                raise DataError(
                    f"Piece {k} of the data has no column {name!r}. Its columns are {sorted(found)}; all pieces must "
                    f"have those of the first: {self.names}."
                )
            length = self.ends[k + 1] - self.ends[k]
            if len(found[name]) != length:
                raise DataError(f"Piece {k} of the data has {len(found[name]):,} rows of {name!r}, not {length:,}.")
            if found[name].dtype.kind not in "fiub" or found[name].shape[1:] != self.used[name].shape[1:]:
                raise DataError(
                    f"Column {name!r} of piece {k} of the data has shape {found[name].shape} and dtype "
                    f"{found[name].dtype}, where the first one has {self.used[name].shape} and {self.used[name].dtype}."
                )
        self._kept[k] = found
        return found

    def cuts(self, rows):
        """First rows of blocks of about `rows` rows: parts of one piece, or several whole ones.

        So each piece is read once for all columns.
        """
        cuts, is_large = [0], False
        for begin, end in zip(self.ends[:-1].tolist(), self.ends[1:].tolist()):
            if begin > cuts[-1] and (is_large or end - cuts[-1] > rows):
                cuts.append(begin)
            is_large = end - begin > rows
            if is_large:
                cuts.extend(range(begin + rows, end, rows))
        return cuts

    def _pieces(self, begin, end):
        """Numbers of the pieces with the rows from `begin` to `end`."""
        first = int(np.searchsorted(self.ends, begin, side="right")) - 1
        return range(first, int(np.searchsorted(self.ends, end, side="left")))

    def rows(self, name, begin, end):
        """Rows of one column."""
        parts, wanted = [], self._pieces(begin, end)
        with self._lock:
            self._kept = {k: piece for k, piece in self._kept.items() if k in wanted}
            for k in wanted:
                first, last = max(begin - self.ends[k], 0), min(end, self.ends[k + 1]) - self.ends[k]
                parts.append(self._piece(k)[name][first:last])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def take(self, names, index):
        """Rows of ascending numbers of several columns, each piece read once."""
        parts = [[] for _ in names]
        for k in range(len(self.ends) - 1):
            begin, end = np.searchsorted(index, self.ends[k : k + 2])
            if begin < end:
                with self._lock:
                    self._kept = {k: self._kept[k]} if k in self._kept else {}
                    piece = self._piece(k)
                for name, found in zip(names, parts):
                    found.append(piece[name][index[begin:end] - self.ends[k]])
        return [np.concatenate(found) for found in parts]


class FrameColumn(_Column):
    """Rows of one column of :class:`Frames`."""

    def __init__(self, frames, name):
        self.frames, self.name, self.at_hand = frames, name, frames.at_hand
        first = frames.read_piece(0, [name])
        if name not in first or first[name].dtype.kind not in "fiub":
            given = first[name].dtype if name in first else "no such column"
            raise DataError(f"The column {name!r} of a DataLoader must hold numbers. Got {given} instead.")
        self._first = frames.used[name] = first[name][:1]

    def __len__(self):
        return len(self.frames)

    @property
    def shape(self):
        """Shape of all rows."""
        return (len(self),) + self._first.shape[1:]

    @property
    def dtype(self):
        """Type of the entries in the first piece."""
        return self._first.dtype

    @property
    def array(self):
        """All rows in memory."""
        return self.read(0, len(self))

    def read(self, begin, end):
        return self.frames.rows(self.name, begin, end)

    def take(self, index):
        return self.frames.take([self.name], index)[0]

    def cuts(self, rows, others):
        return self.frames.cuts(rows) if self._shares(others) else super().cuts(rows, others)

    def take_with(self, others, index):
        if not self._shares(others):
            return super().take_with(others, index)
        return self.frames.take([self.name] + [other.name for other in others], index)

    def _shares(self, others):
        return all(getattr(other, "frames", None) is self.frames for other in others)


def frame_columns(source):
    """Dict name -> column of a Parquet or Arrow data set, a Dask frame or a factory of batches; None for others."""
    module = type(source).__module__.split(".")[0]
    if module == "pyarrow" and hasattr(source, "num_row_groups"):
        frames = _of_parquet_file(source)
    elif module == "pyarrow" and hasattr(source, "get_fragments"):
        frames = _of_dataset(source)
    elif module == "pyarrow" and hasattr(source, "column_names"):
        frames = Frames(source.column_names, [source.num_rows], lambda k, names: _arrays(source.select(names)))
        frames.at_hand = True
    elif hasattr(source, "partitions") and hasattr(source, "columns"):
        frames = _of_partitions(source)
    elif callable(source) and not hasattr(source, "shape"):
        frames = _of_factory(source)
        frames.at_hand = True
    else:
        return None
    # One after the other, so that each asks for itself alone.
    return {name: FrameColumn(frames, name) for name in frames.names if _is_number(frames, name)}


def _is_number(frames, name):
    found = frames.read_piece(0, [name])
    return name in found and found[name].dtype.kind in "fiub"


def _arrays(table):
    return {name: np.asarray(table.column(name).to_numpy()) for name in table.column_names}


def _of_parquet_file(source):
    lengths = [source.metadata.row_group(k).num_rows for k in range(source.num_row_groups)]

    def read(k, names):
        return _arrays(source.read_row_group(k, columns=names))

    return Frames(source.schema_arrow.names, lengths, read)


def _of_dataset(source):
    pieces = [piece for fragment in source.get_fragments() for piece in _row_groups(fragment)]

    def read(k, names):
        there = set(pieces[k].physical_schema.names)
        return _arrays(pieces[k].to_table(columns=[name for name in names if name in there]))

    names = pieces[0].physical_schema.names if pieces else []
    return Frames(names, [piece.count_rows() for piece in pieces], read)


def _row_groups(fragment):
    return fragment.split_by_row_group() if hasattr(fragment, "split_by_row_group") else [fragment]


def _of_partitions(source):
    parts = list(source.partitions)
    lengths = [int(n) for n in source.map_partitions(len).compute()]

    def read(k, names):
        frame = parts[k].compute()
        return {name: frame[name].to_numpy() for name in names if name in frame.columns}

    return Frames(list(source.columns), lengths, read)


def _of_factory(factory):
    """Batches (dicts of arrays) of the iterable that a call of `factory` gives, the same ones each time."""
    lengths, names = [], None
    for batch in _batches(factory):
        if not hasattr(batch, "keys") or not len(batch):
            empty = ", empty," if hasattr(batch, "keys") else ""
            raise DataError(
                "The 'source' parameter of DataLoader, a factory of batches, must give dicts of arrays. Got a "
                f"batch of type {type(batch).__name__}{empty} instead."
            )
        names = list(batch) if names is None else names
        lengths.append(len(np.atleast_1d(batch[names[0]])) if names[0] in batch else 0)
    if not lengths:
        raise DataError("The 'source' parameter of DataLoader, a factory of batches, gave none.")
    state = {"next": None, "batches": None}

    def read(k, wanted):
        if state["next"] is None or state["next"] > k:
            state.update(next=0, batches=_batches(factory))
        while True:
            batch = next(state["batches"], None)
            if batch is None:
                raise DataError(f"The factory of batches gave {state['next']} batches, {len(lengths)} the first time.")
            state["next"] += 1
            if state["next"] == k + 1:
                return {name: np.asarray(batch[name]) for name in batch}

    return Frames(names, lengths, read)


def _batches(factory):
    """Iterator over the batches of one call."""
    given = factory()
    try:
        return iter(given)
    except TypeError:
        raise DataError(
            "The 'source' parameter of DataLoader, a factory of batches, must give something to iterate over. Its call "
            f"gave an object of type {type(given).__name__}."
        ) from None
