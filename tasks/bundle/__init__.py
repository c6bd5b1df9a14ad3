"""Bundles: their format, seal, chain, and how they are packed, proved and read.

Reading order: FORMAT.md (the bytes), header.py and manifest.py (what is sealed), seal.py and
keys.py (by whom), layout.py (where it lies), plan.py and pack.py (staging side), unpack.py and
verify.py (both sides), chain.py (does it fit), receipt.py and receipt_code.py (the way back).
"""
