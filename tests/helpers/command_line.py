"""What tests of the command line share."""

FAST = "--epochs 1 --batch-size 20 --set width=4".split()


def error_line(result, code):
    """Return the one line of a command that failed with the documented code."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert "Traceback" not in result.stderr
    assert lines[-1].lower().startswith("error: ")
    return lines[-1]
