"""The steps that Terraform itself does: formatting, validation, tests."""

import os
import shutil
import subprocess
from pathlib import Path

HCL_TOOLS = "@cdktf/hcl-tools@0.21.0"


def binary() -> str | None:
    return shutil.which("terraform") or shutil.which("tofu")


def formatted(folder: Path, cache: Path) -> tuple[bool, str]:
    """Whether everything is formatted, and who said so. Without the binary its formatter is run as WebAssembly."""
    if terraform := binary():
        done = subprocess.run([terraform, "fmt", "-check", "-diff", "-recursive", folder])
        return done.returncode == 0, f"{Path(terraform).name} fmt"
    if not (shutil.which("node") and shutil.which("npm")):
        return False, "neither terraform, tofu nor node with npm is on PATH"
    if not (cache / "node_modules" / "@cdktf" / "hcl-tools").exists():
        npm = ["npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", cache, HCL_TOOLS]
        subprocess.run(npm, check=True)
    files = [path for pattern in ("*.tf", "*.tftest.hcl") for path in sources(folder, pattern)]
    script = Path(__file__).with_name("format.cjs")
    done = subprocess.run(["node", script, cache / "node_modules" / "@cdktf" / "hcl-tools", *files])
    return done.returncode == 0, f"{HCL_TOOLS} (no terraform or tofu on PATH)"


def sources(folder: Path, pattern: str) -> list[Path]:
    """The files of our own: not those that `terraform init` puts into .terraform."""
    return sorted(path for path in folder.rglob(pattern) if ".terraform" not in path.parts)


def real_provider(folder: Path, cache: Path) -> tuple[bool | None, str]:
    """Validate the examples and run the modules' tests with the real provider; None where it cannot be had."""
    terraform = binary()
    if not terraform:
        return None, "no terraform or tofu on PATH"
    tested = {path.parent.parent for path in sources(folder, "*.tftest.hcl")}
    roots = {path.parent for path in sources(folder, "*.tf") if "example" in path.parts} | tested
    for root in sorted(roots):
        name = "-".join(root.relative_to(folder).parts)
        env = os.environ | {"TF_DATA_DIR": str(cache / "data" / name), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}

        def run(*arguments: str) -> subprocess.CompletedProcess:
            return subprocess.run([terraform, *arguments, "-no-color"], cwd=root, env=env, capture_output=True, text=True)

        init = run("init", "-backend=false", "-input=false")
        if init.returncode != 0:
            return None, f"`terraform init` cannot get the provider:\n{init.stderr.strip()}"
        # A test validates too.
        done = run("test") if root in tested else run("validate")
        if done.returncode != 0:
            return False, f"{done.args[1]} of {root.relative_to(folder)}:\n{done.stdout}{done.stderr}"
    return True, f"{len(roots)} folders validated, of which {len(tested)} tested"
