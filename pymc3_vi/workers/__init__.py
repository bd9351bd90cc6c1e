"""Work that is done elsewhere: in threads, in processes, or on a Dask cluster."""

from ._crew import Crew, Gone, Lacking, portable, unpacked

__all__ = ["Crew", "Gone", "Lacking", "portable", "unpacked"]
