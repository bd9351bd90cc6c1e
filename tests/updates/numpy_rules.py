"""The update rules in NumPy, one coordinate array at a time, written from the papers and not from the package.

Each is a generator function ``rule(theta, **hyperparameters)``: it yields the start, and the new value for each
gradient that is sent to it.
"""

import numpy as np


def sgd(theta, learning_rate):
    while True:
        grad = yield theta
        theta = theta - learning_rate * grad


def momentum(theta, learning_rate, momentum=0.9):
    velocity = np.zeros_like(theta)
    while True:
        grad = yield theta
        velocity = momentum * velocity - learning_rate * grad
        theta = theta + velocity


def nesterov_momentum(theta, learning_rate, momentum=0.9):
    velocity = np.zeros_like(theta)
    while True:
        grad = yield theta
        velocity = momentum * velocity - learning_rate * grad
        theta = theta + momentum * velocity - learning_rate * grad


def adagrad(theta, learning_rate=1.0, epsilon=1e-6):
    past = []
    while True:
        grad = yield theta
        past.append(grad**2)
        theta = theta - learning_rate * grad / np.sqrt(np.sum(past, axis=0) + epsilon)


def adagrad_window(theta, learning_rate=0.001, epsilon=0.1, n_win=10):
    past = []
    while True:
        grad = yield theta
        past.append(grad**2)
        theta = theta - learning_rate * grad / np.sqrt(np.sum(past[-n_win:], axis=0) + epsilon)


def rmsprop(theta, learning_rate=0.001, rho=0.9, epsilon=1e-6):
    past = []
    while True:
        grad = yield theta
        past.append(grad**2)
        weights = (1 - rho) * rho ** np.arange(len(past))[::-1]
        square = np.tensordot(weights, np.array(past), 1)
        theta = theta - learning_rate * grad / np.sqrt(square + epsilon)


def adadelta(theta, learning_rate=1.0, rho=0.95, epsilon=1e-6):
    grads = steps = np.zeros_like(theta)
    while True:
        grad = yield theta
        grads = rho * grads + (1 - rho) * grad**2
        step = np.sqrt(steps + epsilon) / np.sqrt(grads + epsilon) * grad
        steps = rho * steps + (1 - rho) * step**2
        theta = theta - learning_rate * step


def adam(theta, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """The paper's first form, with bias-corrected moments: epsilon then has to be divided by sqrt(1 - beta2^t)."""
    mean = square = np.zeros_like(theta)
    t = 0
    while True:
        grad = yield theta
        t += 1
        mean = beta1 * mean + (1 - beta1) * grad
        square = beta2 * square + (1 - beta2) * grad**2
        correction = 1 - beta2**t
        step = (mean / (1 - beta1**t)) / (np.sqrt(square / correction) + epsilon / np.sqrt(correction))
        theta = theta - learning_rate * step


def adamax(theta, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8):
    past = []
    while True:
        grad = yield theta
        past.append(grad)
        ages = np.arange(len(past))[::-1]
        mean = np.tensordot((1 - beta1) * beta1**ages, np.array(past), 1)
        largest = np.max([beta2**age * abs(g) for age, g in zip(ages, past)], axis=0)
        theta = theta - learning_rate / (1 - beta1 ** len(past)) * mean / (largest + epsilon)


# Hyperparameters of the comparison: large enough that ten steps move, and none of them at its default.
RULES = {
    "sgd": (sgd, dict(learning_rate=1e-3)),
    "momentum": (momentum, dict(learning_rate=1e-3, momentum=0.7)),
    "nesterov_momentum": (nesterov_momentum, dict(learning_rate=1e-3, momentum=0.7)),
    "adagrad": (adagrad, dict(learning_rate=0.1, epsilon=1e-3)),
    "adagrad_window": (adagrad_window, dict(learning_rate=0.05, epsilon=0.2, n_win=4)),
    "rmsprop": (rmsprop, dict(learning_rate=0.05, rho=0.8, epsilon=1e-3)),
    "adadelta": (adadelta, dict(learning_rate=2.0, rho=0.9, epsilon=1e-4)),
    "adam": (adam, dict(learning_rate=0.05, beta1=0.8, beta2=0.95, epsilon=1e-3)),
    "adamax": (adamax, dict(learning_rate=0.05, beta1=0.8, beta2=0.9, epsilon=1e-3)),
}


def trajectory(rule, start, gradient, n, **hyperparameters):
    """List of the parameter lists after steps 1 to n."""
    runs = [rule(theta, **hyperparameters) for theta in start]
    thetas = [next(run) for run in runs]
    path = []
    for _ in range(n):
        thetas = [run.send(grad) for run, grad in zip(runs, gradient(*thetas))]
        path.append(thetas)
    return path
