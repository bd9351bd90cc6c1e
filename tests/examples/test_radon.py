import numpy as np
import pytest

from examples import radon


def test_data_are_the_919_homes_of_the_source():
    data = radon.load_data()
    assert data.log_radon.shape == data.floor.shape == data.county.shape == (919,)
    assert data.log_uranium.shape == (85,) and len(set(data.county_names)) == 85
    assert set(np.unique(data.county)) == set(range(85)) and set(data.floor) == {0.0, 1.0}
    # Means of the source table, and its best known county.
    assert data.log_radon.mean() == pytest.approx(1.224623, abs=1e-6)
    assert data.floor.mean() == pytest.approx(0.166485, abs=1e-6)
    assert data.log_uranium[data.county].mean() == pytest.approx(-0.131709, abs=1e-6)
    assert np.bincount(data.county)[data.county_names.index("ST LOUIS")] == 116


def test_model_density_is_that_of_the_formula(model_fast, rng):
    """logp at a random point against the same regression written in NumPy."""
    data = radon.load_data()
    with model_fast():
        model = radon.build_model(data)
        point = {name: rng.normal(size=np.shape(value)) for name, value in model.test_point.items()}
        logp = float(model.logp(point))

    def normal(x, mu, sigma):
        return np.sum(-0.5 * ((x - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi))

    county_sd, sigma = np.exp(point["county_sd_log__"]), np.exp(point["sigma_log__"])
    county = point["intercept"] + point["uranium"] * data.log_uranium + county_sd * point["county_offset"]
    expected = normal(data.log_radon, county[data.county] + point["floor"] * data.floor, sigma)
    expected += sum(normal(point[name], 0, 5) for name in ("intercept", "uranium", "floor"))
    expected += normal(point["county_offset"], 0, 1)
    for log_sd in (point["county_sd_log__"], point["sigma_log__"]):  # half normal, and the Jacobian of the log
        expected += np.log(2) + normal(np.exp(log_sd), 0, 1) + log_sd
    assert logp == pytest.approx(expected, rel=1e-9)
