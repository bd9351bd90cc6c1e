"""Example pictures of the plots, for docs/plots.md: ``python docs/make_pictures.py``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import pymc3_vi  # noqa: E402  (before PyMC3)

import numpy as np  # noqa: E402
import pymc3 as pm  # noqa: E402

from examples.eight_schools import build_model  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SEED, STEPS = 20211, 6000


def save(axes, name):
    """Write the figure of `axes`."""
    np.ravel(axes)[0].figure.savefig(PICTURES / f"{name}.png", dpi=80)


def main():
    with pymc3_vi.fast_build():
        model = build_model()
    tracker = pymc3_vi.Tracker(
        mean=lambda approx, losses, i: approx.groups[0].params_dict["mu"].get_value()[:5],
        rho=lambda approx, losses, i: approx.groups[0].params_dict["rho"].get_value(),
    )
    with model:
        # Adam with a fixed rate wanders to the optimum, which is more to look at than the default's few Newton steps.
        tracked = pymc3_vi.fit(
            STEPS,
            random_seed=SEED,
            callbacks=[tracker],
            obj_optimizer=pymc3_vi.adam(learning_rate=0.005),
            progressbar=False,
        )
        approx = pymc3_vi.fit(STEPS, random_seed=SEED, progressbar=False)
        nuts = pm.sample(
            1500,
            tune=1000,
            chains=2,
            cores=1,
            target_accept=0.95,
            random_seed=SEED,
            progressbar=False,
            return_inferencedata=False,
        )
    save(pymc3_vi.plots.plot_elbo(tracked), "elbo")
    save(pymc3_vi.plots.plot_tracks(tracker), "tracks")
    save(
        pymc3_vi.plots.plot_posterior(
            approx, nuts, ["mu", "tau", "theta[0]"], labels=["mean field", "NUTS"], random_seed=SEED
        ),
        "posterior",
    )
    save(pymc3_vi.plots.plot_khat(approx, 100_000, random_seed=SEED), "khat")
    calibration = pymc3_vi.sbc(model, 500, var_names=["mu", "tau"], random_seed=SEED, progressbar=False)
    save(pymc3_vi.plots.plot_ranks(calibration), "ranks")


if __name__ == "__main__":
    main()
