"""The published rules that controls answer to. A rule number means nothing without its standard's version."""

from builder.controls.frame import Reference


def cis(rule: str) -> Reference:
    """Section 5 moved by one in v1.6.0, so that older numbers name other rules."""
    return Reference(standard="CIS Docker Benchmark 1.6.0", rule=rule)


def openvex(rule: str) -> Reference:
    return Reference(standard="OpenVEX 0.2.0", rule=rule)


def ghsa(rule: str) -> Reference:
    return Reference(standard="GitHub Advisory Database (March 2026)", rule=rule)


def cis_linux(rule: str) -> Reference:
    return Reference(standard="CIS Distribution Independent Linux Benchmark 2.0.0", rule=rule)


def nist(rule: str) -> Reference:
    return Reference(standard="NIST SP 800-190 (September 2017)", rule=rule)


def srg(rule: str) -> Reference:
    return Reference(standard="DISA Container Platform SRG V2R1", rule=rule)


def gpos(rule: str) -> Reference:
    return Reference(standard="DISA General Purpose Operating System SRG V3R2", rule=rule)


def cidg(rule: str) -> Reference:
    return Reference(standard="DISA Container Image Creation and Deployment Guide V2R0.6", rule=rule)


def pod_security(rule: str) -> Reference:
    return Reference(standard="Kubernetes Pod Security Standards 1.31", rule=rule)


def kubernetes_nsa(rule: str) -> Reference:
    """Numbered as trivy's compliance report of that name does; the paper itself numbers nothing."""
    return Reference(standard="NSA/CISA Kubernetes Hardening Guide 1.2 (trivy k8s-nsa-1.0)", rule=rule)


def openshift(rule: str) -> Reference:
    return Reference(standard="OpenShift Container Platform 4.20 documentation", rule=rule)


def docker_stig(rule: str) -> Reference:
    """Withdrawn with its product; platform teams still answer to its numbers."""
    return Reference(standard="DISA Docker Enterprise 2.x Linux/UNIX STIG V2R2", rule=rule)


def fips(rule: str) -> Reference:
    return Reference(standard="FIPS 140-3 (March 2019)", rule=rule)


def trivy(rule: str) -> Reference:
    return Reference(standard="trivy 0.65 (Dockerfile checks)", rule=rule)


def nvidia(rule: str) -> Reference:
    return Reference(standard="NVIDIA Container Toolkit 1.18", rule=rule)


def dockle(rule: str) -> Reference:
    return Reference(standard="dockle 0.4.15", rule=rule)


def hadolint(rule: str) -> Reference:
    return Reference(standard="hadolint 2.15.1", rule=rule)


def oci(rule: str) -> Reference:
    return Reference(standard="OCI Image Format Specification 1.1.0", rule=rule)


def eo(rule: str) -> Reference:
    """What it asks of an SBOM stands in NTIA's "Minimum Elements" of July 2021."""
    return Reference(standard="Executive Order 14028 (May 2021)", rule=rule)


def cwe(rule: str) -> Reference:
    return Reference(standard="CWE 4.16", rule=f"CWE-{rule}")


def manual(rule: str) -> Reference:
    """The loader's and the kernel's own rules."""
    return Reference(standard="Linux man-pages 6.9", rule=rule)


def python_docs(rule: str) -> Reference:
    return Reference(standard="Python 3.13 documentation", rule=rule)


def slsa(rule: str) -> Reference:
    return Reference(standard="SLSA 1.1", rule=rule)


def reproducible(rule: str) -> Reference:
    return Reference(standard="reproducible-builds.org, specification 1.1", rule=rule)
