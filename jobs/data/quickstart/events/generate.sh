#!/bin/sh
# Writes the quickstart's events, JSON lines, to standard output: generate.sh COUNT (2,000 as a rule). The same COUNT gives the same bytes.
# On standard error: the sum of /revision over the newest version of every key, which the merged view must end at.
#
#   keys T-1001 … T-1060   tickets, 24 of which stand in the documents too; revision grows with created_at; never deleted, never late
#   keys D-1 … D-20        are made and deleted again; they have no revision
#   keys L-1 … L-10        their versions come in any order of created_at; they have no revision
#   a handful of lines that are no JSON, have no id, or a time that is none: they end in quarantine
here=$(cd "$(dirname "$0")" && pwd)
exec awk -v count="${1:-2000}" -F '\t' '
function quoted(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }
function stamp(second) { return sprintf("2026-05-%02dT%02d:%02d:%02dZ", 1 + int(second / 86400), int(second % 86400 / 3600), int(second % 3600 / 60), second % 60) }
function next_random() { seed = (seed * 1103515245 + 12345) % 2147483648; return int(seed / 65536) }
function head(id, second) { return "{\"id\":" quoted(id) ",\"created_at\":\"" stamp(second) "\"" }
function body(n) { return ",\"priority\":" quoted(priority[n]) ",\"subject\":" quoted(subject[n]) ",\"text\":" quoted(text[n]) "}" }
{ priority[NR] = $1; subject[NR] = $2; text[NR] = $3 }
END {
    seed = 20260501
    for (i = 1; i <= count; i++) {
        n = 1 + next_random() % NR; kind = next_random() % 100
        if (i % 400 == 0) { bad = int(i / 400) % 4
            if (bad == 1) print "{\"id\":\"T-1001\",\"created_at\":"
            else if (bad == 2) print "{\"created_at\":\"" stamp(i * 60) "\"" body(n)
            else if (bad == 3) print "{\"id\":\"T-1002\",\"created_at\":\"yesterday or so\"" body(n)
            else print "not JSON at all, line " i
        } else if (kind < 6) { id = "D-" (1 + next_random() % 20)
            if (alive[id]) print head(id, i * 60) ",\"deleted\":true}"; else print head(id, i * 60) body(n)
            alive[id] = !alive[id]
        } else if (kind < 12) { print head("L-" (1 + next_random() % 10), (next_random() % count) * 60) body(n)
        } else { id = "T-" (1001 + next_random() % 60); revision[id]++
            print head(id, i * 60) ",\"revision\":" revision[id] body(n) }
    }
    for (id in revision) sum += revision[id]
    print sum > "/dev/stderr"
}' "$here/texts.tsv"
