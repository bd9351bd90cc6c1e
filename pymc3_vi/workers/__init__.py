"""Work that is done elsewhere: in threads, in processes, or on a Dask cluster."""

from ._crew import BROKEN, Crew, Gone, portable, unpacked

__all__ = ["BROKEN", "Crew", "Gone", "portable", "unpacked"]
