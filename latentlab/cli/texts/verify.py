"""The text of `latentlab verify`."""

from latentlab.scoring.verify import Verification


def verification_text(verification: Verification) -> str:
    """Return each check with its outcome, then what differs in the versions.

    Parameters
    ----------
    verification : Verification
        What `latentlab.pipeline.verify` returned.

    Returns
    -------
    str
    """
    lines = []
    for check in verification.checks:
        outcome = "ok    " if check.held else "FAILED"
        lines.append(f"{outcome}  {check.subject}: {check.detail}")
    notes = [f"note    {difference}" for difference in verification.versions]
    return "\n".join(lines + notes)
