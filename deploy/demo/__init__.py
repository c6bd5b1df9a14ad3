"""The lab's command line: the ``lab`` commands, and the demo that runs the product on a lab.

It stands outside the lab because it imports the product, which the lab may not know.
"""
