"""The roofline of integer networks as SVG: what each reaches, under what the machine can do at most.

Across: multiply-adds a byte that a run has to touch once (the model's file and its arena of results). Upwards:
multiply-adds a nanosecond. The roof is the kernels' own matrix product within the nearest cache, its slopes are the
bytes that one thread reads from the next cache and from memory. (Williams, Waterman, Patterson: Roofline, CACM 2009.)
"""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 440, 70, 170, 40, 60
FONT = 'font-family="sans-serif" font-size="12"'


def roofline(result):
    roofs = result["roofs"]
    points = []
    for entry in result["stages"]:
        macs, size = entry["work"]
        if macs and size:
            points.append((entry["title"], macs / size, macs / (entry["sides"][0]["ms"] * 1e6)))
    peak = roofs["matmul"]["macs"]
    xs = [p[1] for p in points] + [peak / roofs["memory"]["bytes"]]
    x0, x1 = 10 ** math.floor(math.log10(min(xs)) - 0.5), 10 ** math.ceil(math.log10(max(xs)) + 0.3)
    y0, y1 = 10 ** math.floor(math.log10(min([p[2] for p in points] + [peak]) / 3)), peak * 2

    def x(value):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / x0) / math.log(x1 / x0)

    def y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(value / y0) / math.log(y1 / y0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {FONT}>']
    out.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    out.append(f'<text x="{LEFT}" y="20" font-size="14">Integer networks under the roof of one thread</text>')
    for low, high, place in ((x0, x1, x), (y0, y1, y)):
        for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
            at = place(10**power)
            if place is x:
                out.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
                out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:g}</text>')
            else:
                out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
                out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{10**power:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 18}" text-anchor="middle">multiply-adds a byte</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    out.append(
        f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">multiply-adds a ns</text>'
    )
    out.append(f'<path d="M{x(x0):.1f} {y(peak):.1f}H{x(x1):.1f}" stroke="black" stroke-width="2" fill="none"/>')
    out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y(peak) + 4:.1f}">matrix product: {peak:.0f}</text>')
    for name, colour in (("cache", "#357"), ("memory", "#a53")):
        slope = roofs[name]["bytes"]
        from_x, to_x = max(x0, y0 / slope), peak / slope
        out.append(
            f'<path d="M{x(from_x):.1f} {y(from_x * slope):.1f}L{x(to_x):.1f} {y(peak):.1f}" stroke="{colour}" '
            'stroke-width="2" fill="none"/>'
        )
        label = f"{name}: {slope:.0f} bytes a ns"
        out.append(f'<text x="{x(from_x) + 8:.1f}" y="{y(from_x * slope) - 8:.1f}" fill="{colour}">{label}</text>')
    for i, (title, intensity, pace) in enumerate(points):
        out.append(f'<circle cx="{x(intensity):.1f}" cy="{y(pace):.1f}" r="5" fill="#283"/>')
        down = 20 if i % 2 else -10
        out.append(f'<text x="{x(intensity) + 9:.1f}" y="{y(pace) + down:.1f}">{title}: {pace:.0f}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
