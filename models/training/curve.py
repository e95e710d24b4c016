"""Draws columns of a learning curve: python curve.py RUN.csv OUT.svg X COLUMN [COLUMN ...]; all columns share one axis from 0."""

import csv
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 52, 130, 12, 40
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def draw(table: Path, x: str, columns: list[str]) -> str:
    """The SVG's text."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    xs = [float(r[x]) for r in rows]
    most = max(xs)
    top = max(float(r[c]) for r in rows for c in columns) * 1.05
    across = lambda v: LEFT + v / most * (WIDTH - LEFT - RIGHT)
    down = lambda v: HEIGHT - BOTTOM - v / top * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for i in range(5):
        value, at = top * i / 4, most * i / 4
        out.append(f'<path d="M{LEFT} {down(value):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{down(value) + 4:.1f}" text-anchor="end">{value:.2g}</text>'
                   f'<text x="{across(at):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{at / 1000:.0f}k</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{x}</text>')
    for colour, name, place in zip(COLOURS, columns, range(len(columns))):
        points = " ".join(f"{across(v):.1f},{down(float(r[name])):.1f}" for v, r in zip(xs, rows))
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 14 + 18 * place}" fill="{colour}">{name}</text>')
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    Path(sys.argv[2]).write_text(draw(Path(sys.argv[1]), sys.argv[3], sys.argv[4:]))
