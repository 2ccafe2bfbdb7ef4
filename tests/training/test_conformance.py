"""Every objective keeps the contract, and the check says what a broken one has to mend."""

import pytest

from latentlab.training.conformance import check_objective
from latentlab.training.objective import EpochResult, Objective
from latentlab.training.objectives.reconstruction import Reconstruction, ReconstructionTrainer

pytestmark = pytest.mark.run  # each check trains a network


@pytest.mark.parametrize("name", Objective.names())
def test_objectives_keep_the_contract(name):
    check_objective(Objective.named(name))


class Forgetful(ReconstructionTrainer):
    """Trains by a counter that its snapshot lacks."""

    epochs_seen = 0

    def train_epoch(self, training, epoch, check_weights=False):
        self.epochs_seen += 1
        return super().train_epoch(training, self.epochs_seen, check_weights)


class Nameless(ReconstructionTrainer):
    """Reports no loss."""

    def train_epoch(self, training, epoch, check_weights=False):
        result = super().train_epoch(training, epoch, check_weights)
        return EpochResult({"error": 0.0}, result.learning_rate, result.images_per_second)


class Unslowable(ReconstructionTrainer):
    """Ignores the factor of the learning rate."""

    def _rate(self, step, n_steps):
        return self.options.learning_rate


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        (Forgetful, "depend on the snapshot, the seed and its number only"),
        (Nameless, "`losses` must begin with loss"),
        (Unslowable, "must be multiplied by `rate_factor`"),
    ],
)
def test_a_broken_objective_is_told_what_to_mend(trainer, message):
    class Broken(Reconstruction):
        name = "broken"

        def start(self, model, images, fit_options, options):
            return trainer(model, images, fit_options)

    with pytest.raises(AssertionError, match=message):
        check_objective(Broken())
