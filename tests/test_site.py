"""The site without Quarto: what its pages hold, the reference, the preview and the plain-markdown pages."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import check_site       # noqa: E402
import pages            # noqa: E402
import plain            # noqa: E402
import preview          # noqa: E402
import reference        # noqa: E402

PAGES = pages.notebooks()
GENERATED = [p for p in PAGES if p.startswith("reference/api/") or p == "reference/names.ipynb"]


def raw(page):
    return json.loads((ROOT / "nbs" / page).read_text(encoding="utf-8"))["cells"]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    "The preview of the whole site."
    target = tmp_path_factory.mktemp("site") / "preview"
    assert preview.render(target) == len(PAGES)
    return target


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    "The plain-markdown pages."
    target = tmp_path_factory.mktemp("texts")
    assert plain.write(target) == len(PAGES)
    return target


# ---- single pages ----

@pytest.mark.parametrize("page", PAGES)
def test_a_page_ends_with_where_to_go(page):
    last = pages.source(next(c for c in reversed(raw(page)) if c["cell_type"] == "markdown"))
    assert re.search(r"^Next: .*\]\(", last, re.MULTILINE), "the last prose cell says where to go next: 'Next: [title](page.ipynb).'"


@pytest.mark.parametrize("page", [p for p in PAGES if any(c["cell_type"] == "code" for c in raw(p))])
def test_figures_say_what_they_show(page):
    for number, cell in enumerate(raw(page)):
        images = [o for o in cell.get("outputs", []) if any(k.startswith("image/") for k in o.get("data", {}))]
        given = pages.options(pages.source(cell))[0]
        if images and "hide" not in pages.directives(pages.source(cell)):
            assert len(given.get("fig-alt", "")) > 20, f"cell {number} draws a figure: its first line should be '#| fig-alt: \"what one sees\"'"
        if "label" in given and given["label"].startswith("fig-"):
            assert given.get("fig-cap"), f"cell {number}: a numbered figure needs '#| fig-cap: …'"


@pytest.mark.parametrize("page", PAGES)
def test_cross_references_resolve(page):
    shown = pages.load(page).cells
    prose = "\n".join(pages.without_code(c["source"]) for c in shown if c["cell_type"] == "markdown")
    labels = re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)\}", prose) + [pages.options(c["source"])[0].get("label", "") for c in shown if c["cell_type"] == "code"]
    labels = [label for label in labels if label]
    assert len(labels) == len(set(labels)), "a label is given twice"
    wanted = re.findall(r"(?<![\w@`])@((?:fig|tbl|eq)-[\w-]*\w)", re.sub(r"`[^`\n]*`", "", prose))
    assert not set(wanted) - set(labels), f"nothing on this page is labelled {sorted(set(wanted) - set(labels))}"
    assert prose.count(":::") % 2 == 0, "a fenced div (:::) is not closed"


@pytest.mark.parametrize("page", PAGES)
def test_processed_page(page):
    made = pages.for_quarto(pages.load(page))
    front = yaml.safe_load(made["cells"][0]["source"].strip("-\n"))
    assert front["title"] and len(front["description"]) > 15, "title and purpose"
    assert not re.search(r"`|\]\(", front["description"])
    text = "\n".join(c["source"] for c in made["cells"][1:])
    assert not re.search(r"^#\|\s*(export|exporti|hide|default_exp)\b", text, re.MULTILINE)
    assert not re.search(r"^# \S", pages.without_code("\n\n".join(c["source"] for c in made["cells"][1:] if c["cell_type"] == "markdown")), re.MULTILINE), "one heading of the first level"
    assert len({c["id"] for c in made["cells"]}) == len(made["cells"])
    assert len(json.dumps(made)) < 2**20, "a page above 1 MB"


# ---- the whole ----

def test_sidebar():
    order = [p for p, _ in pages.listed()]
    assert len(order) == len(set(order)) and set(order) == set(PAGES), f"in the sidebar of _quarto.yml but no page, or the other way round: {sorted(set(order) ^ set(PAGES))}"
    sections = list(dict.fromkeys(trail[0] for _, trail in pages.listed() if trail))
    assert sections == ["Start", "Theory", "System", "Experiments", "Findings", "Reference"]
    outputs = [pages.output_name(p) for p in PAGES]
    assert len(outputs) == len(set(outputs)), "two pages have one address"


def test_site_configuration():
    config = pages.config()
    html, website = config["format"]["html"], config["website"]
    assert config["execute"]["enabled"] is False and html["html-math-method"] == "mathml"
    assert set(html["theme"]) == {"light", "dark"} and website["page-navigation"] is True and website["search"]
    for name in [html["css"], *(s for theme in html["theme"].values() for s in theme if s.endswith(".scss")), website["favicon"], website["image"]]:
        assert (ROOT / "nbs" / name).exists(), name
    for theme in ("light.scss", "dark.scss"):       # Quarto's themes load a font from another host unless told not to
        assert "$web-font-path: false;" in (ROOT / "nbs" / theme).read_text()
    for entry in website["navbar"]["left"]:
        assert entry["href"] in PAGES
    assert website["repo-subdir"] == "nbs" and website["repo-url"].startswith("https://github.com/")


def test_quarto_project(tmp_path):
    assert pages.write_quarto_project(tmp_path / "proc") == len(PAGES) == len(list((tmp_path / "proc").rglob("*.ipynb")))
    for name in ("_quarto.yml", "styles.css", "light.scss", "dark.scss", "images/favicon.svg", "results/beauty.csv"):
        assert (tmp_path / "proc" / name).exists()


def test_built_pages_have_no_fault(built):
    assert check_site.faults(built) == []
    assert len(list(built.rglob("*.html"))) == len(PAGES)


def test_the_check_finds_faults(built, tmp_path):
    page = (built / "start" / "quickstart.html").read_text(encoding="utf-8")
    (tmp_path / "there.html").write_text("<title>there</title><p id='here'></p>")
    broken = '<a href="nowhere.html">x</a><a href="there.html#gone">x</a><a href="there.html#here">x</a><img src="there.html"><script src="https://cdn.example.org/x.js"></script> see ?@fig-lost'
    (tmp_path / "page.html").write_text(page.split("<body")[0].replace("<title>", "<title></title><x>").replace("</title>", "", 0) + f'<body><main id="quarto-document-content">{broken}</main></body></html>')
    (tmp_path / "page.css").write_text('@import url("https://fonts.googleapis.com/css2?family=Lato");')
    found = "\n".join(check_site.faults(tmp_path))
    for what in ("nowhere.html leads nowhere", "there.html#gone: there is no such place", "without alternative text", "loads https://cdn.example.org/x.js", "fig-lost", "loads https://fonts"):
        assert what in found, (what, found)
    assert "#here" not in found


def test_reference_is_in_step():
    assert reference.out_of_step() == [], "run make reference"


def test_every_public_name_is_in_the_reference():
    total = 0
    for module in pages.modules():
        shown = "\n".join(pages.source(c) for c in raw(pages.reference_page(module)))
        found = pages.public_names(module)
        elsewhere = set(pages.exported(module)) - {n.name for n in found}
        assert all(any(name in pages.exported(m) and m != module for m in pages.modules()) for name in elsewhere), f"{module} exports {elsewhere}, which no chapter defines"
        for n in found:
            assert f"## {n.name} {{#{n.name}}}" in shown
            if n.kind != "constant":
                assert len(reference.docstring(n)) > 10, f"{module}.{n.name} has no docstring"
                assert reference.example(n), f"{module}.{n.name} is used in no chapter"
            assert reference.definition(n).strip()
            total += 1
    assert total > 250


def test_markdown_pages(texts):
    listed = (texts / "llms.txt").read_text(encoding="utf-8")
    site = pages.config()["website"]["site-url"]
    for page in PAGES:
        path = texts / f"{pages.output_name(page)}.md"
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {pages.title_of(page)[0]}\n\n> ") and f"{site}/{pages.output_name(page)}.md)" in listed
        assert len(text) < 300_000
        for target in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", pages.without_code(text)):
            assert target.startswith(("images/", "../images/")) or (path.parent / target).exists(), f"{page}: {target}"
    assert len(re.findall(r"^- \[", listed, re.MULTILINE)) == len(PAGES)
    assert not re.search(r"(?<![\w.:/])/(?:home|root|Users|tmp|work)/", "".join(p.read_text(encoding="utf-8") for p in texts.rglob("*.md")))


def test_spelling_of_the_pages(texts):
    run = subprocess.run([str(Path(sys.executable).with_name("codespell")), "--toml", str(ROOT / "pyproject.toml"), str(texts)], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout.replace(str(texts), "")


# ---- for those who carry the project on ----

def test_recipes_are_short():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = re.findall(r"^### (.+)\n\n((?:.+\n)+)", text.split("## Recipes")[1].split("\n## ")[0], re.MULTILINE)
    assert [name for name, _ in recipes] == ["A loss", "A backbone", "A data set", "An experiment", "A grid", "A claim"]
    for name, steps in recipes:
        assert 3 <= steps.count("\n") <= 10, name
        for target in re.findall(r"`((?:nbs|tests|tools)/[\w/.]+\.\w+)`", steps):
            assert (ROOT / target).exists(), target


def test_issue_templates():
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.stem != "config":
            assert form["name"] and form["description"] and {b["type"] for b in form["body"]} <= {"markdown", "input", "textarea", "dropdown", "checkboxes"}
    assert (ROOT / ".github" / "ISSUE_TEMPLATE" / "does_not_reproduce.yml").exists()
