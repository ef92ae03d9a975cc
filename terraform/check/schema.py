"""The AWS provider's schema, read out of the CDKTF bindings on PyPI.

The wheel carries a jsii assembly: a description of every resource and data source that was generated from the schema of
one release of the provider. A resource's Config type has one property per argument; its documentation names the argument
as HCL spells it, and says "block." where it is a block.
"""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 1  # of the cached extract


@dataclass
class Body:
    """What may stand between the braces of a resource, a data source or a block."""

    arguments: dict[str, bool] = field(default_factory=dict)  # name -> required
    blocks: dict[str, "Block"] = field(default_factory=dict)


@dataclass
class Block:
    required: bool
    many: bool
    body: Body


def load(requirement: Path, cache: Path, kinds: set[tuple[str, str]]) -> dict[tuple[str, str], Body]:
    """The schema of `kinds`, each ("resource" or "data", type); a kind that the provider does not have is left out."""
    pin = re.search(r"^(\S+)==(\S+)", requirement.read_text(), re.MULTILINE)
    if not pin:
        raise SystemExit(f"{requirement} names no version")
    extract = cache / f"schema-{FORMAT}-{pin[2]}.json"
    known = json.loads(extract.read_text()) if extract.exists() else {}
    if any(" ".join(kind) not in known for kind in kinds):
        known = read_wheel(download(requirement, cache), kinds)
        extract.write_text(json.dumps(known))
    return {kind: body_of(known[" ".join(kind)]) for kind in kinds if known[" ".join(kind)] is not None}


def download(requirement: Path, cache: Path) -> Path:
    """The wheel, checked against the hash in `requirement`."""
    wheels = cache / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "--dest", wheels, "--requirement", requirement], check=True)
    (wheel,) = wheels.glob("cdktf_cdktf_provider_aws-*.whl")
    return wheel


def read_wheel(wheel: Path, kinds: set[tuple[str, str]]) -> dict[str, dict | None]:
    """The schema of `kinds` as plain data, None for one that the provider does not have."""
    types = assembly(wheel)["types"]
    configs = {}
    for name, declared in types.items():
        represents = re.search(r"docs/(resources|data-sources)/\S+ (\w+)\}", declared.get("docs", {}).get("summary", ""))
        if declared["kind"] == "class" and represents:
            kind = "resource" if represents[1] == "resources" else "data"
            configs[f"{kind} {represents[2]}"] = f"{name}Config"
    wanted = [" ".join(kind) for kind in kinds]
    return {kind: read_type(types, configs[kind]) if kind in configs else None for kind in wanted}


def assembly(wheel: Path) -> dict:
    with zipfile.ZipFile(wheel) as archive:
        (inner,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        with archive.open(inner) as packed, tarfile.open(fileobj=packed, mode="r|gz") as files:
            for member in files:
                if member.name == "package/.jsii":
                    return json.load(files.extractfile(member))
    raise SystemExit(f"{wheel.name} holds no jsii assembly")


def read_type(types: dict, name: str) -> dict:
    arguments, blocks = {}, {}
    for declared in types[name].get("properties", []):
        docs = declared["docs"]
        text = f"{docs.get('summary', '')} {docs.get('remarks', '')}"
        link = re.search(r"\{@link https://registry\.terraform\.io/\S+#(\w+) \w+#\w+\}", text)
        if not link:
            raise SystemExit(f"{name}.{declared['name']} does not say what it is called in HCL: {text}")
        if link[1] == "id" and "might not be settable" in text:
            continue  # added to every resource by the generator
        required = not declared.get("optional", False)
        if docs.get("summary") == f"{link[1]} block.":
            inner, many = block_type(declared["type"])
            blocks[link[1]] = {"required": required, "many": many, "body": read_type(types, inner)}
        else:
            arguments[link[1]] = required
    return {"arguments": arguments, "blocks": blocks}


def block_type(declared: dict) -> tuple[str, bool]:
    """The type of a block's body, and whether the block may stand there more than once."""
    if "fqn" in declared:
        return declared["fqn"], False
    for choice in declared.get("union", {}).get("types", []):
        if "collection" in choice:
            return choice["collection"]["elementtype"]["fqn"], True
    raise SystemExit(f"a block of an unknown shape: {declared}")


def body_of(plain: dict) -> Body:
    blocks = {
        name: Block(block["required"], block["many"], body_of(block["body"])) for name, block in plain["blocks"].items()
    }
    return Body(plain["arguments"], blocks)
