"""Teachers: their points, and damaged ones."""

import shutil

import numpy as np
import pytest
from helpers.strong import SMALL, SWAV, strong_fit

from latentlab import pipeline
from latentlab.data.images import as_input
from latentlab.encoders import model_files, networks
from latentlab.errors import RunError
from latentlab.storage import checkpoints
from latentlab.training.distill_trainer import DistillOptions
from latentlab.training.objective import Objective
from latentlab.training.swav_options import SwAVOptions
from latentlab.training.swav_trainer import SwAVTrainer
from latentlab.training.teachers import read_teacher


def test_the_teachers_points_are_those_of_its_network(teacher):
    images = pipeline.open_run_images(teacher)
    network = SwAVTrainer(model_files.load(teacher), images, strong_fit(), SwAVOptions(**SWAV))
    network.restore(checkpoints.load(teacher.path / "checkpoints" / "epoch-0003")[0])
    placed = network.networks.projector.predict_on_batch(
        network.embedder.predict_on_batch(as_input(images.read(np.arange(20))))
    )
    placed = placed / np.linalg.norm(placed, axis=1, keepdims=True)
    known = read_teacher(str(teacher.path), images)
    np.testing.assert_allclose(known.points[:20], placed, atol=1e-4)
    np.testing.assert_array_equal(known.prototypes, network.networks.prototypes.get_weights()[0])


def test_a_damaged_teacher_is_told_in_a_line(data, teacher, tmp_path):
    images = pipeline.open_run_images(teacher)
    for name in ("checkpoints/epoch-0003/arrays.npz", "embeddings/part-00000.parquet"):
        shutil.copytree(teacher.path, tmp_path / "teacher")
        content = bytearray((tmp_path / "teacher" / name).read_bytes())
        content[-400:] = bytes(400)
        (tmp_path / "teacher" / name).write_bytes(content)
        model = networks.build("fast8", images.image_shape, SMALL["arch_options"])
        with pytest.raises(
            RunError, match=r"the teacher .* is damaged|has not embedded its images"
        ):
            Objective.named("distill").check(
                model,
                images,
                DistillOptions(teacher=str(tmp_path / "teacher")),
                tmp_path / "student",
            )
        shutil.rmtree(tmp_path / "teacher")
