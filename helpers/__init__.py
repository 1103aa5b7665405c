"""What the notebooks use and do not teach: files, data, drawing, checking.

Import the modules, not their contents: `from helpers import checkpoints, reviews`.
Nothing is imported here, so that importing the package costs nothing.
"""
