"""Plain-markdown versions of the pages and llms.txt, for tools that read text: `python tools/plain.py DIRECTORY` (default _docs).

Each page PAGE.html gets a sibling PAGE.html.md with its prose, code and printed outputs; tables that the notebooks store as HTML become markdown tables,
pictures their alternative text. llms.txt lists the pages in reading order with their purpose (the form is that of llmstxt.org).
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

from bs4 import BeautifulSoup

from pages import ROOT, Page, config, listed, load, options, output_name, plain

LONGEST_TABLE = 60      # rows


def figure_alt(given: dict[str, str]) -> str:
    "What a figure's cell says for those who do not see it."
    return given.get("fig-alt") or given.get("fig-cap") or ""


def table(text: str) -> str:
    "An HTML table as a markdown table."
    rows = [[" ".join(c.get_text(" ", strip=True).split()).replace("|", "\\|") for c in tr.find_all(["th", "td"]) for _ in range(int(c.get("colspan", 1)))]
            for tr in BeautifulSoup(text, "html.parser").find_all("tr")]
    rows = [r for r in rows if r]
    if not rows:
        return ""
    width = max(map(len, rows))
    rows = [[""] * (width - len(r)) + r for r in rows]          # a row below a merged index cell has fewer cells
    more = [f"\n({len(rows) - LONGEST_TABLE} more rows)"] if len(rows) > LONGEST_TABLE + 1 else []
    line = lambda cells: "| " + " | ".join(cells) + " |"
    return "\n".join([line(rows[0]), "|" + "---|" * width, *map(line, rows[1:LONGEST_TABLE]), *more])


def output(o: dict, given: dict[str, str]) -> str:
    if o["output_type"] == "stream":
        return "```text\n" + "".join(o["text"]).rstrip("\n") + "\n```"
    data = {k: "".join(v) if isinstance(v, list) else v for k, v in o.get("data", {}).items()}
    if any(k.startswith("image/") for k in data):
        return f"(Figure: {figure_alt(given)})" if figure_alt(given) else ""
    if "<table" in data.get("text/html", ""):
        return table(data["text/html"])
    if "text/markdown" in data:
        return data["text/markdown"]
    return "```text\n" + data["text/plain"].rstrip("\n") + "\n```" if data.get("text/plain") else ""


def to_markdown(page: Page, site: str) -> str:
    "A page as one markdown text."
    parts = [f"# {page.title}", f"> {page.purpose}", f"Source: {site}/{page.output}"]
    for cell in page.cells:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"^::: ?\{#[\w.]+\}\n:::\n*", "", cell["source"], flags=re.MULTILINE)
            parts.append(re.sub(r"\]\((?!https?:)([^)#\s]+)\.ipynb((?:#[^)]*)?)\)", lambda m: f"]({(Path(m[1]).parent / Path(output_name(m[1] + '.ipynb')).name).as_posix()}.md{m[2]})", text))
        else:
            given, code = options(cell["source"])
            if code.strip():
                parts.append(f"```python\n{code}\n```")
            parts += [output(o, given) for o in cell["outputs"]]
    return "\n\n".join(p.strip() for p in parts if p.strip()) + "\n"


def llms() -> str:
    "The list of pages for llms.txt."
    website = config()["website"]
    lines, last = [f"# {website['title']}", "", f"> {website['description']}", "",
                   "Every page below is plain markdown, made from the notebook that it documents: prose, code and stored outputs. Start with the landing page."], None
    for path, trail in listed():
        section = trail[0] if trail else "Overview"
        if section != last:
            lines += ["", f"## {section}", ""]
            last = section
        page = load(path)
        lines.append(f"- [{page.title}]({website['site-url']}/{page.output}.md): {plain(page.purpose)}")
    return "\n".join(lines) + "\n"


def write(target: Path) -> int:
    "All markdown pages and llms.txt; returns the number of pages."
    site = config()["website"]["site-url"]
    for path, _ in listed():
        page = load(path)
        file = target / f"{page.output}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(to_markdown(page, site), encoding="utf-8")
    (target / "llms.txt").write_text(llms(), encoding="utf-8")
    return len(listed())


if __name__ == "__main__":
    print(f"{write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / '_docs')} markdown pages and llms.txt")
