"""The program: ``python -m deploy.lab.wsusutil DIR/<side> VERB ...``."""

import sys

from deploy.lab.wsusutil.command import main

sys.exit(main())
