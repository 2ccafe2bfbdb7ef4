"""What was read, as the report shows it."""

from latentlab.data import account
from latentlab.data.intake import Intake, LeftOut
from latentlab.reporting.intake_panel import IntakePanel, IntakeRow
from latentlab.storage.run import Run

HEIC = LeftOut("HEIC", 80, ("a.heic", "b.heic"), "install latentlab[heic]")
BROKEN = LeftOut("it is empty", 2, ("x.png",))


def panel_of(intake, tmp_path):
    run = Run.create(tmp_path / "run")
    run.note(intake=account.to_json(intake))
    return IntakePanel.of(run)


def test_every_entry_has_a_row_and_every_clause_a_sentence(tmp_path):
    panel = panel_of(Intake(20, (HEIC,), (BROKEN,), splits="nothing is held out"), tmp_path)
    assert panel.rows == (
        IntakeRow("used", 20),
        IntakeRow("passed over", 80, "HEIC: install latentlab[heic]", "a.heic, b.heic"),
        IntakeRow("unreadable", 2, "it is empty", "x.png"),
    )
    assert panel.sentences == ("Nothing is held out.",)
    assert panel.warning.startswith("82 of what may be 102 images are left out")


def test_a_quiet_account_warns_of_nothing(tmp_path):
    assert panel_of(Intake(1000, (), (BROKEN,)), tmp_path).warning == ""


def test_runs_of_older_versions_have_no_panel(tmp_path):
    assert IntakePanel.of(Run.create(tmp_path / "run")) is None
