"""A full Debian with one fault for each control, as `docker build` makes such images every day."""

from typing import NamedTuple


class Fault(NamedTuple):
    lines: str
    """Of the Dockerfile; empty where the full base or the missing setting is the fault."""
    evidence: str
    """Part of a finding."""
    mended: bool = True
    """Hardening alone takes it away."""


FAULTS: dict[str, Fault] = {
    "no-shadowed-content": Fault("", "app/deploy.pem is hidden by layer"),
    "no-secrets": Fault(
        "COPY deploy.pem /app/\nRUN rm /app/deploy.pem", "app/deploy.pem holds a private key, hidden in layer"
    ),
    "no-special-files": Fault("RUN mkfifo /app/pipe", "app/pipe is a fifo"),
    "no-shell": Fault("", "usr/bin/dash is a shell"),
    "no-package-manager": Fault("", "usr/bin/apt-get installs Debian packages"),
    "no-privilege-tools": Fault("", "usr/bin/su changes the user"),
    "no-remote-access": Fault("RUN cp /usr/bin/env /usr/sbin/sshd", "usr/sbin/sshd"),
    "no-download-tools": Fault("", "usr/bin/curl downloads files"),
    "no-compilers": Fault("RUN cp /usr/bin/env /usr/bin/gcc-14", "usr/bin/gcc-14"),
    "no-debuggers": Fault("RUN cp /usr/bin/env /usr/bin/strace", "usr/bin/strace"),
    "lean-tree": Fault("RUN mkdir -p /root/.cache && echo x > /root/.cache/x", "root/.cache is a cache"),
    "clean-logs": Fault("RUN echo x > /var/log/app.log", "var/log/app.log"),
    "interpreter-closure": Fault(
        "RUN printf '#!/usr/bin/ruby\\n' > /usr/local/bin/tool && chmod 755 /usr/local/bin/tool",
        "usr/local/bin/tool is a script for '/usr/bin/ruby'",
    ),
    "nonroot-user": Fault("", "the image runs as root"),
    "numeric-user": Fault("USER root", "user 'root' is not written as uid:gid in digits"),
    "unique-ids": Fault("RUN echo toor:x:0:0::/root:/bin/bash >> /etc/passwd", "'toor' has uid 0"),
    "locked-passwords": Fault(
        "RUN echo 'app:$6$abc$def:19000:0:99999:7:::' >> /etc/shadow", "etc/shadow gives 'app' a password"
    ),
    "no-login-shells": Fault("", "'toor' has the login shell '/bin/bash'"),
    "account-files": Fault("RUN chmod 0644 /etc/shadow", "etc/shadow has mode 0644"),
    "owners-resolve": Fault("RUN touch /app/lost && chown 4711:4711 /app/lost", "belongs to uid 4711"),
    "no-setuid": Fault("RUN chmod 4755 /usr/local/bin/helper", "usr/local/bin/helper is setuid (mode 4755)"),
    "no-file-capabilities": Fault(
        "RUN python3 -c \"import os; os.setxattr('/usr/local/bin/capable', 'security.capability', "
        "bytes.fromhex('0100000200040000000000000000000000000000'))\"",
        "usr/local/bin/capable carries file capabilities",
    ),
    "no-world-writable": Fault("RUN mkdir -m 0777 /app/drop", "app/drop is world-writable"),
    "code-owned-by-root": Fault("RUN chown nobody /app/greeting.py", "app/greeting.py belongs to uid"),
    "python-startup": Fault("", "variable PYTHONSAFEPATH is not set"),
    "safe-path": Fault("ENV PATH=/usr/local/bin:.:/usr/bin:/bin", "PATH holds '.', which is not absolute"),
    "declared-ports": Fault("EXPOSE 80", "port 80/tcp is exposed, which is below 1024", mended=False),
    "no-system-volumes": Fault("VOLUME /usr/share/data", "volume '/usr/share/data'"),
    "gpu-request": Fault("ENV NVIDIA_VISIBLE_DEVICES=all", "variable NVIDIA_VISIBLE_DEVICES"),
    "stop-signal": Fault("STOPSIGNAL SIGKILL", "SIGKILL"),
    "fips-claim": Fault("", "label 'temper.fips' is missing"),
    "oci-labels": Fault("", "label 'org.opencontainers.image.title' is missing", mended=False),
    "healthcheck": Fault(
        "HEALTHCHECK CMD curl -f http://127.0.0.1:8000/ || exit 1",
        "the health check is in shell form",
        mended=False,
    ),
    "elf-closure": Fault(
        "RUN rm /usr/lib/*/libapt-private.so*",
        "usr/bin/apt needs 'libapt-private.so.0.0', which the loader",
        mended=False,
    ),
    "data-only-models": Fault("COPY model.pkl /app/", "app/model.pkl is a pickle", mended=False),
    "scanner-metadata": Fault(
        "RUN sed -i /VERSION_ID/d /usr/lib/os-release", "etc/os-release doesn't say VERSION_ID", mended=False
    ),
    "owned-files": Fault("", "belongs to no package and isn't declared", mended=False),
}
NOT_PLANTED = {
    "safe-archive": "no engine writes such a layer; the unit tests do",
    "no-root-group": "the image runs as root, which is nonroot-user's business",
    "user-resolves": "root resolves",
    "effective-groups": "root is in no group by name",
    "exec-entrypoint": "the workload has to start",
    "approved-ca-bundle": "as the distribution made it; the unit tests add a stranger",
    "elf-hardening": "the base has no compiler to make such a program with",
}


def dockerfile(base: str) -> str:
    return "\n".join(
        [
            f"FROM {base}",
            "COPY server.py greeting.py /app/",
            "RUN mkdir -p /usr/local/bin && cd /usr/local/bin && cp /usr/bin/env helper && cp helper capable",
            *(fault.lines for fault in FAULTS.values() if fault.lines),
            "VOLUME /var/lib/app",
            "WORKDIR /app",
            'ENTRYPOINT ["python3", "server.py"]',
            "",
        ]
    )
