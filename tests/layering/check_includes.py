#!/usr/bin/env python3
"""Checks every #include of src and include/lamina against the architecture:

    app -> {source, parse, ai, process, store, sql, serve} -> {comm, config} -> model -> base -> include/lamina

An area includes itself by bare names, areas below it as "area/file.h", contracts as <lamina/file.h>. No sibling area includes a
sibling. A vendor's header is seen only by the files that wrap it, also where it comes through another header. MPI is
called in src/comm alone.

    check_includes.py ROOT        the tree below ROOT; problems on standard output, exit 1
    check_includes.py --self      finds one made-up violation of every rule
"""
import fnmatch
import os
import re
import sys

BELOW = {"base": [], "model": ["base"], "comm": ["model", "base"], "config": ["model", "base"]}
MIDDLE = ["source", "parse", "ai", "process", "store", "sql", "serve"]
for area in MIDDLE:
    BELOW[area] = ["comm", "config", "model", "base"]
BELOW["app"] = MIDDLE + ["comm", "config", "model", "base"]

# First part of the header's name: the files that may see it.
VENDORS = {
    "mpi.h": ["src/comm/mpi*.c"],
    "hdf5": ["src/store/segment*"],
    "H5": ["src/store/segment*"],
    "librdkafka/": ["src/source/kafka*", "src/source/broker*", "src/source/producer*", "src/source/props*"],
    "microhttpd": ["src/serve/http*", "src/serve/openapi.c"],
    "curl/": ["src/ai/openai/http*", "src/ai/agent/http_tool.c"],
    "simdjson": ["src/model/json.cpp"],
    "re2/": ["src/model/regex.cpp"],
    "jansson": ["src/config/*", "src/store/*", "src/serve/*", "src/app/*"],
    "zlib": ["src/source/decode*"],
    "zstd": ["src/source/decode*"],
    "cmark-gfm": ["src/parse/markdown*"],
    "gumbo": ["src/parse/html*"],
    "xxhash": ["src/base/hash.c"],
    "isa-l": ["src/base/hash.c"],
}

SYSTEM = set("""
assert.h complex.h ctype.h dirent.h dlfcn.h endian.h errno.h execinfo.h fcntl.h fenv.h float.h fnmatch.h ftw.h getopt.h glob.h grp.h ifaddrs.h immintrin.h inttypes.h
limits.h locale.h malloc.h math.h netdb.h poll.h pthread.h pwd.h regex.h sched.h semaphore.h setjmp.h signal.h spawn.h stdalign.h
stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h sysexits.h termios.h threads.h time.h unistd.h
wchar.h arpa/inet.h net/if.h netinet/in.h netinet/tcp.h
algorithm array cmath cstddef cstdint cstdlib cstring exception limits memory new string string_view utility vector
""".split())
CONTRACT_SYSTEM = {"inttypes.h", "limits.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+")', re.M)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
MPI_CALL = re.compile(r"\bP?MPI_[A-Z]\w*[ \t\n]*\(")


def is_system(name):
    return name in SYSTEM or name.startswith(("sys/", "linux/"))


def vendor_of(name):
    for prefix in VENDORS:
        if name.startswith(prefix):
            return prefix
    return None


def allowed(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def resolve(files, path, name):
    """The file of the tree that "name" means in path, or None."""
    area_root = "/".join(path.split("/")[:2])
    for folder in (os.path.dirname(path), area_root, "src"):
        candidate = os.path.normpath(f"{folder}/{name}")
        if candidate in files:
            return candidate
    return None


def check_quoted(files, path, name, problems):
    """Checks "name" in path, and returns the file that it is."""
    if ".." in name.split("/") or name.startswith("/"):
        problems.append(f'{path}: "{name}" goes by its place on the disk; include "area/file.h"')
        return None
    target = resolve(files, path, name)
    if path.startswith("include/"):
        problems.append(f'{path}: a contract includes libc and <lamina/…> only, not "{name}"')
    elif target is None:
        problems.append(f'{path}: there is no "{name}"')
    else:
        area, other = path.split("/")[1], target.split("/")[1]
        if other != area and other not in BELOW[area]:
            problems.append(f'{path}: {area} may not include {other} ("{name}"); it may include {", ".join(BELOW[area]) or "nothing"}')
    return target


def check_angled(files, path, name, problems):
    contract = path.startswith("include/")
    if name.startswith("lamina/"):
        if "include/" + name not in files:
            problems.append(f"{path}: there is no <{name}>")
            return None
        return "include/" + name
    if contract and name not in CONTRACT_SYSTEM:
        problems.append(f"{path}: a contract includes libc's types and <lamina/…> only, not <{name}>")
    elif not is_system(name) and vendor_of(name) is None:
        problems.append(f"{path}: <{name}> is not known; a vendor's header needs a line in tests/layering/check_includes.py")
    return None


def vendors_seen(path, graph, vendors, seen):
    if path in seen:
        return set()
    seen.add(path)
    found = set(vendors[path])
    for target in graph[path]:
        found |= vendors_seen(target, graph, vendors, seen)
    return found


def check(files):
    """files: path below the root -> text. Returns the problems."""
    problems, graph, vendors = [], {}, {}
    for path, text in sorted(files.items()):
        graph[path], vendors[path] = set(), set()
        if path.startswith("src/") and path.split("/")[1] not in BELOW:
            problems.append(f"{path}: {path.split('/')[1]} is not an area")
            continue
        for match in INCLUDE.finditer(text):
            quoted, name = match[1][0] == '"', match[1][1:-1]
            target = (check_quoted if quoted else check_angled)(files, path, name, problems)
            if target:
                graph[path].add(target)
            if not quoted and vendor_of(name):
                vendors[path].add(vendor_of(name))
        if not path.startswith("src/comm/") and MPI_CALL.search(COMMENT.sub(" ", text)):
            problems.append(f"{path}: calls MPI, which only src/comm may")
    for path in sorted(files):
        for vendor in sorted(vendors_seen(path, graph, vendors, set())):
            if not allowed(path, VENDORS[vendor]):
                problems.append(f"{path}: sees <{vendor}…>, which only {', '.join(VENDORS[vendor])} may")
    return problems


def read_tree(root):
    files = {}
    for top in ("src", "include"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".c", ".h", ".cpp", ".hpp", ".cc")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        files[os.path.relpath(path, root)] = file.read()
    return files


def self_test():
    good = {
        "include/lamina/sv.h": "#include <stddef.h>\n",
        "src/base/log.h": "#include <lamina/sv.h>\n",
        "src/base/log.c": '#include "log.h"\n#include <stdio.h>\n/* MPI_Send( in a comment */ const char *s = "MPI_Send(";\n',
        "src/store/segment_vfd.h": "#include <hdf5.h>\n",
        "src/store/segment.c": '#include "segment_vfd.h"\n#include "base/log.h"\n',
        "src/ai/builtin/a.c": '#include "b.h"\n#include "model/m.h"\n',
        "src/ai/builtin/b.h": "",
        "src/model/m.h": "",
        "src/comm/mpi.c": "#include <mpi.h>\nvoid f(void) { MPI_Init(0, 0); }\n",
        "src/app/main.c": '#include "store/x.h"\n#include "serve/y.h"\n',
        "src/store/x.h": "",
        "src/serve/y.h": "",
    }
    bad = {
        "src/base/up.c": ('#include "model/m.h"\n', "base may not include model"),
        "src/serve/side.c": ('#include "store/x.h"\n', "serve may not include store"),
        "src/store/down.c": ('#include "app/z.h"\n', 'there is no "app/z.h"'),
        "src/store/other.c": ('#include "segment_vfd.h"\n', "sees <hdf5…>"),
        "src/app/mpi.c": ("#include <mpi.h>\n", "sees <mpi.h…>"),
        "src/app/call.c": ("void f(void) { MPI_Barrier (0); }\n", "calls MPI"),
        "src/app/odd.c": ("#include <odd.h>\n", "<odd.h> is not known"),
        "src/app/up.c": ('#include "../base/log.h"\n', "goes by its place"),
        "src/new/a.c": ("", "new is not an area"),
        "include/lamina/bad.h": ("#include <stdio.h>\n", "a contract includes"),
        "include/lamina/worse.h": ('#include "base/log.h"\n', "a contract includes"),
        "src/app/gone.c": ("#include <lamina/gone.h>\n", "there is no <lamina/gone.h>"),
    }
    assert check(good) == [], check(good)
    for path, (text, want) in bad.items():
        found = check({**good, path: text})
        assert len(found) == 1 and found[0].startswith(path + ": ") and want in found[0], (path, found)


def main():
    if sys.argv[1:] == ["--self"]:
        self_test()
        return 0
    files = read_tree(sys.argv[1])
    if not files:
        print(f"there is nothing below {sys.argv[1]}")
        return 1
    problems = check(files)
    print("\n".join(problems) or f"{len(files)} files keep to their layers")
    return 1 if problems else 0


sys.exit(main())
