"""What is installed and from whom: a bill of materials, licences, pinned versions, known vulnerabilities.

    python tools/faults supply [--sbom FILE] [--advisories PATH] [--pin]

Everything is read from the metadata of the installed distributions, starting from the dependencies and the
extra `test` of pyproject.toml. tests/constraints.txt pins what the tests run with; --pin writes it anew.
"""

import datetime
import importlib.metadata as metadata
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import uuid
import zipfile
from pathlib import Path

from common import ROOT
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

CONSTRAINTS = ROOT / "tests" / "constraints.txt"
BESIDE = ["torchvision"]  # installed with --no-deps: see the README
BUILD = ["scikit-build-core", "nanobind"]

# What the terms of a distribution may be, for a library under BSD-3-Clause that bundles none of them.
KNOWN = re.compile(
    r"BSD|MIT|Apache|PSF|Python-2.0|MPL|Mozilla|ISC|HPND|Zlib|CC0|0BSD|Unlicense|BSL", re.IGNORECASE
)

TEXTS = {
    "Permission is hereby granted, free of charge, to any person obtaining a copy": "MIT",
    "Redistribution and use in source and binary forms, with or without modification": "BSD",
    "Apache License Version 2.0": "Apache-2.0",
}


def run(options):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = closure(project["dependencies"])
    tests = closure(project["dependencies"] + project["optional-dependencies"]["test"] + BESIDE + BUILD)
    failures = [
        f"{name} is required and not installed"
        for name, found in tests.items()
        if found is None and name in required
    ]
    installed = {name: found for name, found in tests.items() if found is not None}
    bill = bill_of_materials(project, installed, required)
    if options.sbom:
        with open(options.sbom, "w") as file:
            json.dump(bill, file, indent=1)
    for name, found in installed.items():
        terms = licence(found)
        print(f"  {'required' if name in required else 'tests':9} {name:22} {found.version:14} {terms}")
        if not KNOWN.search(terms):
            failures.append(f"{name}: terms that nobody has looked at: {terms}")
    print(
        f"{len(bill['components'])} components ({len(required)} required, the others for tests) "
        f"with their licences" + (f", written to {options.sbom}" if options.sbom else "")
    )
    failures += pinned(installed, options.pin)
    return failures + (offline(options.advisories) if options.advisories else audited())


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(requirements):
    """{normal name: distribution, None where it isn't installed} of requirements and what they require."""
    found, todo = {}, [Requirement(r) for r in requirements]
    while todo:
        requirement = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = normal(requirement.name)
        seen = name in found
        try:
            distribution = found.setdefault(name, metadata.distribution(requirement.name))
        except metadata.PackageNotFoundError:
            found[name] = None
            continue
        for text in distribution.requires or () if not seen or requirement.extras else ():
            inner = Requirement(text)
            extras = ["", *requirement.extras]
            if not inner.marker or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                inner.marker = None
                if normal(inner.name) not in found:
                    todo.append(inner)
    return dict(sorted(found.items()))


def licence(distribution):
    """The terms as the distribution's metadata tell them, in one line."""
    about = distribution.metadata
    if about["License-Expression"]:
        return about["License-Expression"]
    classifiers = [
        c.rpartition(" :: ")[2] for c in about.get_all("Classifier", ()) if c.startswith("License ::")
    ]
    text = (about["License"] or "").strip().splitlines()
    return "; ".join(classifiers) or (text[0][:60] if text else _by_text(distribution))


def _by_text(distribution):
    for path in distribution.files or ():
        if path.stem.upper() in ("LICENSE", "LICENCE", "COPYING"):
            text = " ".join(path.read_text().split())
            for sentence, terms in TEXTS.items():
                if sentence in text:
                    return f"{terms}, by the text of its licence"
    return "not told"


def bill_of_materials(project, installed, required):
    """CycloneDX 1.5, as a dict."""
    reference = lambda name: f"pkg:pypi/{name}@{installed[name].version}"
    version = (ROOT / "src" / "retrograd" / "_version.py").read_text().split('"')[1]
    own = f"pkg:pypi/{project['name']}@{version}"
    components = [
        {"type": "library", "bom-ref": reference(name), "name": name, "version": found.version,
         "purl": reference(name), "scope": "required" if name in required else "excluded",
         "licenses": [{"license": {"name": licence(found)}}]}
        for name, found in installed.items()
    ]  # fmt: skip
    needs = {
        name: closure([r for r in found.requires or () if "extra ==" not in r])
        for name, found in installed.items()
    }
    direct = [normal(Requirement(r).name) for r in project["dependencies"]]
    graph = [{"ref": own, "dependsOn": [reference(n) for n in direct if n in installed]}]
    graph += [
        {"ref": reference(n), "dependsOn": sorted(reference(m) for m in deps if m in installed)}
        for n, deps in needs.items()
    ]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "metadata": {
            "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "component": {"type": "library", "bom-ref": own, "name": project["name"], "version": version,
                          "purl": own, "licenses": [{"license": {"id": project["license"]}}]},
        },
        "components": components, "dependencies": graph,
    }  # fmt: skip


def pinned(installed, write):
    """Whether tests/constraints.txt has a version for everything that the tests need."""
    versions = {name: found.version.partition("+")[0] for name, found in installed.items()}
    if write:
        lines = ["# What the tests run with; made by: python tools/faults supply --pin"]
        lines += [f"{name}=={version}" for name, version in versions.items()]
        CONSTRAINTS.write_text("\n".join(lines) + "\n")
    held = constraints()
    missing = sorted(set(versions) - set(held))
    other = sorted(n for n in versions if n in held and held[n] != versions[n])
    print(
        f"{CONSTRAINTS.relative_to(ROOT)} pins {len(held)} versions; {len(other)} differ from what "
        f"is installed here" + (f" ({', '.join(other)})" if other else "")
    )
    return [f"tests/constraints.txt has no version for {', '.join(missing)}"] if missing else []


def constraints():
    return dict(re.findall(r"^([\w-]+)==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE))


# --- known vulnerabilities ----------------------------------------------------------------------------------


def offline(path):
    """The pinned versions against advisories on this machine: OSV's files, in a folder or an archive."""
    versions, found, count, about = constraints(), [], 0, 0
    for advisory in advisories(Path(path)):
        count += 1
        names = {normal(a["package"]["name"]) for a in advisory.get("affected", ()) if of_pypi(a)}
        about += bool(names & set(versions))
        found += [
            f"{name} {versions[name]}: {advisory['id']} {advisory.get('summary', '')}".rstrip()
            for name in sorted(names & set(versions))
            if affects(advisory, name, versions[name])
        ]
    print(
        f"known vulnerabilities: {len(found)} in the {len(versions)} pinned versions, by {count:,} "
        f"advisories of {path}, of which {about} are about one of them"
    )
    return found if count else [f"no advisory in {path}"]


def advisories(path):
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield json.loads(file.read_bytes())
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def of_pypi(affected):
    return affected.get("package", {}).get("ecosystem") == "PyPI"


def affects(advisory, name, version):
    """Whether an OSV advisory holds for that version, by its list of versions or one of its ranges."""
    if advisory.get("withdrawn"):
        return False
    for affected in advisory["affected"]:
        if of_pypi(affected) and normal(affected["package"]["name"]) == name:
            if version in affected.get("versions", ()):
                return True
            ranges = [r for r in affected.get("ranges", ()) if r["type"] == "ECOSYSTEM"]
            if any(within(Version(version), r["events"]) for r in ranges):
                return True
    return False


def within(version, events):
    """Whether the last event at or below `version` leaves it affected."""
    state = False
    for event in sorted(events, key=lambda e: _place(next(iter(e.values())))):
        ((kind, text),) = event.items()
        at = _place(text)
        if kind == "introduced" and at <= version:
            state = True
        elif (kind == "fixed" and at <= version) or (kind == "last_affected" and at < version):
            state = False
    return state


def _place(text):
    """A version to compare with; OSV's "0" is before all others, and so is what is no version of Python's."""
    try:
        return Version("0.dev0" if text == "0" else text)
    except InvalidVersion:
        return Version("0.dev0")


def audited():
    """pip-audit over the pinned versions, where it is installed and reaches its data base."""
    if importlib.util.find_spec("pip_audit") is None:
        print("known vulnerabilities: not looked up, pip-audit is not installed and no --advisories given")
        return []
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-r", str(CONSTRAINTS)],
        capture_output=True,
        text=True,
    )
    text = (done.stdout + done.stderr).strip()
    if done.returncode and re.search(
        r"ConnectionError|ServiceError|Failed to connect|resolve|Max retries", text
    ):
        print(
            f"known vulnerabilities: not looked up, the data base can't be reached "
            f"({text.splitlines()[-1][:100]})"
        )
        return []
    unknown = text.count("could not be audited")
    if unknown:
        print(f"known vulnerabilities: nothing is known there about {unknown} of the distributions")
        return []
    print(f"known vulnerabilities: {text.splitlines()[-1]}")
    return [text] if done.returncode else []
