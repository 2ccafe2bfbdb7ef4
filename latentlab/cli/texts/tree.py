"""The text of `latentlab cluster --tree`."""

from latentlab.clustering.tree import ClusterTree

MOST_LINES = 40
INDENT = "  "


def tree_text(tree: ClusterTree) -> str:
    """Return the tree from the top down, one junction or cluster a line.

    Parameters
    ----------
    tree : ClusterTree
        The tree.

    Examples
    --------
    >>> tree = ClusterTree(((0, 1, 1.0, 5), (2, 3, 4.0, 9)), (0, 1, 2))
    >>> print(tree_text(tree))
    tree (ward; height, images):
      4, 9
        cluster 2
        1, 5
          cluster 0
          cluster 1
    """
    lines = [f"tree ({tree.method}; height, images):"]
    n_leaves = len(tree.leaves)
    waiting = [(n_leaves + len(tree.merges) - 1, 1)] if tree.leaves else []
    while waiting and len(lines) <= MOST_LINES:
        node, depth = waiting.pop()
        if node < n_leaves:
            lines.append(f"{INDENT * depth}cluster {tree.leaves[node]}")
            continue
        a, b, height, size = tree.merges[node - n_leaves]
        lines.append(f"{INDENT * depth}{height:.3g}, {size:,}")
        waiting += [(b, depth + 1), (a, depth + 1)]  # the last is taken first
    if waiting:
        lines.append(f"{INDENT}... (tree.json has all of it)")
    return "\n".join(lines)
