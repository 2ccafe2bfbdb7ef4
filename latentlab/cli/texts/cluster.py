"""The texts of `latentlab cluster`."""

from collections.abc import Mapping, Sequence
from typing import Any


def clusters_text(place: object, sizes: Sequence[int], result: Mapping[str, Any]) -> str:
    """Return where clusters lie, their sizes, and how far the seeds of a consensus agree.

    Parameters
    ----------
    place : object
        Folder or file of the clusters.
    sizes : sequence of int
        Images of each cluster.
    result : mapping
        What result.json holds.
    """
    line = f"{place}: sizes {', '.join(map(str, sizes))}"
    if "evens_out" in result:
        line = f"{line}\n{result['evens_out']['text']}"
    if "ari_between_seeds" not in result:
        return line
    return f"{line}\n{_agreement(result)}"


def vectors_text(place: object, result: Mapping[str, Any]) -> str:
    """Return where the clusters of a file of vectors lie, their sizes, and what the ids are.

    Parameters
    ----------
    place : object
        File of the clusters.
    result : mapping
        What `pipeline.cluster_vectors` returns.
    """
    column = result["id_column"]
    ids = f"ids are those of column {column}" if column else "ids are numbers of rows, from 0"
    return f"{clusters_text(place, result['sizes'], {})}; {ids}"


def _agreement(result: Mapping[str, Any]) -> str:
    ari = result["ari_between_seeds"]
    return (
        f"{len(result['seeds'])} seeds: ARI between two of them {ari['mean']:.3f} on average,"
        f" {ari['min']:.3f} at least; an image's cluster has {result['agreement']:.1%} of the votes"
        " on average"
    )


def stand_in_text(recipe: str, trained_on: str) -> str:
    """Return why a recipe clusters with SCAN's head instead of IMC-SwAV's.

    Parameters
    ----------
    recipe : str
        Name of the recipe.
    trained_on : str
        Data that the encoder's prototypes were trained on; "" if it has none.
    """
    reason = "the run has no prototypes"
    advice = ""
    if trained_on:
        reason = f"the encoder's prototypes are of other pictures, those of {trained_on}"
        advice = " On digits it helped to train it on with them: latentlab fit --recipe adapt."
    return (
        f"--recipe {recipe}: {reason}, so SCAN's head (scan) stands in for IMC-SwAV's"
        f" (imc).{advice}"
    )


def purer_text() -> str:
    """Return which clusters were purer than those of k-means, and where that was measured."""
    return (
        "these are k-means' clusters; on CIFAR-10, whose classes are of one size, those of --method"
        " imc were purer (--recipe strong takes it); where sizes differ that was not measured"
    )
