"""Several flows, one after the other."""

import theano.tensor as tt

from ..compiler import building, without_test_values

__all__ = ["FlowChain", "LastResult"]


class LastResult:
    """Remembers one value, for as long as the objects that it was made of stay the same ones.

    Copies and pickles start empty: graphs are cheap to build again.
    """

    def __init__(self):
        self._key, self._value = None, None

    def get(self, key, build):
        """The remembered value if `key`, a sequence of objects, is the last one; else ``build()``."""
        key = list(key)
        known = self._key is not None and len(key) == len(self._key) and all(a is b for a, b in zip(key, self._key))
        if not known:
            with building():
                self._value = build()
            self._key = key
        return self._value

    def __reduce__(self):
        return type(self), ()


class FlowChain:
    r"""The composition :math:`z_K = f_K \circ \dots \circ f_1(\epsilon)` of flows.

    .. math:: \log q(z_K) = \log N(\epsilon; 0, I) - \sum_k \log |\det J_{f_k}(z_{k-1})|

    Parameters
    ----------
    flows : list of AbstractFlow
        First step first.

    Notes
    -----
    ``eps`` has shape (d,), (s, d), (b, d) or (s, b, d); the last two are for flows whose parameters have a row axis b.
    """

    def __init__(self, flows):
        self.flows = list(flows)
        self._last = LastResult()

    @property
    def formula(self):
        """Names of the steps, joined by ``'-'``."""
        return "-".join(flow.short_name for flow in self.flows)

    @property
    def params(self):
        """Parameters as used in graphs, ``{step: {name: tensor}}``, first step first."""
        return {i: flow.shared_params for i, flow in enumerate(self.flows)}

    @property
    def trainable(self):
        """Shared variables among the parameters, first step first, each once."""
        found = []
        for flow in self.flows:
            found.extend(p for p in flow.params if not any(p is other for other in found))
        return found

    def _steps(self, eps):
        """List of (z_{k-1}, z_k, log|det J_k|)."""

        def build():
            z, steps = eps, []
            for flow in self.flows:
                z_next, log_det = flow.in_frame(z)
                steps.append((z, z_next, log_det))
                z = z_next
            return steps

        # A group asks for the draw, its density and the score at the same noise: one graph serves them all.
        tensors = [tensor for flow in self.flows for tensor in flow.shared_params.values()]
        return self._last.get([eps] + tensors, build)

    def transform_and_log_det(self, eps):
        """Draw of the last step, and the sum of the log determinants.

        Parameters
        ----------
        eps : tensor (..., d)

        Returns
        -------
        z : tensor (..., d)
        log_det : tensor (...)
        """
        steps = self._steps(tt.as_tensor_variable(eps))
        log_dets = [log_det for _, _, log_det in steps]
        with building():
            return steps[-1][1], sum(log_dets[1:], log_dets[0])

    def transform(self, eps):
        """Draw z (..., d) made of `eps` (..., d)."""
        return self.transform_and_log_det(eps)[0]

    def log_det(self, eps):
        """Log determinant (...) of the whole chain at `eps` (..., d)."""
        return self.transform_and_log_det(eps)[1]

    @without_test_values
    def score(self, eps):
        r"""Gradient of log q at the draw with respect to the draw, :math:`\nabla_{z_K} \log q(z_K)`.

        .. math:: G_0 = -\epsilon, \qquad
                  G_k = J_{f_k}^{-\top} \left(G_{k-1} - \nabla_{z_{k-1}} \log |\det J_{f_k}(z_{k-1})|\right)

        Nothing is inverted numerically: every flow solves with its own Jacobian in O(d).

        Parameters
        ----------
        eps : tensor (..., d)

        Returns
        -------
        tensor (..., d)

        References
        ----------
        Vaitl, Nicoli, Nakajima, Kessel: Gradients should stay on path: better estimators of the reverse- and forward
        KL divergence for normalizing flows, Machine Learning: Science and Technology, 2022, section 4.
        """
        eps = tt.as_tensor_variable(eps)
        g = -eps
        for flow, (z, _, log_det) in zip(self.flows, self._steps(eps)):
            # Each log determinant depends on its own draw alone, so the gradient of the sum holds all of theirs.
            slope = tt.grad(tt.sum(log_det), z, disconnected_inputs="ignore")
            g = flow.solve_in_frame(z, g - slope)
        return g

    def __len__(self):
        return len(self.flows)

    def __getitem__(self, step):
        return self.flows[step]

    def __repr__(self):
        return f"FlowChain({self.formula!r})"
