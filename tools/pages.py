"""The pages of the site: which there are, in which order, and what a reader of the site sees of a notebook.

`make docs` writes the pages from here to _proc and lets Quarto render them; tools/preview.py and tools/plain.py read them too. Nothing is executed:
pages show the outputs that the notebooks store. (nbdev's own `nbdev_docs` would run every exported cell and hide its source.)
"""
from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
NBS = ROOT / "nbs"
PACKAGE = ROOT / "ce_sce_rec"
FOLDED = ("experiments", "findings")        # pages whose point is the result: their code is folded


def source(cell: dict) -> str:
    return "".join(cell["source"])


def config() -> dict:
    return yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))


def sidebar() -> list:
    "The sidebar's entries as they stand in _quarto.yml."
    return config()["website"]["sidebar"]["contents"]


def listed(entries: list | None = None, trail: tuple = ()) -> list[tuple[str, tuple]]:
    "Every page of the sidebar in order, with the sections above it."
    pages = []
    for entry in sidebar() if entries is None else entries:
        if isinstance(entry, str):
            pages.append((entry, trail))
        elif "contents" in entry:
            pages += listed(entry["contents"] or [], (*trail, entry["section"]))
        else:
            pages.append((entry["href"], trail))
    return pages


def notebooks() -> list[str]:
    "All notebooks that are pages, as paths below nbs/."
    found = (p.relative_to(NBS) for p in sorted(NBS.rglob("*.ipynb")))
    return [p.as_posix() for p in found if not any(part.startswith((".", "_")) or part in ("output", "runs") for part in p.parts)]      # notebooks run in place leave the last two


def output_name(page: str) -> str:
    "The page's file on the site: numbers that only order the notebooks are left out of addresses."
    path = Path(page)
    return (path.parent / re.sub(r"^\d+[a-z0-9]*_", "", path.stem)).as_posix() + ".html"


@dataclass
class Page:
    path: str                           # below nbs/
    title: str
    purpose: str                        # one line, markdown
    cells: list[dict] = field(repr=False, default_factory=list)    # what is shown, in order; the title is not among them

    @property
    def output(self) -> str:
        return output_name(self.path)

    @property
    def folded(self) -> bool:
        return self.path.split("/")[0] in FOLDED


def title_of(page: str) -> tuple[str, str]:
    "Title and purpose from a notebook's first cell."
    first = source(json.loads((NBS / page).read_text(encoding="utf-8"))["cells"][0])
    found = re.match(r"# (\S.*)\n\n> (\S.*?)(?:\n\n|$)", first, re.DOTALL)
    if not found:
        raise ValueError(f"{page}: the first cell must hold '# title', an empty line and '> purpose'")
    return found[1].strip(), " ".join(found[2].split())


# ---- public names, read from the package's text ----

@dataclass
class Name:
    "A public name: where it is defined and what its definition says."
    name: str
    module: str             # dotted, without the package; "" for the package itself
    notebook: str           # below nbs/
    cell: str               # id of the notebook's cell
    node: ast.AST = field(repr=False)
    text: str = field(repr=False)     # source of the whole cell

    @property
    def kind(self) -> str:
        return {ast.FunctionDef: "function", ast.ClassDef: "class"}.get(type(self.node), "constant")


def modules() -> list[str]:
    "Modules of the package in the reading order of their chapters, then those without one."
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if path.name not in ("_modidx.py", "__main__.py") and dotted != "__init__":
            found[dotted.removesuffix(".__init__")] = path
    order = {page: n for n, (page, _) in enumerate(listed())}
    place = {name: min([order.get(nb, 10**6) + 10**3 * (not nb.startswith("system/")) for nb, *_ in chunks(name)] or [10**6]) for name in found}
    return sorted(found, key=lambda name: (place[name], name))


def module_path(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache(maxsize=None)
def chunks(module: str) -> list[tuple[str, str, str]]:
    "The module cell by cell: (notebook below nbs/, cell id, source)."
    text = module_path(module).read_text(encoding="utf-8")
    parts = re.split(r"^# %% (?:\.\./)+nbs/(\S+) #(\S+)\n", text, flags=re.MULTILINE)[1:]
    cut = (re.split(r"^# %% auto .*$", s, flags=re.MULTILINE)[0] for s in parts[2::3])
    return list(zip(parts[0::3], parts[1::3], cut))


@lru_cache(maxsize=None)
def exported(module: str) -> tuple[str, ...]:
    "The module's `__all__`."
    for node in ast.parse(module_path(module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


def defined(node: ast.AST) -> list[str]:
    "Names that a top-level statement defines."
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [t.id for target in targets for t in (target.elts if isinstance(target, ast.Tuple) else [target]) if isinstance(t, ast.Name)]


@lru_cache(maxsize=None)
def public_names(module: str) -> tuple[Name, ...]:
    "The public names that a module defines, in the order of its chapter."
    names, wanted = [], set(exported(module))
    for notebook, cell, text in chunks(module):
        for node in ast.parse(text).body:
            if any(getattr(d, "id", "") == "patch" for d in getattr(node, "decorator_list", [])):
                continue
            names += [Name(n, module, notebook, cell, node, text) for n in defined(node) if n in wanted]
    return tuple({n.name: n for n in names}.values())


@lru_cache(maxsize=None)
def names_by_cell() -> dict[tuple[str, str], list[str]]:
    "Public names by the notebook and cell that define them."
    found: dict = {}
    for module in modules():
        for n in public_names(module):
            found.setdefault((n.notebook, n.cell), []).append(n.name)
    return found


def reference_page(module: str) -> str:
    return f"reference/api/{module.replace('.', '_')}.ipynb"


@lru_cache(maxsize=None)
def linked_names() -> dict[str, str]:
    "Names that are linked wherever a text has them in code type: those that one module defines and that are no common word."
    where: dict = {}
    for module in modules():
        for n in public_names(module):
            where.setdefault(n.name, []).append(f"{reference_page(module)}#{n.name}")
    return {n: w[0] for n, w in where.items() if len(w) == 1 and re.search(r"[A-Z_]", n)}


# ---- what is shown of a notebook ----

def relative(target: str, page: str) -> str:
    "The link to `target` (below nbs/, with or without an anchor) from `page`."
    up = len(Path(page).parts) - 1
    return "../" * up + target


def add_links(text: str, page: str) -> str:
    "`name` in code type becomes a link to its reference entry, once in a text; fenced code, headings and links are left alone."
    seen = set()

    def link(found):
        name = found[1].removesuffix("()").removeprefix("ce_sce_rec.")
        if name not in linked_names() or name in seen:
            return found[0]
        seen.add(name)
        return f"[{found[0]}]({relative(linked_names()[name], page)})"

    parts = re.split(r"(^```.*?^```|^#+ [^\n]*$|\[[^\]]*\]\([^)]*\)|\$\$.*?\$\$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(p if n % 2 else re.sub(r"(?<!`)`([\w.]+(?:\(\))?)`(?!`)", link, p) for n, p in enumerate(parts))


def options(text: str) -> tuple[dict[str, str], str]:
    "The Quarto options (`#| key: value`) of a code cell, and its source without any `#|` line."
    lines, found = text.split("\n"), {}
    for line in lines:
        if match := re.match(r"#\|\s*([\w-]+):\s*(.*)$", line):
            found[match[1]] = match[2].strip().strip('"')
    return found, "\n".join(line for line in lines if not line.startswith("#|")).strip("\n")


def directives(text: str) -> set[str]:
    "nbdev's directives of a code cell."
    return {m[1] for m in re.finditer(r"^#\|\s*(\w+)(?:\s+\S+)?\s*$", text, re.MULTILINE)}


FENCES = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    "Markdown without its fenced code."
    return FENCES.sub("", text)


def load(page: str) -> Page:
    "A page as the site shows it: hidden cells and nbdev's directives are gone, names that a cell defines can be linked to."
    cells = json.loads((NBS / page).read_text(encoding="utf-8"))["cells"]
    deep = any(re.search(r"^# ", without_code(source(c)), re.MULTILINE) for c in cells[1:] if c["cell_type"] == "markdown")
    shown = []
    for cell in cells[1:]:
        text = source(cell)
        if cell["cell_type"] != "code":
            if deep:            # a page has one heading of the first level, its title
                text = "".join(part if n % 2 else re.sub(r"^(#+ )", r"#\1", part, flags=re.MULTILINE) for n, part in enumerate(FENCES.split(text)))
            shown.append({"cell_type": "markdown", "metadata": {}, "source": add_links(text, page), "id": cell["id"]})
            continue
        if not text.strip() or directives(text) & {"hide", "default_exp"} or "include: false" in text:
            continue
        anchors = names_by_cell().get((page, cell["id"]), [])
        if anchors:
            shown.append({"cell_type": "markdown", "metadata": {}, "id": f"a-{cell['id']}"[:64],
                          "source": "\n\n".join(f"::: {{#{name}}}\n:::" for name in anchors)})
        kept = [line for line in text.split("\n") if not re.match(r"#\|\s*\w+(\s+\S+)?\s*$", line)]
        shown.append({"cell_type": "code", "metadata": {}, "id": cell["id"], "execution_count": None, "source": "\n".join(kept).strip("\n"),
                      "outputs": cell.get("outputs", []), "exported": bool(directives(text) & {"export", "exporti"})})
    return Page(page, *title_of(page), shown)


def plain(markdown: str) -> str:
    "One line of markdown as plain text, for front matter and descriptions."
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").replace("**", "").replace("*", "")


def for_quarto(page: Page) -> dict:
    "The notebook that Quarto renders."
    front = {"title": page.title, "description": plain(page.purpose), "output-file": Path(page.output).name}
    if page.folded:
        front["code-fold"] = True
    head = {"cell_type": "raw", "id": "front-matter", "metadata": {}, "source": "---\n" + yaml.safe_dump(front, allow_unicode=True, sort_keys=False, width=10**6) + "---"}
    cells = [{k: v for k, v in c.items() if k != "exported"} for c in page.cells]
    return {"cells": [head, *cells], "metadata": {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}


def write_quarto_project(target: Path) -> int:
    "All pages and what they need, ready for `quarto render`; returns the number of pages."
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("images", "results"):
        shutil.copytree(NBS / name, target / name)
    for path in [ROOT / "_quarto.yml", *NBS.glob("*.css"), *NBS.glob("*.scss")]:
        shutil.copy(path, target / path.name)
    for name in notebooks():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(for_quarto(load(name)), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(notebooks())


if __name__ == "__main__":
    print(f"{write_quarto_project(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / '_proc')} pages")
