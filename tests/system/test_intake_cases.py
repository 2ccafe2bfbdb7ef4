"""Inputs as people have them come out right: those of scripts/intake_cases.py, one test each."""

import collections
import functools
import logging
import signal
import sys

import pytest
from helpers.files import ROOT
from helpers.onnx_models import nchw_model

from latentlab import progress

GIVEN = ROOT.parent / "shared" / "cases" / "make_inputs.py"
FEWEST = 3  # inputs of each kind beside those that were given


@functools.cache
def scripts():
    """Import the inputs while the folder of scripts can be found, as they are parametrised."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import _intake_cases
        import _intake_given
        import _intake_inputs
        import _intake_steps
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    return _intake_cases, _intake_inputs, _intake_steps, _intake_given


CASES, INPUTS, STEPS, OF_OTHERS = scripts()
SHORT = [scenario for scenario in INPUTS.SCENARIOS if not scenario.is_long]
GIVEN_CASES = [*OF_OTHERS.given_cases(GIVEN)] if GIVEN.is_file() else []


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Return a small encoder that starts at once, for scenarios in which any will do."""
    return str(nchw_model(tmp_path_factory.mktemp("encoder") / "tiny.onnx"))


@pytest.fixture
def quiet_process():
    """Put back what a command line sets for the whole process."""
    logger = logging.getLogger("latentlab")
    before = logger.handlers[:], logger.level, logger.propagate
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)
    progress.show_bars(False)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that draws an input, once for all cases on it; none of them changes it."""
    folders = {}

    def folder_of(case):
        if case.make not in folders:
            folders[case.make] = tmp_path_factory.mktemp("inputs") / "input"
            case.make(folders[case.make])
        return folders[case.make]

    return folder_of


def name_of(case):
    return case.name


@pytest.mark.parametrize("case", INPUTS.CASES, ids=name_of)
def test_an_input_is_opened_as_is_right(case, made):
    seen = CASES.opened(case, made(case))
    assert CASES.faults(case.right, seen) == [], seen.text


@pytest.mark.parametrize("case", GIVEN_CASES, ids=name_of)
def test_a_given_input_is_opened_as_is_right(case, made):
    seen = CASES.opened(case, made(case))
    assert CASES.faults(case.right, seen) == [], seen.text


def test_every_given_input_is_judged():
    if not GIVEN.is_file():
        pytest.skip("shared/cases/make_inputs.py is not here")
    names = set(OF_OTHERS.makers_of(GIVEN)) - set(OF_OTHERS.ELSEWHERE)
    assert names == set(OF_OTHERS.GIVEN)


@pytest.mark.usefixtures("quiet_process")
@pytest.mark.parametrize("scenario", SHORT, ids=name_of)
def test_command_lines_on_an_input_say_what_is_right(scenario, encoder, tmp_path):
    scenario.make(tmp_path / "input")
    run = STEPS.run_in_process
    assert STEPS.played(scenario, tmp_path / "input", encoder, run) == []


def test_every_kind_has_inputs_of_our_own():
    counts = collections.Counter(each.kind for each in (*INPUTS.CASES, *INPUTS.SCENARIOS))
    assert [kind for kind, count in counts.items() if count < FEWEST] == []
    names = [each.name for each in (*INPUTS.CASES, *INPUTS.SCENARIOS)]
    assert len(set(names)) == len(names)


@pytest.mark.usefixtures("quiet_process")
def test_sixty_pictures_of_16_bits_are_clustered_by_their_classes(tmp_path):
    """The goal of one scale: 16-bit PNGs of 100 to 900 are as good as others."""
    case = next(case for case in INPUTS.CASES if case.name == "sixty_png_of_100_to_900")
    case.make(tmp_path / "input")
    classes = case.right.classes.split(", ")
    run = STEPS.run_in_process
    purity, said = STEPS.purity_of(tmp_path / "input", classes, CASES.ENCODER, run)
    assert purity is not None, said.both
    assert purity >= 0.9


def test_a_wrong_answer_is_noticed(made):
    """The comparison itself: each expectation fails where the input is another."""
    case = next(case for case in INPUTS.CASES if case.name == "eight_bits")
    seen = CASES.opened(case, made(case))
    wrong = CASES.Right(
        39,
        {"HEIC": 1},
        held_out=7,
        classes="none",
        has_scale=True,
        is_loud=True,
        says=("nonsense",),
        ids=("no.png",),
    )
    assert len(CASES.faults(wrong, seen)) == 8
    assert CASES.faults(CASES.Refused(("x",)), seen) != []
