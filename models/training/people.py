"""Who is kept apart: people on whose faces no network of this project is ever trained.

The rule is on the name alone, so that every recipe and every measurement draws the same line without a list.

    python people.py --faces LFW --out DIR

writes what `ostiary evaluate` needs to measure on them alone: DIR/images (links) and DIR/pairs.csv.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from pathlib import Path


def held_out(person: str) -> bool:
    """True for about three people in ten. `person` is the name of the folder of their pictures."""
    return int(hashlib.sha256(person.encode()).hexdigest()[:8], 16) % 10 < 3


def pairs(people: dict[str, list[str]], seed: int) -> list[tuple[str, str, int]]:
    """At most three pairs of pictures of each person, and as many of two people drawn at random, alternating."""
    rng = random.Random(seed)
    same = []
    for files in people.values():
        both = [(a, b, 1) for i, a in enumerate(files) for b in files[i + 1 :]]
        same += rng.sample(both, min(3, len(both)))
    rng.shuffle(same)
    names = list(people)
    out = []
    for pair in same:
        one, other = rng.sample(names, 2)
        out += [pair, (rng.choice(people[one]), rng.choice(people[other]), 0)]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True, help="a folder a person")
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    images = a.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    people = {}
    for folder in sorted(f for f in a.faces.iterdir() if f.is_dir() and held_out(f.name)):
        link = images / folder.name
        if not link.is_symlink():
            link.symlink_to(folder.resolve())
        people[folder.name] = [f"{folder.name}/{p.name}" for p in sorted(folder.glob("*.jpg"))]
    rows = pairs(people, 1)
    lines = ["a,b,same", *(f"{a},{b},{same}" for a, b, same in rows)]
    (a.out / "pairs.csv").write_text("\n".join(lines) + "\n")
    print(f"{len(people)} people, {len(rows)} pairs")


if __name__ == "__main__":
    main()
