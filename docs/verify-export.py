#!/usr/bin/env python3
"""Checks an export of an Almoner audit trail without Almoner: pip install blake3 cryptography; verify-export.py DIR [KEY]

KEY is the signer's key (name+id+base64) as you know it from elsewhere; without it the export's own verifier.key is used."""
import base64, hashlib, json, pathlib, sys
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

folder = pathlib.Path(sys.argv[1])
key = sys.argv[2] if len(sys.argv) > 2 else (folder / "verifier.key").read_text().strip()
bodies = {}
for line in (folder / "bodies.jsonl").read_text().splitlines():
    body = json.loads(line)
    bodies[body["seq"], body["index"]] = base64.b64decode(body["data"])

prev, leaves, gone = "0" * 64, [], []
for seq, line in enumerate((folder / "records.jsonl").read_bytes().splitlines()):
    record = json.loads(line)
    assert record["seq"] == seq, f"record {seq}: says it is record {record['seq']}"
    assert record["prev"] == prev, f"record {seq}: does not follow record {seq - 1}, or that one was changed"
    for index, body in enumerate(record.get("bodies", [])):
        data = bodies.pop((seq, index), None)
        assert data is not None, f"record {seq}: body {index} is missing"
        assert len(data) == body["len"] and blake3(data).hexdigest() == body["hash"], f"record {seq}: body {index} was changed"
    digest = blake3(line, derive_key_context="almoner audit record v1").digest()
    leaves.append(hashlib.sha256(b"\0" + digest).digest())
    prev = digest.hex()
assert not bodies, f"bodies that no record refers to: {sorted(bodies)}"


def root(leaves):  # RFC 6962, section 2.1
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


name, _, public = key.split("+", 2)
signed = 0
for note in (folder / "checkpoints.txt").read_text().split("----------\n"):
    if not note.strip():
        continue
    text, signatures = note.split("\n\n", 1)
    origin, size, tree = text.split("\n")[:3]
    if origin != name:
        continue  # another epoch's, signed by that epoch's key
    signature = base64.b64decode(signatures.splitlines()[0].split(" ")[2])[4:]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:]).verify(signature, (text + "\n").encode())
    assert int(size) <= len(leaves), f"a signed checkpoint covers {size} records, and there are {len(leaves)}: the end was cut off"
    assert root(leaves[: int(size)]) == base64.b64decode(tree), f"the first {size} records are not the ones that were signed"
    signed = max(signed, int(size))
print(f"{len(leaves)} records, unbroken; {signed} of them signed by {name}")
sys.exit(0 if signed == len(leaves) and leaves else 3)
