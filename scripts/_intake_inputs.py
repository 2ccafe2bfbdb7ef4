"""All inputs of the intake: cases that are opened, and scenarios of command lines.

The makers stand in modules by theme; each case is of a kind, which is a row of what people have.
"""

from _intake_cases import Case
from _intake_commands import scenarios
from _intake_files import cases as of_files
from _intake_folders import cases as of_folders
from _intake_pictures import cases as of_pictures
from _intake_steps import Scenario

CASES: tuple[Case, ...] = (*of_pictures, *of_folders, *of_files)
SCENARIOS: tuple[Scenario, ...] = tuple(scenarios)
KINDS = tuple(dict.fromkeys([case.kind for case in CASES] + [each.kind for each in SCENARIOS]))
