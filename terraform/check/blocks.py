"""Resources and data sources of HCL text, held against the provider's schema."""

import difflib

import hcl2

from schema import Body

META_ARGUMENTS = {"count", "for_each", "provider", "depends_on"}
META_BLOCKS = {"lifecycle", "provisioner", "connection"}
OPTIONS = hcl2.SerializationOptions(with_comments=False, strip_string_quotes=True)


def parse(text: str) -> list[tuple[str, str, str, dict]]:
    """Every resource and data source: ("resource" or "data", type, name, body)."""
    tree = hcl2.loads(text, serialization_options=OPTIONS)
    return [
        (kind, of, name, body)
        for kind in ("resource", "data")
        for entry in tree.get(kind, [])
        for of, named in entry.items()
        for name, body in named.items()
    ]


def mistakes(text: str, schema: dict[tuple[str, str], Body]) -> list[str]:
    """Everything in `text` that the provider would refuse, as `address: what is wrong`."""
    found = []
    for kind, of, name, body in parse(text):
        address = f"{of}.{name}" if kind == "resource" else f"data.{of}.{name}"
        if (kind, of) not in schema:
            found.append(f"{address}: the provider has no such {kind}")
        else:
            found += check_body(address, body, schema[kind, of], top=True)
    return found


def check_body(address: str, body: dict, allowed: Body, top: bool = False) -> list[str]:
    found, seen = [], {}
    for key, value in body.items():
        if key == "__is_block__":
            continue
        if top and key in META_BLOCKS:
            if key == "lifecycle":
                found += check_lifecycle(address, value, allowed)
            continue
        if top and key in META_ARGUMENTS:
            continue
        if key == "dynamic":
            for name, dynamic in ((name, dynamic) for entry in value for name, dynamic in entry.items()):
                # How many there will be is not known here: it counts as present, and once.
                seen.setdefault(name, [])
                for content in dynamic["content"]:
                    found += check_block(address, name, content, allowed)
        elif is_block(value):
            seen.setdefault(key, []).extend(value)
            for block in value:
                found += check_block(address, key, block, allowed)
        elif key in allowed.blocks:
            found.append(f"{address}: {key} is a block, write `{key} {{ … }}` without an equals sign")
            seen[key] = []
        elif key not in allowed.arguments:
            found.append(f"{address}: there is no argument {key}{suggestion(key, allowed)}")
        else:
            seen[key] = []
    for name, required in allowed.arguments.items():
        if required and name not in seen:
            found.append(f"{address}: the argument {name} is missing")
    for name, block in allowed.blocks.items():
        if block.required and name not in seen:
            found.append(f"{address}: the block {name} is missing")
        if not block.many and len(seen.get(name, [])) > 1:
            found.append(f"{address}: only one block {name} is allowed")
    return found


def check_block(address: str, name: str, body: dict, allowed: Body) -> list[str]:
    if name in allowed.blocks:
        return check_body(f"{address}.{name}", body, allowed.blocks[name].body)
    if name in allowed.arguments:
        return [f"{address}: {name} is an argument, write `{name} = …`"]
    return [f"{address}: there is no block {name}{suggestion(name, allowed)}"]


def check_lifecycle(address: str, lifecycles: list[dict], allowed: Body) -> list[str]:
    names = [name for lifecycle in lifecycles for name in lifecycle.get("ignore_changes", []) if name != "all"]
    return [
        f"{address}: ignore_changes names {name}, which does not exist{suggestion(name, allowed)}"
        for name in names
        if name not in allowed.arguments and name not in allowed.blocks
    ]


def is_block(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and "__is_block__" in v for v in value)


def suggestion(name: str, allowed: Body) -> str:
    near = difflib.get_close_matches(name, [*allowed.arguments, *allowed.blocks], n=1)
    return f"; did you mean {near[0]}?" if near else ""
