"""read_segment.py SEGMENT ENTRY DOCUMENT: runs the document's example on the segment, then compares every value with what write_segment.c
wrote, and every dataset's place and CRC with the entry, as a reader without HDF5 would use them."""
import json
import re
import sys

import h5py
import numpy as np

ROWS, DIM = 500, 4


def crc32c(data):
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def check_example(path, document):
    example = re.search(r"```python\n(.*?)```", open(document).read(), re.S).group(1)
    assert len(example.strip().splitlines()) <= 5, "the example is to be five lines"
    names = {"PATH": path}
    exec(example, names)
    keys, texts, embeddings, categories = (names[n] for n in ("keys", "texts", "embeddings", "categories"))
    assert len(keys) == len(texts) == len(embeddings) == ROWS
    assert sorted(keys) == sorted(b"key %d" % i for i in range(ROWS))
    for key, text, embedding, category in zip(keys, texts, embeddings, categories):
        i = int(key.split()[1])
        assert text.decode() == ("text of row %d: ä€" % i if i % 3 else ""), (i, text)
        assert category == (b"odd" if i % 2 else b"even")
        assert embedding.shape == (DIM,) and (list(embedding) == [i, i / 2, 0, -1] if i % 5 else np.isnan(embedding).all())


def check_attributes(f, entry):
    assert f.attrs["format"] == 1 and f.attrs["layout"] == entry["layout"] == 1
    assert f.attrs["rows"] == entry["rows"] == ROWS and f.attrs["kind"].decode() == entry["kind"] == "speed"
    assert (np.diff(f["hash"][:].astype(object)) > 0).all(), "sorted by hash"
    assert list(f["offset"][:]) == [10 * int(bytes(k).split()[1]) for k in strings(f, "key")]


def strings(f, name):
    off, data = f[name + "_off"][:], f[name + "_bytes"][:]
    return [data[a:b].tobytes() for a, b in zip(off[:-1], off[1:])]


def check_places(path, f, entry):
    """Datasets in the order of the layout are those in the order of their places, but for the empty ones."""
    file = open(path, "rb").read()
    assert len(file) == entry["bytes"]
    placed = sorted((d for d in f.values() if d.size), key=lambda d: d.id.get_offset())
    listed = [d for d in entry["datasets"] if d[1]]
    assert len(entry["datasets"]) == len(f) == 50 and len(placed) == len(listed)
    for dataset, (offset, length, crc) in zip(placed, listed):
        assert dataset.chunks is None and dataset.compression is None
        assert dataset.id.get_offset() == offset and offset % 64 == 0 and dataset.id.get_storage_size() == length, dataset.name
        assert file[offset : offset + length] == dataset[...].tobytes() and crc32c(file[offset : offset + length]) == crc, dataset.name


def main(path, entry_path, document):
    entry = json.load(open(entry_path))
    check_example(path, document)
    with h5py.File(path, "r") as f:
        check_attributes(f, entry)
        check_places(path, f, entry)
    print("h5py %s reads all %d rows" % (h5py.version.version, ROWS))


main(*sys.argv[1:])
