"""What the recipes share: pictures kept as files in memory, camera faults, schedule, averaged weights, checkpoints."""

import argparse
import csv
import functools
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

import people

Rng = np.random.Generator
Picture = np.ndarray  # uint8, height x width x 3, blue first
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


class Pictures:
    """Pictures as the bytes of their files: small enough to keep all of them, decoded when drawn."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = list(paths)
        if not self.paths:
            raise SystemExit("no pictures found: see README.md for the layout that --data expects")
        self.files = [np.frombuffer(p.read_bytes(), np.uint8) for p in self.paths]

    def __len__(self) -> int:
        return len(self.files)

    def get(self, index: int) -> Picture:
        """The picture as height x width x 3 bytes, blue first."""
        picture = cv2.imdecode(self.files[index], cv2.IMREAD_COLOR)
        if picture is None:
            raise SystemExit(f"{self.paths[index]} is no picture")
        return picture

    def draw(self, rng: Rng) -> Picture:
        """Any of them."""
        return self.get(int(rng.integers(len(self))))


def below(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted, so that the same seed draws the same ones everywhere."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)


def lfw(data: Path, *, held: bool) -> list[Path]:
    """Sorted pictures of LFW's held-out people (`held`) or of all others; `data` holds eval/lfw/images."""
    folders = sorted(f for f in (data / "eval/lfw/images").iterdir() if f.is_dir() and people.held_out(f.name) == held)
    return [p for folder in folders for p in sorted(folder.glob("*.jpg"))]


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Between `low` and `high`, each octave as likely as the next."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def light(rng: Rng, picture: Picture, strength: float = 1.0) -> Picture:
    """Another exposure, contrast, gamma, white balance and saturation; sometimes grey."""
    curve = np.arange(256, dtype=np.float32) / 255
    curve = curve ** log_uniform(rng, 0.75, 1.35) ** strength
    gains = np.exp(rng.normal(0, 0.07 * strength, 3) + rng.normal(0, 0.2 * strength))
    offset = rng.normal(0, 0.05 * strength)
    table = np.clip((curve[:, None] * gains + offset) * 255, 0, 255).astype(np.uint8)
    out = cv2.LUT(picture, np.ascontiguousarray(table[None]))
    saturation = 0.0 if rng.random() < 0.08 * strength else 1 + rng.normal(0, 0.25 * strength)
    if abs(saturation - 1) > 0.05:
        grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        saturation = float(np.clip(saturation, 0, 1.6))
        out = cv2.addWeighted(out, saturation, grey, 1 - saturation, 0)
    return out


def camera(rng: Rng, picture: Picture) -> Picture:
    """Faults of a cheap camera: defocus, motion, noise, JPEG; each on some pictures only."""
    out = picture
    if rng.random() < 0.2:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.8)))
    if rng.random() < 0.1:
        out = cv2.filter2D(out, -1, motion(rng, int(rng.integers(3, 9))))
    if rng.random() < 0.3:
        out = noise(rng, out, log_uniform(rng, 2, 14))
    if rng.random() < 0.25:
        out = jpeg(out, int(rng.integers(25, 90)))
    return out


def motion(rng: Rng, length: int) -> np.ndarray:
    """A kernel that smears by `length` pixels along any direction."""
    kernel = np.zeros((length, length), np.float32)
    angle, middle = rng.uniform(0, math.pi), (length - 1) / 2
    dx, dy = math.cos(angle) * middle, math.sin(angle) * middle
    ends = [(round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy))]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return kernel / kernel.sum()


def noise(rng: Rng, picture: Picture, sigma: float) -> Picture:
    """Adds noise of `sigma` grey levels: any window of one field made once."""
    height, width = picture.shape[:2]
    field = _field(1024 * math.ceil((max(height, width) + 64) / 1024))
    top, left = int(rng.integers(0, len(field) - height + 1)), int(rng.integers(0, len(field) - width + 1))
    return cv2.add(picture, field[top:top + height, left:left + width] * np.float32(sigma), dtype=cv2.CV_8U)


@functools.cache
def _field(size: int) -> np.ndarray:
    return np.random.default_rng(size).normal(0, 1, (size, size, 3)).astype(np.float32)


def jpeg(picture: Picture, quality: int) -> Picture:
    """Through a JPEG file of this quality (1 to 100) and back."""
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def rate(step: int, steps: int, peak: float, warm: int) -> float:
    """Learning rate: a straight rise over `warm` steps, then half a cosine down to a hundredth."""
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return peak * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


class Average:
    """A slow mean of a network's weights: what is measured and exported."""

    def __init__(self, net: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.values = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Takes the network's weights in; early on the mean follows faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - decay)
            else:
                self.values[key].copy_(value)


def save(path: Path, **state: Any) -> None:
    """Writes a checkpoint so that a kill leaves the last whole one."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


class Curve:
    """The learning curve: one CSV row at a time, kept over resumes up to the step resumed from."""

    def __init__(self, path: Path, fields: list[str], resumed: int) -> None:
        rows = []
        if resumed and path.exists():
            with path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row[fields[0]]) <= resumed]
        self.path, self.fields = path, fields
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def add(self, **row: Any) -> None:
        """Appends a row; numbers with four digits."""
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.fields, lineterminator="\n").writerow(shown)
        print(" ".join(f"{k}={v}" for k, v in shown.items()), flush=True)


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1, groups: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution and batch norm, which `fold` makes one layer, and ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU()) if relu else nn.Sequential(*layers)


@torch.no_grad()
def fold(net: nn.Module) -> None:
    """Folds every batch norm into the convolution before it, in place."""
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = nn.utils.fusion.fuse_conv_bn_eval(module[0].eval(), module[1].eval())
            module[1] = nn.Identity()


def export(net: nn.Module, shape: tuple[int, ...], path: Path, outputs: list[str]) -> None:
    """Writes the folded network as ONNX, opset 13, static shapes, weights inside; input name `input`."""
    kwargs: dict[str, Any] = {"dynamo": False}
    torch.onnx.export(net.eval().cpu(), (torch.zeros(shape),), str(path), input_names=["input"], output_names=outputs,
                      opset_version=13, do_constant_folding=True, **kwargs)


def device(name: str) -> torch.device:
    """`auto` is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


Task = Callable[[argparse.Namespace], None]


def options(about: str | None, rate: float, every: int) -> argparse.ArgumentParser:
    """The options that every recipe has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with training/ and eval/lfw/images")
    parser.add_argument("--teachers", type=Path, help="folder of the teachers' ONNX files, laid out as README.md says")
    parser.add_argument("--out", type=Path, required=True, help="what is cut or made once, checkpoint, learning curve")
    parser.add_argument("--export", type=Path, help="write the ONNX files there instead of training")
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--every", type=int, default=every)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    return parser


def run(parser: argparse.ArgumentParser, train: Task, write: Task, **others: Task) -> None:
    """Does what is asked: writes with --export, else one of the others by its option, else trains."""
    args = parser.parse_args()
    for name, task in {"export": write, **others}.items():
        if getattr(args, name):
            return task(args)
    if not (args.data and args.teachers):
        parser.error("training needs --data and --teachers")
    return train(args)
