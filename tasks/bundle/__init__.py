"""Bundles: their format, seal and chain; packing, proving and unpacking them.

Reading order: FORMAT.md (the bytes), header.py and manifest.py (the sealed documents), seal.py
and keys.py (signatures), layout.py (names and folders), plan.py and pack.py (staging side),
unpack.py and verify.py (both sides), chain.py (a bundle's fit to the chain), receipt.py and
receipt_code.py (the way back).
"""
