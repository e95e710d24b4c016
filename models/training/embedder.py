"""Trains the embedder by distillation: each block alone on the teacher's inner maps, then all of them end to end.

    python embedder.py --data DATA --teachers TEACHERS --out runs/embedder
    python embedder.py --out runs/embedder --export runs/float

Training first cuts aligned faces (kept below --out), resumes from its last checkpoint and writes the learning curve,
measured on the people held out. `--export` folds normalisation into the convolutions and writes a float ONNX file,
which `ostiary models quantize` brings to bytes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common import Curve, below, device, export, lfw, options, rate, run, save
from embedder_faces import MARGIN, Finder, Maker, keep
from embedder_net import SIDE, Depthwise, PReLU, Student, Teacher

BATCH = 32
CURVE = ["step", "faces", "phase", "accuracy", "tar_1e3", "tar_1e4", "mates", "strangers"]


def prepare(args: argparse.Namespace) -> None:
    """Cuts the faces: who is held out apart from all others, and those without names last."""
    finder = Finder(args.teachers / "yunet/yunet_n_dynamic.onnx")
    more = [below(args.data / "training" / name) for name in ("utkface_adults", "portraits_cc0")]
    for name, pictures, border in (
        ("held", lfw(args.data, held=True), 0),
        ("train-0", lfw(args.data, held=False), 0),
        *((f"train-{k}", pictures, 60) for k, pictures in enumerate(more, 1)),
    ):
        if not (args.out / f"{name}.npy").exists():
            keep(pictures, finder, border, args.out / name)


def middle(faces: np.ndarray) -> np.ndarray:
    return faces[:, MARGIN : MARGIN + SIDE, MARGIN : MARGIN + SIDE]


def tensor(faces: np.ndarray) -> Tensor:
    return torch.from_numpy(faces.transpose(0, 3, 1, 2).astype(np.float32)).to(memory_format=torch.channels_last)


@torch.no_grad()
def vectors(run, faces: np.ndarray, where: torch.device) -> Tensor:  # noqa: ANN001
    """One unit vector a face, (n, LENGTH)."""
    parts = (tensor(faces[i : i + 64]).to(where) for i in range(0, len(faces), 64))
    return torch.cat([F.normalize(run(part).float().flatten(1)).cpu() for part in parts])


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
        torch.save(tuple(vectors(run, f, teacher.where) for f in (middle(faces), middle(np.load(work / "held.npy")))), cache)
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


def alone(student: Student, pictures: Tensor, theirs: list[Tensor], units: list[Tensor]) -> list[float]:
    """Each block learns from the teacher's map before it; the gradients never meet."""
    told = []
    for block, x, y, unit in zip(student.blocks, [pictures, *theirs[:-1]], theirs, units):
        with torch.autocast(x.device.type, torch.bfloat16):
            mine = block(x)
        loss = apart(mine, y, unit)
        loss.backward()
        told.append(float(loss.detach()))
    return told


def together(
    student: Student, pictures: Tensor, theirs: list[Tensor], units: list[Tensor], bank: Tensor, done: float
) -> list[float]:
    """The whole student learns the vector, who is alike, and less and less the maps. `done` runs from 0 to 1."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        mine = student.maps(pictures)
    hints = [apart(m, t, u) for m, t, u in zip(mine, theirs, units)]
    v, w = (F.normalize(m[-1].float().flatten(1)) for m in (mine, theirs))
    near = (1 - (v * w).sum(1)).mean()
    # Who of all faces is alike, and how much: what a threshold will be put through.
    known = F.softmax(w @ bank.T / 0.1, 1)
    alike = F.kl_div(F.log_softmax(v @ bank.T / 0.1, 1), known, reduction="batchmean")
    gram = (v @ v.T - w @ w.T).square().mean() * 10
    (3 * near + alike + gram + 0.5 * (1 - 0.9 * done) * sum(hints) / len(hints)).backward()
    return [float(x.detach()) for x in (near, alike, gram, *hints)]


def train(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    prepare(args)
    where = device(args.device)
    teacher = Teacher(args.teachers / "face-reidentification-retail-0095/face-reidentification-retail-0095.onnx", where)
    faces, bank = load(args.out, teacher)
    bank = bank.to(where)
    held = middle(np.load(args.out / "held.npy"))
    people = np.array([Path(p).parent.name for p in (args.out / "held.txt").read_text().splitlines()])
    student = Student().to(where)
    slopes = [m.slope for m in student.modules() if isinstance(m, PReLU)]
    taken = {id(s) for s in slopes}
    weights = [p for p in student.parameters() if id(p) not in taken and p.ndim > 1]
    rest = [p for p in student.parameters() if id(p) not in taken and p.ndim <= 1]
    adam = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 1e-3}, {"params": rest + slopes, "weight_decay": 0.0}], lr=1.0
    )
    checkpoint, begin = args.out / "embedder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=where)
        student.load_state_dict(state["student"]), adam.load_state_dict(state["adam"])
        begin = state["step"]
    # Another seed after a resume: the same faces again would teach nothing.
    maker = Maker(faces, args.seed * 1000 + begin)
    draw = lambda n: torch.from_numpy(maker.batch(n)).to(where, memory_format=torch.channels_last)  # noqa: E731
    first = draw(64)
    theirs = teacher(first)
    units = spread(theirs)
    if begin == 0:
        begin_alike(student, first, theirs)
    curve = Curve(args.out / "embedder.csv", CURVE, begin)
    end, begun = args.blocks + args.steps, time.time()
    for step in range(begin, end):
        first_phase = step < args.blocks
        at, of, peak = (step, args.blocks, 3e-3) if first_phase else (step - args.blocks, args.steps, args.rate)
        for group in adam.param_groups:
            group["lr"] = rate(at, of, peak, 50)
        PReLU.learn = step % 4 == 0
        pictures = draw(BATCH)
        theirs = teacher(pictures)
        student.train()
        adam.zero_grad(set_to_none=True)
        if first_phase:
            told = alone(student, pictures, theirs, units)
        else:
            told = together(student, pictures, theirs, units, bank, at / of)
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        adam.step()
        if step % 50 == 0:
            pace = (step - begin + 1) * BATCH / (time.time() - begun)
            print(f"{step} {pace:.0f} faces/s " + " ".join(f"{x:.3f}" for x in told), flush=True)
        if (step + 1) % args.every == 0 or step + 1 in (args.blocks, end):
            student.eval()
            found = figures(vectors(student, held, where), people)
            curve.add(step=step + 1, faces=(step + 1) * BATCH, phase="blocks" if first_phase else "whole", **found)
            save(checkpoint, student=student.state_dict(), adam=adam.state_dict(), step=step + 1)


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


def write(args: argparse.Namespace) -> None:
    """Writes the float ONNX file, after a look at whether folding left the answers as they were."""
    student = Student()
    student.load_state_dict(torch.load(args.out / "embedder.pt", map_location="cpu")["student"])
    student.eval()
    faces = tensor(middle(np.load(args.out / "held.npy")[:16]))
    with torch.no_grad():
        before = student(faces)
        whole = Exported(student).eval()
        off = (whole(faces) - before).abs().max() / before.abs().max()
    if not off < 1e-3:
        raise SystemExit(f"folding changed the answer by {off:.5f} of its largest value")
    args.export.mkdir(parents=True, exist_ok=True)
    export(whole, (1, 3, SIDE, SIDE), args.export / "ostiary-embed.float.onnx", ["vector"])


def main() -> None:
    parser = options(__doc__, rate=1e-3, every=400)
    parser.add_argument("--blocks", type=int, default=800, help="steps of 32 faces, each block alone")
    parser.add_argument("--steps", type=int, default=2000, help="steps of 32 faces, end to end")
    run(parser, train, write)


if __name__ == "__main__":
    main()
