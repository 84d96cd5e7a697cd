"""What must hold of the built pages: `python tools/check_site.py DIRECTORY` (default _docs) prints every fault and fails if there is one.

Every link and picture leads to a file that is there, every anchor exists, every picture has alternative text, every page has a title; nothing is loaded
from another host, no page is above a megabyte; and Quarto's log, where there is one (_proc/render.log), holds no warning.
"""
from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup

from pages import ROOT

LARGEST = 1.1 * 2**20       # bytes of a page with its pictures inside


@lru_cache(maxsize=None)
def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@lru_cache(maxsize=None)
def anchors(path: Path) -> frozenset[str]:
    return frozenset(t["id"] for t in soup(path).find_all(id=True)) | {""}


def faults_of(page: Path, root: Path) -> list[str]:
    document, found = soup(page), []
    if not (document.title and document.title.get_text(strip=True)):
        found.append("no title")
    if page.stat().st_size > LARGEST:
        found.append(f"{page.stat().st_size / 2**20:.1f} MB")
    for tag in document.find_all(["a", "img", "script", "link"]):
        target = tag.get("href") or tag.get("src") or ""
        if re.match(r"(https?:)?//", target):
            if tag.name != "a" and not (tag.name == "link" and tag.get("rel", [""])[0] in ("canonical", "alternate")):
                found.append(f"loads {target}")
        elif not re.match(r"(mailto|data|javascript):", target) and target:
            file, _, anchor = target.partition("#")
            aim = (page if not file else root / file.lstrip("/") if file.startswith("/") else page.parent / unquote(file.split("?")[0])).resolve()
            if aim.is_dir():
                aim /= "index.html"
            if not aim.exists():
                found.append(f"{target} leads nowhere")
            elif tag.name == "a" and anchor and aim.suffix == ".html" and unquote(anchor) not in anchors(aim):
                found.append(f"{target}: there is no such place")
        if tag.name == "img" and len(tag.get("alt", "").strip()) < 4:
            found.append(f"a picture without alternative text: {target[:60]}")
    shown = document.find(id="quarto-document-content") or document
    found += [f"unresolved cross reference {m}" for m in re.findall(r"\?(?:@|meta:)?(?:fig|eq|tbl)-[\w-]+", shown.get_text())]
    return found


def faults(root: Path) -> list[str]:
    "Every fault of a built site."
    pages = sorted(p for p in root.rglob("*.html") if "site_libs" not in p.parts)
    found = [f"{page.relative_to(root)}: {what}" for page in pages for what in dict.fromkeys(faults_of(page, root))]
    for sheet in root.rglob("*.css"):
        found += [f"{sheet.relative_to(root)}: loads {m}" for m in re.findall(r"(?:@import\s+(?:url\()?|url\()[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text(encoding="utf-8", errors="ignore"))]
    log = ROOT / "_proc" / "render.log"
    if root == ROOT / "_docs" and log.exists():
        found += [f"Quarto: {line.strip()[:300]}" for line in log.read_text(encoding="utf-8").splitlines() if re.search(r"\b(WARN|WARNING|ERROR)\b", line)]
    return found if pages else [f"{root} holds no page"]


if __name__ == "__main__":
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_docs").resolve()
    wrong = faults(folder)
    print("\n".join(wrong) or f"{sum(1 for _ in folder.rglob('*.html'))} pages, no fault")
    sys.exit(bool(wrong))
