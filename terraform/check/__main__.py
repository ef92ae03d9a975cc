"""Checks terraform/: formatting, arguments against the AWS provider's schema, validation and tests.

Run `python3 terraform/check` from anywhere. What it downloads (PyPI, and npm where Terraform is missing) is pinned and
kept in target/terraform-check.
"""

import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

CHECK = Path(__file__).resolve().parent
TERRAFORM = CHECK.parent
CACHE = TERRAFORM.parent / "target" / "terraform-check"


def install() -> None:
    """Puts the HCL parser on the path: a folder of its own per Python, nothing else is touched."""
    site = CACHE / f"site-{sys.version_info.major}.{sys.version_info.minor}"
    sys.path.insert(0, str(site))
    wanted = (CHECK / "requirements.txt").read_text()
    stamp = site / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        options = ["--no-deps", "--require-hashes", "--target", site, "--requirement", CHECK / "requirements.txt"]
        subprocess.run([*pip, *options], check=True)
        stamp.write_text(wanted)


def main() -> int:
    CACHE.mkdir(parents=True, exist_ok=True)
    install()
    import blocks  # needs what install() puts on the path
    import schema
    import test_blocks
    import tools

    failed = []

    def report(step: str, good: bool, saw: str) -> None:
        print(f"{'ok    ' if good else 'FAILED'} {step}: {saw}", flush=True)
        if not good:
            failed.append(step)

    report("formatting", *tools.formatted(TERRAFORM, CACHE))

    modules = {str(path.relative_to(TERRAFORM)): path.read_text() for path in tools.sources(TERRAFORM, "*.tf")}
    kinds = {(kind, of) for text in modules.values() for kind, of, _, _ in blocks.parse(text)}
    known = schema.load(CHECK / "provider.txt", CACHE, kinds)
    wrong = [f"{path}: {mistake}" for path, text in modules.items() for mistake in blocks.mistakes(text, known)]
    report("arguments", not wrong, "\n  ".join([f"{len(kinds)} kinds of block in {len(modules)} files", *wrong]))
    report("the check itself", test_blocks.run(known, modules), "finds what is broken on purpose")

    real, saw = tools.real_provider(TERRAFORM, CACHE)
    if real is None:
        print(f"NOT RUN validation and tests with the real provider: {saw}")
        if "--require-provider" in sys.argv[1:]:
            failed.append("real provider")
    else:
        report("real provider", real, saw)
    return 1 if failed else 0


sys.exit(main())
