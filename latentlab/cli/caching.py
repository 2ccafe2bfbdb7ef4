"""What runs share: list it, or clear it."""

import time

import click

from latentlab.cli._output import print_result


@click.command()
@click.option("--clear", is_flag=True, help="Remove it all; it is computed again when needed.")
def cache(clear: bool) -> None:
    """List the results that runs share, such as baselines of the same images.

    They lie in the user's cache (LATENTLAB_CACHE names another folder), take 256 MiB at most, and
    may be removed at any time.
    """
    from latentlab.storage import shared_results

    results = shared_results.clear() if clear else shared_results.shared_results()
    lines = []
    for result in results:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.last_used))
        lines.append(f"{result.path.stem[:16]}  {result.bytes / 1024:>8,.0f} KiB  used {used}")
    total = sum(result.bytes for result in results) / 1024
    place = results[0].path.parent if results else ""
    lines.append(f"{len(results)} shared results, {total:,.0f} KiB {place}".rstrip())
    if clear:
        lines = [f"removed {lines[-1]}"]
    print_result(results, "\n".join(lines))
