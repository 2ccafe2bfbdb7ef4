"""Plain Keras opens the saved encoder and decoder without latentlab."""

import subprocess
import sys

import numpy as np


def test_plain_keras_opens_the_saved_halves_without_latentlab(finished_run, tmp_path):
    x = np.random.default_rng(1).random((3, 16, 16, 3), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, keras\n"
        "folder, x = sys.argv[1], np.load(sys.argv[2])\n"
        "code = keras.saving.load_model(folder + '/encoder.keras').predict(x, verbose=0)\n"
        "image = keras.saving.load_model(folder + '/decoder.keras').predict(code, verbose=0)\n"
        "assert 'latentlab' not in sys.modules\n"
        "np.save(sys.argv[2], image)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(finished_run.path / "encoder"), str(tmp_path / "x.npy")],
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )
    from latentlab.encoders import model_files

    expected = model_files.load(finished_run).autoencoder.predict_on_batch(x)
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, atol=1e-5)
