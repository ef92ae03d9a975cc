"""Which parameters the dev cloud refuses as not modelled, of each operation that it models, down to three levels.

One request for each parameter, with nothing else in it: the answer either names it as unknown, or complains of what is
missing (or does the harmless rest). `parameters.json` holds what was refused; `WRITE=1` writes it anew.
"""

import json
import os
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request

import botocore.session

DEPTH_MAX = 3
LEAVES = {"integer": 1, "long": 1, "float": 1, "double": 1, "boolean": True, "timestamp": 0, "blob": "eA=="}
file = pathlib.Path(__file__).with_suffix(".json")
modelled = json.loads(os.environ["MODELLED"])
endpoint = os.environ["ENDPOINT"]
session = botocore.session.get_session()


def paths(shape, depth=1, above=()):
    """Every member as a list of (name, shape), structures also by what is in them."""
    members = shape.members if shape.type_name == "structure" else {}
    for name, member in members.items():
        path = (*above, (name, member))
        yield path
        inner = member.member if member.type_name == "list" else member
        if depth < DEPTH_MAX and inner.type_name == "structure" and inner not in [s for _, s in above]:
            yield from paths(inner, depth + 1, path)


def form(path, protocol):
    """`A.member.1.B=1` or EC2's `A.1.B=1`."""
    names, value = [], "x"
    for name, shape in path:
        wire = shape.serialization.get("name", name)
        if protocol == "ec2":
            wire = shape.serialization.get("queryName", wire[:1].upper() + wire[1:])
        names.append(wire)
        if shape.type_name == "list":
            names.extend(["1"] if protocol == "ec2" or shape.serialization.get("flattened") else ["member", "1"])
            shape = shape.member
        elif shape.type_name == "map":
            names.extend(["entry", "1", "key"])
        value = LEAVES.get(shape.type_name, "x")
    empty = shape.type_name == "structure"
    return {".".join(names): "" if empty else str(value).lower()}


def tree(path):
    """`{"A": [{"B": 1}]}`."""
    (name, shape), *rest = path
    inner = shape.member if shape.type_name == "list" else shape
    if rest:
        value = tree(rest)
    else:
        value = {} if inner.type_name in ("structure", "map") else LEAVES.get(inner.type_name, "x")
    return {name: [value] if shape.type_name == "list" else value}


def ask(model, protocol, operation, path):
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=222222222222/20260101/eu-west-1/{model.signing_name}/aws4_request, "
                                "SignedHeaders=host, Signature=0"}
    if protocol == "json":
        headers["X-Amz-Target"] = f"{model.metadata['targetPrefix']}.{operation}"
        headers["Content-Type"] = "application/x-amz-json-1.1"
        body = json.dumps(tree(path)).encode()
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode({"Action": operation, **form(path, protocol)}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(endpoint, body, headers)) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


found = {}
asked = 0
for service, operations in modelled.items():
    model = session.get_service_model(service)
    protocol = {"ec2": "ec2", "ssm": "json", "acm": "json"}.get(service, "query")
    for operation in operations:
        shape = model.operation_model(operation).input_shape
        refused = []
        for path in paths(shape) if shape else ():
            name = ".".join(name for name, _ in path)
            if any(name.startswith(f"{above}.") for above in refused):
                continue
            asked += 1
            if re.search(r"(unknown|recognized) \(or not modelled", ask(model, protocol, operation, path)):
                refused.append(name)
        if refused:
            found.setdefault(service, {})[operation] = refused
text = json.dumps(found, indent=1, sort_keys=True) + "\n"
print(json.dumps({"asked": asked, "refused": sum(len(r) for o in found.values() for r in o.values())}))
if os.environ.get("WRITE"):
    file.write_text(text)
elif not file.exists() or file.read_text() != text:
    raise SystemExit("parameters.json is not what the dev cloud refuses: WRITE=1 cargo test --test dev_cloud parameters")
