#!/usr/bin/env python3
"""Writes the picture of README.md to standard output:

    python3 docs/picture/picture.py > docs/picture/how-it-works.svg

It needs Python's standard library alone. `make check` compares its output with the file.
"""

WIDTH, HEIGHT = 640, 338

# Each colour for a light page and for a dark one. The card has a background of its own, so that the picture stays readable
# where a page's theme differs from the browser's.
COLOURS = {
    "card": ("#ffffff", "#0d1117"),
    "edge": ("#d1d9e0", "#3d444d"),
    "box": ("#f6f8fa", "#151b23"),
    "line": ("#59636e", "#9198a1"),
    "text": ("#1f2328", "#f0f6fc"),
    "note": ("#59636e", "#9198a1"),
    "daemon": ("#ddf4ff", "#12233d"),
    "accent": ("#0969da", "#4493f8"),
}


def style():
    """The classes, and the colours of both themes."""

    def variables(theme):
        return "".join(f"--{name}:{pair[theme]};" for name, pair in COLOURS.items())

    return f"""<style>
svg{{{variables(0)}}}
@media (prefers-color-scheme:dark){{svg{{{variables(1)}}}}}
text{{font-family:-apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;font-size:19px;fill:var(--text);text-anchor:middle}}
.name{{font-weight:600;font-size:20px}}
.note{{fill:var(--note)}}
.code{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:18px}}
.address{{fill:var(--accent);font-weight:600}}
.card{{fill:var(--card);stroke:var(--edge)}}
.box{{fill:var(--box);stroke:var(--line);stroke-width:1.5}}
.daemon{{fill:var(--daemon);stroke:var(--accent);stroke-width:2}}
.arrow{{fill:none;stroke:var(--line);stroke-width:2}}
.head{{fill:var(--line)}}
</style>"""


def box(kind, x, y, width, height, *lines):
    """A rectangle with its lines of text, each (class, text), in the middle."""
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>']
    top = y + height / 2 - 13 * (len(lines) - 1) + 7
    for i, (name, text) in enumerate(lines):
        parts.append(label(name, x + width / 2, top + 26 * i, text))
    return "\n".join(parts)


def label(name, x, y, text):
    """One line of text, its middle at x and its base line at y."""
    return f'<text class="{name}" x="{x:g}" y="{y:g}">{text}</text>'


def arrow(x1, y1, x2, y2):
    """A straight arrow, horizontal or vertical, from the first point to the second."""
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    back_x, back_y = x2 - 11 * dx, y2 - 11 * dy
    points = f"{x2},{y2} {back_x + 6 * dy},{back_y + 6 * dx} {back_x - 6 * dy},{back_y - 6 * dx}"
    return f'<path class="arrow" d="M{x1} {y1}L{back_x} {back_y}"/>\n<polygon class="head" points="{points}"/>'


def picture():
    """The whole file."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">',
        "<title>How a client gets credentials</title>",
        "<desc>Your software asks 169.254.169.254. The daemon mock-ec2-metadata answers there. It calls AWS STS AssumeRole with a "
        "profile of ~/.aws, and hands the temporary credentials to your software.</desc>",
        style(),
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="12"/>',
        # The upper row: who asks, and who answers.
        box("box", 20, 38, 190, 104, ("name", "your software"), ("note", "AWS SDK, CLI,"), ("note", "cloud-init")),
        box("daemon", 398, 38, 222, 104, ("name", "mock-ec2-metadata"), ("note", "on your machine")),
        arrow(210, 70, 398, 70),
        label("code address", 303, 56, "169.254.169.254"),
        arrow(398, 112, 210, 112),
        label("note", 304, 138, "temporary"),
        label("note", 304, 160, "credentials"),
        # The lower row: what the daemon needs.
        box("box", 20, 232, 190, 84, ("code name", "~/.aws"), ("note", "your profile")),
        box("box", 398, 232, 222, 84, ("name", "AWS STS"), ("note", "the IAM role")),
        '<path class="arrow" d="M210 274H350V190H436V153"/>',
        '<polygon class="head" points="436,142 430,153 442,153"/>',
        arrow(490, 142, 490, 232),
        label("code", 556, 193, "AssumeRole"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(picture(), end="")
