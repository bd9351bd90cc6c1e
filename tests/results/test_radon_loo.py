"""Cross-validation of the radon model by an approximation against that by NUTS."""

import json

import pymc3_vi

import arviz as az
import numpy as np
import pytest
from scipy import stats

from examples import radon
from examples.references import REFERENCES
from tests.example_models import radon_model


@pytest.mark.slow
def test_loo_agrees_with_nuts(tmp_path):
    nuts = json.loads((REFERENCES / "loo.json").read_text(encoding="utf-8"))["radon"]
    assert nuts["largest_khat"] < 0.7 and nuts["rhat"] < 1.01
    with pymc3_vi.fast_build():
        model = radon_model()
    approx = pymc3_vi.fit(20000, model=model, random_seed=1, progressbar=False)
    approx.to_inference_data(1000, random_seed=1).to_netcdf(str(tmp_path / "radon.nc"))
    idata = az.from_netcdf(str(tmp_path / "radon.nc"))
    found = az.loo(idata)
    assert found.iloc[0] == pytest.approx(nuts["elpd_loo"], abs=2 * nuts["se"])
    # the same observations are scored, so the difference has a far smaller error than either score
    assert found.iloc[0] == pytest.approx(nuts["elpd_loo"], abs=5)
    assert found.iloc[1] == pytest.approx(nuts["se"], rel=0.05)
    data, posterior = radon.load_data(), idata.posterior
    level = posterior["county"].values[0][:, data.county] + posterior["floor"].values[0][:, None] * data.floor
    exact = stats.norm.logpdf(data.log_radon, level, posterior["sigma"].values[0][:, None])
    np.testing.assert_allclose(idata.log_likelihood["log_radon"].values[0], exact, rtol=1e-6)
