"""The site without Quarto: the same pages, sidebar and style sheet as plain HTML in _preview, for looking at while writing.

It knows the part of Quarto's markdown that the chapters use: headings with {#id}, callouts and other fenced divs, numbered figures and equations with
@fig- and @eq- references, folded code. Search and the pop-up previews of the real site are missing. Formulae become MathML by latex2mathml.
`python tools/preview.py [DIRECTORY]`; --serve shows it at http://127.0.0.1:8765.
"""
from __future__ import annotations

import base64
import functools
import html
import http.server
import re
import shutil
import sys
from pathlib import Path

import mistune
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from plain import figure_alt
from pages import NBS, ROOT, Page, config, listed, load, options, output_name, sidebar

try:
    from latex2mathml.converter import convert as mathml
except ImportError:
    mathml = None

SHELL = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – ce_sce_rec</title><meta name="description" content="{purpose}"><link rel="icon" href="{up}images/favicon.svg">
<link rel="stylesheet" href="{up}preview.css"><link rel="stylesheet" href="{up}styles.css"></head>
<body class="quarto-light"><script>
const dark = location.hash === "#dark" || (localStorage.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
if (dark) document.body.className = "quarto-dark";
function toggle() {{ const d = document.body.className === "quarto-light"; document.body.className = d ? "quarto-dark" : "quarto-light"; localStorage.theme = d ? "dark" : "light"; }}
</script>
<header id="quarto-header"><a class="brand" href="{up}index.html">ce_sce_rec</a><nav>{navbar}</nav><button onclick="toggle()" title="light or dark">◐</button></header>
<div id="quarto-content"><aside id="quarto-sidebar"><details><summary>Contents</summary>{sidebar}</details></aside>
<main class="content" id="quarto-document-content"><p class="crumbs">{crumbs}</p><h1 class="title">{title}</h1><div class="description">{lead}</div>
{body}
<nav class="page-navigation">{previous}{next}</nav></main>
<aside id="quarto-margin-sidebar">{toc}</aside></div></body></html>
"""


class Renderer(mistune.HTMLRenderer):
    "HTML as Quarto writes it, as far as the style sheet can tell."
    def __init__(self):
        super().__init__(escape=False)
        self.toc: list[tuple[int, str, str]] = []

    def heading(self, text, level, **attrs):
        found = re.search(r"\s*\{#([\w.:-]+)\}\s*$", text)
        bare = text[:found.start()] if found else text
        anchor = found[1] if found else slug(bare)
        self.toc.append((level, anchor, re.sub(r"<[^>]+>", "", bare)))
        return f'<h{level} id="{anchor}" class="anchored">{bare}</h{level}>\n'

    def block_code(self, code, info=None):
        return f'<div class="sourceCode">{coloured(code, (info or "text").split()[0])}</div>\n'

    def image(self, text, url, title=None):
        return f'<img src="{url}" alt="{html.escape(re.sub("<[^>]+>", "", text))}" class="img-fluid">'


def slug(text: str) -> str:
    "A heading's identifier as pandoc makes it."
    text = re.sub(r"<[^>]+>", "", html.unescape(text)).lower()
    return re.sub(r"^[^a-zà-ÿ]+", "", re.sub(r"\s+", "-", re.sub(r"[^\w\s.-]", "", text))) or "section"


def coloured(code: str, language: str) -> str:
    try:
        lexer = get_lexer_by_name({"sh": "bash"}.get(language, language))
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    made = highlight(code, lexer, HtmlFormatter(cssclass="code-wrap", wrapcode=True, linespans="l"))
    made = re.sub(r'<span id="l-\d+">', "<span>", made).replace("\n</span>", "</span>\n").replace("<code>", '<code class="sourceCode">')
    return made.replace('<div class="code-wrap"><pre><span></span>', '<div class="code-wrap"><pre>')


def formula(tex: str, block: bool) -> str:
    if mathml is not None:
        try:
            tex = re.sub(r"\\[bB]igg?[lrm]?(?![a-zA-Z])", "", tex)      # sizes that the converter does not know; browsers stretch delimiters themselves
            return mathml(tex.strip(), display="block" if block else "inline")
        except Exception:                                   # what the converter does not know is shown as it stands
            pass
    return f'<code class="tex">{html.escape(tex.strip())}</code>'


class PageRenderer:
    "One page: prose, code and stored outputs."
    def __init__(self, page: Page):
        self.page, self.renderer = page, Renderer()
        self.markdown = mistune.create_markdown(renderer=self.renderer, plugins=["table", "strikethrough"])
        self.kept: list[str] = []
        self.numbers = self.number()

    def number(self) -> dict[str, str]:
        "Labels of figures, tables and equations -> 'Figure 1'."
        found, counts = {}, {"fig": 0, "tbl": 0, "eq": 0}
        for cell in self.page.cells:
            text = cell["source"]
            labels = re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)\}", text) if cell["cell_type"] == "markdown" else [options(text)[0].get("label", "")]
            for label in labels:
                if (kind := label.split("-")[0]) in counts:
                    counts[kind] += 1
                    found[label] = f"{ {'fig': 'Figure', 'tbl': 'Table', 'eq': 'Equation'}[kind]} {counts[kind]}"
        return found

    def keep(self, text: str) -> str:
        "A placeholder that markdown leaves alone."
        self.kept.append(text)
        return f"\x02{len(self.kept) - 1}\x03"

    def math(self, text: str) -> str:
        "Formulae outside of code become placeholders."
        def display(found):
            label = found[2]
            number = f'<span class="eq-number">({self.numbers[label].split()[-1]})</span>' if label else ""
            return self.keep(f'<div class="math-display"{f" id={label!r}" if label else ""}>{formula(found[1], True)}{number}</div>')
        parts = re.split(r"(^```.*?^```|`[^`\n]*`)", text, flags=re.MULTILINE | re.DOTALL)
        for n in range(0, len(parts), 2):
            parts[n] = re.sub(r"\$\$(.+?)\$\$(?:\s*\{#(eq-[\w-]+)\})?", display, parts[n], flags=re.DOTALL)
            parts[n] = re.sub(r"(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\d$])", lambda m: self.keep(formula(m[1], False)), parts[n])
            parts[n] = re.sub(r"(?<![\w@])@((?:fig|tbl|eq)-[\w-]+\w)", lambda m: f'<a href="#{m[1]}" class="quarto-xref">{self.numbers.get(m[1], "?" + m[1])}</a>', parts[n])
        return "".join(parts)

    def back(self, text: str) -> str:
        text = re.sub(r"<p>(\x02\d+\x03)</p>", lambda m: m[1] if self.kept[int(m[1][1:-1])].startswith("<div") else m[0], text)
        while "\x02" in text:
            text = re.sub(r"\x02(\d+)\x03", lambda m: self.kept[int(m[1])], text)
        return text

    def link(self, text: str) -> str:
        "Links between notebooks become links between pages."
        def to_page(found):
            target = (Path(self.page.path).parent / found[1])
            parts: list[str] = []
            for part in target.parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            return f'href="{"../" * (len(Path(self.page.path).parts) - 1)}{output_name("/".join(parts))}{found[2] or ""}"'
        return re.sub(r'href="(?!https?:)([^"#]+\.ipynb)(#[^"]*)?"', to_page, text)

    def prose(self, text: str) -> str:
        "Markdown with fenced divs."
        text = re.sub(r"^(:{3,}.*)$", r"\n\1\n", text, flags=re.MULTILINE)
        made, out = self.back(self.markdown(self.math(text))), []
        for part in re.split(r"<p>(:{3,}[^<]*?)</p>\n?", made):
            if not part.startswith(":::"):
                out.append(part)
            elif (attributes := part.strip(": ").strip("{} ")):
                classes = " ".join(re.findall(r"\.([\w-]+)", attributes) or ([attributes] if re.fullmatch(r"[\w-]+", attributes) else []))
                anchor = re.search(r"#([\w.-]+)", attributes)
                out.append(f'<div{f" id={anchor[1]!r}" if anchor else ""}{f" class={self.callout(classes)!r}" if classes else ""}>')
            else:
                out.append("</div>\n")
        return self.link("".join(out))

    @staticmethod
    def callout(classes: str) -> str:
        return re.sub(r"\bcallout-(note|tip|warning|important|caution)\b", r"callout callout-\1", classes)

    def code(self, cell: dict) -> str:
        given, text = options(cell["source"])
        shown = given.get("echo", "true") != "false" and text.strip()
        block = f'<div class="sourceCode cell-code">{coloured(text, "python")}</div>' if shown else ""
        if shown and given.get("code-fold", "true" if self.page.folded else "false") in ("true", "show"):
            block = f'<details class="code-fold"{" open" if given.get("code-fold") == "show" else ""}><summary>{given.get("code-summary", "The code")}</summary>{block}</details>'
        outputs = "".join(self.output(o, given) for o in cell["outputs"]) if given.get("output", "true") != "false" else ""
        return f'<div class="cell{" exported" if cell["exported"] else ""}">{block}{outputs}</div>\n'

    def output(self, o: dict, given: dict) -> str:
        if o["output_type"] == "stream":
            return f'<div class="cell-output cell-output-{o["name"]}"><pre><code>{html.escape("".join(o["text"]))}</code></pre></div>'
        data = {k: "".join(v) if isinstance(v, list) else v for k, v in o.get("data", {}).items()}
        if "image/png" in data or "image/svg+xml" in data:
            alt = html.escape(figure_alt(given))
            source = f"data:image/png;base64,{data['image/png'].strip()}" if "image/png" in data else "data:image/svg+xml;base64," + base64.b64encode(data["image/svg+xml"].encode()).decode()
            picture, label = f'<img src="{source}" alt="{alt}" class="img-fluid">', given.get("label", "")
            if given.get("fig-cap"):
                number = f"{self.numbers[label]}: " if label in self.numbers else ""
                caption = re.sub(r"</?p>", "", self.prose(given["fig-cap"])).strip()
                picture = f'<figure class="quarto-float figure"{f" id={label!r}" if label else ""}>{picture}<figcaption>{number}{caption}</figcaption></figure>'
            return f'<div class="cell-output cell-output-display">{picture}</div>'
        if "text/html" in data:
            return f'<div class="cell-output cell-output-display">{data["text/html"]}</div>'
        if "text/markdown" in data:
            return f'<div class="cell-output cell-output-display">{self.prose(data["text/markdown"])}</div>'
        return f'<div class="cell-output cell-output-display"><pre><code>{html.escape(data.get("text/plain", ""))}</code></pre></div>'

    def body(self) -> str:
        return "".join(self.code(c) if c["cell_type"] == "code" else self.prose(c["source"]) for c in self.page.cells)


def menu(entries: list, page: str, titles: dict[str, str], up: str, level: int = 1) -> str:
    "The sidebar, with the way to the page unfolded; as in _quarto.yml the third level is folded otherwise."
    items = []
    for entry in entries:
        if isinstance(entry, dict) and "contents" in entry:
            inside = page in [p for p, _ in listed(entry["contents"])]
            items.append(f'<li><details class="level-{level}"{" open" if inside or level < 2 else ""}><summary>{entry["section"]}</summary>{menu(entry["contents"], page, titles, up, level + 1)}</details></li>')
        else:
            target = entry if isinstance(entry, str) else entry["href"]
            here = ' class="active"' if target == page else ""
            items.append(f'<li><a href="{up}{output_name(target)}"{here}>{html.escape(titles[target])}</a></li>')
    return f"<ul>{''.join(items)}</ul>"


def contents(toc: list[tuple[int, str, str]]) -> str:
    rows = [f'<li class="toc-{level}"><a href="#{anchor}">{text}</a></li>' for level, anchor, text in toc if level in (2, 3)]
    return f"<nav><h2>On this page</h2><ul>{''.join(rows)}</ul></nav>" if len(rows) > 1 else ""


def render(target: Path, only: list[str] | None = None) -> int:
    "Write the preview; returns the number of pages."
    order = [p for p, _ in listed()]
    trails = dict(listed())
    pages = {p: load(p) for p in order}
    titles = {p: page.title for p, page in pages.items()}
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("images", "results"):
        shutil.copytree(NBS / name, target / name)
    shutil.copy(NBS / "styles.css", target / "styles.css")
    colours = HtmlFormatter(style="default").get_style_defs("body.quarto-light .code-wrap") + HtmlFormatter(style="github-dark").get_style_defs("body.quarto-dark .code-wrap")
    (target / "preview.css").write_text((ROOT / "tools" / "preview.css").read_text(encoding="utf-8") + re.sub(r"background(?:-color)?: #\w+;?", "", colours), encoding="utf-8")
    bar = config()["website"]["navbar"]["left"]
    for n, (path, page) in enumerate(pages.items()):
        if only and path not in only:
            continue
        up, view = "../" * (len(Path(path).parts) - 1), PageRenderer(page)
        body = view.body()
        lead = re.sub(r"</?p>", "", view.prose(page.purpose))
        step = lambda m, word: f'<a class="{word}" href="{up}{output_name(order[m])}">{html.escape(titles[order[m]])}</a>' if 0 <= m < len(order) else "<span></span>"
        out = SHELL.format(title=html.escape(page.title), purpose=html.escape(page.purpose), up=up, lead=lead, body=body, toc=contents(view.renderer.toc),
                           navbar="".join(f'<a href="{up}{output_name(e["href"])}">{e["text"]}</a>' for e in bar), crumbs=" › ".join(trails[path]),
                           sidebar=menu(sidebar(), path, titles, up), previous=step(n - 1, "previous"), next=step(n + 1, "next"))
        file = target / page.output
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(out, encoding="utf-8")
    return len(only or order)


if __name__ == "__main__":
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    folder = Path(words[0]) if words else ROOT / "_preview"
    print(f"{render(folder)} pages in {folder.name}/; open {folder.name}/index.html" + ("" if mathml else " (formulae as TeX: pip install latex2mathml)"))
    if "--serve" in sys.argv:
        print("http://127.0.0.1:8765")
        http.server.ThreadingHTTPServer(("127.0.0.1", 8765), functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))).serve_forever()
