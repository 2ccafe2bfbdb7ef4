"""VaDE, "Variational deep embedding" (Jiang, Zheng, Tan, Tang and Zhou, IJCAI 2017).

A variational autoencoder whose prior is a mixture of Gaussians, trained on the negative evidence lower bound (equation 8):

    -E log p(x|z) + KL(q(z|x) || N(m_c, s_c)) averaged over c by g_c + KL(g || pi),     g_c = p(c|z)

The trained autoencoder's code is the mean of q(z|x), a new head gives its variance; the mixture starts from expectation-
maximisation at the k-means centers, since without a good start clusters die. p(x|z) is Gaussian with variance `noise`.

    latentlab cluster --run RUN --k 10 --method vade
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.errors import ConfigError
from latentlab.refinement.base import LoopOptions, Refiner, Start

FEATURES = "code"
SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True)
class Options(LoopOptions):
    """Settings of the method, beside those of the loop.

    Attributes
    ----------
    noise : float
        Variance of a pixel around its reconstruction, in squared units of [0, 1].
    learning_rate : float
        Adam's.
    """

    noise: float = 0.05
    learning_rate: float = 0.001
    POSITIVE = ("noise", "learning_rate")


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`.

    Raises
    ------
    ConfigError
        If the code goes through feature steps, or cannot be decoded alone.
    """
    if start.features.spec != "code":
        raise ConfigError(
            f"--method vade works on the code itself, not on --features {start.features.spec}: leave the option out."
        )
    if start.model.decoder is None or start.model.top is not None:
        raise ConfigError(
            "--method vade needs a plain autoencoder, whose code can be decoded alone: --arch conv8, say, without --switches."
        )
    return VariationalMixture(start, options)


class VariationalMixture:
    """Trains encoder, decoder and mixture on the evidence lower bound."""

    def __init__(self, start: Start, options: Options) -> None:
        import keras
        from keras import layers, ops

        from latentlab import backend
        from latentlab.nets.layers import MixtureLayer

        image, code = start.model.encoder.input, start.model.encoder.output
        mean = layers.Flatten(dtype="float32")(code)
        n_dims = mean.shape[1]
        hidden = layers.Flatten()(start.model.encoder.layers[-1].input)
        small = float(np.log(max(0.1 * start.spread / n_dims, SMALLEST_VARIANCE)))
        log_variance = layers.Dense(
            n_dims,
            kernel_initializer="zeros",
            bias_initializer=keras.initializers.Constant(small),
            dtype="float32",
            name="log_variance",
        )(hidden)
        self.mixture = MixtureLayer(len(start.centers), name="mixture")
        self.assigner = keras.Model(image, [mean, self.mixture(mean)], name="assigner")
        self.mixture.means.assign(start.centers)
        self.mixture.log_variances.assign(
            np.full(
                start.centers.shape,
                np.log(max(start.spread / n_dims, SMALLEST_VARIANCE)),
                np.float32,
            )
        )
        noise = keras.Input((n_dims,), name="noise")
        z = mean + ops.exp(0.5 * log_variance) * noise
        decoder: Any = start.model.decoder
        rebuilt = decoder(layers.Reshape(start.model.code_shape)(z))
        divergence = _divergence_layer(self.mixture)([mean, log_variance, z])
        self.trainer = keras.Model([image, noise], [rebuilt, divergence], name="trainer")
        n_pixels = int(np.prod(rebuilt.shape[1:]))
        weights = [n_pixels / (2 * options.noise), 1.0]
        optimizer = keras.optimizers.Adam(options.learning_rate, clipnorm=1e3)
        self.trainer.compile(
            optimizer=optimizer,
            loss=["mse", _itself],
            loss_weights=weights,
            jit_compile=backend.jit_compile(),
        )
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self.n_dims, self.seed = n_dims, start.seed
        self._steps, self._started = 0, False

    def networks(self) -> tuple[Any, Any]:
        """Return the trained model and images -> [z, q]."""
        return self.trainer, self.assigner

    def begin_round(self, z: np.ndarray, q: np.ndarray) -> None:
        """Before the first step, fit the mixture to the codes."""
        if self._started:
            return
        from sklearn.mixture import GaussianMixture

        from latentlab import backend

        k = q.shape[1]
        floor = max(SMALLEST_VARIANCE, 1e-3 * float(z.var(axis=0).mean()))
        fitted = GaussianMixture(
            k,
            covariance_type="diag",
            means_init=self.centers(),
            reg_covar=floor,
            max_iter=50,
            random_state=self.seed,
        )
        with backend.ordered_sums():
            fitted.fit(z.astype(np.float64))
        self.mixture.means.assign(fitted.means_)
        self.mixture.log_variances.assign(np.log(fitted.covariances_))
        self.mixture.logits.assign(np.log(fitted.weights_ + 1e-9))
        self._started = True

    def step(self, batch: Any, positions: np.ndarray) -> dict[str, float]:
        """Train on one batch and return its losses."""
        noise = (
            np.random.default_rng([self.seed, 7, self._steps])
            .normal(size=(len(positions), self.n_dims))
            .astype(np.float32)
        )
        self._steps += 1
        self.trainer.reset_metrics()
        values = self.trainer.train_on_batch(
            [batch, noise], [batch, np.zeros((len(positions), 1), np.float32)]
        )
        return {"reconstruction_loss": float(values[1]), "clustering_loss": float(values[2])}

    def centers(self) -> np.ndarray:
        """Return the means of the Gaussians, float32 (k, d)."""
        return np.asarray(self.mixture.get_weights()[0])

    def set_centers(self, centers: np.ndarray) -> None:
        """Replace the means."""
        self.mixture.means.assign(centers)

    def reorder(self, order: np.ndarray) -> None:
        """Number the Gaussians anew."""
        self.mixture.set_weights([weight[order] for weight in self.mixture.get_weights()])

    def extras(self) -> dict[str, np.ndarray]:
        """Return how far training is."""
        return {"steps": np.array(self._steps), "started": np.array(self._started)}

    def set_extras(self, arrays: dict[str, np.ndarray]) -> None:
        """Undo `extras`."""
        self._steps, self._started = int(arrays["steps"]), bool(arrays["started"])


def _itself(target: Any, value: Any) -> Any:
    """Take an output as its own loss."""
    from keras import ops

    return ops.mean(value)


def _divergence_layer(mixture: Any) -> Any:
    """Return a layer [mean, log variance, z] (each (n, d)) -> KL of the posterior from the mixture prior, (n, 1)."""
    import keras
    from keras import ops

    class Divergence(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(dtype="float32", name="divergence")
            self.mixture = mixture

        def call(self, inputs: Any) -> Any:
            mean, log_variance, z = inputs
            log_share = ops.log_softmax(self.mixture.logits)
            log_g = ops.log_softmax(self.mixture.log_joint(z), axis=1)
            variances = ops.exp(self.mixture.log_variances)
            spread = ops.expand_dims(ops.exp(log_variance), 1) + ops.square(
                ops.expand_dims(mean, 1) - self.mixture.means
            )
            each = 0.5 * ops.sum(self.mixture.log_variances + spread / variances, axis=2)
            prior = ops.sum(ops.exp(log_g) * (each + log_g - log_share), axis=1)
            entropy = 0.5 * ops.sum(1.0 + log_variance, axis=1)
            return ops.expand_dims(prior - entropy, 1)

        def compute_output_shape(self, shapes: Any) -> tuple[int | None, int]:
            return (shapes[0][0], 1)

    return Divergence()
