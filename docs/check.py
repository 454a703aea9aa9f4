#!/usr/bin/env python3
"""Checks what README, CONTRIBUTING, CHANGELOG and docs/ refer to, and prints what is wrong:

    python3 docs/check.py

- each link within the repository leads to a file, and to a heading where it names one;
- each file of the repository that a page names exists, and each test that a page of docs/ names;
- each page of docs/ is in the table of contents, docs/README.md;
- the picture is what its source writes.

It needs Python's standard library and git.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONTENTS = "docs/README.md"
OWN = {"conf/config.yaml"}  # files that a user makes
PICTURE, PICTURE_SOURCE = "docs/picture/how-it-works.svg", "docs/picture/picture.py"


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def files(*patterns):
    """The repository's files, new ones included, ignored ones not."""
    command = ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return sorted(path for path in set(listed) if os.path.exists(os.path.join(ROOT, path)))


def without_code(text):
    """The text without its blocks and spans of code, in which [a](b) is no link."""
    return re.sub(r"`+[^`\n]*`+", "", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))


def anchors(text):
    """The anchors that GitHub gives the headings of a page."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S), flags=re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = base = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = 0
        while name in found:
            again += 1
            name = f"{base}-{again}"
        found.add(name)
    return found


def wrong_links(pages):
    for page, text in pages.items():
        # The text of a link may hold code.
        targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S))
        targets += re.findall(r'\bsrc="([^"]+)"', without_code(text))
        for target in targets:
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(ROOT, path)):
                yield f"{page}: {target}: no such file"
            elif anchor and anchor not in anchors(read(path)):
                yield f"{page}: {target}: no such heading"


def wrong_files(pages):
    for page, text in pages.items():
        if page == "CHANGELOG.md":
            continue  # it is about the past, too
        for path in sorted(set(re.findall(r"`((?:cmd|conf|deploy|docs|internal|test|tools)/[\w./-]+)`", text)) - OWN):
            if not os.path.exists(os.path.join(ROOT, path)):
                yield f"{page}: {path}: no such file"


def wrong_tests(pages):
    defined = set()
    for path in files("*_test.go"):
        defined.update(re.findall(r"^func (Test\w+)\(", read(path), flags=re.M))
    for page, text in pages.items():
        if not page.startswith("docs/"):
            continue
        for name in sorted(set(re.findall(r"`(Test\w+)`", text)) - defined):
            yield f"{page}: {name}: no such test"


def main():
    pages = {path: read(path) for path in files("*.md")}
    wrong = [*wrong_links(pages), *wrong_files(pages), *wrong_tests(pages)]
    for page in files("docs/*.md"):
        if page != CONTENTS and not re.search(r"\]\(" + re.escape(os.path.basename(page)) + r"[#)]", pages[CONTENTS]):
            wrong.append(f"{CONTENTS}: it has no link to {page}")
    written = subprocess.run([sys.executable, os.path.join(ROOT, PICTURE_SOURCE)], check=True, capture_output=True, text=True).stdout
    if written != read(PICTURE):
        wrong.append(f"{PICTURE}: not what its source writes; run: python3 {PICTURE_SOURCE} > {PICTURE}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
