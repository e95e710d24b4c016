"""What stands before the door in the liveness recipe: living people, and simulated prints and screens that show them.

Composed so that nothing but the attack tells the classes apart: the picture on a print or a screen is made as a
living scene is made, and the same camera looks at all of them. Kinds in `UNSEEN` are for measuring only.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import people
from common import Picture, Pictures, Rng, below, camera, light, log_uniform, noise

PAPER, LIVE, SCREEN = 0, 1, 2
Box = np.ndarray  # x, y, width, height in pixels, floats


@dataclass
class Scene:
    """A frame (bytes, blue first) and the face's box in it."""

    frame: Picture
    box: Box


@dataclass
class Medium:
    """A print or a screen, seen from straight ahead at the frame's scale; `alpha` is 0 beyond its edge."""

    picture: Picture
    box: Box
    alpha: np.ndarray  # height x width, 0 to 1


# ---- Living people ----

class People:
    """Living scenes of LFW, UTKFace and made-up people; `held` takes the held-out ones."""

    def __init__(self, data: Path, boxes: dict[str, Box], *, held: bool) -> None:
        """`boxes` by path below `data`, as `liveness.py` lets the detector find them."""
        def some(paths: list[Path], name: Callable[[Path], str]) -> list[Path]:
            return [p for p in paths if people.held_out(name(p)) == held and str(p.relative_to(data)) in boxes]
        train = data / "training"
        self.whole = Pictures(some(below(data / "eval/lfw/images"), lambda p: p.parent.name)
                              + 4 * some(below(train / "portraits_cc0"), lambda p: p.stem))
        self.heads = Pictures(some(below(train / "utkface_adults"), lambda p: p.name))
        grounds = below(train / "backgrounds_bsds500")
        self.grounds = Pictures(grounds[-40:] if held else grounds[:-40])
        self.boxes = [[boxes[str(p.relative_to(data))] for p in s.paths] for s in (self.whole, self.heads)]

    def ground(self, rng: Rng, width: int, height: int) -> Picture:
        """Scenery without a subject, often out of focus, with straight edges in some: doors, posters, screens."""
        picture = self.grounds.draw(rng)
        h, w = picture.shape[:2]
        part = min(w / width, h / height) * rng.uniform(0.5, 1)
        cw, ch = int(width * part), int(height * part)
        x, y = int(rng.integers(0, w - cw + 1)), int(rng.integers(0, h - ch + 1))
        out = cv2.resize(picture[y:y + ch, x:x + cw], (width, height), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.25:
            out[:] = cv2.resize(cv2.resize(out, (4, 4), interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.4, 0.3, 0.2, 0.1]))):
            a = rng.uniform(0, 1, 2) * (width, height)
            b = rng.uniform(0.1, 0.9, 2) * (width, height)
            colour = [float(v) for v in rng.integers(0, 256, 3)]
            corners = cv2.boxPoints(((float(a[0]), float(a[1])), (float(b[0]), float(b[1])), float(rng.normal(0, 3)))).astype(np.int32)
            cv2.fillPoly(out, [corners], colour, cv2.LINE_AA)
            if rng.random() < 0.5:
                cv2.polylines(out, [corners], True, [float(v) for v in rng.integers(0, 256, 3)], int(rng.integers(1, 12)), cv2.LINE_AA)
        return cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.5, 5))) if rng.random() < 0.6 else out

    def living(self, rng: Rng) -> Scene:
        """A whole photo as it was taken, or a person set before other scenery."""
        kind = rng.random()
        use = 1 if kind < 0.15 else 0
        pictures = (self.whole, self.heads)[use]
        index = int(rng.integers(len(pictures)))
        picture, box = pictures.get(index), self.boxes[use][index].copy()
        if rng.random() < 0.5:
            picture = cv2.flip(picture, 1)
            box[0] = picture.shape[1] - box[0] - box[2]
        if kind > 0.5:
            return self._as_taken(rng, picture, box)
        return self._before(rng, picture, box, head_only=use == 1)

    def _as_taken(self, rng: Rng, picture: Picture, box: Box) -> Scene:
        """The photo, cut a little and enlarged to a camera's scale."""
        h, w = picture.shape[:2]
        room = [box[0], box[1], w - box[0] - box[2], h - box[1] - box[3]]
        left, top, right, bottom = (max(0, int(r * rng.uniform(0, 0.7 if rng.random() < 0.5 else 0.05))) for r in room)
        cut = picture[top:h - bottom, left:w - right]
        scale = log_uniform(rng, 0.8, 2.0)
        return Scene(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA),
                     (box - [left, top, 0, 0]) * scale)

    def _before(self, rng: Rng, picture: Picture, box: Box, *, head_only: bool) -> Scene:
        """The head, and the shoulders where the photo has them, with a soft outline before scenery."""
        width, height = [(640, 480), (480, 640), (480, 360), (360, 480), (400, 400)][int(rng.integers(5))]
        scale = log_uniform(rng, 0.1, 0.34) * width / box[2]
        scale = min(scale, 2.2, 0.8 * height / box[3])
        if scale < 0.6:
            picture, box, scale = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), box / 2, scale * 2
        h, w = picture.shape[:2]
        cx, cy = box[0] + box[2] / 2, box[1] + box[3] / 2
        mask = np.zeros((h, w), np.uint8)
        cv2.ellipse(mask, (int(cx), int(cy - 0.06 * box[3])), (int(box[2] * rng.uniform(0.66, 0.85)), int(box[3] * rng.uniform(0.72, 0.9))), 0, 0, 360, 255, -1)
        if not head_only:
            cv2.ellipse(mask, (int(cx), int(cy + box[3] * 1.75)), (int(box[2] * rng.uniform(1.3, 1.9)), int(box[3] * rng.uniform(1.0, 1.25))), 0, 0, 360, 255, -1)
        mask = cv2.blur(mask, (max(3, int(box[2] * rng.uniform(0.04, 0.16))) | 1,) * 2)
        x = rng.uniform(box[2] * scale * 0.5, width - box[2] * scale * 0.5)
        y = rng.uniform(box[3] * scale * 0.6, height - box[3] * scale * 0.6)
        turn = cv2.getRotationMatrix2D((cx, cy), float(rng.normal(0, 5)), scale)
        turn[:, 2] += (x - cx, y - cy)
        frame = self.ground(rng, width, height)
        front = cv2.warpAffine(light(rng, picture, 0.5), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(mask, turn, (width, height))
        if not head_only:  # a body goes on below its photo
            bottom = int(y + (h - cy) * scale) - 2
            if 0 < bottom < height:
                alpha[bottom:] = alpha[bottom - 1]
        size = box[2:] * scale
        return Scene(blend(frame, front, alpha), np.array([x - size[0] / 2, y - size[1] / 2, *size]))


def blend(ground: Picture, above: Picture, alpha: np.ndarray) -> Picture:
    """`above` over `ground`, which is written to, where `alpha` (height x width, bytes or 0 to 1) says so."""
    x, y, w, h = cv2.boundingRect(alpha if alpha.dtype == np.uint8 else (alpha > 0).astype(np.uint8))
    if w and h:
        part = (slice(y, y + h), slice(x, x + w))
        share = alpha[part].astype(np.float32) * (1 / 255 if alpha.dtype == np.uint8 else 1)
        ground[part] = cv2.blendLinear(above[part], ground[part], share, 1 - share)
    return ground


# ---- What prints and screens do to a picture ----

def cut(rng: Rng, scene: Scene, width: float, near: float, far: float) -> Medium:
    """What of the scene lies on the medium: `near` to `far` faces of margin around the face, which is then `width` wide."""
    h, w = scene.frame.shape[:2]
    x, y, bw, bh = scene.box
    m = rng.uniform(near, far, 4) * [bw, bh, bw, bh] * [1, 1, 1, 1.2]
    left, top = max(0, int(x - m[0])), max(0, int(y - m[1]))
    right, bottom = min(w, int(x + bw + m[2])), min(h, int(y + bh + m[3]))
    scale = width / bw
    size = (max(24, int((right - left) * scale)), max(24, int((bottom - top) * scale)))
    picture = cv2.resize(scene.frame[top:bottom, left:right], size, interpolation=cv2.INTER_LINEAR if scale > 0.7 else cv2.INTER_AREA)
    return Medium(picture, (scene.box - [left, top, 0, 0]) * scale, np.ones(size[::-1], np.float32))


def frame_with(rng: Rng, medium: Medium, colour: np.ndarray, thick: tuple[float, float, float, float], round_: float) -> Medium:
    """A border of the parts of the medium's smaller side in `thick` (left, top, right, bottom), corners rounded by `round_`."""
    side = min(medium.picture.shape[:2])
    left, top, right, bottom = (int(t * side) for t in thick)
    picture = cv2.copyMakeBorder(medium.picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=[float(c) for c in colour])
    alpha = np.ones(picture.shape[:2], np.float32)
    radius = int(round_ * side)
    if radius > 1:
        alpha[:] = 0
        h, w = alpha.shape
        cv2.rectangle(alpha, (radius, 0), (w - radius, h), 1.0, -1)
        cv2.rectangle(alpha, (0, radius), (w, h - radius), 1.0, -1)
        for px, py in ((radius, radius), (w - radius - 1, radius), (radius, h - radius - 1), (w - radius - 1, h - radius - 1)):
            cv2.circle(alpha, (px, py), radius, 1.0, -1, cv2.LINE_AA)
    return Medium(picture, medium.box + [left, top, 0, 0], alpha)


def waves(rng: Rng, height: int, width: int, low: float, high: float, angle: float | None = None) -> np.ndarray:
    """A plane sine of wavelength `low` to `high` pixels along any direction, -1 to 1, bent a little."""
    angle = rng.uniform(0, math.pi) if angle is None else angle
    length = log_uniform(rng, low, high)
    y, x = np.ogrid[:height, :width]
    bend = rng.uniform(-1, 1) * 1e-3
    along = np.float32(math.cos(angle)) * x + np.float32(math.sin(angle)) * y + np.float32(bend) * (x - width / 2) * (y - height / 2)
    return np.sin(along.astype(np.float32) * (2 * math.pi / length) + rng.uniform(0, 6.28)).astype(np.float32)


def slope(rng: Rng, height: int, width: int, strength: float) -> np.ndarray:
    """Light that falls off across a flat thing: a plane around 1."""
    a = rng.uniform(0, 2 * math.pi)
    y, x = np.ogrid[-1:1:complex(height), -1:1:complex(width)]
    return (1 + strength * (math.cos(a) * x + math.sin(a) * y)).astype(np.float32)


def glare(rng: Rng, picture: np.ndarray, strength: float) -> np.ndarray:
    """The reflection of a lamp or a window: a blurred bright blob, bar or pane. Floats in, floats out."""
    h, w = picture.shape[:2]
    small = np.zeros((max(8, h // 4), max(8, w // 4)), np.float32)
    centre = (float(rng.uniform(0, w / 4)), float(rng.uniform(0, h / 4)))
    axes = (max(2.0, w / 4 * float(rng.uniform(0.05, 0.5))), max(2.0, h / 4 * float(rng.uniform(0.03, 0.35))))
    angle = float(rng.uniform(0, 180))
    if rng.random() < 0.5:
        cv2.ellipse(small, (centre, axes, angle), 1.0, -1)
    else:
        cv2.fillPoly(small, [cv2.boxPoints((centre, axes, angle)).astype(np.int32)], 1.0)
    small = cv2.GaussianBlur(small, (0, 0), log_uniform(rng, 0.7, 8))
    return picture + cv2.resize(small, (w, h))[..., None] * (255 * strength)


def ink(rng: Rng, picture: Picture) -> np.ndarray:
    """The gamut of ink on paper: lifted blacks, dull whites, less colour, a tint. Floats."""
    out = picture.astype(np.float32)
    grey = out.mean(2, keepdims=True)
    out = grey + (out - grey) * (0.0 if rng.random() < 0.08 else rng.uniform(0.5, 1.05))
    return (out * rng.uniform(0.62, 0.9) + rng.uniform(12, 55)) * np.exp(rng.normal(0, 0.04, 3))


def backlight(rng: Rng, picture: Picture) -> np.ndarray:
    """The gamut of a screen: steeper or flatter tones, stronger colour, often bluish. Floats."""
    out = 255 * (picture.astype(np.float32) / 255) ** rng.uniform(0.7, 1.4)
    grey = out.mean(2, keepdims=True)
    out = grey + (out - grey) * rng.uniform(0.8, 1.5)
    return (out * rng.uniform(0.75, 1.3) + rng.uniform(0, 22)) * np.exp(rng.normal(0, 0.03, 3) + [rng.uniform(0, 0.12), 0, 0])


def grain(rng: Rng, shape: tuple[int, ...], size: float, strength: float) -> np.ndarray:
    """Paper's uneven surface: height x width x 1 around 1."""
    field = noise(rng, np.full((max(4, int(shape[0] / size)), max(4, int(shape[1] / size)), 3), 128, np.uint8), 40)[..., 0]
    return 1 + (cv2.resize(field, (shape[1], shape[0])).astype(np.float32)[..., None] - 128) / 40 * strength


def as_bytes(picture: np.ndarray) -> Picture:
    """Floats to bytes, cut to their range."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def bent(rng: Rng, medium: Medium, depth: float, across: bool) -> Medium:
    """Rolled about an axis: foreshortened towards an edge, and shaded by it; `depth` 0 (flat) to 1."""
    h, w = medium.picture.shape[:2]
    n = w if across else h
    t = np.linspace(-1, 1, n, dtype=np.float32)
    tilt = rng.uniform(-0.5, 0.5)
    source = np.sin(t * (1 + depth) + 0) / math.sin(1 + depth) if 1 + depth < 1.5 else np.sign(t) * np.abs(t) ** (1 - 0.4 * depth)
    shade = 1 - 0.55 * depth * (t - tilt) ** 2
    ramp = ((source + 1) / 2 * (n - 1)).astype(np.float32)
    sag = (depth * 0.12 * (h if across else w) * (1 - t ** 2)).astype(np.float32)
    if across:
        xs, ys = np.broadcast_to(ramp, (h, w)), np.arange(h, dtype=np.float32)[:, None] - sag
    else:
        xs, ys = np.arange(w, dtype=np.float32)[None] - sag[:, None], np.broadcast_to(ramp[:, None], (h, w))
    xs, ys = np.ascontiguousarray(xs), np.ascontiguousarray(ys)
    picture = cv2.remap(medium.picture, xs, ys, cv2.INTER_LINEAR) * (shade[None, :, None] if across else shade[:, None, None])
    return Medium(as_bytes(picture), medium.box, cv2.remap(medium.alpha, xs, ys, cv2.INTER_LINEAR))


# ---- Kinds of attack ----

def paper(rng: Rng, scene: Scene, width: float) -> Medium:
    """A picture from an office printer: plain paper, faint lines of the print head, mostly a white border, flat light."""
    medium = cut(rng, scene, width, 0.1, 1.0)
    out = ink(rng, medium.picture)
    h, w = out.shape[:2]
    if rng.random() < 0.5:
        out *= 1 + rng.uniform(0.01, 0.06) * waves(rng, h, w, 2, 7, rng.choice([0, math.pi / 2]))[..., None]
    medium.picture = as_bytes(out * grain(rng, out.shape, rng.uniform(1, 3), rng.uniform(0.005, 0.03)))
    if rng.random() < 0.75:
        medium = frame_with(rng, medium, rng.uniform(175, 250) + rng.normal(0, 5, 3), tuple(rng.uniform(0.0, 0.18, 4)), 0)
    medium.picture = as_bytes(medium.picture * slope(rng, *medium.picture.shape[:2], rng.uniform(0, 0.25))[..., None])
    return bent(rng, medium, rng.uniform(0, 0.25), rng.random() < 0.7) if rng.random() < 0.5 else medium


def glossy(rng: Rng, scene: Scene, width: float) -> Medium:
    """A photo from a lab: strong colour, shine, a narrow border or none."""
    medium = cut(rng, scene, width, 0.15, 1.2)
    out = medium.picture.astype(np.float32) * rng.uniform(0.75, 1.0) + rng.uniform(5, 30)
    medium.picture = as_bytes(out)
    if rng.random() < 0.5:
        medium = frame_with(rng, medium, rng.uniform(200, 250, 3), (rng.uniform(0.01, 0.06),) * 4, 0)
    out = glare(rng, medium.picture.astype(np.float32), rng.uniform(0.1, 0.8))
    medium.picture = as_bytes(out * slope(rng, *out.shape[:2], rng.uniform(0, 0.2))[..., None])
    return bent(rng, medium, rng.uniform(0, 0.3), rng.random() < 0.7) if rng.random() < 0.5 else medium


def lines(rng: Rng, scene: Scene, width: float) -> Medium:
    """Cheap colour print with a line screen, a turned one for each ink."""
    medium = paper(rng, scene, width)
    h, w = medium.picture.shape[:2]
    length, depth = log_uniform(rng, 2.0, 4.5), rng.uniform(0.08, 0.3)
    angles = rng.uniform(0, math.pi) + np.array([0, 0.5, 1.1])
    screen = np.stack([waves(rng, h, w, length, length * 1.01, a) for a in angles], 2)
    medium.picture = as_bytes(medium.picture * (1 + depth * screen))
    return medium


def cutout(rng: Rng, scene: Scene, width: float) -> Medium:
    """A print cut out along the head, worn or held before the face."""
    medium = cut(rng, scene, width, 0.1, 0.4)
    medium.picture = as_bytes(ink(rng, medium.picture) * slope(rng, *medium.picture.shape[:2], rng.uniform(0, 0.25))[..., None])
    x, y, w, h = medium.box
    alpha = np.zeros_like(medium.alpha)
    axes = (w * float(rng.uniform(1.05, 1.45)), h * float(rng.uniform(1.05, 1.5)))
    cv2.ellipse(alpha, ((float(x + w / 2), float(y + h / 2)), axes, float(rng.normal(0, 4))), 1.0, -1, cv2.LINE_AA)
    return Medium(medium.picture, medium.box, alpha)


def phone(rng: Rng, scene: Scene, width: float) -> Medium:
    """A phone held up: dark or white bezel with round corners, glare, sometimes bars of its own display."""
    medium = cut(rng, scene, width, 0.1, 0.8)
    out = backlight(rng, medium.picture)
    h, w = out.shape[:2]
    if rng.random() < 0.4:
        bar = max(3, int(h * rng.uniform(0.04, 0.12)))
        shade = float(rng.choice([10, 30, 235]))
        out[:bar] = shade
        if rng.random() < 0.5:
            out[-bar:] = shade
    if rng.random() < 0.5:
        out *= 1 + rng.uniform(0.01, 0.06) * waves(rng, h, w, 2.0, 5.0, 0)[..., None] * waves(rng, h, w, 2.0, 5.0, math.pi / 2)[..., None]
    if rng.random() < 0.5:
        out = glare(rng, out, rng.uniform(0.05, 0.6))
    medium.picture = as_bytes(out)
    side, end = rng.uniform(0.01, 0.08), rng.uniform(0.02, 0.22)
    colour = np.full(3, rng.uniform(5, 50)) if rng.random() < 0.85 else rng.uniform(190, 245, 3)
    return frame_with(rng, medium, colour, (side, end, side, end), rng.uniform(0.02, 0.12))


def monitor(rng: Rng, scene: Scene, width: float) -> Medium:
    """A large screen: seldom its edge in sight, colours steep, faint pixels, an even glow."""
    medium = cut(rng, scene, width, 0.3, 1.6)
    out = backlight(rng, medium.picture)
    h, w = out.shape[:2]
    for angle in (0.0, math.pi / 2):
        out *= 1 + rng.uniform(0.0, 0.08) * waves(rng, h, w, 1.8, 5.0, angle)[..., None]
    out = out * slope(rng, h, w, rng.uniform(0, 0.2))[..., None]
    medium.picture = as_bytes(glare(rng, out, rng.uniform(0.03, 0.3)) if rng.random() < 0.3 else out)
    if rng.random() < 0.6:  # the window that shows it, and the desktop around
        edge = rng.uniform(20, 250, 3)
        medium = frame_with(rng, medium, edge, tuple(rng.uniform(0.0, 0.35, 4)), 0)
    return frame_with(rng, medium, np.full(3, rng.uniform(5, 40)), (rng.uniform(0.02, 0.08),) * 4, 0)


def moire(rng: Rng, scene: Scene, width: float) -> Medium:
    """Any screen whose pixels beat with the camera's: coloured waves over it."""
    medium = phone(rng, scene, width) if rng.random() < 0.5 else monitor(rng, scene, width)
    h, w = medium.picture.shape[:2]
    angle, length = rng.uniform(0, math.pi), log_uniform(rng, 6, 28)
    tint = np.stack([waves(rng, h, w, length * s, length * s * 1.02, angle) for s in (1, rng.uniform(0.9, 1.1), rng.uniform(0.9, 1.1))], 2)
    medium.picture = as_bytes(medium.picture * (1 + rng.uniform(0.03, 0.14) * tint))
    return medium


def news(rng: Rng, scene: Scene, width: float) -> Medium:
    """Newsprint: coarse dots on grey paper, torn out with text around it. Measured on only."""
    medium = cut(rng, scene, width, 0.2, 0.9)
    grey = cv2.cvtColor(medium.picture, cv2.COLOR_BGR2GRAY).astype(np.float32)[..., None]
    h, w = grey.shape[:2]
    length, angle = log_uniform(rng, 4.5, 7.0), math.pi / 4 + rng.normal(0, 0.1)
    dots = waves(rng, h, w, length, length, angle) * waves(rng, h, w, length, length, angle + math.pi / 2)
    out = np.clip(grey * 0.75 + 40 + 60 * dots[..., None], 45, 205) * np.array([0.88, 0.96, 1.0])
    medium = frame_with(rng, Medium(as_bytes(out), medium.box, medium.alpha), np.array([165, 182, 190]), tuple(rng.uniform(0.1, 0.4, 4)), 0)
    for y in range(3, medium.picture.shape[0], 9):
        x = int(rng.integers(2, 8))
        inner = medium.picture[y:y + 3]
        paper_ = np.abs(inner.astype(int) - [165, 182, 190]).sum(2) == 0
        inner[paper_ & (np.arange(inner.shape[1]) % 31 > x)[None]] = 90
    return medium


def rolled(rng: Rng, scene: Scene, width: float) -> Medium:
    """A print bent hard around the face. Measured on only."""
    return bent(rng, paper(rng, scene, width), rng.uniform(0.45, 0.9), rng.random() < 0.8)


def folded(rng: Rng, scene: Scene, width: float) -> Medium:
    """A print with the creases of folding. Measured on only."""
    medium = paper(rng, scene, width)
    h, w = medium.picture.shape[:2]
    shade = np.ones((h, w, 1), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        at, lower = rng.uniform(0.2, 0.8), rng.uniform(0.8, 0.95)
        if rng.random() < 0.5:
            shade[int(h * at):] *= lower
            shade[int(h * at):int(h * at) + 2] *= 1.15
        else:
            shade[:, int(w * at):] *= lower
            shade[:, int(w * at):int(w * at) + 2] *= 1.15
    medium.picture = as_bytes(medium.picture * shade)
    return medium


def tablet(rng: Rng, scene: Scene, width: float) -> Medium:
    """A tablet lying across, broad white bezel, fine pixels. Measured on only."""
    medium = cut(rng, scene, width, 0.4, 1.3)
    out = backlight(rng, medium.picture)
    medium.picture = as_bytes(glare(rng, out, rng.uniform(0.05, 0.35)) if rng.random() < 0.5 else out)
    return frame_with(rng, medium, rng.uniform(215, 250, 3), (rng.uniform(0.1, 0.18),) * 4, rng.uniform(0.04, 0.08))


def diamond(rng: Rng, scene: Scene, width: float) -> Medium:
    """A phone whose pixels lie askew and beat in long waves. Measured on only."""
    medium = phone(rng, scene, width)
    h, w = medium.picture.shape[:2]
    pitch = log_uniform(rng, 2.5, 3.5)
    grid = waves(rng, h, w, pitch, pitch, math.pi / 4) * waves(rng, h, w, pitch, pitch, -math.pi / 4)
    beat = waves(rng, h, w, 35, 80)
    medium.picture = as_bytes(medium.picture * (1 + 0.12 * grid + rng.uniform(0.03, 0.1) * beat)[..., None])
    return medium


def flicker(rng: Rng, scene: Scene, width: float) -> Medium:
    """A monitor that a rolling shutter catches in dark bands. Measured on only."""
    medium = monitor(rng, scene, width)
    h, w = medium.picture.shape[:2]
    bands = np.clip(waves(rng, h, w, h / 4, h, math.pi / 2) * 1.5, -1, 0.3)
    medium.picture = as_bytes(medium.picture * (1 + rng.uniform(0.12, 0.35) * bands)[..., None])
    return medium


Kind = Callable[[Rng, Scene, float], Medium]
SEEN: dict[str, tuple[Kind, int]] = {
    "paper": (paper, PAPER), "glossy": (glossy, PAPER), "lines": (lines, PAPER), "cutout": (cutout, PAPER),
    "phone": (phone, SCREEN), "monitor": (monitor, SCREEN), "moire": (moire, SCREEN)}
UNSEEN: dict[str, tuple[Kind, int]] = {
    "news": (news, PAPER), "rolled": (rolled, PAPER), "folded": (folded, PAPER),
    "tablet": (tablet, SCREEN), "diamond": (diamond, SCREEN), "flicker": (flicker, SCREEN)}


def hold_up(rng: Rng, crowd: People, medium: Medium, emits: bool) -> Scene:
    """The medium before the camera, turned and tilted, before scenery or somebody who holds it, often with fingers."""
    width, height = [(640, 480), (480, 640), (480, 360), (360, 480), (400, 400)][int(rng.integers(5))]
    if rng.random() < 0.4:
        holder = crowd.living(rng)
        frame = cv2.resize(holder.frame, (width, height), interpolation=cv2.INTER_LINEAR)
        middle = (holder.box[:2] + holder.box[2:] / 2) * [width / holder.frame.shape[1], height / holder.frame.shape[0]]
        middle = middle + rng.normal(0, 0.05, 2) * width
    else:
        frame = crowd.ground(rng, width, height)
        middle = rng.uniform(0.3, 0.7, 2) * (width, height)
    if emits and rng.random() < 0.5:  # exposed for the screen
        frame = cv2.convertScaleAbs(frame, alpha=float(rng.uniform(0.3, 1)))
    h, w = medium.picture.shape[:2]
    face = medium.box[:2] + medium.box[2:] / 2
    angle = float(rng.normal(0, 6)) * math.pi / 180
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = (np.array([[0, 0], [w, 0], [w, h], [0, h]]) - face) @ turn.T
    tilt = rng.normal(0, 0.05 if rng.random() < 0.7 else 0.12, 2)
    depth = 1 + (corners / max(w, h)) @ tilt * 2
    corners = (corners / depth[:, None] + middle).astype(np.float32)
    move = cv2.getPerspectiveTransform(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), corners)
    front = cv2.warpPerspective(medium.picture, move, (width, height))
    alpha = cv2.warpPerspective(medium.alpha, move, (width, height))
    if rng.random() < 0.4:
        shift = np.float32([[1, 0, rng.uniform(-12, 12)], [0, 1, rng.uniform(0, 14)]])
        shadow = cv2.blur(cv2.warpAffine(alpha, shift, (width, height)), (15, 15))
        frame = as_bytes(frame * (1 - float(rng.uniform(0.1, 0.5)) * shadow[..., None]))
    frame = blend(frame, front, alpha)
    if rng.random() < 0.4:
        fingers(rng, frame, corners)
    x, y, bw, bh = medium.box
    points = cv2.perspectiveTransform(np.array([[[x, y], [x + bw, y], [x + bw, y + bh], [x, y + bh]]], np.float32), move)[0]
    low, high = points.min(0), points.max(0)
    return Scene(frame, np.array([*low, *(high - low)], np.float64))


def fingers(rng: Rng, frame: Picture, corners: np.ndarray) -> None:
    """Thumbs and fingers over an edge."""
    skin = np.array([110, 140, 195]) * rng.uniform(0.35, 1.15)
    side = int(rng.integers(4))
    a, b = corners[side], corners[(side + 1) % 4]
    inward = corners.mean(0) - (a + b) / 2
    inward /= max(1e-3, float(np.linalg.norm(inward)))
    thick = float(np.linalg.norm(a - b)) * rng.uniform(0.05, 0.1)
    for _ in range(int(rng.integers(1, 4))):
        at = a + (b - a) * rng.uniform(0.1, 0.9)
        colour = [float(v) for v in (skin * rng.uniform(0.9, 1.1)).clip(0, 255)]
        tip, root = at + inward * thick * rng.uniform(0.3, 1.6), at - inward * thick * 3
        cv2.line(frame, [int(v) for v in tip], [int(v) for v in root], colour, max(2, int(thick)), cv2.LINE_AA)


def attack(rng: Rng, crowd: People, kind: Kind, label: int) -> Scene:
    """Somebody's picture on a medium of this kind, before the door."""
    content = crowd.living(rng)
    content.frame = light(rng, content.frame, 0.6)
    medium = kind(rng, content, log_uniform(rng, 50, 170))
    return hold_up(rng, crowd, medium, label == SCREEN)


def look(rng: Rng, scene: Scene) -> Scene:
    """The door's camera: its light, its faults, and a box as inexact as a detector's; no more of the frame than is used."""
    left, top, right, bottom = around(scene, 4.4)
    frame = camera(rng, light(rng, scene.frame[top:bottom, left:right], 0.8))
    x, y, w, h = scene.box - [left, top, 0, 0]
    dx, dy, dw, dh = rng.normal(0, 0.03, 4)
    w, h = w * (1 + dw), h * (1 + dh)
    return Scene(frame, np.array([x + dx * w, y + dy * h, w, h]))


def around(scene: Scene, factor: float) -> tuple[int, int, int, int]:
    """The box grown by `factor`, by less where the frame is smaller, moved into the frame: left, top, right, bottom."""
    height, width = scene.frame.shape[:2]
    x, y, w, h = scene.box
    w, h = max(1.0, w), max(1.0, h)
    factor = max(0.0, min(factor, (width - 1) / w, (height - 1) / h))
    cx, cy, w, h = x + w / 2, y + h / 2, w * factor, h * factor
    left = max(0.0, min(cx - w / 2, width - 1 - w))
    top = max(0.0, min(cy - h / 2, height - 1 - h))
    return int(left), int(top), min(int(left + w), width - 1) + 1, min(int(top + h), height - 1) + 1


def crop(scene: Scene, factor: float, side: int = 80) -> Picture:
    """What is `around` the box, as side x side bytes, taken from the frame as the product takes it."""
    left, top, right, bottom = around(scene, factor)
    return cv2.resize(scene.frame[top:bottom, left:right], (side, side), interpolation=cv2.INTER_LINEAR)
