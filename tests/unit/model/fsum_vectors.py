#!/usr/bin/env python3
"""Writes fsum_vectors.h: sums as Python's math.fsum finds them, for test_exact_sum.c. Run by hand: python3 fsum_vectors.py >fsum_vectors.h"""
import math
import random
import struct

random.seed(20261122)


def any_finite(top):
    while True:
        d = struct.unpack("<d", struct.pack("<Q", random.getrandbits(64)))[0]
        if math.isfinite(d) and abs(d) < top:
            return d


vectors = {
    "nothing": [],
    "tenths": [0.1] * 10,
    "cancels": [1e100, 1.0, -1e100],
    "tie_to_even_down": [2.0**53, 1.0],
    "tie_to_even_up": [2.0**53 + 2, 1.0],
    "above_the_tie": [2.0**53, 1.0, 2.0**-1074],
    "below_the_tie": [2.0**53 + 2, 1.0, -(2.0**-1074)],
    "negative_tie": [-(2.0**53) - 2, -1.0],
    "subnormals": [5e-324, 5e-324, -1.5e-323],
    "subnormal_to_normal": [2.2250738585072014e-308, -5e-324, 5e-324, 5e-324],
    "largest": [1.7976931348623157e308, -1.0],
    "far_apart": [1.7976931348623157e308, 5e-324, -1.7976931348623157e308],
    "rounds_up_a_power": [2.0**53 - 1, 0.75],
    "harmonic": [1.0 / n for n in range(1, 60)],
    "money": [round(random.uniform(-1000, 1000), 2) for _ in range(60)],
}
for n in range(12):
    vectors[f"any_{n}"] = [any_finite(1e300) for _ in range(40)]
for n in range(12):
    values = [random.uniform(-1, 1) * 10 ** random.randint(-30, 30) for _ in range(40)]
    vectors[f"cancelling_{n}"] = values + [-v * (1 + random.choice([0, 2**-52])) for v in values]

print("/* Written by fsum_vectors.py. */")
for name, values in vectors.items():
    if values:
        print(f"static const double {name}[] = {{{', '.join(v.hex() for v in values)}}};")
print("static const struct vector vectors[] = {")
for name, values in vectors.items():
    print(f'    {{"{name}", {name if values else "NULL"}, {len(values)}, {math.fsum(values).hex()}}},')
print("};")
