"""`python -m trivet_deploy.cli`, where no script is installed."""

from trivet_deploy.cli.program import main

main()
