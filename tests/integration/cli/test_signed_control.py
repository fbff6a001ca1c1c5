"""The audit knows whether an image was signed where it was published from here."""

import json

from tests.integration.cli.desk import RESULT, Desk
from tests.integration.registry import Registry

STRICT = "extends: hardened\ntitle: A bank's\ncontrols:\n  signed-image: true\n"
ENV = {"TEMPER_PASSPHRASE": "correct horse"}


def outcome(desk: Desk) -> tuple[str, list[str]]:
    ran = desk.run("audit", "app", "-p", "bank", "-o", RESULT, "--format", "json")
    [found] = [one for one in json.loads(ran.out)["controls"] if one["key"] == "signed-image"]
    return found["audit"], [one["message"] for one in found["findings"]]


def test_a_signature_is_missed_until_there_is_one(used: Desk, registry: Registry) -> None:
    used.write("profiles/bank.yaml", STRICT)
    name = f"{registry.host}/team/app:1.0"
    assert outcome(used) == ("not assessed", [])
    assert used.run("publish", "app", name).code == 0
    assert outcome(used) == ("failed", [f"was published as {name} without a signature"])
    assert used.run("key", "team", env=ENV).code == 0
    assert used.run("publish", "app", name, "--key", "team.key", env=ENV).code == 0
    assert outcome(used) == ("passed", [])
    assert used.run("build", "app").code == 0
    assert outcome(used) == ("not assessed", [])
