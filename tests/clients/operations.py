"""The list of operations in `operations.json` is that of botocore's models; `WRITE=1` writes it anew."""

import json
import os
import pathlib
import textwrap

import botocore.session

file = pathlib.Path(__file__).with_suffix(".json")
session = botocore.session.get_session()
known = json.loads(file.read_text())
models = {service: sorted(session.get_service_model(service).operation_names) for service in known}
if os.environ.get("WRITE"):
    lists = []
    for service, names in models.items():
        body = textwrap.fill(", ".join(map(json.dumps, names)), 116, initial_indent="    ", subsequent_indent="    ")
        lists.append(f"  {json.dumps(service)}: [\n{body}\n  ]")
    file.write_text("{\n" + ",\n".join(lists) + "\n}\n")
elif known != models:
    raise SystemExit("operations.json is not what this botocore has: WRITE=1 python operations.py")
