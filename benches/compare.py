"""Ostiary's stages against onnxruntime, OpenCV, FAISS, tract and whatever else is there, in turns, one thread each.

    compare.py SERVER [--runs N] [--only WORD] .. [--json OUT] [--roofline OUT.svg] [--other NAME=COMMAND] ..
    compare.py table FILE.json ..     the table of an earlier run again

SERVER is the program of benches/stages.rs; it is started beside this one and told what to run when, so that the sides
take turns within one process group: A B C A B C .., at least 200 times. Each time is thread CPU time. The interval is
a bootstrap of whole rounds (95 %, ratio of medians). COMMAND of `--other` is a program of the same protocol whose
`net SIDE FILE` runs an ONNX file in another runtime; OSTIARY_BENCH_NCNN names a folder of models as pnnx writes them.

Needs numpy, onnxruntime, opencv-python-headless and, for the search, faiss-cpu where pip has it.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

# Before anything loads a numerical library.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import numpy as np

from opponents import Opponents, SHARED, Skipped
from roofline import roofline

RESAMPLES = 2000
# A sample of a short stage is as many runs as take this long, so that no clock's step matters.
SAMPLE_NS = 300_000
RETAIL = "face-reidentification-retail-0095/face-reidentification-retail-0095.onnx"
RETAIL8 = "face-reidentification-retail-0095-int8/face-reidentification-retail-0095-int8.qdq.onnx"
MOBILE = "mobileface_V2/mobileface_id_V2.onnx"
MOBILE8 = "mobileface_V2/mobileface_id_V2.int8qdq.onnx"
YUNET = "yunet/yunet_n_320_320.onnx"


def comparisons():
    """Title, our stage, and the others: label and what runs it (a method of Opponents, or a stage of a server)."""
    file = lambda name: f"{SHARED / 'models' / name}"
    same = lambda side, name: [("tract, the same graph", f"tract {side} {file(name)}"), ("*", f"net {side} {file(name)}")]
    return [
        ("letterbox to 320", "letterbox 320", [("OpenCV resize and copy", "letterbox")]),
        ("motion gate", "motion", []),
        ("detect, YuNet n 320", "detect strong", [
            ("OpenCV FaceDetectorYN", "detect"), ("onnxruntime float, network and letterbox", "detect_ort")]),
        ("detect, YuNet n 320 int8", "detect strong-int8", [
            ("OpenCV FaceDetectorYN", "detect"), ("onnxruntime float, network and letterbox", "detect_ort")]),
        ("align", "align strong", [("OpenCV estimateAffinePartial2D, warpAffine", "align")]),
        ("quality", "quality strong", []),
        ("liveness, two networks", "liveness strong", [("onnxruntime float, crops by OpenCV", "liveness")]),
        ("liveness, two networks int8", "liveness strong-int8", [("onnxruntime float, crops by OpenCV", "liveness")]),
        ("embed, retail-0095", "embed strong", [
            ("onnxruntime float", "embed_retail"), ("OpenCV dnn", "embed_retail_dnn"), ("ncnn float", "ncnn_retail")]),
        ("embed, retail-0095 int8", f"net 128 {file(RETAIL8)}", [
            ("onnxruntime int8 (QDQ)", "embed_retail8"), ("onnxruntime float", "embed_retail"),
            ("OpenCV dnn, float", "embed_retail_dnn"), *same(128, RETAIL8)]),
        ("embed, MobileFace V2", "embed mobile", [
            ("onnxruntime float", "embed_mobile"), ("OpenCV dnn", "embed_mobile_dnn"), ("ncnn float", "ncnn_mobile")]),
        ("embed, MobileFace V2 int8", f"net 112 {file(MOBILE8)}", [
            ("onnxruntime int8 (QDQ)", "embed_mobile8"), ("onnxruntime float", "embed_mobile"),
            ("OpenCV dnn, float", "embed_mobile_dnn"), *same(112, MOBILE8)]),
        *[
            (f"match in {people:,} x {length}", f"match {people} {length}", [
                ("FAISS int8, top 1", f"faiss8 {people} {length}"), ("FAISS flat float, top 1", f"faiss {people} {length}"),
                ("numpy float, top 1", f"numpy {people} {length}")])
            for people, length in ((10_000, 256), (100_000, 256), (100_000, 512))
        ],
        ("match in 1,000,000 x 128", "match 1000000 128", [("FAISS int8, top 1", "faiss8 1000000 128")]),
        *[
            (f"whole look, {name}", f"look {name}", [
                ("OpenCV alone, FAISS flat", f"whole_dnn {name}"),
                ("OpenCV, onnxruntime float, FAISS flat", f"whole_ort {name}")])
            for name in ("strong", "strong-int8", "mobile", "mobile-int8")
        ],
    ]


class Server:
    """A program that runs stages when told to."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise Skipped("the program has ended")
        if answer.startswith("skipped"):
            raise Skipped(answer.removeprefix("skipped: "))
        return answer

    def stage(self, spec):
        _, number, macs, size = self.ask(f"open {spec}").split()
        run = lambda times: int(self.ask(f"run {number} {times}"))
        run.work = (int(macs), int(size))
        return run


def local(function):
    """A function of this process as a stage."""

    def run(times):
        start = time.thread_time_ns()
        for _ in range(times):
            function()
        return time.thread_time_ns() - start

    return run


def interleaved(stages, runs):
    """Nanoseconds a run of each stage, round by round."""
    times = []
    for stage in stages:
        stage(3)
        once = min(stage(1) for _ in range(5))
        times.append(max(1, min(2000, SAMPLE_NS // max(once, 1))))
    rounds = [[stage(n) / n for stage, n in zip(stages, times)] for _ in range(runs)]
    return np.array(rounds)


def interval(ours, theirs):
    """Ratio of medians, and the interval that holds 95 % of its bootstrap."""
    random = np.random.default_rng(1)
    picks = random.integers(0, len(ours), (RESAMPLES, len(ours)))
    ratios = np.median(ours[picks], axis=1) / np.median(theirs[picks], axis=1)
    return np.median(ours) / np.median(theirs), *np.percentile(ratios, [2.5, 97.5])


def measure(options):
    server = Server(f"{options.server} serve")
    others = {name: Server(command) for name, command in (o.split("=", 1) for o in options.other)}
    opponents = Opponents()
    result = {"machine": machine(), "versions": opponents.versions(), "runs": options.runs, "stages": []}
    for title, spec, against in comparisons():
        if options.only and not any(word in title for word in options.only):
            continue
        try:
            stages, labels = [server.stage(spec)], ["Ostiary"]
        except Skipped as why:
            print(f"skipped: {title}: {why}", file=sys.stderr)
            continue
        for label, what in against:
            sides = [(label, what)] if label != "*" else [(f"{name}, the same graph", what) for name in others]
            for side, what in sides:
                try:
                    if label == "*":
                        stages.append(others[side.split(",")[0]].stage(what))
                    elif what.startswith("tract "):
                        stages.append(server.stage(what))
                    else:
                        stages.append(local(opponents.stage(what)))
                    labels.append(side)
                except Skipped as why:
                    print(f"skipped: {title}: {side}: {why}", file=sys.stderr)
        rounds = interleaved(stages, options.runs)
        entry = {"title": title, "work": stages[0].work, "sides": []}
        for i, label in enumerate(labels):
            side = {"label": label, "ms": np.median(rounds[:, i]) / 1e6, "best": rounds[:, i].min() / 1e6}
            if i:
                side["ratio"] = interval(rounds[:, 0], rounds[:, i])
            entry["sides"].append(side)
        result["stages"].append(entry)
        texts = [f"{s['label']} {s['ms']:.4g}" for s in entry["sides"]]
        print(f"{title}: {', '.join(texts)} ms", file=sys.stderr)
        if options.json:  # so that a run that is broken off has not been for nothing
            Path(options.json).write_text(json.dumps(result, indent=1))
    roofs = {}
    if options.roofline:
        for name in ("matmul", "cache", "memory"):
            stage = server.stage(f"roof {name}")
            stage(20)
            best = min(stage(4) / 4 for _ in range(options.runs // 2))
            roofs[name] = {"macs": stage.work[0] / best, "bytes": stage.work[1] / best}
    result["roofs"] = roofs
    return result


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    wide = [f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni") if f in flags]
    return f"{model}, {os.cpu_count()} cores, {' '.join(wide)}"


def table(result):
    print(f"{result['machine']}; {result['versions']}; thread CPU time, medians of {result['runs']} rounds in turns.\n")
    print("| stage | Ostiary, ms | against | ms | ratio (95 %) |\n|---|---|---|---|---|")
    digits = lambda ms: f"{ms:.3g}"
    for entry in result["stages"]:
        ours, *theirs = entry["sides"]
        if not theirs:
            print(f"| {entry['title']} | {digits(ours['ms'])} | - | - | - |")
        for side in theirs:
            ratio, low, high = side["ratio"]
            print(
                f"| {entry['title']} | {digits(ours['ms'])} | {side['label']} | {digits(side['ms'])} "
                f"| {ratio:.2f} ({low:.2f} to {high:.2f}) |"
            )


def main():
    if sys.argv[1:2] == ["table"]:
        for file in sys.argv[2:]:
            table(json.loads(Path(file).read_text()))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--json")
    parser.add_argument("--roofline")
    parser.add_argument("--other", action="append", default=[])
    options = parser.parse_args()
    result = measure(options)
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1))
    if options.roofline:
        Path(options.roofline).write_text(roofline(result))
    table(result)


if __name__ == "__main__":
    main()
