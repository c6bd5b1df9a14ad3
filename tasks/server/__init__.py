"""One WSUS server as the product works with it: queries, checks, content, wsusutil, clean-up."""
