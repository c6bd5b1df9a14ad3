"""The story: one flow a module, read from top to bottom."""
