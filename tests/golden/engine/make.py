#!/usr/bin/env python3
"""Makes the golden vectors of the integer engine: small random QDQ networks and what onnxruntime answers.

Needs numpy, onnx and onnxruntime; run it here, look at the diff of sums.txt, commit both. Each network covers operators
that the engine fuses; inputs are random pixels. For each NAME: NAME.onnx, NAME.in (pixels, rows of RGB bytes) and
NAME.out (float32 results, one after the other). Results come from onnxruntime's integer kernels where it has them.
"""
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent


class Net:
    """Builds a QDQ graph operator by operator."""

    def __init__(self, seed, side, opset=13, signed=False):
        self.rng = np.random.default_rng(seed)
        self.side, self.opset, self.signed = side, opset, signed
        self.nodes, self.constants, self.count = [], [], 0

    def name(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def constant(self, values, stem="c"):
        name = self.name(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind, inputs, **attributes):
        out = self.name(kind.lower())
        self.nodes.append(helper.make_node(kind, inputs, [out], name=out, **attributes))
        return out

    def zero(self, value):
        return self.constant(np.int8(value - 128) if self.signed else np.uint8(value), "z")

    def qdq(self, x, scale, zero, axis=None):
        """Quantise and dequantise; a list of scales goes by channel."""
        if axis is not None:
            kind = np.int8 if self.signed else np.uint8
            off = 128 if self.signed else 0
            s = self.constant(np.asarray(scale, np.float32), "s")
            z = self.constant((np.asarray(zero) - off).astype(kind), "z")
            q = self.op("QuantizeLinear", [x, s, z], axis=axis)
            return self.op("DequantizeLinear", [q, s, z], axis=axis)
        s = self.constant(np.float32(scale), "s")
        z = self.zero(zero)
        return self.op("DequantizeLinear", [self.op("QuantizeLinear", [x, s, z]), s, z])

    def weights(self, shape, axis=0, per_channel=True, spread=0.02):
        values = self.rng.integers(-127, 128, shape).astype(np.int8)
        scale = (self.rng.uniform(0.3, 1.0, shape[axis]) * spread / 127).astype(np.float32)
        if not per_channel:
            scale = np.float32(spread / 127)
        q, s = self.constant(values, "w"), self.constant(scale, "s")
        z = self.constant(np.zeros_like(scale, np.int8), "z")
        return self.op("DequantizeLinear", [q, s, z], **({"axis": axis} if per_channel else {})), scale

    def bias(self, n, x_scale, w_scale, spread):
        steps = np.broadcast_to(np.float32(x_scale) * w_scale, (n,)).astype(np.float32)
        values = np.round(self.rng.normal(0, spread, n) / steps).astype(np.int32)
        q, s = self.constant(values, "b"), self.constant(steps, "s")
        z = self.constant(np.zeros(n, np.int32), "z")
        return self.op("DequantizeLinear", [q, s, z], axis=0)

    def conv(self, x, x_scale, n, c, k, stride=1, pad=0, group=1, dilation=1, spread=0.02, per_channel=True):
        w, s = self.weights((n, c // group, k, k), per_channel=per_channel, spread=spread)
        b = self.bias(n, x_scale, s, 0.5)
        return self.op("Conv", [x, w, b], kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4,
                       group=group, dilations=[dilation] * 2)

    def save(self, name, outputs):
        graph = helper.make_graph(
            self.nodes, name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, self.side, self.side])],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)
        onnx.save(model, HERE / f"{name}.onnx")
        pixels = self.rng.integers(0, 256, (self.side, self.side, 3)).astype(np.uint8)
        pixels.tofile(HERE / f"{name}.in")
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(str(HERE / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
        x = pixels.transpose(2, 0, 1)[None].astype(np.float32)
        results = session.run(None, {"x": x})
        np.concatenate([r.ravel() for r in results]).astype(np.float32).tofile(HERE / f"{name}.out")
        spans = " ".join(f"{o}:{r.shape}:[{r.min():.3f},{r.max():.3f}]" for o, r in zip(outputs, results))
        return f"{name}: {spans}"


def mobile(seed, signed, per_channel=True):
    """The layers of a mobile network: stem, depthwise 3x3 and 5x5, pointwise, a sum, a row."""
    n = Net(seed, 20, signed=signed)
    x = n.op("Mul", [n.op("Sub", ["x", n.constant(np.float32(127.5))]), n.constant(np.float32(1 / 128))])
    x = n.qdq(x, 1 / 127, 128)
    x = n.op("Relu", [n.conv(x, 1 / 127, 24, 3, 3, 2, 1, spread=1.0, per_channel=per_channel)])
    x = a = n.qdq(x, 0.0301, 0)
    x = n.op("Clip", [n.conv(x, 0.0301, 24, 24, 3, 1, 1, 24, spread=1.0, per_channel=per_channel),
                      n.constant(np.float32(0)), n.constant(np.float32(6))])
    x = n.qdq(x, 6 / 255, 0)
    x = n.qdq(n.conv(x, 6 / 255, 24, 24, 1, spread=0.5, per_channel=per_channel), 0.0497, 131)
    x = n.qdq(n.op("Add", [a, x]), 0.0613, 90)
    x = n.qdq(n.op("Relu", [n.conv(x, 0.0613, 40, 24, 1, spread=0.3, per_channel=per_channel)]), 0.04, 0)
    x = n.qdq(n.conv(x, 0.04, 40, 40, 5, 2, 2, 40, spread=0.5, per_channel=per_channel), 0.06, 120)
    x = n.qdq(n.conv(x, 0.06, 40, 40, 5, 1, 0, 40, spread=0.5, per_channel=per_channel), 0.08, 118)
    x = n.op("Flatten", [x])
    x = n.qdq(x, 0.08, 118)
    w, s = n.weights((10, 40), spread=0.4)
    return n.save(f"mobile_{'signed' if signed else 'unsigned'}{'' if per_channel else '_tensor'}",
                  [n.op("Gemm", [x, w, n.bias(10, 0.08, s, 0.5)], transB=1)])


def squeeze(seed):
    """PRelu, squeeze and excitation, a mean, activations, scales by channel before a depthwise layer."""
    n = Net(seed, 17)
    x = n.qdq("x", 1.0, 0)
    x = n.conv(x, 1.0, 20, 3, 3, 2, 1, spread=0.01)
    x = n.op("PRelu", [x, n.constant(n.rng.uniform(-0.2, 0.5, (20, 1, 1)).astype(np.float32))])
    scales = n.rng.uniform(0.01, 0.05, 20)
    x = n.qdq(x, scales, n.rng.integers(0, 200, 20), axis=1)
    w = n.rng.integers(-127, 128, (20, 1, 3, 3)).astype(np.int8)
    ws = n.rng.uniform(0.002, 0.01, 20).astype(np.float32)
    w = n.op("DequantizeLinear", [n.constant(w), n.constant(ws), n.constant(np.zeros(20, np.int8))], axis=0)
    x = n.op("Conv", [x, w], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4, group=20)
    x = n.op("Add", [x, n.constant(n.rng.normal(0, 1, (1, 20, 1, 1)).astype(np.float32))])
    x = n.op("PRelu", [x, n.constant(np.full((1,), 0.25, np.float32))])
    x = n.qdq(x, 0.04, 60)
    m = n.qdq(n.op("GlobalAveragePool", [x]), 0.03, 64)
    m = n.qdq(n.op("Relu", [n.conv(m, 0.03, 5, 20, 1, spread=1.0)]), 0.02, 0)
    m = n.op("Sigmoid", [n.conv(m, 0.02, 20, 5, 1, spread=1.0)])
    m = n.qdq(m, 1 / 255, 0)
    x = n.qdq(n.op("Mul", [x, m]), 0.04, 66)
    y = n.qdq(n.op("HardSwish", [n.qdq(x, 0.04, 66)]), 0.03, 14) if n.opset >= 14 else x
    y = n.qdq(n.conv(y, 0.04, 8, 20, 1, spread=0.5), 0.07, 128)
    return n.save("squeeze", [n.op("Sigmoid", [y]), n.op("Reshape", [
        n.op("Transpose", [n.conv(x, 0.04, 6, 20, 3, 1, 1, spread=0.2)], perm=[0, 2, 3, 1]),
        n.constant(np.asarray([1, -1, 6], np.int64))])])


def pyramid(seed):
    """Pools, enlarging, joining, dilation, and rows of floats out of the last layers, as a detector has."""
    n = Net(seed, 24)
    x = n.qdq("x", 1.0, 0)
    a = n.qdq(n.op("Relu", [n.conv(x, 1.0, 16, 3, 3, 2, 1, spread=0.01)]), 0.05, 0)
    b = n.qdq(n.op("MaxPool", [a], kernel_shape=[2, 2], strides=[2, 2]), 0.05, 0)
    b = n.qdq(n.op("Relu", [n.conv(b, 0.05, 16, 16, 3, 1, 2, dilation=2, spread=0.2)]), 0.06, 0)
    up = n.op("Resize", [b, n.constant(np.zeros(0, np.float32)), n.constant(np.float32([1, 1, 2, 2]))],
              mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    up = n.qdq(up, 0.06, 0)
    c = n.qdq(n.op("Add", [a, up]), 0.08, 0)
    d = n.qdq(n.op("Concat", [a, c], axis=1), 0.08, 0)
    d = n.qdq(n.op("AveragePool", [d], kernel_shape=[2, 2], strides=[2, 2]), 0.07, 3)
    head = n.qdq(n.conv(d, 0.07, 5, 32, 1, spread=0.3), 0.1, 120)
    head = n.conv(head, 0.1, 5, 5, 3, 1, 1, 5, spread=1.0)
    head = n.op("Reshape", [n.op("Transpose", [head], perm=[0, 2, 3, 1]), n.constant(np.asarray([1, -1, 5], np.int64))])
    one = n.qdq(n.conv(c, 0.08, 1, 16, 1, spread=0.5), 0.1, 100)
    one = n.conv(one, 0.1, 1, 1, 3, 1, 1, spread=1.0)
    one = n.op("Transpose", [one], perm=[0, 2, 3, 1])
    one = n.op("Sigmoid", [n.op("Reshape", [one, n.constant(np.asarray([1, -1, 1], np.int64))])])
    return n.save("pyramid", [head, one])


def island(seed):
    """A layer without quantised weights between two with: it runs in floats."""
    n = Net(seed, 12)
    x = n.qdq("x", 1.0, 0)
    x = n.qdq(n.op("Relu", [n.conv(x, 1.0, 8, 3, 3, 2, 1, spread=0.01)]), 0.05, 0)
    w = n.constant(n.rng.normal(0, 0.1, (8, 8, 3, 3)).astype(np.float32))
    x = n.op("Relu", [n.op("Conv", [x, w], kernel_shape=[3, 3], pads=[1] * 4)])
    x = n.qdq(x, 0.03, 0)
    x = n.conv(x, 0.03, 4, 8, 1, spread=0.5)
    return n.save("island", [n.op("Softmax", [n.op("Flatten", [n.op("GlobalAveragePool", [x])])], axis=1)])


if __name__ == "__main__":
    sums = [mobile(1, False), mobile(2, True), mobile(3, False, False), squeeze(4), pyramid(5), island(6)]
    (HERE / "sums.txt").write_text("\n".join(sums) + "\n")
    print("\n".join(sums))
