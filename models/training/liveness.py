"""The liveness networks' recipe: two small nets on crops of 2.7 and 4.0 face boxes, living people against simulated attacks.

    python liveness.py --data DATA --teachers TEACHERS --out RUN     makes crops and trains; resumes where stopped
    python liveness.py --out RUN --export FLOAT                     writes the float ONNX files
    python liveness.py --out RUN --measure MODELS                   measures the quantised ones, by kind of attack

Both take 80x80 pixels, blue first, 0 to 255, and answer with three logits: paper, living, screen.
"""

import argparse
import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn

import faces
import presentations as show
from common import Average, Curve, below, conv, device, export, fold, lfw, options, rate, run, save
from detector import Block

FACTORS = {"27": 2.7, "40": 4.0}
TEACHERS = {"27": "minifasnet/MiniFASNetV2.onnx", "40": "minifasnet/MiniFASNetV1SE.onnx"}
FINDER = "yunet/yunet_n_320_320.onnx"
SHARD = 1000
SPLITS = ("train", "held", "unseen")  # other people's pictures from the second on, other kinds of attack in the third
LIVE_SCORE, SPOOF_SCORE = 0.7, 0.3  # the product's limits for one frame


class Net(nn.Module):
    """Batch x 3 x 80 x 80, blue first, 0 to 255, to batch x 3 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(3, 32, 3, 2), Block(32, 32), Block(32, 64, 2), Block(64, 64), Block(64, 64),
            Block(64, 128, 2), Block(128, 128), Block(128, 128), Block(128, 128, 2), Block(128, 128))
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(128, 3)
        with torch.no_grad():
            self.body[0][0].weight /= 64  # bytes come in as they are

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.adaptive_avg_pool2d(self.body(x), 1).flatten(1)
        return self.last(self.drop(x))


# ---- Crops, made once ----

@dataclass
class Crops:
    """What the nets see, n x 80 x 80 x 3 bytes for each of the two, with labels, kinds, and the teachers' answers."""

    images: dict[str, np.ndarray]
    labels: np.ndarray  # n, 0 to 2
    kinds: np.ndarray  # n names
    taught: np.ndarray  # n x 2 x 3 probabilities, zeros where no teacher was asked


class Maker:
    """Makes the crops of a split, a shard at a time, and keeps them as files."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        data = args.data
        paths = below(data / "eval/lfw/images") + below(data / "training/portraits_cc0") + below(data / "training/utkface_adults")
        self.boxes = faces.boxes(paths, data, faces.Finder(args.teachers / FINDER), args.out / "faces.json")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = args.threads
        self.teachers = {k: onnxruntime.InferenceSession(str(args.teachers / v), options) for k, v in TEACHERS.items()}
        self.crowds: dict[bool, show.People] = {}

    def shard(self, split: str, index: int) -> Path:
        """The file of one shard; made if it is not there."""
        path = self.args.out / f"{split}-{index:03}.npz"
        if path.exists():
            return path
        held = split != "train"
        crowd = self.crowds.setdefault(held, show.People(self.args.data, self.boxes, held=held))
        kinds = list((show.UNSEEN if split == "unseen" else show.SEEN).items())
        images: dict[str, list[np.ndarray]] = {k: [] for k in FACTORS}
        labels, names, taught = [], [], []
        for i in range(SHARD):
            rng = np.random.default_rng([self.args.seed, SPLITS.index(split), index * SHARD + i])
            if split == "unseen" or i % 2:
                name, (kind, label) = kinds[(i if split == "unseen" else i // 2) % len(kinds)]
                scene = show.attack(rng, crowd, kind, label)
            else:
                name, label, scene = "living", show.LIVE, crowd.living(rng)
            scene = show.look(rng, scene)
            crops = {k: show.crop(scene, f) for k, f in FACTORS.items()}
            for k, picture in crops.items():
                images[k].append(picture)
            labels.append(label)
            names.append(name)
            taught.append(self.ask(crops) if not held and i % 4 < 2 else np.zeros((2, 3), np.float32))
        np.savez(path.with_suffix(".tmp.npz"), labels=np.array(labels), kinds=np.array(names), taught=np.array(taught, np.float32),
                 **{f"images{k}": np.array(v) for k, v in images.items()})
        path.with_suffix(".tmp.npz").rename(path)
        return path

    def ask(self, crops: dict[str, np.ndarray]) -> np.ndarray:
        """The teachers' probabilities, 2 x 3."""
        logits = [t.run(None, {"input": crops[k].transpose(2, 0, 1)[None].astype(np.float32)})[0][0] for k, t in self.teachers.items()]
        return torch.softmax(torch.tensor(np.array(logits)), 1).numpy()


def load(paths: list[Path]) -> Crops:
    """All of these shards."""
    parts = [np.load(p) for p in paths]
    join = lambda key: np.concatenate([p[key] for p in parts])
    return Crops({k: join(f"images{k}") for k in FACTORS}, join("labels"), join("kinds"), join("taught"))


def frames(folder: Path, seed: int) -> Crops:
    """A renderer's or a camera's frames: `labels.csv` names file, kind (live, print, phone) and the face's left, top,
    right, bottom in pixels. Boxes are moved a little, as a detector's are."""
    images: dict[str, list[np.ndarray]] = {k: [] for k in FACTORS}
    labels, kinds = [], []
    rng = np.random.default_rng([seed, 11])
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            left, top, right, bottom = (float(row[k]) for k in ("left", "top", "right", "bottom"))
            frame = cv2.imread(str(folder / row["file"]))
            if right - left < 30 or frame is None:
                continue
            box = np.array([left, top, right - left, bottom - top])
            box += rng.normal(0, 0.04, 4) * (right - left)
            for k, f in FACTORS.items():
                images[k].append(show.crop(show.Scene(frame, box), f))
            labels.append({"live": show.LIVE, "print": show.PAPER, "phone": show.SCREEN}[row["kind"]])
            kinds.append(f"rendered {row['kind']}")
    return Crops({k: np.array(v) for k, v in images.items()}, np.array(labels), np.array(kinds), np.zeros((len(labels), 2, 3), np.float32))


def together(a: Crops, b: Crops) -> Crops:
    """Both."""
    if not len(b.labels):
        return a
    join = lambda x, y: np.concatenate([x, y])
    return Crops({k: join(a.images[k], b.images[k]) for k in FACTORS}, join(a.labels, b.labels), join(a.kinds, b.kinds), join(a.taught, b.taught))


# ---- Training ----

def vary(rng: np.random.Generator, crops: np.ndarray) -> torch.Tensor:
    """Batch x 80 x 80 x 3 bytes to floats, channels first: mirrored, shifted by a few pixels, other light, a little noise."""
    x = torch.from_numpy(crops.transpose(0, 3, 1, 2).astype(np.float32))
    if rng.random() < 0.5:
        x = x.flip(3)
    dy, dx = (int(v) for v in rng.integers(-3, 4, 2))
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")[:, :, 3 + dy:83 + dy, 3 + dx:83 + dx]
    gain = torch.from_numpy(np.exp(rng.normal(0, 0.12, (len(x), 1, 1, 1)) + rng.normal(0, 0.04, (len(x), 3, 1, 1))).astype(np.float32))
    x = x * gain + torch.from_numpy(rng.normal(0, 6, (len(x), 1, 1, 1)).astype(np.float32))
    x = x + torch.from_numpy((rng.random((len(x), 1, 1, 1)) * 4).astype(np.float32)) * torch.from_numpy(rng.normal(0, 1, x.shape[1:]).astype(np.float32))
    return x.clamp(0, 255)


def targets(crops: Crops, rows: np.ndarray, net: int) -> torch.Tensor:
    """Batch x 3: the truth, softened, and half the teacher's answer where it was asked and agrees."""
    truth = F.one_hot(torch.from_numpy(crops.labels[rows]).long(), 3).float() * 0.96 + 0.04 / 3
    taught = torch.from_numpy(crops.taught[rows, net])
    agrees = (taught.sum(1) > 0) & (taught.argmax(1) == torch.from_numpy(crops.labels[rows]))
    return torch.where(agrees[:, None], (truth + taught) / 2, truth)


Answer = Callable[[np.ndarray], np.ndarray]  # n x 3 x 80 x 80 floats to n x 3 logits


def torch_answer(net: Net) -> Answer:
    """The answers of a net in training."""
    where = next(net.parameters()).device
    net.eval()

    @torch.no_grad()
    def answer(x: np.ndarray) -> np.ndarray:
        return net(torch.from_numpy(x).to(where)).cpu().numpy()
    return answer


def onnx_answer(path: Path) -> Answer:
    """The answers of an exported file, whose batch is one."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options)
    return lambda x: np.concatenate([session.run(None, {"input": one[None]})[0] for one in x])


def score(nets: dict[str, Answer], crops: Crops) -> np.ndarray:
    """The product's score of each: the mean of the two nets' probability of living, 0 to 1."""
    total = np.zeros(len(crops.labels))
    for k, net in nets.items():
        for first in range(0, len(total), 256):
            x = crops.images[k][first:first + 256].transpose(0, 3, 1, 2).astype(np.float32)
            total[first:first + 256] += torch.softmax(torch.from_numpy(net(x)), 1)[:, show.LIVE].numpy() / len(nets)
    return total


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate."""
    z, p = 1.959964, hits / max(1, of)
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def rates(scores: np.ndarray, crops: Crops, split: str) -> list[dict[str, object]]:
    """A row a kind: APCER (attacks at or above the living limit) or BPCER (living faces below it), one frame each."""
    rows = []
    for kind in sorted(set(crops.kinds)):
        chosen = crops.kinds == kind
        living = bool((crops.labels[chosen] == show.LIVE).all())
        wrong = int(((scores[chosen] < LIVE_SCORE) if living else (scores[chosen] >= LIVE_SCORE)).sum())
        spoofs = int((scores[chosen] <= SPOOF_SCORE).sum())
        low, high = interval(wrong, int(chosen.sum()))
        rows.append({"split": split, "kind": kind, "rate": "BPCER" if living else "APCER", "errors": wrong, "of": int(chosen.sum()),
                     "percent": round(100 * wrong / int(chosen.sum()), 2), "low": round(100 * low, 2), "high": round(100 * high, 2),
                     "called_spoof": spoofs})
    return rows


def train(args: argparse.Namespace) -> None:
    """Makes what is missing, trains both nets side by side, and measures them."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    where, maker = device(args.device), Maker(args)
    held = load([maker.shard("held", i) for i in range(args.held)])
    unseen = load([maker.shard("unseen", i) for i in range(args.held)])
    crops = load([maker.shard("train", i) for i in range(args.shards)])
    for i, folder in enumerate(args.frames):
        crops = together(crops, frames(folder, i))
    nets = {k: Net().to(where, memory_format=torch.channels_last) for k in FACTORS}
    means = {k: Average(n) for k, n in nets.items()}
    weights = [p for n in nets.values() for p in n.parameters()]
    adam = torch.optim.AdamW([{"params": [p for p in weights if p.dim() > 1], "weight_decay": 0.05},
                              {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0}], lr=args.rate)
    checkpoint, step = args.out / "liveness.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=where)
        step = state["step"]
        adam.load_state_dict(state["adam"])
        for k, net in nets.items():
            net.load_state_dict(state["nets"][k])
            means[k].values = state["means"][k]
    curve = Curve(args.out / "liveness.csv", ["step", "crops", "loss", "bpcer_held", "apcer_held", "apcer_unseen"], step)
    a_round = len(crops.labels) // args.batch
    if not args.epochs:
        return
    steps, total, since = args.epochs * a_round, 0.0, step
    while step < steps:
        rng = np.random.default_rng([args.seed, 7, step])
        order = np.random.default_rng([args.seed, 6, step // a_round]).permutation(len(crops.labels))
        rows = order[step % a_round * args.batch:][:args.batch]
        loss = torch.zeros((), device=where)
        for i, (k, net) in enumerate(nets.items()):
            net.train()
            x = vary(rng, crops.images[k][rows]).to(where, memory_format=torch.channels_last)
            loss = loss + F.cross_entropy(net(x), targets(crops, rows, i).to(where))
        adam.zero_grad(set_to_none=True)
        loss.backward()
        for group in adam.param_groups:
            group["lr"] = rate(step, steps, args.rate, 200)
        adam.step()
        for k, net in nets.items():
            means[k].update(net, step)
        step += 1
        total += loss.item()
        if step % args.every == 0 or step == steps:
            slow = {k: Net().to(where) for k in FACTORS}
            for k, net in slow.items():
                net.load_state_dict(means[k].values)
            answers = {k: torch_answer(n) for k, n in slow.items()}
            h, u = score(answers, held), score(answers, unseen)
            living = held.labels == show.LIVE
            curve.add(step=step, crops=step * args.batch, loss=total / (step - since), bpcer_held=float((h[living] < LIVE_SCORE).mean()),
                      apcer_held=float((h[~living] >= LIVE_SCORE).mean()), apcer_unseen=float((u >= LIVE_SCORE).mean()))
            total, since = 0.0, step
            save(checkpoint, nets={k: n.state_dict() for k, n in nets.items()}, means={k: m.values for k, m in means.items()},
                 adam=adam.state_dict(), step=step)


def measure(args: argparse.Namespace) -> None:
    """Rates of the files `ostiary-live-*.onnx` below `args.measure` on the splits kept apart and on `args.frames`."""
    torch.set_num_threads(args.threads)
    nets = {k: onnx_answer(args.measure / f"ostiary-live-{k}.onnx") for k in FACTORS}
    rows = []
    for split in SPLITS[1:]:
        crops = load(sorted(args.out.glob(f"{split}-*.npz"))[:args.held])
        rows += rates(score(nets, crops), crops, split)
    for i, folder in enumerate(args.frames):
        crops = frames(folder, i)
        rows += rates(score(nets, crops), crops, "rendered")
    if args.data:
        crops = stills(args)
        rows += rates(score(nets, crops), crops, "stills")
    report(args.out / "liveness-rates.csv", rows)


def stills(args: argparse.Namespace) -> Crops:
    """The photos of LFW's held-out people as they are, without any camera added: living faces."""
    boxes = faces.boxes([], args.data, faces.Finder(args.teachers / FINDER), args.out / "faces.json")
    images: dict[str, list[np.ndarray]] = {k: [] for k in FACTORS}
    for path in lfw(args.data, held=True):
        box = boxes.get(str(path.relative_to(args.data)))
        if box is not None:
            scene = show.Scene(cv2.imread(str(path)), box)
            for k, f in FACTORS.items():
                images[k].append(show.crop(scene, f))
    count = len(images["27"])
    return Crops({k: np.array(v) for k, v in images.items()}, np.full(count, show.LIVE), np.full(count, "LFW, as published"),
                 np.zeros((count, 2, 3), np.float32))


def report(path: Path, rows: list[dict[str, object]]) -> None:
    """Writes and prints the rates."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(json.dumps(row))


def write(args: argparse.Namespace) -> None:
    """Writes the averaged weights as float ONNX files."""
    state = torch.load(args.out / "liveness.pt", map_location="cpu")
    args.export.mkdir(parents=True, exist_ok=True)
    for k in FACTORS:
        net = Net()
        net.load_state_dict(state["means"][k])
        net.eval()
        fold(net)
        export(net, (1, 3, 80, 80), args.export / f"ostiary-live-{k}.float.onnx", ["logits"])


def main() -> None:
    parser = options(__doc__, rate=2e-3, every=250)
    parser.add_argument("--frames", type=Path, action="append", default=[], help="learn from these frames, too: `ostiary demo --frames` writes such folders")
    parser.add_argument("--measure", type=Path, help="measure the quantised ONNX files there instead of training")
    parser.add_argument("--shards", type=int, default=20, help="thousands of scenes to make")
    parser.add_argument("--held", type=int, default=3, help="thousands of scenes to measure on, twice")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    run(parser, train, write, measure=measure)


if __name__ == "__main__":
    main()
