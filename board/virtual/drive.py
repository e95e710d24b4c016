#!/usr/bin/env python3
"""Runs one boot of the virtual board and reads what the examination in it says.

Owns: the emulator's process, the serial line, pictures of the screen, power cuts.
Does not own: what is examined (exam.sh, cuts.sh) or how the guest is made (scripts/board).

Lines of the guest that begin with `@@`: PASS, FAIL, NOTE, SHOT (the screen is photographed), DONE. Exit status 0 when
DONE was said and nothing failed.
"""
import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib


def png(path):
    """Pixels of a PNG of 8 bits, RGB or RGBA, as rows of RGB bytes."""
    data = open(path, "rb").read()
    at, packed, head = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    width, height, depth, colour = head[:4]
    channels = {2: 3, 6: 4, 0: 1}[colour]
    assert depth == 8 and head[6] == 0, "a plain PNG"
    raw, stride = zlib.decompress(packed), width * channels
    rows, before = [], bytearray(stride)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            a = line[i - channels] if i >= channels else 0
            b, c = before[i], before[i - channels] if i >= channels else 0
            if kind == 4:
                p = a + b - c
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            else:
                near = (0, a, b, (a + b) // 2)[kind]
            line[i] = (line[i] + near) & 255
        rows.append(line)
        before = line
    if channels == 1:
        rows = [bytes(v for v in r for _ in range(3)) for r in rows]
    elif channels == 4:
        rows = [bytes(v for i, v in enumerate(r) if i % 4 < 3) for r in rows]
    return width, height, b"".join(bytes(r) for r in rows)


def ppm(path):
    data = open(path, "rb").read()
    magic, size, top, pixels = data.split(b"\n", 3)
    assert magic == b"P6" and top == b"255"
    width, height = map(int, size.split())
    return width, height, pixels


def write_png(path, width, height, pixels):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = b"".join(b"\0" + pixels[y * width * 3 : (y + 1) * width * 3] for y in range(height))
    with open(path, "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)))
        out.write(chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b""))


class Board:
    def __init__(self, args):
        self.args, self.failed, self.passed, self.done = args, 0, 0, False
        self.qmp = os.path.join(args.out, "qmp.sock")
        if os.path.exists(self.qmp):
            os.remove(self.qmp)
        command = ["qemu-system-aarch64", "-M", "virt", "-cpu", args.cpu, "-smp", "2", "-m", "1024", "-net", "none"]
        command += ["-display", "none", "-monitor", "none", "-serial", "stdio"]
        command += ["-kernel", args.kernel, "-initrd", args.initrd]
        command += ["-append", f"console=ttyAMA0 quiet panic=1 vt.global_cursor_default=0 {args.append}"]
        command += ["-drive", f"file={args.disk},format=raw,if=virtio,cache=writeback"]
        command += ["-device", "bochs-display,id=screen,xres=240,yres=320,edid=on"]
        command += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        if args.rtc:
            command += ["-rtc", f"base={args.rtc}"]
        # Over all lives of one disk: what was acknowledged, which nothing may take back.
        self.kept = {"people": [], "gone": [], "deleting": [], "seen": ""}
        if args.state and os.path.exists(args.state):
            self.kept = json.load(open(args.state))
        if self.kept["seen"]:
            command[command.index("-append") + 1] += f" seen={self.kept['seen']}"
        self.log = open(os.path.join(args.out, f"{args.name}.log"), "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.began = time.monotonic()
        threading.Thread(target=self.guard, daemon=True).start()

    def guard(self):
        """Ends an emulator that is at work for too long."""
        while self.process.poll() is None:
            if time.monotonic() - self.began > self.args.limit:
                self.say("FAIL time: the boot was not done within %d s" % self.args.limit)
                self.failed += 1
                self.process.kill()
            time.sleep(0.5)

    def say(self, line):
        print("  %6.1f s  %s" % (time.monotonic() - self.began, line), flush=True)

    def shot(self, name):
        """Photographs the screen, and compares where there is a picture of what it has to be."""
        raw = os.path.join(self.args.out, "screen.ppm")
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.qmp)
        talk = link.makefile("rw")
        talk.readline()
        for command in (
            {"execute": "qmp_capabilities"},
            {"execute": "screendump", "arguments": {"filename": raw, "device": "screen", "head": 0}},
        ):
            talk.write(json.dumps(command) + "\n")
            talk.flush()
            while "return" not in json.loads(talk.readline()):
                pass
        link.close()
        width, height, pixels = ppm(raw)
        write_png(os.path.join(self.args.out, f"{name}.png"), width, height, pixels)
        golden = os.path.join(self.args.golden, f"{name}.png") if self.args.golden else ""
        if not os.path.exists(golden):
            return self.say(f"NOTE the screen is kept as {name}.png")
        want = png(golden)
        wrong = sum(a != b for a, b in zip(want[2], pixels)) if want[:2] == (width, height) else -1
        if wrong == 0:
            self.passed += 1
            self.say(f"PASS screen: {name}, {width}x{height}, equal to the picture in every pixel")
        else:
            self.failed += 1
            self.say(f"FAIL screen: {name}: {wrong} of {len(pixels)} values differ from the picture ({width}x{height})")

    def line(self, text):
        word, _, rest = text.partition(" ")
        if word == "SHOT":
            return self.shot(rest)
        if word in ("PEOPLE", "ENROLLED", "DELETING", "DELETED", "SEEN"):
            return self.acknowledged(word, rest.split())
        self.passed += word == "PASS"
        self.failed += word == "FAIL"
        self.done |= word == "DONE"
        self.say(text)
        if word == "READY" and self.args.cut:
            low, high = map(float, self.args.cut.split(","))
            threading.Timer(random.Random(self.args.seed).uniform(low, high), self.process.kill).start()

    def acknowledged(self, word, names):
        """Keeps what the guest acknowledged, and holds it against what a later life finds."""
        kept = self.kept
        if word == "ENROLLED":
            kept["people"] += names
        elif word == "DELETING":
            kept["deleting"] = names
        elif word == "DELETED":
            kept["people"] = [p for p in kept["people"] if p not in names]
            kept["gone"] += names
        elif word == "SEEN" and names and ":" in names[0] and len(names[0]) > 8:
            kept["seen"] = names[0]
        elif word == "PEOPLE":
            lost = sorted(set(kept["people"]) - set(names))
            back = sorted(set(kept["gone"]) & set(names))
            # A deletion that the cut met before its acknowledgement may have come through or not.
            if set(lost) - set(kept["deleting"]) or back:
                self.failed += 1
                self.say(f"FAIL kept: missing {lost}, back from the dead {back}")
            else:
                self.passed += 1
                self.say(f"PASS kept: all {len(kept['people'])} acknowledged people are there, {len(kept['gone'])} erased ones are not")
            kept["people"] = [p for p in names]
        if self.args.state:
            json.dump(kept, open(self.args.state, "w"))

    def run(self):
        for raw in self.process.stdout:
            self.log.write(raw)
            self.log.flush()
            text = raw.decode("utf-8", "replace").strip()
            at = text.find("@@ ")
            if at >= 0:
                self.line(text[at + 3 :])
            if self.done:
                break
        if self.args.cut and not self.done:
            self.process.wait()
            return 0 if self.failed == 0 else 1
        try:
            self.process.wait(5 if self.done else 1)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return 0 if self.done and self.failed == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="of this boot, and of its log")
    for wanted in ("kernel", "initrd", "disk", "out"):
        parser.add_argument(f"--{wanted}", required=True)
    parser.add_argument("--append", default="", help="more for the kernel's command line")
    parser.add_argument("--golden", default="", help="folder of pictures that the screen must equal")
    parser.add_argument("--cpu", default="cortex-a76")
    parser.add_argument("--rtc", default="", help="what the clock says at power on")
    parser.add_argument("--limit", type=float, default=600, help="seconds that the boot may take")
    parser.add_argument("--cut", default="", help="LOW,HIGH: cut the power so many seconds after the guest says READY")
    parser.add_argument("--state", default="", help="file that keeps what was acknowledged, over the lives of a disk")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    board = Board(args)
    status = board.run()
    print(f"  {args.name}: {board.passed} passed, {board.failed} failed", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
