"""For each control: images that break it and nothing else. A control that lets one through proves nothing."""

from tests.unit.controls.mutants.accounts import ACCOUNTS, GROUPS
from tests.unit.controls.mutants.chain import CHAIN
from tests.unit.controls.mutants.closure import CLOSURE
from tests.unit.controls.mutants.gpu import GPU
from tests.unit.controls.mutants.privilege import PRIVILEGE
from tests.unit.controls.mutants.run import RUN
from tests.unit.controls.mutants.scanned import SCANNED
from tests.unit.controls.mutants.secrets import SECRETS
from tests.unit.controls.mutants.settings import CONFIGURATION, SETTINGS
from tests.unit.controls.mutants.supply import BILLS, MODELS, SUPPLY, TRUST
from tests.unit.controls.mutants.surface import SURFACE

MUTANTS = (
    *ACCOUNTS,
    *GROUPS,
    *PRIVILEGE,
    *SURFACE,
    *CLOSURE,
    *SUPPLY,
    *BILLS,
    *CHAIN,
    *SCANNED,
    *MODELS,
    *TRUST,
    *SETTINGS,
    *SECRETS,
    *CONFIGURATION,
    *GPU,
    *RUN,
)
