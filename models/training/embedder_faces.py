"""Aligned faces: found, cut and kept as arrays; and faces made of them that do not exist.

Pictures are BGR bytes. A kept face is `SIDE + 2 * MARGIN` wide, so that it can be turned and warped without black edges.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from common import jpeg, motion
from embedder_net import SIDE

MARGIN = 16
WIDE = SIDE + 2 * MARGIN
# Eyes, nose and corners of the mouth in a face of 128 x 128.
TEMPLATE = np.array([[40.39, 59.08], [87.38, 59.08], [64.03, 81.98], [44.73, 105.56], [83.64, 105.38]], np.float32)

Array = np.ndarray


def similarity(points: Array, template: Array) -> Array:
    """The turn, scale and shift (2 x 3) that take points to the template with the least squares of distance."""
    middle, target = points.mean(0), template.mean(0)
    a, b = points - middle, template - target
    size = (a**2).sum()
    c, s = (a * b).sum() / size, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / size
    turn = np.array([[c, -s], [s, c]])
    return np.hstack([turn, (target - turn @ middle)[:, None]]).astype(np.float32)


class Finder:
    """The five points of the largest face near the middle, by a YuNet of any input size."""

    def __init__(self, detector: Path) -> None:
        self.net = cv2.FaceDetectorYN.create(str(detector), "", (320, 320), 0.5, 0.3, 50)

    def points(self, picture: Array) -> Array | None:
        height, width = picture.shape[:2]
        self.net.setInputSize((width, height))
        _, found = self.net.detect(picture)
        if found is None:
            return None
        middle = np.array([width / 2, height / 2])
        worth = [f[2] * f[3] - 2 * ((f[:2] + f[2:4] / 2 - middle) ** 2).sum() for f in found]
        return found[int(np.argmax(worth))][4:14].reshape(5, 2)


def aligned(picture: Array, points: Array) -> Array:
    """The face, WIDE x WIDE, averaged down first where the picture is much larger."""
    turn = similarity(points, TEMPLATE + MARGIN)
    shrink = max(1, round(1 / float(np.hypot(turn[0, 0], turn[1, 0]))))
    if shrink > 1:
        picture = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        turn = similarity(points / shrink, TEMPLATE + MARGIN)
    return cv2.warpAffine(picture, turn, (WIDE, WIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def keep(files: list[Path], finder: Finder, border: int, out: Path) -> None:
    """Writes the faces (n, WIDE, WIDE, 3) beside the list of their files. `border` mirrors what tight crops lack."""
    faces, names = [], []
    for file in files:
        picture = cv2.imread(str(file))
        if picture is None:
            continue
        if border:
            picture = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REFLECT_101)
        points = finder.points(picture)
        if points is not None:
            faces.append(aligned(picture, points))
            names.append(str(file))
    np.save(out.with_suffix(".npy"), np.stack(faces))
    out.with_suffix(".txt").write_text("\n".join(names))


class Maker:
    """Faces for training: real ones and mixtures, bent, lit, spoiled and partly covered, 128 x 128."""

    def __init__(self, faces: Array, seed: int) -> None:
        self.faces = faces
        self.rng = np.random.default_rng(seed)

    def batch(self, n: int) -> Array:
        """(n, 3, 128, 128), float32, 0 to 255."""
        return np.stack([self.one() for _ in range(n)]).transpose(0, 3, 1, 2).astype(np.float32)

    def one(self) -> Array:
        rng = self.rng
        face = self.faces[rng.integers(len(self.faces))]
        if rng.random() < 0.4:
            face = self.mixed(face, self.faces[rng.integers(len(self.faces))])
        face = self.bent(face)
        if rng.random() < 0.8:
            face = self.lit(face)
        if rng.random() < 0.2:
            face = self.covered(face)
        if rng.random() < 0.5:
            face = self.spoiled(face)
        return face

    def mixed(self, a: Array, b: Array) -> Array:
        """Somebody between two people, or with the upper half of one and the lower half of the other."""
        rng = self.rng
        if rng.random() < 0.5:
            share = rng.uniform(0.25, 0.75)
            return cv2.addWeighted(a, share, b, 1 - share, 0)
        y, x = np.mgrid[0:WIDE, 0:WIDE].astype(np.float32)
        angle = rng.uniform(-0.5, 0.5) + (np.pi / 2 if rng.random() < 0.75 else 0)
        along = (x - WIDE / 2) * np.cos(angle) + (y - WIDE * rng.uniform(0.4, 0.65)) * np.sin(angle)
        share = (1 / (1 + np.exp(-along / rng.uniform(2, 10))))[..., None]
        return (a * share + b * (1 - share)).astype(np.uint8)

    def bent(self, face: Array) -> Array:
        """Mirrored, turned, scaled, sheared; half of them with other proportions, which the teacher sees as well."""
        rng = self.rng
        turn, scale = rng.normal(0, 0.07), np.exp(rng.normal(0, 0.05))
        c, s = scale * np.cos(turn), scale * np.sin(turn)
        to = np.array([[c, -s], [s, c]]) @ np.array([[1, rng.normal(0, 0.04)], [0, 1 + rng.normal(0, 0.04)]])
        if rng.random() < 0.5:
            to[0] *= -1
        to = to.astype(np.float32)
        y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - (SIDE - 1) / 2
        shift = rng.normal(0, 2, 2)
        mx = to[0, 0] * x + to[0, 1] * y + (WIDE - 1) / 2 + shift[0]
        my = to[1, 0] * x + to[1, 1] * y + (WIDE - 1) / 2 + shift[1]
        if rng.random() < 0.5:
            grid = rng.normal(0, rng.uniform(1, 4), (2, 5, 5)).astype(np.float32)
            mx += cv2.resize(grid[0], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
            my += cv2.resize(grid[1], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        mx, my = mx.astype(np.float32), my.astype(np.float32)
        return cv2.remap(face, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)

    def lit(self, face: Array) -> Array:
        """Brightness, contrast, colour, and light from a side."""
        rng = self.rng
        x = face.astype(np.float32)
        if rng.random() < 0.5:
            y, z = np.mgrid[-1:1:SIDE * 1j, -1:1:SIDE * 1j].astype(np.float32)
            angle = rng.uniform(0, 2 * np.pi)
            x *= (1 + rng.uniform(0, 0.7) * (z * np.cos(angle) + y * np.sin(angle)))[..., None]
        if rng.random() < 0.1:
            x = x @ np.array([[0.114], [0.587], [0.299]], np.float32) * np.ones((1, 3), np.float32)
        x = x * rng.uniform(0.85, 1.15, 3) if rng.random() < 0.5 else x
        mean = x.mean()
        x = (x - mean) * np.exp(rng.normal(0, 0.25)) + mean * np.exp(rng.normal(0, 0.3))
        x = np.clip(x, 0, 255) / 255
        return (255 * x ** np.exp(rng.normal(0, 0.25))).astype(np.uint8)

    def covered(self, face: Array) -> Array:
        """A hand, a scarf, a mask or glasses, all as plain shapes."""
        rng, face = self.rng, face.copy()
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        kind = rng.integers(4)
        if kind == 0:
            centre = tuple(int(v) for v in rng.integers(0, SIDE, 2))
            axes = tuple(int(v) for v in rng.integers(8, 36, 2))
            cv2.ellipse(face, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            y = int(rng.integers(78, 112))
            cv2.fillPoly(face, [np.array([[8, y], [64, y - 8], [120, y], [112, 128], [16, 128]])], colour, cv2.LINE_AA)
        elif kind == 2:
            dark = rng.random() < 0.4
            for cx in (40, 87):
                place = (cx + int(rng.integers(-2, 3)), 59 + int(rng.integers(-2, 4)))
                size = (int(rng.integers(13, 21)), int(rng.integers(9, 16)))
                if dark:
                    cv2.ellipse(face, place, size, 0, 0, 360, (20, 20, 20), -1, cv2.LINE_AA)
                cv2.ellipse(face, place, size, 0, 0, 360, colour, int(rng.integers(1, 4)), cv2.LINE_AA)
            cv2.line(face, (56, 58), (71, 58), colour, 2, cv2.LINE_AA)
        else:
            x, y = rng.integers(0, 96, 2)
            w, h = rng.integers(12, 48, 2)
            patch = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            part = face[y : y + h, x : x + w]
            part[:] = cv2.resize(patch, part.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return face

    def spoiled(self, face: Array) -> Array:
        """Far away, out of focus, moving, noisy, packed."""
        rng = self.rng
        if rng.random() < 0.4:
            small = int(rng.integers(32, 112))
            face = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
            face = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.3:
            face = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.4, 2))
        elif rng.random() < 0.3:
            face = cv2.filter2D(face, -1, motion(rng, int(rng.integers(3, 9))))
        if rng.random() < 0.4:
            noise = rng.normal(0, rng.uniform(1, 14), face.shape)
            face = np.clip(face + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            face = jpeg(face, int(rng.integers(25, 95)))
        return face
