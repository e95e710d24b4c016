"""The detector's recipe: a small net that learns from a teacher at every cell of composed scenes.

    python detector.py --data DATA --teachers TEACHERS --out RUN     trains, resumes where it was stopped
    python detector.py --out RUN --export MODELS                    writes the float ONNX files at 320 and 640

Outputs, names and decoding are YuNet's, at strides 8, 16 and 32 (README.md of the models folder says how to read them).
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn

from common import Average, Curve, conv, device, export, fold, options, rate, run, save
from scenes import Scenes

STRIDES = (8, 16, 32)
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
WIDTH = 64  # channels of every map from stride 8 on
FACE = 0.3  # teacher's score from which a cell teaches boxes and points


class Block(nn.Module):
    """Depthwise 3x3 and pointwise, added to its input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.spread = conv(inputs, inputs, 3, stride, groups=inputs)
        self.mix = conv(inputs, outputs, 1, relu=False)
        self.same = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.mix(self.spread(x))
        return F.relu(x + y if self.same else y)


class Detector(nn.Module):
    """Batch x 3 x H x W, blue first, 0 to 255, H and W multiples of 32, to the maps of every head and stride."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), Block(32, 32), Block(32, WIDTH, 2))
        self.down = nn.ModuleList([
            nn.Sequential(Block(WIDTH, WIDTH), Block(WIDTH, WIDTH)),
            nn.Sequential(Block(WIDTH, WIDTH, 2), Block(WIDTH, WIDTH), Block(WIDTH, WIDTH)),
            nn.Sequential(Block(WIDTH, WIDTH, 2), Block(WIDTH, WIDTH)),
        ])
        self.up = nn.ModuleList([Block(WIDTH, WIDTH) for _ in STRIDES])
        self.last = nn.ModuleList([Block(WIDTH, WIDTH) for _ in STRIDES])
        self.heads = nn.ModuleList([nn.ModuleDict({k: nn.Conv2d(WIDTH, n, 1) for k, n in HEADS.items()}) for _ in STRIDES])
        with torch.no_grad():
            self.stem[0][0].weight /= 64  # bytes come in as they are
            for head in self.heads:
                for name in ("cls", "obj"):
                    head[name].bias.fill_(-4.0)
                head["bbox"].bias.copy_(torch.tensor([0.5, 0.5, 1.0, 1.2]))
                head["kps"].bias.fill_(0.5)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Batch x 64 maps that the heads read, at strides 8, 16, 32."""
        x = self.stem(x)
        maps = []
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        for i in (2, 1, 0):
            if i < 2:
                maps[i] = maps[i] + F.interpolate(maps[i + 1], scale_factor=2.0, mode="nearest")
            maps[i] = self.up[i](maps[i])
        return [last(m) for last, m in zip(self.last, maps)]

    def read(self, maps: list[torch.Tensor]) -> dict[str, list[torch.Tensor]]:
        """Batch x cells x values for every head, before any sigmoid."""
        return {name: [head[name](m).permute(0, 2, 3, 1).reshape(m.shape[0], -1, n) for head, m in zip(self.heads, maps)]
                for name, n in HEADS.items()}

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """YuNet's twelve outputs."""
        out = self.read(self.features(x))
        return tuple(torch.sigmoid(v) if name in ("cls", "obj") else v for name in HEADS for v in out[name])


def names() -> list[str]:
    """Of the twelve outputs, in order."""
    return [f"{name}_{stride}" for name in HEADS for stride in STRIDES]


class Teacher:
    """YuNet n as published, any size: its outputs and the three maps below them."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(str(path))
        maker = {o: n for n in model.graph.node for o in n.output}
        self.outputs, self.maps = names(), []
        for stride in STRIDES:
            tensor, convs = f"cls_{stride}", 0
            while convs < 2:  # up through sigmoid, reshape and transpose to below the head's two convolutions
                convs += maker[tensor].op_type == "Conv"
                tensor = maker[tensor].input[0]
            self.maps.append(tensor)
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(m) for m in self.maps)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.run = onnxruntime.InferenceSession(model.SerializeToString(), options)

    def __call__(self, x: np.ndarray) -> tuple[dict[str, list[torch.Tensor]], list[torch.Tensor]]:
        """`x` batch x 3 x H x W floats; answers as `Detector.read` but with probabilities, and the maps."""
        values = [torch.from_numpy(v) for v in self.run.run(self.outputs + self.maps, {self.run.get_inputs()[0].name: x})]
        answer = {name: values[i * 3:i * 3 + 3] for i, name in enumerate(HEADS)}
        return answer, values[-3:]


def losses(out: dict[str, list[torch.Tensor]], want: dict[str, list[torch.Tensor]], maps: list[torch.Tensor],
           wanted: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Parts of the loss: score (both heads learn the teacher's root of cls times obj), box, points, maps."""
    o = {k: torch.cat(v, 1) for k, v in out.items()}
    t = {k: torch.cat([w.to(maps[0].device) for w in v], 1) for k, v in want.items()}
    score = (t["cls"].clamp(0, 1) * t["obj"].clamp(0, 1)).sqrt()
    mass = score[score > FACE].sum().clamp(min=8.0)
    parts = {}
    guess = 0.5 * (o["cls"] + o["obj"])
    near = (torch.sigmoid(guess.detach()) - score).abs()
    each = sum(F.binary_cross_entropy_with_logits(o[k], score, reduction="none") for k in ("cls", "obj"))
    parts["score"] = (each * (near + 0.05)).sum() / mass
    faces = (score > FACE).squeeze(2)
    weight = score[faces]
    box, goal = o["bbox"][faces], t["bbox"][faces]
    parts["box"] = (weight * (1 - overlap(box, goal)).unsqueeze(1)).sum() / mass
    size = goal[:, 2:].exp()
    off = (box[:, :2] - goal[:, :2]).abs() / size + (box[:, 2:] - goal[:, 2:]).abs()
    parts["box"] = parts["box"] + 0.5 * (weight * off).sum() / mass
    span = size.mean(1, keepdim=True)
    parts["points"] = (weight * (o["kps"][faces] - t["kps"][faces]).abs() / span).sum() / mass
    parts["maps"] = sum(((m - w.to(m.device)) ** 2).mean() / w.var() for m, w in zip(maps, wanted)) / 3
    return parts


def overlap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of boxes as the heads say them (centre, logarithm of size) in the same cell."""
    aw, bw = a[:, 2:].clamp(max=6).exp(), b[:, 2:].exp()
    low = torch.maximum(a[:, :2] - aw / 2, b[:, :2] - bw / 2)
    high = torch.minimum(a[:, :2] + aw / 2, b[:, :2] + bw / 2)
    inner = (high - low).clamp(min=0).prod(1)
    return inner / (aw.prod(1) + bw.prod(1) - inner).clamp(min=1e-6)


WEIGHTS = {"score": 1.0, "box": 1.5, "points": 3.0, "maps": 0.5}


def batch(scenes: Scenes, first: int, count: int) -> np.ndarray:
    """Scenes `first` to `first + count` as count x 3 x H x W floats."""
    return np.stack([scenes[i] for i in range(first, first + count)]).transpose(0, 3, 1, 2).astype(np.float32)


@torch.no_grad()
def measure(net: Detector, scenes: Scenes, teacher: Teacher, count: int = 96) -> dict[str, float]:
    """Agreement with the teacher on scenes of held-out people: cells found and invented, mean overlap of boxes and
    mean distance of points in parts of the eye distance."""
    net.eval()
    found = invented = faces = 0
    overlaps, errors = [], []
    for first in range(0, count, 16):
        x = batch(scenes, first, 16)
        want = {k: torch.cat(v, 1) for k, v in teacher(x)[0].items()}
        out = {k: torch.cat(v, 1).cpu() for k, v in net.read(net.features(torch.from_numpy(x).to(next(net.parameters()).device))).items()}
        truth = (want["cls"] * want["obj"]).clamp(0, 1).sqrt().squeeze(2)
        score = (torch.sigmoid(out["cls"]) * torch.sigmoid(out["obj"])).sqrt().squeeze(2)
        hits = truth >= 0.6
        faces += int(hits.sum())
        found += int((hits & (score >= 0.5)).sum())
        invented += int(((score >= 0.6) & (truth < 0.2)).sum())
        overlaps.append(overlap(out["bbox"][hits], want["bbox"][hits]))
        a, b = (v["kps"][hits].reshape(-1, 5, 2) for v in (out, want))
        eyes = (b[:, 0] - b[:, 1]).norm(dim=1).clamp(min=0.2 * float(b.abs().mean()))
        errors.append(((a - b).norm(dim=2).mean(1) / eyes))
    net.train()
    return {"recall": found / max(1, faces), "invented": invented / max(1, faces),
            "iou": float(torch.cat(overlaps).mean()), "points": float(torch.cat(errors).median())}


def train(args: argparse.Namespace) -> None:
    """Trains up to `args.steps`, with a checkpoint every `args.every` steps."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    where = device(args.device)
    net = Detector().to(where, memory_format=torch.channels_last)
    tails = nn.ModuleList([nn.Conv2d(WIDTH, WIDTH, 1) for _ in STRIDES]).to(where)  # onto the teacher's maps; thrown away
    weights = [*net.parameters(), *tails.parameters()]
    decay, plain = [p for p in weights if p.dim() > 1], [p for p in weights if p.dim() <= 1]
    adam = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=args.rate)
    mean = Average(net)
    teacher = Teacher(args.teachers / "yunet/yunet_n_dynamic.onnx")
    scenes, held = Scenes(args.data, 320, seed=args.seed), Scenes(args.data, 320, held=True, seed=args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint, step = args.out / "detector.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=where)
        net.load_state_dict(state["net"]), tails.load_state_dict(state["tails"]), adam.load_state_dict(state["adam"])
        mean.values, step = state["mean"], state["step"]
    curve = Curve(args.out / "detector.csv", ["step", "scenes", *WEIGHTS, "recall", "invented", "iou", "landmarks"], step)
    sums, since = dict.fromkeys(WEIGHTS, 0.0), step
    while step < args.steps:
        x = batch(scenes, step * args.batch, args.batch)
        want, wanted = teacher(x)
        maps = net.features(torch.from_numpy(x).to(where, memory_format=torch.channels_last))
        parts = losses(net.read(maps), want, [t(m) for t, m in zip(tails, maps)], wanted)
        adam.zero_grad(set_to_none=True)
        sum(WEIGHTS[k] * v for k, v in parts.items()).backward()
        nn.utils.clip_grad_norm_(weights, 10.0)
        for group in adam.param_groups:
            group["lr"] = rate(step, args.steps, args.rate, 200)
        adam.step()
        mean.update(net, step)
        step += 1
        sums = {k: sums[k] + parts[k].item() for k in sums}
        if step % args.every == 0 or step == args.steps:
            slow = Detector().to(where)
            slow.load_state_dict(mean.values)
            result = measure(slow, held, teacher)
            means = {k: v / (step - since) for k, v in sums.items()}
            curve.add(step=step, scenes=step * args.batch, **means, recall=result["recall"], invented=result["invented"],
                      iou=result["iou"], landmarks=result["points"])
            sums, since = dict.fromkeys(WEIGHTS, 0.0), step
            save(checkpoint, net=net.state_dict(), tails=tails.state_dict(), adam=adam.state_dict(), mean=mean.values, step=step)


def write(args: argparse.Namespace) -> None:
    """Writes the averaged weights as float ONNX files."""
    net = Detector()
    net.load_state_dict(torch.load(args.out / "detector.pt", map_location="cpu")["mean"])
    net.eval()
    fold(net)
    args.export.mkdir(parents=True, exist_ok=True)
    for size in (320, 640):
        export(net, (1, 3, size, size), args.export / f"ostiary-detect-{size}.float.onnx", names())


def main() -> None:
    parser = options(__doc__, rate=3e-3, every=250)
    parser.add_argument("--steps", type=int, default=5600)
    parser.add_argument("--batch", type=int, default=16)
    run(parser, train, write)


if __name__ == "__main__":
    main()
