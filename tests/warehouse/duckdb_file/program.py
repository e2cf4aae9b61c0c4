"""Loads pickled batches into a warehouse: run by the fault tests in a process of its own, which they kill.

python program.py <folder>     reads <folder>/bench.pickle: a Bench and its manifests
"""

import pickle
import sys
from pathlib import Path


def main(folder: Path) -> None:
    made, manifests = pickle.loads((folder / "bench.pickle").read_bytes())
    for manifest in manifests:
        made.load_manifest(manifest)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    main(Path(sys.argv[1]))
