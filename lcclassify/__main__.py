"""python -m lcclassify."""

from lcclassify.cli import main

main()
