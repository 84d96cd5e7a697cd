"""README.md from nbs/index.ipynb (nbdev_readme would need Quarto). With --check: say whether README.md is in step, and change nothing."""
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- This file is made from nbs/index.ipynb by `make readme`; edit the notebook. -->\n\n"


def readme() -> str:
    notebook = nbformat.read(ROOT / "nbs" / "index.ipynb", as_version=4)
    notebook.metadata["language_info"] = {"name": "python"}     # so that code is fenced as Python
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    # links of the notebook are relative to nbs/, those of the README to the root
    text = re.sub(r"\]\((?!https?://|#)([^)]+)\)", r"](nbs/\1)", text)
    return NOTE + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


if __name__ == "__main__":
    target = ROOT / "README.md"
    if "--check" in sys.argv:
        sys.exit(0 if target.exists() and target.read_text(encoding="utf-8") == readme() else "README.md is not in step with nbs/index.ipynb: run make readme")
    target.write_text(readme(), encoding="utf-8")
