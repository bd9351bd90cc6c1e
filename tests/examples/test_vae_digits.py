"""The variational autoencoder: an encoder in minibatches beats a free Gaussian for every image."""

import numpy as np
import pytest

from examples.vae_digits import LEVELS, PIXELS, fit_autoencoder, fit_mean_field, load_images


@pytest.mark.slow
def test_the_encoder_beats_mean_field_on_the_digits():
    images = load_images()
    assert images.shape == (1797, PIXELS) and images.min() == 0 and images.max() == LEVELS
    with_encoder = fit_autoencoder(images, epochs=30, progressbar=False)
    without = fit_mean_field(images, epochs=30, progressbar=False)
    losses = with_encoder.approx.hist
    assert len(losses) == 30 * 1797 // 100 and np.isfinite(losses).all()
    assert losses[-50:].mean() < losses[:5].mean() - 50 * len(images)  # it trains: over 50 nats an image
    assert with_encoder.elbo_per_image > without.elbo_per_image + 5
