"""What was decided about updates: captured, compared three ways, planned, applied.

``model`` says what a decision is, ``capture`` reads a server's, ``plan`` decides (pure) and
``apply`` turns a plan into operations and what became of them into the next state.
"""
