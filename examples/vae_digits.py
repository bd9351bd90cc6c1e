"""A variational autoencoder of handwritten digits: amortised inference with a local group.

Run it with ``python -m examples.vae_digits``.  It trains

1. the autoencoder: q(z | x) is a Gaussian whose mean and scale come from an encoder network, in minibatches;
2. the same decoder with a free mean-field Gaussian for every image instead of the encoder, on all images at once;

and compares their evidence lower bounds after equally many passes over the data.

Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014.
"""

import argparse
from collections import namedtuple

import pymc3_vi

import numpy as np
import pymc3 as pm
import theano
import theano.tensor as tt
from sklearn.datasets import load_digits

__all__ = ["load_images", "fit_autoencoder", "fit_mean_field", "FittedAutoencoder"]

LATENT, HIDDEN, PIXELS, LEVELS = 8, 64, 64, 16

FittedAutoencoder = namedtuple("FittedAutoencoder", "approx, elbo_per_image, encoder, decoder")


def load_images():
    """The 1,797 digits of scikit-learn as counts 0 to 16, (n, 64)."""
    return load_digits().data.astype(theano.config.floatX)


def _layer(rng, fan_in, fan_out, name):
    scale = np.sqrt(2.0 / (fan_in + fan_out))
    weights = theano.shared((scale * rng.standard_normal((fan_in, fan_out))).astype(theano.config.floatX), name + "_w")
    return weights, theano.shared(np.zeros(fan_out, dtype=theano.config.floatX), name + "_b")


class Network:
    """Two layers with tanh in between."""

    def __init__(self, rng, sizes, name):
        self.first, self.second = _layer(rng, *sizes[:2], name + "1"), _layer(rng, *sizes[1:], name + "2")

    def __call__(self, x):
        return tt.dot(tt.tanh(tt.dot(x, self.first[0]) + self.first[1]), self.second[0]) + self.second[1]

    @property
    def params(self):
        """Weights and biases."""
        return [*self.first, *self.second]


def _model(rows, observed, decoder, total):
    """Counts of each pixel given a standard normal code for each image."""
    with pymc3_vi.fast_build(), pm.Model() as model:
        code = pm.Normal("code", 0.0, 1.0, shape=(rows, LATENT), total_size=total)
        intensity = tt.nnet.sigmoid(decoder(code))
        pm.Binomial("pixels", n=LEVELS, p=tt.clip(intensity, 1e-5, 1 - 1e-5), observed=observed, total_size=total)
    return model


def fit_autoencoder(images, epochs=150, batch=100, seed=1, progressbar=True):
    """Train encoder and decoder in minibatches; the bound is the mean over the last tenth of the steps."""
    n = len(images)
    rng = np.random.default_rng(seed)
    encoder, decoder = Network(rng, (PIXELS, HIDDEN, 2 * LATENT), "enc"), Network(rng, (LATENT, HIDDEN, PIXELS), "dec")
    with pymc3_vi.fast_build():
        pixels = pm.Minibatch(images, batch, random_seed=seed)
    model = _model(batch, pixels, decoder, n)
    with pymc3_vi.fast_build():
        codes = encoder(pixels / LEVELS)
        params = {"mu": codes[:, :LATENT], "rho": codes[:, LATENT:]}
    inference = pymc3_vi.ADVI(local_rv={model.code: params}, model=model, random_seed=seed)
    steps = epochs * n // batch
    approx = inference.fit(
        steps,
        more_obj_params=encoder.params + decoder.params,
        obj_optimizer=pymc3_vi.adam(learning_rate=3e-3),
        progressbar=progressbar,
    )
    return FittedAutoencoder(approx, -approx.hist[-steps // 10 :].mean() / n, encoder, decoder)


def fit_mean_field(images, epochs=150, seed=1, progressbar=True):
    """The same decoder with a free Gaussian for every image, all images in every step."""
    n = len(images)
    decoder = Network(np.random.default_rng(seed), (LATENT, HIDDEN, PIXELS), "dec")
    model = _model(n, images, decoder, None)
    inference = pymc3_vi.ADVI(model=model, random_seed=seed)
    approx = inference.fit(
        epochs, more_obj_params=decoder.params, obj_optimizer=pymc3_vi.adam(learning_rate=3e-2), progressbar=progressbar
    )
    return FittedAutoencoder(approx, -approx.hist[-max(epochs // 10, 1) :].mean() / n, None, decoder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=150, help="passes over the data")
    options = parser.parse_args()
    images = load_images()
    with_encoder = fit_autoencoder(images, options.epochs)
    without = fit_mean_field(images, options.epochs)
    print(f"ELBO per image after {options.epochs} passes over {len(images)} images:")
    print(f"  with encoder (local group, minibatches of 100)   {with_encoder.elbo_per_image:9.2f}")
    print(f"  a free Gaussian for every image, no encoder      {without.elbo_per_image:9.2f}")


if __name__ == "__main__":
    main()
