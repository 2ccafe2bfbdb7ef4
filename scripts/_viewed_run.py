"""A small run in a viewer, made within seconds: for the requests and connections that attack one.

python scripts/_viewed_run.py DIR        # prints address, secret path and cookie, and serves
"""

import shutil
import sys
from pathlib import Path

from latentlab.pipeline.run_data import open_named_images
from latentlab.reporting import umap_map
from latentlab.reporting.clustering_summary import read_summary
from latentlab.reporting.viewer import Viewer
from latentlab.reporting.viewer_server import Server
from latentlab.storage.run import Run

STORED_RUN = Path(__file__).resolve().parent.parent / "tests" / "stored_runs" / "run-format-1"
CLUSTERING = "kmeans-k4"
SHOWN = 4  # images: too few for a map, so that no layout has to be computed


def serve_small_run(folder: Path) -> Server:
    """Return the server of a viewer of a copy of the stored run.

    Parameters
    ----------
    folder : pathlib.Path
        Where the copy goes.
    """
    shutil.copytree(STORED_RUN, folder, dirs_exist_ok=True)
    run = Run.open(folder)
    umap_map.write_map(run, sample=SHOWN, seed=0)
    summary = read_summary(run.clustering(CLUSTERING), open_named_images(run), None)
    viewer = Viewer(summary, {})
    viewer.pictures.image(0)  # the first one imports what reads it
    return Server(viewer)


def main() -> None:
    """Serve until the process is ended."""
    server = serve_small_run(Path(sys.argv[1]))
    print(server.address, server.session.path, server.session.cookie, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
