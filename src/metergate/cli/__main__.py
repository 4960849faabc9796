"""`python -m metergate.cli`."""

from metergate.cli import main

main()
