#!/usr/bin/env python3
"""Measure how many images a second the blog's network trains, in latentlab and in plain PyTorch, on
the processor.

usage: scripts/benchmark_training.py [--data-dir FOLDER] [--rounds 5] [--steps 4] [--batch 500]
[--threads 2]
                                     [--peer-python PATH] [--json FILE]

Both train the same layers with Adam (0.001) on the mean squared error, from the same uint8 images:
CIFAR-10 where --data-dir names its place, else random ones. latentlab runs
`Reconstruction.train_epoch`, which is what `latentlab fit` runs for an epoch; PyTorch runs its
usual loop in channels_last, with the same reading, shuffling and scaling of the images and the same
look at each step's loss. Each framework lives in a process of its own and works only when told to,
one round in turn, so that a change in the machine's speed meets both: pair i is round i of each.
PyTorch is left out where it is not installed; --peer-python names another environment's interpreter
that has it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

OURS, PEER = "latentlab", "pytorch"
SHAPE = (32, 32, 3)
RATE = 1e-3
COMMAND = "scripts/benchmark_training.py"


class Worker:
    """One framework in a process of its own, idle until told to run a round."""

    def __init__(self, name: str, python: str, images: Path, arguments: argparse.Namespace) -> None:
        self.name = name
        command = [python, __file__, "--worker", name, "--images", str(images)]
        command += ["--batch", str(arguments.batch), "--threads", str(arguments.threads)]
        threads = str(arguments.threads)
        variables = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        environment = os.environ | dict.fromkeys(variables, threads) | {"CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.about = self._answer()

    def round(self) -> dict[str, float]:
        """Train on all images once and return loss, images_per_second and seconds."""
        assert self.process.stdin
        print("round", file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(
                f"error: the worker of {self.name} ended with exit code"
                f" {self.process.wait()}, see above."
            )
        return json.loads(line)


def work(arguments: argparse.Namespace) -> None:
    """Be a worker: say what runs, then answer each line of stdin with one round's figures."""
    answers, sys.stdout = (
        sys.stdout,
        sys.stderr,
    )  # whatever a framework prints must not get between the answers
    images = np.load(arguments.images)
    prepare = prepare_latentlab if arguments.worker == OURS else prepare_pytorch
    version, train = prepare(images, arguments)
    print(json.dumps({"version": version}), file=answers, flush=True)
    for number, _ in enumerate(sys.stdin, start=1):
        print(json.dumps(train(number)), file=answers, flush=True)


Round = Callable[[int], dict[str, float]]


def prepare_latentlab(images: np.ndarray, arguments: argparse.Namespace) -> tuple[str, Round]:
    """Return the version and a function that trains epoch `number` as `latentlab fit` does."""
    from latentlab import backend
    from latentlab.config import FitOptions
    from latentlab.data.images import from_array
    from latentlab.encoders import networks
    from latentlab.training.objectives.reconstruction import ReconstructionTrainer

    versions = backend.versions()
    backend.set_precision("float32")
    backend.seed(0)
    options = FitOptions(
        arch="blog", batch_size=arguments.batch, learning_rate=RATE, schedule="constant"
    )
    image_set = from_array("benchmark", images, np.full(len(images), "train"))
    trainer = ReconstructionTrainer(networks.build("blog", SHAPE), image_set, options)
    everything = np.arange(len(images))

    def train(number: int) -> dict[str, float]:
        result = trainer.train_epoch(everything, number)
        return {
            "loss": result.losses["loss"],
            "images_per_second": result.images_per_second,
            "seconds": len(everything) / result.images_per_second,
        }

    return f"keras {versions['keras']}, {versions['backend']} {versions['backend_version']}", train


def prepare_pytorch(images: np.ndarray, arguments: argparse.Namespace) -> tuple[str, Round]:
    """Return the version and a function that trains one epoch in plain PyTorch."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    net = blog_in_pytorch().to(memory_format=torch.channels_last)
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)

    def train(number: int) -> dict[str, float]:
        started, loss = time.perf_counter(), float("nan")
        order = np.random.default_rng([0, 2, number]).permutation(len(images))
        for start in range(0, len(order), arguments.batch):
            scaled = images[order[start : start + arguments.batch]].astype(np.float32) / np.float32(
                255
            )
            batch = torch.from_numpy(scaled).permute(
                0, 3, 1, 2
            )  # (n, 3, 32, 32), in memory as channels_last wants it
            error = torch.nn.functional.mse_loss(net(batch), batch)
            optimizer.zero_grad(set_to_none=True)
            error.backward()
            optimizer.step()
            loss = float(error.detach())
        seconds = time.perf_counter() - started
        return {"loss": loss, "images_per_second": len(order) / seconds, "seconds": seconds}

    return f"pytorch {torch.__version__}", train


def blog_in_pytorch() -> Any:
    """Return the layers of the architecture blog, with Keras' batch normalisation."""
    from torch import nn

    def pool() -> list[Any]:
        return [
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.MaxPool2d(2, 1),
        ]  # "same"; after ReLU a zero changes no maximum

    return nn.Sequential(
        *(nn.Conv2d(3, 32, 6, 2), nn.ReLU(), *pool()),
        *(nn.Conv2d(32, 32, 3), nn.ReLU(), *pool()),
        *(nn.Conv2d(32, 16, 3), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 16, 3), nn.ReLU()),
        *(nn.ConvTranspose2d(16, 32, 3), nn.ReLU()),
        *(nn.ConvTranspose2d(32, 64, 6, 2), nn.ReLU()),
        nn.ConvTranspose2d(64, 3, 3, padding=1),
        nn.BatchNorm2d(3, eps=1e-3, momentum=0.01),
        nn.Sigmoid(),
    )


def benchmark_images(data_dir: str | None, count: int) -> tuple[str, np.ndarray]:
    """Return the data's name and `count` uint8 images (count, 32, 32, 3)."""
    if data_dir is None:
        return "random", np.random.default_rng(0).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    from latentlab.config import DataOptions
    from latentlab.data.opening import open_images

    opened = open_images(DataOptions(data="cifar10", data_dir=data_dir))
    return "cifar10", opened.read(opened.indices("train")[:count])


def has_torch(python: str) -> bool:
    """Return whether that interpreter can import PyTorch."""
    return subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def measure(
    arguments: argparse.Namespace,
) -> tuple[str, dict[str, list[dict[str, float]]], dict[str, str]]:
    """Run all rounds in turn; return the data's name, each worker's rounds and its version."""
    data, images = benchmark_images(arguments.data_dir, arguments.steps * arguments.batch)
    pythons = {OURS: sys.executable, PEER: arguments.peer_python}
    if not has_torch(arguments.peer_python):
        print(
            f"no torch in {Path(arguments.peer_python).name}: latentlab is measured alone"
            " (--peer-python PATH)"
        )
        del pythons[PEER]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        workers = [Worker(name, python, path, arguments) for name, python in pythons.items()]
        for _ in range(arguments.warm_up):
            for worker in workers:
                worker.round()
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in pythons}
        for _ in range(arguments.rounds):
            for worker in workers:
                rounds[worker.name].append(worker.round())
        for worker in workers:
            worker.close()
    return data, rounds, {worker.name: worker.about["version"] for worker in workers}


def speeds(rounds: list[dict[str, float]]) -> list[float]:
    """Return images a second of each round."""
    return [row["images_per_second"] for row in rounds]


def report(
    data: str, rounds: dict[str, list[dict[str, float]]], versions: dict[str, str], threads: int
) -> list[dict[str, Any]]:
    """Print the figures and return them as rows; `low` and `high` are the slowest and the fastest
    round.
    """

    def row(
        method: str, metric: str, values: list[float], seconds: float, **more: Any
    ) -> dict[str, Any]:
        figures = {
            "mean": statistics.mean(values),
            "median": statistics.median(values),
            "low": min(values),
            "high": max(values),
        }
        figures = {name: round(value, 3) for name, value in figures.items()}
        what = {"dataset": data, "split": "train", "method": method, "metric": metric}
        spread = round(statistics.stdev(values), 3) if len(values) > 1 else None
        how = {"seconds": round(seconds, 1), "device": f"cpu-{threads}", "command": COMMAND}
        return {
            **what,
            **figures,
            "std": spread,
            "rounds": len(values),
            "seeds": 1,
            "chance": None,
            **how,
            **more,
        }

    rows = []
    for name, own in rounds.items():
        values = speeds(own)
        rows.append(
            row(
                f"blog in {versions[name]}",
                "images_per_second",
                values,
                sum(r["seconds"] for r in own),
            )
        )
        print(
            f"{name:<10} {min(values):7.0f} {statistics.median(values):7.0f}"
            f" {max(values):7.0f} images/s (min, median, max); {versions[name]}"
        )
    if PEER in rounds:
        ratios = [
            ours / peer
            for ours, peer in zip(speeds(rounds[OURS]), speeds(rounds[PEER]), strict=True)
        ]
        rows.append(
            row(
                "blog",
                "ratio_to_peer",
                ratios,
                sum(r["seconds"] for r in rows),
                peer=versions[PEER],
            )
        )
        print(
            f"ratio      {min(ratios):7.2f} {statistics.median(ratios):7.2f}"
            f" {max(ratios):7.2f} of {PEER}'s speed; pairs: ",
            end="",
        )
        print(", ".join(f"{ratio:.2f}" for ratio in ratios))
    return rows


def main() -> None:
    """Measure, print, and write --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", help="where CIFAR-10 lies; default: random images")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each framework")
    parser.add_argument("--steps", type=int, default=4, help="batches a round")
    parser.add_argument("--warm-up", type=int, default=1, help="rounds before the measured ones")
    parser.add_argument("--batch", type=int, default=500, help="images a step")
    parser.add_argument("--threads", type=int, default=2, help="threads of either framework")
    parser.add_argument(
        "--peer-python", default=sys.executable, help="interpreter with PyTorch; default: this one"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--worker", choices=[OURS, PEER], help=argparse.SUPPRESS)
    parser.add_argument("--images", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    rows = report(*measure(arguments), arguments.threads)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
