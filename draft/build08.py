"""Builds the notebook 08 from cells; prose in md(), code in code()."""
import sys
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

cells = []
def md(text, *tags):
    cell = new_markdown_cell(text.strip("\n"))
    if tags: cell.metadata["tags"] = list(tags)
    cells.append(cell)
def code(text, *tags):
    cell = new_code_cell(text.strip("\n"))
    if tags: cell.metadata["tags"] = list(tags)
    cells.append(cell)

exec(open("/tmp/w/cells08.py", encoding="utf-8").read())
import json
like = nbformat.read("/work/main/notebooks/06_what_to_freeze.ipynb", as_version=4)
nb = new_notebook(cells=cells, metadata={k: v for k, v in like.metadata.items() if k != "widgets"})
colab = next(c for c in like.cells if "colab" in c.metadata.get("tags", []))
fresh = new_code_cell(colab.source); fresh.metadata.update(colab.metadata)
nb.cells.insert(1, fresh)
for i, cell in enumerate(nb.cells): cell["id"] = f"n08-{i:02d}"
path = sys.argv[1]
old = None
nbformat.write(nb, path)
print(len(nb.cells), "cells")
