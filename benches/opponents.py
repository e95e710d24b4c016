"""The other side of `compare.py`: the same frame and the same networks in other people's programs, one thread."""

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("OSTIARY_SHARED", ROOT / ".." / "shared")).resolve()
FACE = "eval/lfw/images/Abel_Pacheco/Abel_Pacheco_0001.jpg"
POINTS = [[40.39, 59.08], [87.38, 59.08], [64.03, 81.98], [44.73, 105.56], [83.64, 105.38]]
RETAIL = "face-reidentification-retail-0095/face-reidentification-retail-0095.onnx"
RETAIL8 = "face-reidentification-retail-0095-int8/face-reidentification-retail-0095-int8.qdq.onnx"
MOBILE = "mobileface_V2/mobileface_id_V2.onnx"
MOBILE8 = "mobileface_V2/mobileface_id_V2.int8qdq.onnx"


class Skipped(Exception):
    """Why something cannot be timed."""


def planes(image):
    return np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None])


class Opponents:
    """Each public name that `stage` is asked for is a method that gives a function without arguments."""

    def __init__(self):
        try:
            import cv2
            import onnxruntime
        except ImportError as missing:
            raise SystemExit(f"{missing}; pip install onnxruntime opencv-python-headless") from missing
        self.cv2, self.ort = cv2, onnxruntime
        cv2.setNumThreads(1)
        self.models = SHARED / "models"
        self.frame = self._frame()
        self.find = self._finder(320)
        self.face = self.find()[0]

    def versions(self):
        found = [f"onnxruntime {self.ort.__version__}", f"OpenCV {self.cv2.__version__}"]
        for name, title in (("faiss", "FAISS"), ("ncnn", "ncnn"), ("numpy", "numpy")):
            try:
                found.append(f"{title} {__import__(name).__version__}")
            except (ImportError, AttributeError):
                pass
        return ", ".join(found)

    def stage(self, spec):
        name, *words = spec.split()
        return getattr(self, f"_{name}")(*words)

    # ---- the frame and its face

    def _frame(self):
        picture = self.cv2.imread(str(SHARED / FACE))
        if picture is None:
            raise SystemExit(f"no picture {FACE} below {SHARED}")
        frame = np.full((480, 640, 3), 128, np.uint8)
        top, left = (480 - picture.shape[0]) // 2, (640 - picture.shape[1]) // 2
        frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return frame

    def _finder(self, side):
        size = (side, side * 3 // 4)
        path = str(self.models / f"yunet/yunet_n_{side}_{side}.onnx")
        yunet = self.cv2.FaceDetectorYN.create(path, "", size, 0.6, 0.3, 5000)

        def find():
            _, faces = yunet.detect(self.cv2.resize(self.frame, size, interpolation=self.cv2.INTER_LINEAR))
            faces[:, :14] *= 640 / side
            return faces

        return find

    # ---- networks

    def _session(self, path, basic=False):
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        if basic:  # what the model's notes ask for
            options.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        net = self.ort.InferenceSession(str(self.models / path), options, providers=["CPUExecutionProvider"])
        name = net.get_inputs()[0].name
        return lambda x: net.run(None, {name: x})

    def _dnn(self, path):
        net = self.cv2.dnn.readNetFromONNX(str(self.models / path))

        def run(image):
            net.setInput(self.cv2.dnn.blobFromImage(image))
            return net.forward()

        return run

    def _warp(self, face, side):
        template = np.array(POINTS, np.float32) * (side / 128)
        points = face[4:14].reshape(5, 2).astype(np.float32)
        matrix, _ = self.cv2.estimateAffinePartial2D(points, template, method=self.cv2.LMEDS)
        return self.cv2.warpAffine(self.frame, matrix, (side, side), flags=self.cv2.INTER_LINEAR)

    def _crop(self, face, grow):
        height, width = self.frame.shape[:2]
        x, y, w, h = face[:4]
        grow = min(grow, (height - 1) / h, (width - 1) / w)
        nw, nh = w * grow, h * grow
        x0 = int(min(max(x + w / 2 - nw / 2, 0), width - 1 - nw))
        y0 = int(min(max(y + h / 2 - nh / 2, 0), height - 1 - nh))
        return self.cv2.resize(self.frame[y0 : y0 + int(nh) + 1, x0 : x0 + int(nw) + 1], (80, 80))

    # ---- stages

    def _letterbox(self):
        canvas = np.zeros((320, 320, 3), np.uint8)

        def run():
            canvas[:240] = self.cv2.resize(self.frame, (320, 240), interpolation=self.cv2.INTER_LINEAR)

        return run

    def _detect(self):
        return self.find

    def _detect_ort(self):
        yunet, canvas = self._session("yunet/yunet_n_320_320.onnx"), np.zeros((320, 320, 3), np.uint8)

        def run():
            canvas[:240] = self.cv2.resize(self.frame, (320, 240), interpolation=self.cv2.INTER_LINEAR)
            return yunet(planes(canvas))

        return run

    def _align(self):
        return lambda: self._warp(self.face, 128)

    def _living(self, dnn):
        nets = [("MiniFASNetV2", 2.7), ("MiniFASNetV1SE", 4.0)]
        load = self._dnn if dnn else self._session
        nets = [(load(f"minifasnet/{name}.onnx"), grow) for name, grow in nets]
        ready = (lambda image: image) if dnn else planes
        return lambda face: [net(ready(self._crop(face, grow))) for net, grow in nets]

    def _liveness(self):
        live = self._living(False)
        return lambda: live(self.face)

    def _embed(self, path, side, basic=False):
        net, image = self._session(path, basic), self._warp(self.face, side)
        return lambda: net(planes(image))

    def _embed_retail(self):
        return self._embed(RETAIL, 128)

    def _embed_retail8(self):
        return self._embed(RETAIL8, 128, basic=True)

    def _embed_mobile(self):
        return self._embed(MOBILE, 112)

    def _embed_mobile8(self):
        return self._embed(MOBILE8, 112)

    def _embed_retail_dnn(self):
        net, image = self._dnn(RETAIL), self._warp(self.face, 128)
        return lambda: net(image)

    def _embed_mobile_dnn(self):
        net, image = self._dnn(MOBILE), self._warp(self.face, 112)
        return lambda: net(image)

    def _ncnn(self, name, side):
        folder = os.environ.get("OSTIARY_BENCH_NCNN", "")
        param = Path(folder) / f"{name}.ncnn.param"
        if not folder or not param.is_file():
            raise Skipped("no ncnn model (OSTIARY_BENCH_NCNN)")
        try:
            import ncnn
        except ImportError as missing:
            raise Skipped(str(missing)) from missing
        net = ncnn.Net()
        net.opt.num_threads = 1
        net.load_param(str(param))
        net.load_model(str(param.with_suffix(".bin")))
        image = self._warp(self.face, side)

        def run():
            with net.create_extractor() as extractor:
                extractor.input("in0", ncnn.Mat.from_pixels(image, ncnn.Mat.PixelType.PIXEL_BGR, side, side))
                return np.array(extractor.extract("out0")[1])

        if not np.isfinite(run()).all():
            raise Skipped("ncnn gives no numbers")
        return run

    def _ncnn_retail(self):
        return self._ncnn("retail", 128)

    def _ncnn_mobile(self):
        return self._ncnn("mobile", 112)

    # ---- search

    def _people(self, people, length):
        random = np.random.default_rng(7)
        values = random.standard_normal((int(people), int(length)), np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        return values, values[:1] * 0.1 + random.normal(0, 0.1, (1, int(length))).astype(np.float32)

    def _numpy(self, people, length):
        values, probe = self._people(people, length)
        return lambda: int(np.argmax(values @ probe[0]))

    def _library(self):
        try:
            import faiss
        except ImportError as missing:
            raise Skipped(f"{missing}") from missing
        faiss.omp_set_num_threads(1)
        return faiss

    def _faiss(self, people, length):
        index = self._library().IndexFlatIP(int(length))
        values, probe = self._people(people, length)
        index.add(values)
        return lambda: index.search(probe, 1)

    def _faiss8(self, people, length):
        faiss = self._library()
        index = faiss.IndexScalarQuantizer(
            int(length), faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        values, probe = self._people(people, length)
        index.add(np.round(values * 127 / np.abs(values).max()))
        probe = np.round(probe * 100)
        return lambda: index.search(probe, 1)

    # ---- the whole look: find, living, align, embed, search in 10,000

    def _whole(self, name, dnn):
        retail = name.startswith("strong")
        side, path = (128, RETAIL) if retail else (112, MOBILE)
        live, net = self._living(dnn), (self._dnn if dnn else self._session)(path)
        embed = net if dnn else (lambda image: net(planes(image))[0])
        index = self._library().IndexFlatIP(256)
        index.add(self._people(10_000, 256)[0])

        def run():
            best = self.find()[0]
            live(best)
            vector = np.asarray(embed(self._warp(best, side))).reshape(1, -1)
            return index.search(vector / np.linalg.norm(vector), 1)

        return run

    def _whole_dnn(self, name):
        return self._whole(name, True)

    def _whole_ort(self, name):
        return self._whole(name, False)
