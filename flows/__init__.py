"""The story of each command: its steps in their order."""

import gc

# Imports alone make some 500,000 objects, nearly all of which stay. With its default of 700 new
# objects the collector would look at them so often that a command starts a fifth later.
gc.set_threshold(50_000, 20, 20)
