"""`python -m wflsim` is `wflsim`."""

from wflsim.cli.main import main

main()
