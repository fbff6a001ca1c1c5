"""Every control, once, in the order in which they are enforced.

First what goes, then what is left and whom it belongs to, then the config; what can only look comes last.
"""

from collections.abc import Mapping

from builder.controls.accelerator import (
    GpuLibraries,
    RdmaLibraries,
    TelemetryOff,
    WritableCaches,
)
from builder.controls.accounts import AccountFiles, LockedPasswords, NoLoginShells, UniqueIds
from builder.controls.age import RecentBuild, SupportedRelease
from builder.controls.bounds import (
    BoundedRestart,
    BoundPorts,
    Limits,
    PodSecurity,
    ScratchTmpfs,
    ShmAndUlimits,
)
from builder.controls.chain import PinnedBase, Provenance, ReproducibleDates, VerifiedPackages
from builder.controls.closure import ElfClosure, InterpreterClosure
from builder.controls.configuration import (
    DeclaredPorts,
    ExecEntrypoint,
    HealthcheckControl,
    OciLabels,
    SafePath,
)
from builder.controls.cuda import DriverCapabilities, GlibcForCuda, OneCudaMajor
from builder.controls.dockerfile import CleanDockerfile
from builder.controls.driver import CudaCompat, NoDriverFiles
from builder.controls.frame import AnyControl
from builder.controls.groups import ArbitraryUser, EffectiveGroups, NoRootGroup
from builder.controls.identity import NonrootUser, NumericUser, UserResolves
from builder.controls.kernel import DeclaredSysctls
from builder.controls.licences import Licences
from builder.controls.loader import ElfHardening, LoaderEnvironment, LoaderFolders
from builder.controls.ownership import CleanLogs, CodeOwnedByRoot, DeclaredWritable
from builder.controls.privilege import (
    NoFileCapabilities,
    NoPrivilegeTools,
    NoSetuid,
    NoSpecialFiles,
    NoWorldWritable,
    OwnersResolve,
)
from builder.controls.python import PythonStartup
from builder.controls.runtime import (
    DeclaredDevices,
    DropCapabilities,
    Lsm,
    NoHostMounts,
    NoHostNamespaces,
    NoNewPrivileges,
    NoRootExec,
    NotPrivileged,
    ReadOnlyRoot,
    Seccomp,
)
from builder.controls.sbom import CompleteSbom
from builder.controls.scanned import KnownScanners, VexOnly, VulnerabilityScan
from builder.controls.secrets import NoSecrets
from builder.controls.settings import GpuRequest, NoSystemVolumes, StopSignal
from builder.controls.signed import SignedImage
from builder.controls.supply import (
    MaxSize,
    NoShadowedContent,
    OwnedFiles,
    PackageSet,
    SafeArchive,
    ScannerMetadata,
)
from builder.controls.surface import LeanTree, NoDownloadTools, NoPackageManager, NoShell
from builder.controls.tools import NoCompilers, NoDebuggers, NoRemoteAccess
from builder.controls.trust import ApprovedCaBundle, FipsClaim
from builder.controls.updates import NoPendingUpdates, SupportedPackages
from builder.controls.weights import DataOnlyModels

CATALOGUE: tuple[AnyControl, ...] = (
    SafeArchive(),
    NoShadowedContent(),
    NoSpecialFiles(),
    NoShell(),
    NoPackageManager(),
    NoPrivilegeTools(),
    NoRemoteAccess(),
    NoDownloadTools(),
    NoCompilers(),
    NoDebuggers(),
    LeanTree(),
    NoDriverFiles(),
    CudaCompat(),
    CleanLogs(),
    DeclaredSysctls(),
    InterpreterClosure(),
    NonrootUser(),
    NumericUser(),
    NoRootGroup(),
    UniqueIds(),
    UserResolves(),
    EffectiveGroups(),
    LockedPasswords(),
    NoLoginShells(),
    AccountFiles(),
    OwnersResolve(),
    NoSetuid(),
    NoFileCapabilities(),
    NoWorldWritable(),
    CodeOwnedByRoot(),
    DeclaredWritable(),
    ArbitraryUser(),
    PythonStartup(),
    SafePath(),
    LoaderEnvironment(),
    DeclaredPorts(),
    NoSystemVolumes(),
    GpuRequest(),
    TelemetryOff(),
    StopSignal(),
    ApprovedCaBundle(),
    FipsClaim(),
    OciLabels(),
    ExecEntrypoint(),
    HealthcheckControl(),
    ElfClosure(),
    ElfHardening(),
    LoaderFolders(),
    OneCudaMajor(),
    GlibcForCuda(),
    DriverCapabilities(),
    GpuLibraries(),
    RdmaLibraries(),
    WritableCaches(),
    DataOnlyModels(),
    ScannerMetadata(),
    PackageSet(),
    CompleteSbom(),
    PinnedBase(),
    VerifiedPackages(),
    Provenance(),
    ReproducibleDates(),
    SignedImage(),
    CleanDockerfile(),
    SupportedRelease(),
    RecentBuild(),
    VulnerabilityScan(),
    NoPendingUpdates(),
    SupportedPackages(),
    VexOnly(),
    KnownScanners(),
    Licences(),
    OwnedFiles(),
    NoSecrets(),
    MaxSize(),
    ReadOnlyRoot(),
    ScratchTmpfs(),
    DropCapabilities(),
    NotPrivileged(),
    NoNewPrivileges(),
    Seccomp(),
    Lsm(),
    NoHostNamespaces(),
    NoHostMounts(),
    DeclaredDevices(),
    Limits(),
    ShmAndUlimits(),
    BoundPorts(),
    NoRootExec(),
    BoundedRestart(),
    PodSecurity(),
)

BY_KEY: Mapping[str, AnyControl] = {control.key: control for control in CATALOGUE}
