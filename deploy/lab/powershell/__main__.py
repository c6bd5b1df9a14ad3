"""``python -m deploy.lab.powershell DIR/<side> ARGUMENT…``."""

import sys

from deploy.lab.powershell.launcher import main

sys.exit(main(sys.argv[1:]))
