#!/usr/bin/env python3
"""Compares spec/json.md with what the commands print.

    json_keys.py PAGE FILE...      each FILE: the title of a table on the first line, then JSON

Exit 1 and a line for every key that is printed but is not in the table, has another type there, or is in a table but in no FILE.
A key of the type "object: TITLE or TITLE" holds what one of these tables says.
"""
import json
import re
import sys

ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|")
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null", list: "array", dict: "object"}


def tables(page):
    title, found = None, {}
    for line in open(page, encoding="utf-8"):
        if line.startswith("## "):
            title = line[3:].strip()
            found[title] = {}
        elif ROW.match(line):
            key, types = ROW.match(line).groups()
            found[title][key] = set(types.split(" or ")) if types.strip() != "any" else None
    return found


def inner_tables(types):
    """The titles behind "object: ", and the types without them."""
    first = next((t for t in types or () if t.startswith("object: ")), None)
    if not first:
        return [], types
    titles = {first[8:]} | {t for t in types if t != first and t not in TYPES.values()}
    return sorted(titles), {"object"} | (types & set(TYPES.values()))


def leaves(path, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(f"{path}.{key}" if path else key, inner)
        yield path, value
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(path + "[]", inner)
        yield path, value
    else:
        yield path, value


def normal(path):
    return re.sub(r"(\[\])+", "[]", re.sub(r"(\.children\[\])+(?=\.)", "", path))


def row_of(table, path):
    if path in table:
        return path
    return next((key for key in table if "*" in key and re.fullmatch(".+".join(map(re.escape, key.split("*"))), path)), None)


def find(known, title, path):
    """The table that has the key, and the key there; (title, None) where none has."""
    key = row_of(known[title], path)
    if key:
        return title, key
    for outer, types in known[title].items():
        if path.startswith(outer + "."):
            for inner in inner_tables(types)[0]:
                found = find(known, inner, path[len(outer) + 1:])
                if found[1]:
                    return found
    return title, None


def main():
    known, seen, wrong = tables(sys.argv[1]), set(), set()
    for file in sys.argv[2:]:
        title, text = open(file, encoding="utf-8").read().split("\n", 1)
        for path, value in leaves("", json.loads(text)):
            path, kind = normal(path), TYPES[type(value)]
            at, key = find(known, title, path)
            types = inner_tables(known[at][key])[1] if key else None
            if types and kind in ("object", "array") and not types & {"object", "array"}:
                continue  # arrays in arrays: their elements are looked at
            if key:
                seen.add((at, key))
                number = kind == "integer" or value in ("inf", "-inf")
                if types is not None and kind not in types and not (number and "number" in types):
                    wrong.add(f"{title}: {path} is printed as {kind}, the page says {' or '.join(sorted(types))}")
            elif kind not in ("object", "array"):
                wrong.add(f"{title}: {path} ({kind}) is printed, but is not on the page")
    for title, table in known.items():
        wrong.update(f"{title}: {key} is on the page, but nothing prints it" for key in table if (title, key) not in seen)
    print("\n".join(sorted(wrong)))
    return 1 if wrong else 0


sys.exit(main())
