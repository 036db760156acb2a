#!/usr/bin/env python3
"""Writes the tables of characters from Python's unicodedata:

    for name in strip lower classes; do python3 make_tables.py $name > unicode_$name.c; done
"""
import sys
import unicodedata as u

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(wanted):
    found = []
    for c in CODES:
        if not wanted(c):
            continue
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def rows(items, form):
    line = "   "
    for item in items:
        text = form(item)
        if len(line) + len(text) > 158:
            print(line)
            line = "   "
        line += " " + text
    print(line)


def stripped(c):
    if 0xAC00 <= c <= 0xD7A3:
        return None  # Hangul is taken apart by arithmetic
    text = "".join(x for x in u.normalize("NFD", chr(c)) if u.category(x) != "Mn")
    return None if text == chr(c) else text


def mapped(name, function):
    found = [(c, function(c)) for c in CODES]
    found = [(c, [ord(x) for x in text]) for c, text in found if text is not None]
    assert max(len(to) for _, to in found) <= 3
    print(f"const struct unicode_map {name}[] = {{")
    rows(found, lambda item: "{0x%x, {%s}}," % (item[0], ", ".join("0x%x" % x for x in item[1]) or "0"))
    print(f"}};\nconst size_t {name}_count = sizeof {name} / sizeof *{name};\n")


def ranged(name, wanted):
    print(f"const struct unicode_range {name}[] = {{")
    rows(ranges(wanted), lambda item: "{0x%x, 0x%x}," % tuple(item))
    print(f"}};\nconst size_t {name}_count = sizeof {name} / sizeof *{name};\n")


print(f"/* Made by make_tables.py {sys.argv[1]} from Unicode {u.unidata_version}. */\n#include \"unicode.h\"\n")
if sys.argv[1] == "strip":
    mapped("unicode_stripped", stripped)
elif sys.argv[1] == "lower":
    mapped("unicode_lower", lambda c: None if chr(c).lower() == chr(c) else chr(c).lower())
else:
    ranged("unicode_punctuation", lambda c: u.category(chr(c)).startswith("P"))
    ranged("unicode_other", lambda c: u.category(chr(c)) in ("Cc", "Cf", "Co"))
