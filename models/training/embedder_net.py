"""The embedder's network, and a teacher read from an ONNX file that hands out its inner maps.

The student is a chain of inverted residual blocks without squeeze-and-excitation. Its blocks begin and end where
blocks of the teacher do, so that each can be trained alone on the teacher's maps; what lies within is its own.
Shapes are (batch, channels, height, width); pictures are BGR, 0 to 255, 128 x 128.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LENGTH = 256
SIDE = 128

# Where a block of the student ends: the teacher's tensor, in order. Two blocks of the teacher are one at the fourth end.
ENDS = ("t66", "t109", "t152", "t238", "t280", "t323", "t366", "t409", "t452", "t495", "t538", "t580", "t623", "t666", "output")


class Slope(torch.autograd.Function):
    """max(x, 0) + slope * min(x, 0); the slope's gradient only where `learn` says so, since it costs a pass."""

    @staticmethod
    def forward(ctx, x: Tensor, slope: Tensor, learn: bool) -> Tensor:  # noqa: ANN001
        ctx.save_for_backward(x)
        ctx.slope, ctx.learn = float(slope), learn
        return F.leaky_relu(x, ctx.slope)

    @staticmethod
    def backward(ctx, grad: Tensor):  # noqa: ANN001, ANN205
        (x,) = ctx.saved_tensors
        to_x = torch.ops.aten.leaky_relu_backward(grad, x, ctx.slope, False)
        to_slope = (grad.float() * x.clamp(max=0)).sum().reshape(1) if ctx.learn else None
        return to_x, to_slope, None


class PReLU(nn.Module):
    """One learnt slope a layer. Set `PReLU.learn` to False for steps that leave slopes as they are."""

    learn = True

    def __init__(self, start: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((1,), start))

    def forward(self, x: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            return F.prelu(x, self.slope)
        return Slope.apply(x, self.slope, PReLU.learn)


class Depthwise(nn.Conv2d):
    """3 x 3, a channel at a time. With stride 2 it keeps every second of all answers while it learns:
    the strided gradient in bfloat16 is some twenty times slower on a CPU than all of the plain one."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.step = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.step == 1 or not self.training:
            return F.conv2d(x, self.weight, self.bias, self.step, 1, 1, self.groups)
        return super().forward(x)[:, :, :: self.step, :: self.step].contiguous(memory_format=torch.channels_last)


class Inverted(nn.Module):
    """Widen, look around, narrow; added to its input where the shape stays."""

    def __init__(self, inputs: int, wide: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), PReLU(-0.5),
            Depthwise(wide, stride), nn.BatchNorm2d(wide), PReLU(0.3),
            nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


class Entry(nn.Module):
    """Picture of 0 to 255 to 64 maps of 32 x 32. Scales to about -2..2; what lies outside of the picture is black."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, 0, bias=False)
        self.rest = nn.Sequential(
            nn.BatchNorm2d(32), PReLU(0.3), Depthwise(32, 1), nn.BatchNorm2d(32), PReLU(0.3), Inverted(32, 96, 64, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.rest(self.stem(F.pad(x / 64 - 127.5 / 64, (1, 1, 1, 1), value=-127.5 / 64)))


class Exit(nn.Module):
    """128 maps of 8 x 8 to one vector, not yet of length one."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(128, 512, 1, bias=False), nn.BatchNorm2d(512), PReLU(0.3),
            nn.Conv2d(512, 512, 8, groups=512, bias=False), nn.BatchNorm2d(512),
            nn.Conv2d(512, LENGTH, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Student(nn.Module):
    """1.04 million parameters, 244 million multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([
            Entry(),
            *(Inverted(64, 128, 64, 1) for _ in range(3)),
            Inverted(64, 256, 128, 2),
            *(Inverted(128, 256, 128, 1) for _ in range(6)),
            Inverted(128, 512, 128, 2),
            *(Inverted(128, 256, 128, 1) for _ in range(2)),
            Exit(),
        ])
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x.flatten(1)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The answer of each block, the last one the vector."""
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return found


class Teacher:
    """An ONNX network of convolutions, run in bfloat16; answers with the tensors at `ENDS`."""

    def __init__(self, path: Path, where: torch.device) -> None:
        graph = onnx.load(path).graph
        self.where = where
        self.values = {
            i.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(i))).to(where, torch.bfloat16)
            for i in graph.initializer
        }
        self.nodes = list(graph.node)
        self.input = graph.input[0].name
        last = {name: k for k, node in enumerate(self.nodes) for name in node.input}
        self.drop = [[n for n, at in last.items() if at == k and n not in self.values] for k in range(len(self.nodes))]

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> list[Tensor]:
        at = {self.input: pictures.to(torch.bfloat16, memory_format=torch.channels_last)}
        get = lambda name: self.values[name] if name in self.values else at[name]  # noqa: E731
        kept = {}
        for node, drop in zip(self.nodes, self.drop):
            a = {x.name: onnx.helper.get_attribute_value(x) for x in node.attribute}
            i = [get(name) for name in node.input]
            match node.op_type:
                case "Conv":
                    y = F.conv2d(i[0], i[1], i[2] if len(i) > 2 else None, a.get("strides", 1),
                                 a.get("pads", [0, 0])[:2], 1, a.get("group", 1))
                case "PRelu":
                    y = F.leaky_relu(i[0], float(i[1].ravel()[0]))
                case "Mul":
                    # The scale of the picture needs more than eight bits.
                    y = (i[0].float() * i[1].float()).bfloat16() if i[0].shape[1] == 3 else i[0] * i[1]
                case "Add":
                    y = i[0] + i[1]
                case "GlobalAveragePool":
                    y = i[0].mean((2, 3), keepdim=True)
                case "Sigmoid":
                    y = i[0].sigmoid()
                case other:
                    raise ValueError(f"the teacher has a layer {other}, which this reader does not know")
            at[node.output[0]] = y
            if node.output[0] in ENDS:
                kept[node.output[0]] = y
            for name in drop:
                at.pop(name, None)
        return [kept[name] for name in ENDS]
