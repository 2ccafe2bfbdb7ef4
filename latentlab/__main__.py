"""python -m latentlab"""

from latentlab.cli import main

main()
