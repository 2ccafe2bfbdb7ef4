"""python -m latentlab

Python looks in the working directory first when it is started like this. That ends here, before
anything but latentlab itself is imported; `python -P -m latentlab` never begins it.
"""

from latentlab import surroundings

surroundings.close(by_module=True)

from latentlab.cli import main  # noqa: E402

main()
