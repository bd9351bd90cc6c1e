"""Simulation-based calibration: whether posteriors of simulated data hold what they were simulated from."""

import numpy as np
import pandas as pd
from scipy import stats

from ..model import ModelView, observed_inputs, simulated, untransformed_nodes
from ..parameters import checked
from ._batches import opened
from ._fit_many import collect

__all__ = ["Calibration", "sbc", "uniform_p_value"]

#: Fewest simulations in a bin of the chi-square test, and most bins.
PER_BIN, BINS = 20, 20
#: Probability, over all values together, of calling a calibrated posterior uncalibrated.
LEVEL = 0.01


class Calibration:
    """Ranks of true values among posterior draws of simulated data, uniform where posteriors are right.

    Attributes
    ----------
    fits : FitCollection
        Of the simulated data.
    truths : dict
        Variable -> values (n, ...) that data were simulated from.
    draws : int
        Draws that each value was ranked among: ranks go from 0 to `draws`.
    table : DataFrame
        For each value of each variable, for q and for corrected draws: ``p_value`` that the ranks are uniform,
        ``mean`` of the ranks over `draws` (0.5 is right; less: the posterior lies too high), and ``spread``, their
        standard deviation over that of uniform ranks (1 is right; more: the posterior is too narrow).
    """

    def __init__(self, fits, truths, draws):
        self.fits, self.truths, self.draws = fits, truths, draws
        self._noise = np.random.Generator(np.random.SFC64([fits.random_seed, 1])).random(len(fits))

    @checked
    def ranks(self, corrected=False):
        """Dict variable -> ranks (n, ...) of the true values; -1 where a fit failed.

        Parameters
        ----------
        corrected : bool
            Among draws resampled by importance weights.
        """
        found = {}
        for name, draws in self.fits.draws(corrected).items():
            below = np.sum(draws < self.truths[name][:, None], axis=1)
            found[name] = np.where(np.isnan(draws).any(axis=1), -1, below)
        return found

    @checked
    def levels(self, corrected=False):
        """Ranks as numbers (n, k) in (0, 1), uniform where calibrated, of the simulations that were fitted."""
        ranks = [r.reshape(len(r), -1) for r in self.ranks(corrected).values()]
        ranks = np.concatenate(ranks, axis=1)
        there = (ranks >= 0).all(axis=1)
        return (ranks[there] + self._noise[there, None]) / (self.draws + 1)

    @property
    def table(self):
        """See the class."""
        columns = {}
        for word, corrected in (("q", False), ("corrected", True)):
            levels = self.levels(corrected)
            columns[word, "p_value"] = [uniform_p_value(values) for values in levels.T]
            columns[word, "mean"] = levels.mean(axis=0)
            columns[word, "spread"] = levels.std(axis=0) * np.sqrt(12)
        frame = pd.DataFrame(columns, index=pd.Index(self.fits.coordinates, name="value"))
        frame.columns = pd.MultiIndex.from_tuples(columns)
        return frame

    @checked
    def miscalibrated(self, corrected=False):
        """Names of the values whose ranks are not uniform, at a level of 1 % for all values together (Bonferroni)."""
        values = self.table["corrected" if corrected else "q"]["p_value"]
        return list(values.index[values < LEVEL / len(values)])

    def __repr__(self):
        lines = [
            f"<calibration of {self.fits.method} by {len(self.fits):,} simulations, {len(self.fits.failed)} failed"
        ]
        for word, corrected in (("q", False), ("corrected draws", True)):
            names = self.miscalibrated(corrected)
            lines.append(f"{word}: {', '.join(names) + ' miscalibrated' if names else 'calibrated'}")
        return "; ".join(lines) + ">"


def uniform_p_value(levels):
    """p value of uniformity: twice the smaller one of a Kolmogorov-Smirnov test, for shifts, and a chi-square test."""
    bins = int(np.clip(len(levels) // PER_BIN, 2, BINS))
    counts = np.histogram(levels, bins, (0, 1))[0]
    return min(1.0, 2 * min(stats.kstest(levels, "uniform").pvalue, stats.chisquare(counts).pvalue))


@checked
def sbc(
    model,
    n=1000,
    method="advi",
    var_names=None,
    draws=99,
    random_seed=None,
    path=None,
    progressbar=True,
    cores=1,
    client=None,
):
    """Simulation-based calibration of a method on a model.

    Parameters are drawn from the prior, data given each of them, and the posteriors of the data, all fitted by
    :func:`fit_many`, must hold the true values at ranks that are uniform.

    Parameters
    ----------
    model : pymc3.Model
        The values of its observed variables are replaced; data containers stay as they are.
    n : int
        Number of simulations.
    method : {'advi', 'dadvi', 'fullrank_advi'}
    var_names : list of str, optional
        Variables that are looked at; default: the free ones.
    draws : int
        Draws of every posterior that the true value is ranked among.
    random_seed : int, optional
    path, progressbar, cores, client
        As for :func:`fit_many`.

    Returns
    -------
    Calibration
        Of the approximations as they are, and of their importance-corrected draws.

    Raises
    ------
    ParametrizationError
        If data cannot be simulated: potentials, ``total_size``, flat priors, missing values.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari, Gelman: Validating Bayesian inference algorithms with simulation-based
    calibration, arXiv 1804.06788, 2018.  Yao, Vehtari, Simpson, Gelman: Yes, but Did It Work?, ICML 2018, section 4.

    Examples
    --------
    >>> found = pymc3_vi.sbc(model, n=1000, random_seed=1)  # doctest: +SKIP
    >>> found.miscalibrated(), found.miscalibrated(corrected=True)  # doctest: +SKIP
    (['tau'], [])
    """
    view = ModelView(model)
    for name in var_names or ():
        view.nodes(name, "var_names", "sbc")
    seed = opened(path, random_seed)
    names = list(untransformed_nodes(view, var_names))
    truths, data = simulated(view, names, n, seed)
    sets = enumerate(dict(zip(data, values)) for values in zip(*data.values()))
    inputs = observed_inputs(view)
    where = dict(path=path, progressbar=progressbar, cores=cores, client=client)
    fits = collect(view, inputs, sets, n, method, seed, var_names, draws, **where)
    return Calibration(fits, truths, draws)
