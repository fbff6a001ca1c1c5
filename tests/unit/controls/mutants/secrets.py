"""Images that break the controls of secrets."""

from tests.unit.controls.mutant import HIDDEN, mutant
from tests.unit.controls.sound import (
    below,
    file,
    put,
    set_env,
)

TOKEN = "hf_" + "aB3" * 11 + "x"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"

SECRETS = (
    mutant(
        "no-secrets",
        "variable by its name",
        set_env("DB_PASSWORD", "hunter2!"),
        "variable 'DB_PASSWORD' is named like a secret and has a value",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "variable by its look",
        set_env("UPSTREAM", "https://me:hunter2@host.example.test/"),
        "variable 'UPSTREAM' holds a password in a URL",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "label",
        lambda image: image.replace(config=image.config.with_labels({"hub": TOKEN})),
        "label 'hub' holds a Hugging Face token",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "history",
        lambda image: image.replace(history=("RUN |1 NPM_TOKEN=s3cr3tvalue npm ci",)),
        "step 1 of the history sets 'NPM_TOKEN'",
        mended=False,
    ),
    mutant("no-secrets", "key", put(file("app/key", KEY)), "app/key holds a private key", mended=False),
    mutant(
        "no-secrets",
        "file by its name",
        put(file("app/.netrc", "machine x\n")),
        "app/.netrc holds passwords for hosts",
        mended=False,
    ),
    mutant(
        "no-secrets",
        "file by its place",
        put(file("home/nonroot/.aws/credentials", "[default]\n")),
        "home/nonroot/.aws/credentials holds keys of a cloud",
        mended=False,
        also=("owned-files",),
    ),
    mutant(
        "no-secrets",
        "in a layer below",
        below(file("app/.env", f"HF_TOKEN={TOKEN}\n")),
        "app/.env holds settings that are secrets as a rule, hidden in layer sha256:lower",
        mended=False,
        also=(HIDDEN,),
    ),
)
