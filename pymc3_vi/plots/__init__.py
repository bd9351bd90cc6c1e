"""Pictures of fits; every function returns Matplotlib axes.  Needs the extra ``[plots]``."""

from ._elbo import plot_elbo
from ._khat import plot_khat
from ._posterior import plot_posterior
from ._ranks import plot_ranks
from ._tracks import plot_tracks

__all__ = ["plot_elbo", "plot_tracks", "plot_posterior", "plot_khat", "plot_ranks"]
