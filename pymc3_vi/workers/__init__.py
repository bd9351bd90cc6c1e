"""Work that is done elsewhere: in threads, in processes, in copies of this one, or on a Dask cluster."""

from ._crew import Crew, Gone, Lacking, portable, unpacked
from ._forked import ForkedHelp

__all__ = ["Crew", "ForkedHelp", "Gone", "Lacking", "portable", "unpacked"]
