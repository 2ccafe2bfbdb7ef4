"""VaDE, "Variational deep embedding" (Jiang, Zheng, Tan, Tang and Zhou, IJCAI 2017).

A variational autoencoder with a mixture of Gaussians as its prior. It is trained on the negative
evidence lower bound (equation 8)::

    -E log p(x|z) + sum_c g_c KL(q(z|x) || N(m_c, s_c)) + KL(g || pi),     g_c = p(c|z)

The code of the trained autoencoder is the mean of q(z|x), and a new head gives its variance. The
mixture starts from expectation-maximisation at the k-means centers; without a good start clusters
die. p(x|z) is Gaussian with variance `noise`.

    latentlab cluster --run RUN --k 10 --method vade
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend
from latentlab.errors import ConfigError
from latentlab.options import option
from latentlab.refinement.options import LoopOptions
from latentlab.refinement.refiner import Arrays, Refinement, Refiner, RefinerCapabilities, Start

SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True)
class VaDEOptions(LoopOptions):
    """Settings of VaDE.

    Attributes
    ----------
    noise : float
        Variance of a pixel around its reconstruction, in squared units of [0, 1].
    learning_rate : float
        Learning rate of Adam.
    """

    noise: float = option(0.05, "Variance of a pixel around its reconstruction.", more_than=0)
    learning_rate: float = option(0.001, "Learning rate of Adam.", more_than=0)


class VaDE(Refiner):
    """A variational autoencoder with a mixture of Gaussians as prior."""

    Options = VaDEOptions
    capabilities = RefinerCapabilities(default_features="code", needs_decoder=True)

    def start(self, start: Start, options: VaDEOptions) -> Refinement:
        """Build the networks around the encoder.

        Raises
        ------
        ConfigError
            If the code goes through feature steps, or cannot be decoded alone.
        """
        spec = start.features.spec
        if not spec.is_code:
            raise ConfigError(
                f"`method=vade` works on the code itself, not on `features={spec}`: leave the"
                " option out."
            )
        if start.model.decoder is None or start.model.top is not None:
            raise ConfigError(
                "`method=vade` needs a plain autoencoder whose code can be decoded alone:"
                " `arch=conv8`, say, without `switches`."
            )
        return VariationalMixture(start, options)


class VariationalMixture(Refinement):
    """Trains encoder, decoder and mixture on the evidence lower bound.

    Parameters
    ----------
    start : Start
        Plain autoencoder and initial clusters.
    options : VaDEOptions
        Settings of the method.
    """

    def __init__(self, start: Start, options: VaDEOptions) -> None:
        import keras
        from keras import layers

        from latentlab.nets.layers import MixtureLayer

        # Mean and variance of q(z|x): the code, and a new head beside its last layer.
        image = start.model.encoder.input
        mean = layers.Flatten(dtype="float32")(start.model.encoder.output)
        self.n_dims = mean.shape[1]
        log_variance = _log_variance(start, self.n_dims)

        # The mixture, around the initial centers.
        self.mixture = MixtureLayer(len(start.centers), name="mixture")
        self.assigner = keras.Model(image, [mean, self.mixture(mean)], name="assigner")
        variance = max(start.spread / self.n_dims, SMALLEST_VARIANCE)
        self.mixture.means.assign(start.centers)
        self.mixture.log_variances.assign(
            np.full(start.centers.shape, np.log(variance), np.float32)
        )

        # The trainer: images and noise -> reconstruction and divergence.
        noise = keras.Input((self.n_dims,), name="noise")
        z = mean + keras.ops.exp(0.5 * log_variance) * noise
        decoder: Any = start.model.decoder
        rebuilt = decoder(layers.Reshape(start.model.code_shape)(z))
        divergence = _divergence_layer(self.mixture)([mean, log_variance, z])
        self.trainer = keras.Model([image, noise], [rebuilt, divergence], name="trainer")
        self.learning_rate = options.learning_rate
        self._compile(options.noise)

        self.seed = start.seed
        self._steps = 0
        self._has_started = False

    def _compile(self, noise: float) -> None:
        import keras

        # The mean over pixels times their number is the sum of the log likelihood.
        n_pixels = int(np.prod(self.trainer.output_shape[0][1:]))
        self.trainer.compile(
            optimizer=keras.optimizers.Adam(self.learning_rate, clipnorm=1e3),
            loss=["mse", _mean_output],
            loss_weights=[n_pixels / (2 * noise), 1.0],
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Before the first step, fit the mixture to the codes."""
        if self._has_started:
            return
        from sklearn.mixture import GaussianMixture

        # Expectation-maximisation from the initial centers.
        floor = max(SMALLEST_VARIANCE, 1e-3 * float(z.var(axis=0).mean()))
        fitted = GaussianMixture(
            q.shape[1],
            covariance_type="diag",
            means_init=self.centers(),
            reg_covar=floor,
            max_iter=50,
            random_state=self.seed,
        )
        with backend.ordered_sums():
            fitted.fit(z.astype(np.float64))

        # Its parameters become weights of the network.
        self.mixture.means.assign(fitted.means_)
        self.mixture.log_variances.assign(np.log(fitted.covariances_))
        self.mixture.logits.assign(np.log(fitted.weights_ + 1e-9))
        self._has_started = True

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch and return its losses."""
        count = len(positions)
        rng = np.random.default_rng([self.seed, 7, self._steps])
        noise = rng.normal(size=(count, self.n_dims)).astype(np.float32)
        self._steps += 1
        self.trainer.reset_metrics()
        unused_target = np.zeros((count, 1), np.float32)
        values = self.trainer.train_on_batch([batch, noise], [batch, unused_target])
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def centers(self) -> np.ndarray:
        """Return the means of the Gaussians, float32 (k, d)."""
        return np.asarray(self.mixture.get_weights()[0])

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the means, (k, d)."""
        self.mixture.means.assign(centers)

    def reorder(self, order: np.ndarray) -> None:
        """Renumber the Gaussians."""
        self.mixture.set_weights([weight[order] for weight in self.mixture.get_weights()])

    def extras(self) -> Arrays:
        """Return the number of steps, and whether the mixture has been fitted."""
        return {"steps": np.array(self._steps), "started": np.array(self._has_started)}

    def set_extras(self, arrays: Arrays) -> None:
        """Restore the number of steps, and whether the mixture has been fitted."""
        self._steps = int(arrays["steps"])
        self._has_started = bool(arrays["started"])


def _log_variance(start: Start, n_dims: int) -> Any:
    """Return the log variance of q(z|x), (n, d): small and the same for every image at first."""
    import keras
    from keras import layers

    hidden = layers.Flatten()(start.model.encoder.layers[-1].input)
    initial = float(np.log(max(0.1 * start.spread / n_dims, SMALLEST_VARIANCE)))
    head = layers.Dense(
        n_dims,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(initial),
        dtype="float32",
        name="log_variance",
    )
    return head(hidden)


def _mean_output(target: Any, value: Any) -> Any:
    """Use an output of the network as its own loss."""
    from keras import ops

    return ops.mean(value)


def _divergence_layer(mixture: Any) -> Any:
    """Return a layer from [mean, log variance, z], each (n, d), to the divergence (n, 1).

    It is the Kullback-Leibler divergence of q(z|x) from the mixture prior.
    """
    import keras
    from keras import ops

    class Divergence(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float32", name="divergence")
            self.mixture = mixture

        def call(self, inputs: Any) -> Any:
            mean, log_variance, z = inputs

            # Prior probability pi_c and responsibility g_c of each Gaussian.
            log_share = ops.log_softmax(self.mixture.logits)
            log_g = ops.log_softmax(self.mixture.log_joint(z), axis=1)

            # Cross entropy of q(z|x) with each Gaussian, without constants.
            variances = ops.exp(self.mixture.log_variances)
            squared = ops.square(ops.expand_dims(mean, 1) - self.mixture.means)
            spread = ops.expand_dims(ops.exp(log_variance), 1) + squared
            each = 0.5 * ops.sum(self.mixture.log_variances + spread / variances, axis=2)

            # Average over the Gaussians, minus the entropy of q(z|x).
            prior = ops.sum(ops.exp(log_g) * (each + log_g - log_share), axis=1)
            entropy = 0.5 * ops.sum(1.0 + log_variance, axis=1)
            return ops.expand_dims(prior - entropy, 1)

        def compute_output_shape(self, shapes: Any) -> tuple[int | None, int]:
            return (shapes[0][0], 1)

    return Divergence()
