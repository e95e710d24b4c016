"""Trains the embedder by distillation: block by block on the teacher's inner maps, then end to end.

    python embedder.py prepare --faces LFW --more UTK --more PORTRAITS --detector YUNET.onnx --work DIR
    python embedder.py train   --work DIR --teacher 0095.onnx
    python embedder.py export  --work DIR --out embedder.onnx

`prepare` cuts aligned faces; people of `people.held_out` go into a part that training never opens. `train` resumes from
its last checkpoint and writes the learning curve, measured on the people held out, to DIR/curve.csv. `export` folds
normalisation into the convolutions and writes a float ONNX file, which `ostiary models quantize` brings to integers.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embedder_faces import MARGIN, Finder, Maker, keep
from embedder_net import SIDE, Depthwise, PReLU, Student, Teacher
from people import held_out

BATCH = 32


def prepare(a: argparse.Namespace) -> None:
    a.work.mkdir(parents=True, exist_ok=True)
    finder = Finder(a.detector)
    pictures = sorted(a.faces.glob("*/*.jpg"))
    keep([p for p in pictures if held_out(p.parent.name)], finder, 0, a.work / "held")
    keep([p for p in pictures if not held_out(p.parent.name)], finder, 0, a.work / "train-0")
    for k, folder in enumerate(a.more, 1):
        keep(sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".png")), finder, 60, a.work / f"train-{k}")


def middle(faces: np.ndarray) -> np.ndarray:
    return faces[:, MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE]


def tensor(faces: np.ndarray) -> Tensor:
    return torch.from_numpy(faces.transpose(0, 3, 1, 2).astype(np.float32)).to(memory_format=torch.channels_last)


@torch.no_grad()
def vectors(run, faces: np.ndarray) -> Tensor:  # noqa: ANN001
    """One unit vector a face."""
    return torch.cat([F.normalize(run(tensor(faces[i : i + 64])).float().flatten(1)) for i in range(0, len(faces), 64)])


def cosines(v: Tensor, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of the same person, and all pairs of two."""
    i, j = np.triu_indices(len(v), 1)
    all_pairs = (v @ v.T).numpy()[i, j]
    same = people[i] == people[j]
    return np.sort(all_pairs[same]), np.sort(all_pairs[~same])


def figures(v: Tensor, people: np.ndarray) -> dict[str, float]:
    """True accepts at a false accept rate of one in a thousand and in ten thousand, and accuracy on as many strangers
    as mates (drawn once) at the best threshold: of a learning curve, not the protocol of the card."""
    mates, strangers = cosines(v, people)
    at = {rate: strangers[int(len(strangers) * (1 - rate))] for rate in (1e-3, 1e-4)}
    drawn = np.sort(np.random.default_rng(1).choice(strangers, len(mates), replace=False))
    thresholds = np.linspace(0, 0.8, 321)
    right = len(mates) - np.searchsorted(mates, thresholds) + np.searchsorted(drawn, thresholds)
    return {
        "accuracy": float(right.max() / (2 * len(mates))),
        "tar_1e3": float((mates > at[1e-3]).mean()),
        "tar_1e4": float((mates > at[1e-4]).mean()),
        "mates": float(mates.mean()),
        "strangers": float(strangers.mean()),
    }


def load(work: Path, teacher: Teacher) -> tuple[np.ndarray, Tensor]:
    """Faces for training and the teacher's vectors of them, without those that resemble somebody held out."""
    cache = work / "bank.pt"
    parts = [np.load(p) for p in sorted(work.glob("train-*.npy"))]
    faces = np.concatenate(parts)
    if not cache.exists():
        run = lambda x: teacher(x)[-1]  # noqa: E731
        torch.save((vectors(run, middle(faces)), vectors(run, middle(np.load(work / "held.npy")))), cache)
    bank, held = torch.load(cache)
    # Pictures without names may show somebody held out.
    unnamed = torch.arange(len(faces)) >= len(parts[0])
    good = ~(unnamed & ((bank @ held.T).max(1).values > 0.45))
    print(f"{len(faces)} faces, {int((~good).sum())} left out because they resemble somebody held out", flush=True)
    return faces[good.numpy()], bank[good]


def spread(maps: list[Tensor]) -> list[Tensor]:
    """Standard deviation a channel, so that each channel of each map weighs the same."""
    return [m.float().std((0, 2, 3), keepdim=True) if m.shape[2] > 1 else m.float().std() for m in maps]


@torch.no_grad()
def begin_alike(student: Student, pictures: Tensor, maps: list[Tensor]) -> None:
    """Sets the last normalisation of each block to what the block is to add, so that no time goes into sizes."""
    for block, x, y in zip(student.blocks, [pictures, *maps[:-1]], maps):
        last = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)][-1]
        if len(last.weight) == y.shape[1] and y.shape[2] > 1:
            target = y.float() - x.float() if getattr(block, "adds", False) else y.float()
            last.weight.copy_(target.std((0, 2, 3)))
            last.bias.copy_(target.mean((0, 2, 3)))


def apart(mine: Tensor, theirs: Tensor, unit: Tensor) -> Tensor:
    return ((mine.float() - theirs.float()) / unit).square().mean()


def train(a: argparse.Namespace) -> None:
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(1)
    teacher = Teacher(a.teacher)
    faces, bank = load(a.work, teacher)
    held = middle(np.load(a.work / "held.npy"))
    people = np.array([Path(p).parent.name for p in (a.work / "held.txt").read_text().splitlines()])
    student = Student()
    slopes = [m.slope for m in student.modules() if isinstance(m, PReLU)]
    taken = {id(s) for s in slopes}
    weights = [p for p in student.parameters() if id(p) not in taken and p.ndim > 1]
    rest = [p for p in student.parameters() if id(p) not in taken and p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 1e-3}, {"params": rest + slopes, "weight_decay": 0.0}], lr=1.0
    )
    begin, kept = 0, a.work / "checkpoint.pt"
    if kept.exists():
        state = torch.load(kept)
        student.load_state_dict(state["student"])
        if "optimiser" in state:
            optimiser.load_state_dict(state["optimiser"])
        begin = state["step"]
    # Another seed after a resume: the same faces again would teach nothing.
    maker = Maker(faces, a.seed * 1000 + begin)
    pictures = torch.from_numpy(maker.batch(64))
    theirs = teacher(pictures)
    units = spread(theirs)
    if begin == 0:
        begin_alike(student, pictures, theirs)
    begun = time.time()
    for step in range(begin, a.blocks + a.steps):
        alone = step < a.blocks
        at, of = (step, a.blocks) if alone else (step - a.blocks, a.steps)
        rate = (3e-3 if alone else a.rate) * min(1, (at + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * at / of)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = rate
        PReLU.learn = step % 4 == 0
        pictures = torch.from_numpy(maker.batch(BATCH)).to(memory_format=torch.channels_last)
        theirs = teacher(pictures)
        student.train()
        optimiser.zero_grad(set_to_none=True)
        if alone:
            inputs = [pictures, *theirs[:-1]]
            losses = []
            for block, x, y, unit in zip(student.blocks, inputs, theirs, units):
                with torch.autocast("cpu", torch.bfloat16):
                    mine = block(x)
                losses.append(apart(mine, y, unit))
                losses[-1].backward()
            told = [float(x.detach()) for x in losses]
        else:
            with torch.autocast("cpu", torch.bfloat16):
                mine = student.maps(pictures)
            hints = [apart(m, t, u) for m, t, u in zip(mine, theirs, units)]
            v, w = (F.normalize(m[-1].float().flatten(1)) for m in (mine, theirs))
            near = (1 - (v * w).sum(1)).mean()
            # Who of the bank is alike, and how much: what a threshold will be put through.
            known = F.softmax(w @ bank.T / 0.1, 1)
            alike = F.kl_div(F.log_softmax(v @ bank.T / 0.1, 1), known, reduction="batchmean")
            gram = (v @ v.T - w @ w.T).square().mean() * 10
            fade = 0.5 * (1 - 0.9 * at / of)
            (3 * near + alike + gram + fade * sum(hints) / len(hints)).backward()
            told = [float(near), float(alike), float(gram), *(float(h) for h in hints)]
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        if step % 50 == 0:
            pace = (step - begin + 1) * BATCH / (time.time() - begun)
            print(f"{step} rate {rate:.5f} {pace:.0f}/s " + " ".join(f"{x:.3f}" for x in told), flush=True)
        if (step + 1) % a.every == 0 or step + 1 in (a.blocks, a.blocks + a.steps):
            student.eval()
            found = figures(vectors(student, held), people)
            print(f"{step + 1} held out: {found}", flush=True)
            state = {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            torch.save(state, kept.with_suffix(".new"))
            kept.with_suffix(".new").rename(kept)
            curve = a.work / "curve.csv"
            fresh = not curve.exists()
            with curve.open("a", newline="") as out:
                table = csv.writer(out)
                if fresh:
                    table.writerow(["samples", "phase", *found])
                table.writerow([(step + 1) * BATCH, "blocks" if alone else "whole", *(f"{x:.4f}" for x in found.values())])


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Both as one convolution."""
    stride = convolution.step if isinstance(convolution, Depthwise) else convolution.stride
    out = nn.Conv2d(convolution.in_channels, convolution.out_channels, convolution.kernel_size, stride,
                    convolution.padding, groups=convolution.groups)
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = convolution.bias if convolution.bias is not None else torch.zeros_like(norm.bias)
    out.weight = nn.Parameter(convolution.weight * scale[:, None, None, None])
    out.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
    return out


def fold(module: nn.Module) -> None:
    """Folds each normalisation into the convolution before it, in place."""
    for inner in module.children():
        fold(inner)
    if isinstance(module, nn.Sequential):
        parts: list[nn.Module] = []
        for part in module:
            if isinstance(part, nn.BatchNorm2d) and parts and isinstance(parts[-1], nn.Conv2d):
                parts[-1] = folded(parts[-1], part)
            else:
                parts.append(part)
        module._modules = {str(k): part for k, part in enumerate(parts)}


class Exported(nn.Module):
    """The student on pixels as they are: scale and middle are folded into the stem."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        entry = student.blocks[0]
        norm = entry.rest[0]
        stem = folded(entry.stem, norm)
        stem.bias = nn.Parameter(stem.bias - 127.5 / 64 * stem.weight.sum((1, 2, 3)))
        stem.weight = nn.Parameter(stem.weight / 64)
        stem.padding = (1, 1)
        entry.rest._modules = {str(k): part for k, part in enumerate(list(entry.rest)[1:])}
        fold(student)
        self.body = nn.Sequential(stem, entry.rest, *student.blocks[1:])

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).flatten(1)


def export(a: argparse.Namespace) -> None:
    student = Student()
    student.load_state_dict(torch.load(a.work / "checkpoint.pt")["student"])
    student.eval()
    faces = tensor(middle(np.load(a.work / "held.npy")[:16]))
    with torch.no_grad():
        before = student(faces)
        whole = Exported(student).eval()
        off = (whole(faces) - before).abs().max() / before.abs().max()
    if not off < 1e-3:
        raise SystemExit(f"folding changed the answer by {off:.5f}")
    torch.onnx.export(whole, (faces[:1],), str(a.out), input_names=["face"], output_names=["vector"], opset_version=13,
                      dynamo=False)
    print(f"{a.out}: folding changed the answer by {off:.1e} of its largest value")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where faces, checkpoints and the curve are kept")
    commands = parser.add_subparsers(required=True)
    p = commands.add_parser("prepare")
    p.add_argument("--faces", type=Path, required=True, help="a folder a person")
    p.add_argument("--more", type=Path, action="append", default=[], help="tight crops of people without names")
    p.add_argument("--detector", type=Path, required=True)
    p.set_defaults(do=prepare)
    p = commands.add_parser("train")
    p.add_argument("--teacher", type=Path, required=True)
    p.add_argument("--blocks", type=int, default=1200, help="steps of 32 faces, each block alone")
    p.add_argument("--steps", type=int, default=4000, help="steps of 32 faces, end to end")
    p.add_argument("--rate", type=float, default=1.5e-3)
    p.add_argument("--every", type=int, default=400)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=torch.get_num_threads())
    p.set_defaults(do=train)
    p = commands.add_parser("export")
    p.add_argument("--out", type=Path, required=True)
    p.set_defaults(do=export)
    a = parser.parse_args()
    a.do(a)


if __name__ == "__main__":
    main()
