"""Composed scenes for the detector: many faces of all sizes and turns on all grounds, and grounds with none.

No labels are made here: the teacher names every face it sees, also those that a pasted picture brought along.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from common import Picture, Pictures, Rng, below, camera, jpeg, lfw, light, log_uniform, noise


@dataclass(frozen=True)
class Source:
    """Pictures with one centred face each."""

    pictures: Pictures
    centre: tuple[float, float]  # of the face, in parts of the picture
    width: float  # of the face, in parts of the picture
    weight: float  # how often it is drawn


class Scenes:
    """A scene for every number: the same number is the same scene on every machine."""

    def __init__(self, data: Path, size: int, *, held: bool = False, seed: int = 1) -> None:
        """`data` as in README.md; `size` in pixels; `held` takes LFW's held-out people and the last backgrounds."""
        train = data / "training"
        faces, grounds = below(train / "utkface_adults"), below(train / "backgrounds_bsds500")
        portraits = below(train / "portraits_cc0")
        self.seed, self.size = seed + 7919 * held, size
        if held:
            self.sources = [Source(Pictures(lfw(data, held=True)[::4]), (0.5, 0.5), 0.36, 1.0)]
            self.grounds = Pictures(grounds[-20:])
            return
        self.sources = [
            Source(Pictures(lfw(data, held=False)), (0.5, 0.5), 0.36, 0.62),
            Source(Pictures(faces), (0.5, 0.55), 0.62, 0.25),
            Source(Pictures(portraits), (0.5, 0.45), 0.4, 0.13),
        ]
        self.grounds = Pictures(grounds[:-20])

    def __getitem__(self, index: int) -> Picture:
        """Scene `index`: size x size x 3 bytes, blue first."""
        rng = np.random.default_rng([self.seed, index])
        kind = rng.choice(4, p=[0.42, 0.38, 0.13, 0.07])
        scene = [self._pasted, self._tiled, self._zoomed, self._empty][kind](rng)
        if rng.random() < 0.25:
            self._occlude(rng, scene)
        scene = camera(rng, light(rng, scene))
        if rng.random() < 0.5:
            scene = cv2.flip(scene, 1)
        if rng.random() < 0.4:  # a frame that is not square lies in the upper left, as the door's do
            if rng.random() < 0.75:
                scene[int(self.size * rng.choice([0.5625, 0.667, 0.75])):] = 0
            else:
                scene[:, int(self.size * rng.uniform(0.55, 0.8)):] = 0
        return scene

    def _source(self, rng: Rng) -> Source:
        weights = np.array([s.weight for s in self.sources])
        return self.sources[int(rng.choice(len(self.sources), p=weights / weights.sum()))]

    def _ground(self, rng: Rng) -> Picture:
        """Any picture, cut and stretched to the whole scene."""
        if rng.random() < 0.12:
            ground = np.empty((self.size, self.size, 3), np.uint8)
            ground[:] = rng.integers(0, 256, 3)
            return noise(rng, ground, 12)
        picture = self.grounds.draw(rng) if rng.random() < 0.7 else self.sources[0].pictures.draw(rng)
        height, width = picture.shape[:2]
        side = int(min(height, width) * rng.uniform(0.4, 1))
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
        return cv2.resize(picture[top:top + side, left:left + side], (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _paste(self, rng: Rng, scene: Picture, width: float, x: float, y: float) -> None:
        """Pastes a face `width` pixels wide with its centre at (x, y), turned and squeezed, with a soft edge or a hard one."""
        source = self._source(rng)
        picture = source.pictures.draw(rng)
        if rng.random() < 0.5:
            picture = light(rng, picture)
        side = picture.shape[1]
        scale = width / (source.width * side)
        while scale < 0.6:
            picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            side, scale = picture.shape[1], scale * 2
        angle = rng.normal(0, 14) if rng.random() < 0.85 else rng.uniform(-100, 100)
        angle = math.radians(angle)
        squeeze = rng.uniform(0.7, 1.1) if rng.random() < 0.3 else 1.0
        mirrored = -1 if rng.random() < 0.5 else 1
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        turn = np.array([[cos * squeeze * mirrored, -sin], [sin * squeeze * mirrored, cos]])
        centre = np.array([source.centre[0] * side, source.centre[1] * picture.shape[0]])
        reach = math.hypot(*picture.shape[:2]) * scale * 0.7
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(self.size, int(x + reach)), min(self.size, int(y + reach))
        if right - left < 2 or bottom - top < 2:
            return
        move = np.hstack([turn, (np.array([x - left, y - top]) - turn @ centre)[:, None]])
        mask = np.zeros(picture.shape[:2], np.float32)
        if rng.random() < 0.6:  # the head alone
            axes = (int(source.width * side * rng.uniform(0.58, 0.9)), int(source.width * side * rng.uniform(0.8, 1.1)))
            cv2.ellipse(mask, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, 1.0, -1)
        else:
            edge = max(1, side // 40)
            mask[edge:-edge, edge:-edge] = 1
        if rng.random() < 0.8:
            mask = cv2.blur(mask, (max(3, side // 12) | 1,) * 2)
        box = (right - left, bottom - top)
        face = cv2.warpAffine(picture, move, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(mask, move, box)[..., None]
        spot = scene[top:bottom, left:right]
        spot[:] = (spot + (face.astype(np.float32) - spot) * alpha).astype(np.uint8)

    def _pasted(self, rng: Rng) -> Picture:
        """A ground with one to nine faces."""
        scene = self._ground(rng)
        count = int(rng.choice([1, 2, 3, 4, 6, 9], p=[0.15, 0.2, 0.2, 0.17, 0.14, 0.14]))
        for width in sorted(log_uniform(rng, 16, 190 / math.sqrt(count) + 20) for _ in range(count)):
            self._paste(rng, scene, width, *rng.uniform(0, self.size, 2))
        return scene

    def _tiled(self, rng: Rng) -> Picture:
        """Two to sixteen pictures side by side, each cut anyhow."""
        scene = np.empty((self.size, self.size, 3), np.uint8)
        rows, columns = [(1, 2), (2, 2), (2, 2), (2, 3), (3, 3), (3, 3), (3, 4), (4, 4)][int(rng.integers(8))]
        ys = self._cuts(rng, rows)
        for top, bottom in zip(ys, ys[1:]):
            xs = self._cuts(rng, columns)
            for left, right in zip(xs, xs[1:]):
                scene[top:bottom, left:right] = self._cut(rng, right - left, bottom - top, 1.0)
        return scene

    def _cuts(self, rng: Rng, parts: int) -> list[int]:
        inner = [(i + rng.uniform(-0.25, 0.25)) / parts * self.size for i in range(1, parts)]
        return [0, *(int(v) for v in inner), self.size]

    def _cut(self, rng: Rng, width: int, height: int, zoom: float) -> Picture:
        """A window of any picture, `zoom` times nearer than the whole, turned a little."""
        source = self._source(rng)
        picture = source.pictures.draw(rng) if rng.random() < 0.9 else self.grounds.draw(rng)
        h, w = picture.shape[:2]
        scale = max(width / w, height / h) * zoom * log_uniform(rng, 1.0, 1.7)
        if scale < 0.6:
            picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            (h, w), scale = picture.shape[:2], scale * 2
        turn = cv2.getRotationMatrix2D((w * rng.uniform(0.3, 0.7), h * rng.uniform(0.3, 0.7)),
                                       rng.normal(0, 12) if rng.random() < 0.5 else 0.0, scale)
        turn[:, 2] += np.array([width / 2 - turn[0, :2] @ (w / 2, h / 2) - turn[0, 2],
                                height / 2 - turn[1, :2] @ (w / 2, h / 2) - turn[1, 2]])
        turn[:, 2] += rng.uniform(-0.3, 0.3, 2) * (scale * w - width * 0.8, scale * h - height * 0.8)
        if rng.random() < 0.5:
            picture = cv2.flip(picture, 1)
        return cv2.warpAffine(picture, turn, (width, height), borderMode=int(rng.choice([cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE])))

    def _zoomed(self, rng: Rng) -> Picture:
        """One picture, its face up to the scene's size and partly out of it."""
        return np.ascontiguousarray(self._cut(rng, self.size, self.size, log_uniform(rng, 1.0, 1.6)))

    def _empty(self, rng: Rng) -> Picture:
        """No face: a ground, or what is left of faces when their patches are shuffled or smeared."""
        if rng.random() < 0.5:
            return self._ground(rng)
        scene = self._tiled(rng)
        if rng.random() < 0.4:
            return cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(12, 25)))
        part = self.size // int(rng.choice([8, 10, 16]))
        count = self.size // part
        patches = scene[:count * part, :count * part].reshape(count, part, count, part, 3).swapaxes(1, 2).reshape(-1, part, part, 3)
        rng.shuffle(patches)
        scene[:count * part, :count * part] = patches.reshape(count, count, part, part, 3).swapaxes(1, 2).reshape(count * part, count * part, 3)
        return scene

    def _occlude(self, rng: Rng, scene: Picture) -> None:
        """Things in front: bars and blobs, some of the colour of skin, as hands and arms are."""
        for _ in range(int(rng.integers(1, 4))):
            skin = (np.array([120, 150, 205]) * rng.uniform(0.3, 1.1)).clip(0, 255)
            colour = skin if rng.random() < 0.4 else rng.integers(0, 256, 3)
            spot = tuple(int(v) for v in rng.uniform(0, self.size, 2))
            axes = tuple(int(v) for v in rng.uniform(4, 40, 2))
            if rng.random() < 0.5:
                cv2.ellipse(scene, spot, axes, float(rng.uniform(0, 180)), 0, 360, [float(v) for v in colour], -1, cv2.LINE_AA)
            else:
                corners = cv2.boxPoints((spot, (float(axes[0]), float(axes[1]) * 4), float(rng.uniform(0, 180))))
                cv2.fillPoly(scene, [corners.astype(np.int32)], [float(v) for v in colour], cv2.LINE_AA)
