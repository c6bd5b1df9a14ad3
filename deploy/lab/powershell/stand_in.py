"""Placeholder while the engine side is tried."""
from pathlib import Path
def main(side_folder: Path, arguments: list[str]) -> int:
    return 1
