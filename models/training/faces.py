"""Faces of a picture as a detector of the YuNet family says: where training needs them, and to compare two detectors.

    python faces.py --detector OURS.onnx --teacher YUNET.onnx --pictures DIR     how far apart their points are
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch

from common import below
from people import held_out

SIDE = 320


class Finder:
    """Any detector with YuNet's twelve outputs and a 320x320 or free input."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(path), options)

    def all(self, picture: np.ndarray, least: float = 0.6, nms: float = 0.3) -> np.ndarray:
        """Faces of bytes (blue first), best first, n x 15 in pixels: box x, y, width, height, five points, score."""
        scale = SIDE / max(picture.shape[:2])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)[:SIDE, :SIDE]
        x = np.zeros((1, 3, SIDE, SIDE), np.float32)
        x[0, :, :small.shape[0], :small.shape[1]] = small.transpose(2, 0, 1)
        names = [o.name for o in self.session.get_outputs()]
        out = dict(zip(names, self.session.run(names, {self.session.get_inputs()[0].name: x})))
        faces = []
        for stride in (8, 16, 32):
            score = np.sqrt(np.clip(out[f"cls_{stride}"], 0, 1) * np.clip(out[f"obj_{stride}"], 0, 1))[0, :, 0]
            cells = np.flatnonzero(score >= least)
            at = np.stack([cells % (SIDE // stride), cells // (SIDE // stride)], 1)
            b, k = out[f"bbox_{stride}"][0, cells], out[f"kps_{stride}"][0, cells].reshape(-1, 5, 2)
            size = np.exp(b[:, 2:]) * stride
            corner = (at + b[:, :2]) * stride - size / 2
            points = ((at[:, None] + k) * stride).reshape(-1, 10)
            faces.append(np.hstack([np.hstack([corner, size, points]) / scale, score[cells, None]]))
        found = np.concatenate(faces)
        found = found[np.argsort(-found[:, 14])]
        kept: list[np.ndarray] = []
        for face in found:
            if all(overlap(face, other) <= nms for other in kept):
                kept.append(face)
        return np.array([self._agreed(face, found) for face in kept]).reshape(-1, 15)

    @staticmethod
    def _agreed(best: np.ndarray, found: np.ndarray) -> np.ndarray:
        """The mean of the cells that see a face about as well as its best one, weighted by score, as the product does."""
        near = found[[f[14] >= 0.9 * best[14] and overlap(f, best) >= 0.5 for f in found]]
        return np.append(np.average(near[:, :14], axis=0, weights=near[:, 14]), best[14])


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two faces' boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:4], b[:2] + b[2:4])
    inner = float(np.prod(np.clip(high - low, 0, None)))
    return inner / max(1e-6, float(a[2] * a[3] + b[2] * b[3]) - inner)


def boxes(paths: list[Path], data: Path, finder: Finder, cache: Path) -> dict[str, np.ndarray]:
    """Box of the face nearest to each picture's middle, by path below `data`; pictures without one are left out."""
    if cache.exists():
        return {k: np.array(v) for k, v in json.loads(cache.read_text()).items()}
    found = {}
    for path in paths:
        picture = cv2.imread(str(path))
        faces = finder.all(picture)
        if len(faces):
            middle = np.array(picture.shape[1::-1]) / 2
            nearest = faces[np.argmin(np.linalg.norm(faces[:, :2] + faces[:, 2:4] / 2 - middle, axis=1))]
            found[str(path.relative_to(data))] = nearest[:4].round(1).tolist()
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(found))
    return {k: np.array(v) for k, v in found.items()}


def apart(ours: Finder, teacher: Finder, paths: list[Path], least: float) -> dict[str, float]:
    """Distances of our points from the teacher's in parts of its eye distance, over the teacher's faces of `least`
    pixels and more at 320; a face that we do not see counts as missed, one that it does not see as invented."""
    errors, missed, invented = [], 0, 0
    for path in paths:
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        scale = SIDE / max(picture.shape[:2])
        a, b = ours.all(picture), teacher.all(picture)
        for face in b[b[:, 3] * scale >= least]:
            near = [other for other in a if overlap(face, other) >= 0.5]
            if not near:
                missed += 1
                continue
            eyes = max(1e-3, float(np.hypot(*(face[4:6] - face[6:8]))))
            errors.append(np.linalg.norm((near[0][4:14] - face[4:14]).reshape(5, 2), axis=1) / eyes)
        invented += sum(f[3] * scale >= least and all(overlap(f, o) < 0.3 for o in b) for f in a)
    each = np.array(errors)
    whole = each.mean(1)
    return {"faces": len(whole) + missed, "missed": missed, "invented": invented, "mean": float(whole.mean()),
            "median": float(np.median(whole)), "p95": float(np.quantile(whole, 0.95)),
            **{name: float(v) for name, v in zip(("eye", "other_eye", "nose", "mouth", "other_mouth"), each.mean(0))}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--lfw", action="store_true", help="the folder is LFW: take only people who are held out")
    parser.add_argument("--count", type=int, default=500, help="pictures, spread over the folder")
    parser.add_argument("--least", type=float, default=40, help="height of the faces that count, in pixels at 320")
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = [p for p in below(args.pictures) if not args.lfw or held_out(p.parent.name)]
    chosen = paths[::max(1, len(paths) // args.count)]
    for name, value in apart(Finder(args.detector), Finder(args.teacher), chosen, args.least).items():
        print(f"{name} {value:.4g}")


if __name__ == "__main__":
    main()
