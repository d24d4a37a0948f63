#!/usr/bin/env python3
"""Reads a .nvec file (docs/format.md, ".nvec, version 1"), plain or in gzip, and proves that it is whole.

Usage: read_nvec.py FILE      prints counts and the first vectors as JSON; exits with 1 when the file is damaged.
"""
import gzip, json, struct, sys, zlib

def damaged(what, expected, actual):
    sys.exit(f"{sys.argv[1]}: {what}: expected {expected}, got {actual}")

def text(data, at):
    (length,) = struct.unpack_from("<I", data, at)
    return data[at + 4:at + 4 + length].decode(), at + 4 + length

def vectors(data, count):
    dimension, _metric, n = struct.unpack_from("<IBxxxQ", data, 0)
    if n != count:
        damaged("vectors", count, n)
    at, found = 16, {}
    for _ in range(n):
        name, at = text(data, at)
        found[name] = struct.unpack_from(f"<{dimension}f", data, at)
        at += 4 * dimension
    if at != len(data):
        damaged("end of the vectors", len(data), at)
    return dimension, found

def main(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:4] != b"NVEC" or len(data) < 48:
        damaged("magic", "NVEC", data[:4])
    version, flags, events, pairs, count, created, size = struct.unpack_from("<IIIIIQQ", data, 4)
    if version != 1:
        damaged("version", 1, version)
    if size != len(data):
        damaged("size", size, len(data))
    (crc,) = struct.unpack_from("<I", data, size - 8)
    if crc != zlib.crc32(data[:-8]):
        damaged("CRC-32 of the file", f"0x{crc:08x}", f"0x{zlib.crc32(data[:-8]):08x}")
    at, sections = 40, {}
    while at < size - 8:
        kind, crc, length = struct.unpack_from("<IIQ", data, at)
        payload = data[at + 16:at + 16 + length]
        if zlib.crc32(payload) != crc:
            damaged(f"CRC-32 of section {kind}", f"0x{crc:08x}", f"0x{zlib.crc32(payload):08x}")
        sections[kind], at = payload, at + 16 + length
    dimension, found = vectors(sections[3], count)
    first = {name: list(found[name]) for name in sorted(found)[:3]}
    print(json.dumps({"events": events, "pairs": pairs, "vectors": count, "dimension": dimension,
                      "created_ms": created, "flags": flags, "sections": sorted(sections), "first": first}))

if __name__ == "__main__":
    try:
        main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
    except (OSError, EOFError, zlib.error, struct.error, KeyError, UnicodeDecodeError) as error:
        sys.exit(f"{sys.argv[1]}: damaged or no .nvec: {error}")
