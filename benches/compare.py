"""The other side of the comparison: the same frame and the same networks in onnxruntime and OpenCV, one thread.

    compare.py run OUT.json      time every stage; medians of RUNS runs
    compare.py table OURS DIR..  the table of both sides (criterion's folder, and the files that `run` wrote)

Needs numpy, onnxruntime, opencv-python-headless and, for the search, faiss-cpu where pip has it.
"""

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

# Before anything loads a numerical library.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

RUNS = 200
ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("OSTIARY_SHARED", ROOT / ".." / "shared"))
FACE = "eval/lfw/images/Abel_Pacheco/Abel_Pacheco_0001.jpg"
POINTS = [[40.39, 59.08], [87.38, 59.08], [64.03, 81.98], [44.73, 105.56], [83.64, 105.38]]

# stage, criterion's folder below target/criterion, key of this file's measurement, what that is
STAGES = [
    ("detect, YuNet n 320", "detect/yunet-n-320", "detect", "OpenCV FaceDetectorYN"),
    ("detect, YuNet n 320", "detect/yunet-n-320", "detect_ort", "onnxruntime, network alone"),
    ("detect, YuNet n 640", "detect/yunet-n-640", "detect640", "OpenCV FaceDetectorYN"),
    ("align", "face/align", "align", "OpenCV estimateAffinePartial2D + warpAffine"),
    ("quality", "face/quality", None, "-"),
    ("liveness, two networks", "face/liveness pair", "liveness", "onnxruntime, crops by OpenCV"),
    ("embed, retail-0095", "embed/face-retail-0095", "embed_0095", "onnxruntime"),
    ("embed, retail-0095", "embed/face-retail-0095", "embed_0095_dnn", "OpenCV dnn"),
    ("embed, retail-0095", "embed/face-retail-0095", "embed_0095_int8", "onnxruntime, int8 (QDQ)"),
    ("embed, MobileFace V2", "embed/mobileface-v2", "embed_mobile", "onnxruntime"),
    ("embed, MobileFace V2", "embed/mobileface-v2", "embed_mobile_int8", "onnxruntime, int8 (QDQ)"),
    ("match in 10,000 x 256", "match/10000x256", "match_10k_numpy", "numpy float, top 1"),
    ("match in 10,000 x 256", "match/10000x256", "match_10k_faiss", "FAISS flat float, top 1"),
    ("match in 10,000 x 256", "match/10000x256", "match_10k_faiss8", "FAISS int8, top 1"),
    ("match in 100,000 x 256", "match/100000x256", "match_100k_numpy", "numpy float, top 1"),
    ("match in 100,000 x 256", "match/100000x256", "match_100k_faiss", "FAISS flat float, top 1"),
    ("match in 100,000 x 256", "match/100000x256", "match_100k_faiss8", "FAISS int8, top 1"),
    ("whole look", "look/whole", "whole", "OpenCV + onnxruntime + FAISS or numpy"),
    ("whole look", "look/whole", "whole_dnn", "OpenCV alone + FAISS or numpy"),
]


def stages():
    """Name to function, each running one stage once."""
    import cv2
    import numpy as np
    import onnxruntime as ort

    cv2.setNumThreads(1)
    models = SHARED / "models"

    def session(path, basic=False):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        if basic:  # what the model's notes ask for
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        return ort.InferenceSession(str(models / path), options, providers=["CPUExecutionProvider"])

    def runner(net):
        name = net.get_inputs()[0].name
        return lambda x: net.run(None, {name: x})

    picture = cv2.imread(str(SHARED / FACE))
    frame = np.full((480, 640, 3), 128, np.uint8)
    top, left = (480 - picture.shape[0]) // 2, (640 - picture.shape[1]) // 2
    frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture

    def planes(image):
        return np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None])

    def finder(side):
        path = str(models / f"yunet/yunet_n_{side}_{side}.onnx")
        size = (side, side * 3 // 4)
        yn = cv2.FaceDetectorYN.create(path, "", size, 0.6, 0.3, 5000)

        def find():
            _, faces = yn.detect(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR))
            faces[:, :14] *= 640 / side
            return faces

        return find

    detect = finder(320)
    face = detect()[0]
    yunet = runner(session("yunet/yunet_n_320_320.onnx"))

    def detect_ort():
        canvas = np.zeros((320, 320, 3), np.uint8)
        canvas[:240] = cv2.resize(frame, (320, 240), interpolation=cv2.INTER_LINEAR)
        return yunet(planes(canvas))

    def align(face=face, side=128):
        template = np.array(POINTS, np.float32) * (side / 128)
        points = face[4:14].reshape(5, 2).astype(np.float32)
        matrix, _ = cv2.estimateAffinePartial2D(points, template, method=cv2.LMEDS)
        return cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR)

    lively = [
        (runner(session("minifasnet/MiniFASNetV2.onnx")), 2.7),
        (runner(session("minifasnet/MiniFASNetV1SE.onnx")), 4.0),
    ]
    lively_dnn = [
        (cv2.dnn.readNetFromONNX(str(models / f"minifasnet/{name}.onnx")), grow)
        for name, grow in (("MiniFASNetV2", 2.7), ("MiniFASNetV1SE", 4.0))
    ]

    def crop(face, grow):
        height, width = frame.shape[:2]
        x, y, w, h = face[:4]
        grow = min(grow, (height - 1) / h, (width - 1) / w)
        nw, nh = w * grow, h * grow
        x0 = int(min(max(x + w / 2 - nw / 2, 0), width - 1 - nw))
        y0 = int(min(max(y + h / 2 - nh / 2, 0), height - 1 - nh))
        return cv2.resize(frame[y0 : y0 + int(nh) + 1, x0 : x0 + int(nw) + 1], (80, 80))

    def liveness(face=face):
        return [net(planes(crop(face, grow))) for net, grow in lively]

    def liveness_dnn(face):
        for net, grow in lively_dnn:
            net.setInput(cv2.dnn.blobFromImage(crop(face, grow)))
            net.forward()

    retail = runner(session("face-reidentification-retail-0095/face-reidentification-retail-0095.onnx"))
    retail_int8 = runner(
        session("face-reidentification-retail-0095-int8/face-reidentification-retail-0095-int8.qdq.onnx", True)
    )
    retail_dnn = cv2.dnn.readNetFromONNX(
        str(models / "face-reidentification-retail-0095/face-reidentification-retail-0095.onnx")
    )
    mobile = runner(session("mobileface_V2/mobileface_id_V2.onnx"))
    mobile_int8 = runner(session("mobileface_V2/mobileface_id_V2.int8qdq.onnx"))
    large, small = align(), align(side=112)

    def embed_dnn(image):
        retail_dnn.setInput(cv2.dnn.blobFromImage(image))
        return retail_dnn.forward()

    random = np.random.default_rng(7)
    found = {
        "detect": detect,
        "detect_ort": detect_ort,
        "detect640": finder(640),
        "align": align,
        "liveness": liveness,
        "embed_0095": lambda: retail(planes(large)),
        "embed_0095_dnn": lambda: embed_dnn(large),
        "embed_0095_int8": lambda: retail_int8(planes(large)),
        "embed_mobile": lambda: mobile(planes(small[..., ::-1])),
        "embed_mobile_int8": lambda: mobile_int8(planes(small[..., ::-1])),
    }
    search = None
    for name, people in (("10k", 10_000), ("100k", 100_000)):
        values = random.integers(-128, 128, (people, 256)).astype(np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        probe = values.mean(axis=0, keepdims=True) + random.normal(0, 0.1, (1, 256)).astype(np.float32)
        found[f"match_{name}_numpy"] = lambda v=values, p=probe[0]: int(np.argmax(v @ p))
        search = search or (lambda p, v=values: int(np.argmax(v @ p)))
        try:
            import faiss

            faiss.omp_set_num_threads(1)
            flat = faiss.IndexFlatIP(256)
            flat.add(values)
            found[f"match_{name}_faiss"] = lambda i=flat, p=probe: i.search(p, 1)
            byte = faiss.IndexScalarQuantizer(
                256, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
            )
            byte.add(np.round(values * 127 / np.abs(values).max()))
            found[f"match_{name}_faiss8"] = lambda i=byte, p=np.round(probe * 100): i.search(p, 1)
            if people == 10_000:
                search = lambda p, i=flat: i.search(p[None], 1)
        except (ImportError, AttributeError) as missing:
            print(f"skipped: FAISS ({missing})", file=sys.stderr)

    def whole(live, embed):
        def run():
            best = detect()[0]
            live(best)
            vector = np.asarray(embed(align(best))).reshape(-1)
            return search(vector / np.linalg.norm(vector))

        return run

    found["whole"] = whole(liveness, lambda image: retail(planes(image))[0])
    found["whole_dnn"] = whole(liveness_dnn, embed_dnn)
    return found


def run(out):
    import cv2
    import onnxruntime as ort

    result = {"versions": f"onnxruntime {ort.__version__}, OpenCV {cv2.__version__}", "ns": {}}
    for name, stage in stages().items():
        for _ in range(10):
            stage()
        times = []
        for _ in range(RUNS):
            # CPU time of this thread, which does all the work: what others do on a shared machine does not count.
            start = time.thread_time_ns()
            stage()
            times.append(time.thread_time_ns() - start)
        result["ns"][name] = times
        print(f"{name:20} {statistics.median(times) / 1e6:9.3f} ms", file=sys.stderr)
    Path(out).write_text(json.dumps(result))


def ours(folders, name):
    """Times of one run in ns, over all rounds: criterion keeps each sample's iterations and time."""
    all_times = []
    for folder in folders:
        file = Path(folder) / name / "new" / "sample.json"
        if file.is_file():
            sample = json.loads(file.read_text())
            all_times += [t / n for t, n in zip(sample["times"], sample["iters"])]
    return all_times


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = [f for f in ("avx2", "avx512f", "avx512_vnni") if f in flags.split()]
    return f"{model}, {os.cpu_count()} cores, {' '.join(wide)}"


def table(folders, files):
    theirs = {}
    for file in files:
        read = json.loads(Path(file).read_text())
        versions = read["versions"]
        for name, times in read["ns"].items():
            theirs.setdefault(name, []).extend(times)
    print(f"{cpu()}; {versions}; CPU time of one thread; median (best) of {len(files)} interleaved rounds of {RUNS} runs.\n")
    print("| stage | Ostiary, ms | against | ms | ratio of medians (of bests) |\n|---|---|---|---|---|")
    for stage, folder, key, what in STAGES:
        a, b = ours(folders, folder), theirs.get(key, [])
        if not a or (key and not b):
            continue
        ms = lambda times: f"{statistics.median(times) / 1e6:.3g} ({min(times) / 1e6:.3g})"
        if not key:
            print(f"| {stage} | {ms(a)} | - | - | - |")
            continue
        ratio = f"{statistics.median(a) / statistics.median(b):.2f} ({min(a) / min(b):.2f})"
        print(f"| {stage} | {ms(a)} | {what} | {ms(b)} | {ratio} |")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", out]:
            run(out)
        case ["table", *rest]:
            table([f for f in rest if not f.endswith(".json")], [f for f in rest if f.endswith(".json")])
        case _:
            sys.exit(__doc__)
