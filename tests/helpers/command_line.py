"""What tests of the command line share."""

FAST = ("--epochs", "1", "--batch-size", "20", "--set", "width=4")


def error_line(result, code):
    """Check that a command failed with one clear line and the documented code, and return the line."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert "Traceback" not in result.stderr
    assert lines[-1].lower().startswith("error: ")
    return lines[-1]
