"""The reference: a page for each module and a page with all names, made from the package's text, and the sidebar's list of them.

Every public name with its definition as written (shapes and parameter comments included), docstring, errors that it raises, methods, the chapter that
explains it, and an example with its stored output, taken from the chapters. Nothing is imported or executed.
`python tools/reference.py` writes; with --check it says what is not in step, and changes nothing.
"""
from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
import textwrap
from functools import lru_cache
from pathlib import Path

from pages import NBS, ROOT, Name, chunks, directives, exported, listed, modules, module_path, options, public_names, reference_page, source, title_of
from pages import notebooks as all_notebooks

REPOSITORY = "https://github.com/ce-sce-rec/ce_sce_rec/blob/main"
LONGEST_EXAMPLE, LONGEST_OUTPUT, LONGEST_CONSTANT = 22, 14, 12      # lines


# ---- definitions as written ----

def segment(text: str, node: ast.AST, end: int | None = None) -> str:
    "Source lines of a node, comments included, up to line `end` (exclusive, from 1) if given."
    lines = text.split("\n")
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return textwrap.dedent("\n".join(lines[first - 1:(end - 1 if end else node.end_lineno)])).rstrip()


def header(text: str, node: ast.FunctionDef) -> str:
    "The `def` of a function as written, without its body."
    body = node.body[0]
    if body.lineno == node.lineno:                        # def f(x): return x
        return segment(text, node).split("\n")[0][:body.col_offset - node.col_offset].rstrip()
    lines = segment(text, node, body.lineno).split("\n")
    while lines and not lines[-1].split("#")[0].rstrip().endswith(":"):    # comments between the header and the body
        lines.pop()
    return "\n".join(line for line in lines if line.strip() != "@patch")


@lru_cache(maxsize=None)
def classes() -> dict[str, tuple[str, ast.ClassDef]]:
    "Every class of the package by name: source of its cell, node."
    return {node.name: (text, node) for m in modules() for _, _, text in chunks(m) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


@lru_cache(maxsize=None)
def patched() -> dict[str, list[tuple[str, ast.FunctionDef]]]:
    "Methods that chapters add to a class with `@patch`, by class."
    found: dict = {}
    for m in modules():
        for _, _, text in chunks(m):
            for node in ast.parse(text).body:
                if isinstance(node, ast.FunctionDef) and any(getattr(d, "id", "") == "patch" for d in node.decorator_list):
                    owner = node.args.args[0].annotation
                    found.setdefault(getattr(owner, "id", getattr(owner, "value", "")), []).append((text, node))
    return found


def is_property(node: ast.FunctionDef) -> bool:
    return any(getattr(d, "id", "") in ("property", "cached_property") for d in node.decorator_list)


def methods(name: str) -> list[tuple[str, ast.FunctionDef]]:
    "Public methods and properties that a class itself defines; those of a base that it only fills in are named there."
    text, node = classes()[name]
    own = [(text, n) for n in node.body if isinstance(n, ast.FunctionDef)]
    again = {n.name for base in node.bases if (b := getattr(base, "id", "")) in classes() for _, n in methods(b)}
    return [(t, n) for t, n in own + patched().get(name, []) if not n.name.startswith("_") and n.name != "extra_repr" and (ast.get_docstring(n) or n.name not in again)]


def constructor(name: str) -> tuple[str, ast.FunctionDef] | None:
    "The `__init__` of a class, or of the nearest base that has one."
    text, node = classes()[name]
    for n in node.body:
        if isinstance(n, ast.FunctionDef) and n.name == "__init__":
            return text, n
    return next((found for base in node.bases if (b := getattr(base, "id", "")) in classes() and (found := constructor(b))), None)


def class_header(name: str) -> str:
    "A class as written down to its fields, and how it is made."
    text, node = classes()[name]
    first = text.split("\n")[node.lineno - 1]
    head = "\n".join([line for line in segment(text, node).split("\n") if line.startswith("@")] + [first[:first.index(":", first.index(name)) + 1] if "(" not in first else first[:first.rindex("):") + 2]])
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    lines = text.split("\n")
    shown = ["\n".join(lines[n.lineno - 1:n.end_lineno]) for n in fields]
    made = constructor(name)
    if made and not fields:
        shown.append(textwrap.indent(header(*made), "    "))
    return "\n".join([head, *shown]) + ("" if shown else " ...")


def definition(n: Name) -> str:
    if n.kind == "function":
        return header(n.text, n.node)
    if n.kind == "class":
        return class_header(n.name)
    lines = segment(n.text, n.node).split("\n")
    return "\n".join([*lines[:LONGEST_CONSTANT], *(["..."] if len(lines) > LONGEST_CONSTANT else [])])


def docstring(n: Name) -> str:
    return " ".join((ast.get_docstring(n.node) or "").split()) if n.kind != "constant" else ""


def raised(nodes: list[ast.AST]) -> list[str]:
    "Names of the errors that a body raises itself."
    found = []
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Raise) and node.exc is not None:
                exc = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
                name = getattr(exc, "id", "")
                if name[:1].isupper() and name != "NotImplementedError":
                    found.append(name)
    return sorted(set(found))


def errors(n: Name) -> list[str]:
    if n.kind == "constant":
        return []
    bodies = [n.node]
    if n.kind == "class":
        bodies += [node for _, node in patched().get(n.name, [])]
    in_words = re.findall(r"[Rr]aises? `(\w+)`", docstring(n))
    return sorted(set(raised(bodies)) | set(in_words))


# ---- examples from the chapters ----

@lru_cache(maxsize=None)
def notebook(page: str) -> list[dict]:
    return json.loads((NBS / page).read_text(encoding="utf-8"))["cells"]


def printed(cell: dict) -> str:
    "What a cell printed, as text; pictures and tables in HTML are left to the chapter."
    parts = []
    for o in cell.get("outputs", []):
        text = "".join(o["text"]) if o["output_type"] == "stream" else "".join(o.get("data", {}).get("text/plain", ""))
        if o["output_type"] == "stream" or not {"image/png", "text/html"} & set(o.get("data", {})):
            parts.append(text.rstrip("\n"))
    lines = [line for part in parts for line in part.split("\n") if part]
    return "\n".join([*lines[:LONGEST_OUTPUT], *(["…"] if len(lines) > LONGEST_OUTPUT else [])])


def code_of(cell: dict) -> str:
    "A cell's code as an example: the checks that wrong use is refused are left to the chapter."
    lines = options(source(cell))[1].split("\n")
    kept = [line for n, line in enumerate(lines) if not (line.startswith("test_fail(") and (n + 1 == len(lines) or not lines[n + 1].startswith(" ")))]
    return "\n".join(kept)


@lru_cache(maxsize=None)
def prepared(page: str) -> list[tuple[str, str, frozenset[str]]]:
    "Each cell of a page as (kind, code, words): kind is 'use', 'package' (exported) or '' for what is no example."
    made = []
    for cell in notebook(page):
        found, code = directives(source(cell)), ""
        kind = "" if cell["cell_type"] != "code" or found & {"hide", "default_exp", "eval"} else "package" if found & {"export", "exporti"} else "use"
        if kind:
            code = code_of(cell)
        if code.count("\n") >= LONGEST_EXAMPLE:
            kind = ""
        made.append((kind, code, frozenset(re.findall(r"\w+", re.sub(r"^(from|import) .*$|^_?_all__? = .*$", "", code, flags=re.MULTILINE)))))
    return made


@lru_cache(maxsize=None)
def reading_order() -> tuple[str, ...]:
    order = [p for p, _ in listed()]
    pages = [p for p in [*order, *sorted(set(all_notebooks()) - set(order))] if not p.startswith("reference/")]
    return tuple(p for p in pages if (NBS / p).exists())


def example(n: Name) -> tuple[str, str, str] | None:
    "Page, code and output of the first cell after the definition that uses the name; else of the shortest one in any chapter; else of the package's own use."
    cells = notebook(n.notebook)
    place = next((i for i, c in enumerate(cells) if c["id"] == n.cell), None)
    if place is None:
        raise SystemExit(f"ce_sce_rec/{n.module} is not in step with {n.notebook}: run make export first")
    for i, (kind, code, words) in enumerate(prepared(n.notebook)):
        if i > place and kind == "use" and n.name in words:
            return n.notebook, code, printed(cells[i])
    for wanted in ("use", "package"):
        others = [(len(code), p, i) for p in reading_order() for i, (kind, code, words) in enumerate(prepared(p))
                  if kind == wanted and n.name in words and (p, i) != (n.notebook, place)]
        if others:
            _, page, i = min(others)
            return page, prepared(page)[i][1], printed(notebook(page)[i])
    for page in reading_order():                                    # the lines that use it, where every cell is long
        for cell in notebook(page):
            lines = [line.strip() for line in code_of(cell).split("\n")] if cell["cell_type"] == "code" and "hide" not in directives(source(cell)) else []
            used = [line for line in lines if re.search(rf"(?<!def )(?<!class )\b{re.escape(n.name)}\b(?! *=[^=]|:)", line) and not re.match(r"from |import |#|[_A-Z]+ = {", line)]
            if used:
                return page, "\n".join(used[:3]), ""
    return None


# ---- pages ----

def up(target: str) -> str:
    return f"../../{target}"


def first_sentence(text: str) -> str:
    return re.split(r"(?<![( ]eq\.)(?<!eqs\.)(?<!e\.g\.)(?<=[.])\s+(?=[A-Z`*])", text, maxsplit=1)[0]


def short(n: Name) -> str:
    "One line on a name, for lists."
    if n.kind != "constant":
        return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", first_sentence(docstring(n)))
    line = segment(n.text, n.node).split("\n")[0]
    comment = re.search(r"#\s*(.+)$", line)
    return f"constant: {comment[1]}" if comment else "constant"


def entry(n: Name) -> list[str]:
    "The cells of one name."
    title, _ = title_of(n.notebook)
    parts = [f"## {n.name} {{#{n.name}}}", f"```python\n{definition(n)}\n```"]
    if docstring(n):
        parts.append(docstring(n))
    if n.kind == "class":
        rows = [f"- `{compact(text, node)}`" + (f": {first_sentence(' '.join((ast.get_docstring(node) or '').split()))}" if ast.get_docstring(node) else "") for text, node in methods(n.name)]
        if rows:
            parts.append("Methods and properties:\n\n" + "\n".join(rows))
    if any(f"`{e}`" not in docstring(n) for e in errors(n)):
        parts.append("Raises " + ", ".join(f"`{e}`" for e in errors(n)) + ".")
    chapter = f"[{title}]({up(n.notebook)}#{n.name})"
    found = example(n)
    if found:
        page, code, output = found
        where = "" if page == n.notebook else f", from [{title_of(page)[0]}]({up(page)})"
        parts.append(f"Example{where}:\n\n```python\n{code}\n```" + (f"\n\n```text\n{output}\n```" if output else ""))
    parts.append(f"Chapter: {chapter}")
    return [relinked("\n\n".join(parts), n)]


def relinked(text: str, n: Name) -> str:
    "Links that a docstring gives relative to its chapter, relative to the reference."
    folder = n.notebook.rsplit("/", 1)[0]
    return re.sub(r"\]\((?!https?:|#|\.\./)([\w/]+\.ipynb)", lambda m: f"]({up(folder)}/{m[1]}", text)


def compact(text: str, node: ast.FunctionDef) -> str:
    "A method's header in one line, comments left out."
    if is_property(node):
        return f".{node.name}"
    lines = [re.sub(r"\s+#.*$", "", line) for line in header(text, node).split("\n")]
    flat = re.sub(r"\s+", " ", " ".join(line.strip() for line in lines if not line.lstrip().startswith("@"))).removeprefix("def ").rstrip(":")
    flat = re.sub(r"\(self(?:: ?[\w\"]+)?(?:, )?", "(", flat.replace("( ", "(")).replace(",)", ")").replace(", )", ")")
    return "." + flat


def module_page(module: str) -> list[str]:
    notebooks_of = list(dict.fromkeys(nb for nb, *_ in chunks(module)))
    names = public_names(module)
    purpose = title_of(notebooks_of[0])[1] if notebooks_of else f"The module {module}."
    chapters = ", ".join(f"[{title_of(nb)[0]}]({up(nb)})" for nb in notebooks_of)
    cells = [f"# {module}\n\n> {purpose}"]
    again = [name for name in exported(module) if name not in {n.name for n in names}]
    homes = {name: reference_page(m).split("/")[-1] for m in modules() for name in exported(m) if name in again and any(n.name == name for n in public_names(m))}
    lead = f"`from ce_sce_rec.{module} import …` · explained in {chapters} · [source]({REPOSITORY}/{module_path(module).relative_to(ROOT).as_posix()})"
    if again:
        lead += "\n\nAlso importable from here: " + ", ".join(f"[`{name}`]({homes[name]}#{name})" if name in homes else f"`{name}`" for name in again) + "."
    cells.append("\n\n".join([lead, "\n".join(f"- [`{n.name}`](#{n.name}): {short(n)}" for n in names)]))
    for n in names:
        cells += entry(n)
    return cells


def names_page() -> list[str]:
    "All names of the package by letter."
    every = sorted((n for m in modules() for n in public_names(m)), key=lambda n: (n.name.lower(), n.module))
    cells = [f"# All names\n\n> Every public name of the package, {len(every)} of them in {len(modules())} modules, with a line on each.",
             "Names link to their entries, which have the definition with shapes, the errors, and an example; each entry leads to the chapter that explains it. "
             "Symbols of the formulae are in [the symbol table](symbols.ipynb), words of the field in [the glossary](glossary.ipynb)."]
    letters: dict = {}
    for n in every:
        letters.setdefault(n.name[0].upper(), []).append(n)
    for letter, names in letters.items():
        rows = "\n".join(f"- [`{n.name}`](api/{reference_page(n.module).split('/')[-1]}#{n.name}) ({n.module}): {short(n)}" for n in names)
        cells.append(f"## {letter}\n\n{rows}")
    return [*cells, "Next: [the symbols](symbols.ipynb)."]


def as_notebook(cells: list[str]) -> str:
    "Markdown cells as a notebook that nbdev_clean leaves as it is."
    made, used = [], set()
    for text in cells:
        text = text.strip()
        name = hashlib.sha1(text.encode()).hexdigest()[:8]
        while name in used:
            name = hashlib.sha1((name + text).encode()).hexdigest()[:8]
        used.add(name)
        made.append({"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)})
    document = {"cells": made, "metadata": {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def pages() -> dict[str, str]:
    "Path below nbs/ -> text of every generated page."
    order = modules()
    made = {}
    for n, module in enumerate(order):
        after = f"Next: [{order[n + 1]}]({reference_page(order[n + 1]).split('/')[-1]})." if n + 1 < len(order) else "Next: [all names](../names.ipynb)."
        made[reference_page(module)] = as_notebook([*module_page(module), after])
    return {"reference/names.ipynb": as_notebook(names_page()), **made}


BEGIN, END = "# modules: written by tools/reference.py", "# end of modules"


def quarto_config(text: str) -> str:
    "_quarto.yml with the sidebar's list of modules renewed."
    found = re.search(rf"^( *){re.escape(BEGIN)}\n(?:.*\n)*?\1{re.escape(END)}$", text, re.MULTILINE)
    if not found:
        raise SystemExit(f"_quarto.yml has no lines {BEGIN!r} … {END!r}")
    lines = [BEGIN, *(f"- {reference_page(m)}" for m in modules()), END]
    return text[:found.start()] + "\n".join(found[1] + line for line in lines) + text[found.end():]


def out_of_step() -> list[str]:
    made = pages()
    wrong = [p for p, text in made.items() if not (NBS / p).exists() or (NBS / p).read_text(encoding="utf-8") != text]
    left = [p.relative_to(NBS).as_posix() for p in (NBS / "reference" / "api").glob("*.ipynb") if p.relative_to(NBS).as_posix() not in made]
    config = (ROOT / "_quarto.yml").read_text(encoding="utf-8")
    return wrong + left + (["_quarto.yml"] if quarto_config(config) != config else [])


def write() -> None:
    made = pages()
    (NBS / "reference" / "api").mkdir(parents=True, exist_ok=True)
    for path in (NBS / "reference" / "api").glob("*.ipynb"):
        if path.relative_to(NBS).as_posix() not in made:
            path.unlink()
    for path, text in made.items():
        (NBS / path).write_text(text, encoding="utf-8")
    config = ROOT / "_quarto.yml"
    config.write_text(quarto_config(config.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    if "--check" in sys.argv:
        wrong = out_of_step()
        sys.exit(f"the reference is not in step with the package: run make reference ({', '.join(wrong)})" if wrong else 0)
    write()
