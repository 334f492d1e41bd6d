# SPDX-License-Identifier: GPL-2.0
"""Ratios as horizontal bars, in SVG."""

from xml.sax.saxutils import escape

LINE, TEXT, WIDTH = 18, 340, 420  # of a row, of its name, of the bars
LARGEST = 2.0  # ratio that fills the width
GOOD, BAD = "#4a7fb5", "#c0504d"


def ratios(rows):
    """One bar for each (name, ratio); those without a ratio are left out."""
    rows = [(name, ratio) for name, ratio in rows if ratio is not None]
    height = LINE * (len(rows) + 2)
    at_one = TEXT + WIDTH / LARGEST
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11" '
        f'width="{TEXT + WIDTH + 60}" height="{height}">',
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<line x1="{at_one}" y1="{LINE}" x2="{at_one}" y2="{height}" stroke="black"/>',
        f'<text x="{at_one}" y="{LINE - 5}" text-anchor="middle">as much as uacce</text>',
    ]
    for number, (name, ratio) in enumerate(rows, 1):
        parts.append(_bar(number * LINE + 4, name, ratio))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(y, name, ratio):
    length = min(ratio, LARGEST) / LARGEST * WIDTH
    colour = GOOD if ratio <= 1.005 else BAD
    return (f'<text x="{TEXT - 6}" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{TEXT}" y="{y}" width="{length:.1f}" height="{LINE - 5}" fill="{colour}"/>'
            f'<text x="{TEXT + length + 4:.1f}" y="{y + 11}">{ratio:.2f}</text>')
