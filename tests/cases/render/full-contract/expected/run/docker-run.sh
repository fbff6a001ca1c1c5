#!/bin/sh
# Starts temper/full-contract:golden by its run contract; arguments go to the image's program.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
: "${MODELS_FOLDER:?must name the folder for models}"
: "${DATA_FOLDER:?must name the folder for data}"
: "${RUN_SECRETS_TLS_FOLDER:?must name the folder for run-secrets-tls}"
exec docker run --rm --interactive \
  --name full-contract \
  --user 65532:65532 \
  --group-add 44 \
  --group-add 109 \
  --workdir /srv \
  --read-only \
  --cap-drop ALL \
  --cap-add NET_BIND_SERVICE \
  --security-opt no-new-privileges:true \
  --security-opt seccomp="$here"/full-contract.seccomp.json \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --tmpfs /var/cache/jit:rw,nosuid,nodev,exec,size=1g,uid=65532,gid=65532,mode=0700 \
  --mount type=bind,target=/models,readonly,source="$MODELS_FOLDER" \
  --mount type=bind,target=/data,source="$DATA_FOLDER" \
  --mount type=bind,target=/run/secrets/tls,readonly,source="$RUN_SECRETS_TLS_FOLDER" \
  --device /dev/fuse:/dev/fuse:rw \
  --device /dev/kvm:/dev/kvm:r \
  --memory 2g \
  --memory-swap 2g \
  --pids-limit 256 \
  --cpus 1.5 \
  --shm-size 1g \
  --ulimit core=0:0 \
  --ulimit memlock=-1:-1 \
  --ulimit nofile=1024:4096 \
  --cpuset-cpus 0-3,8 \
  --cpuset-mems 0 \
  --sysctl kernel.shm_rmid_forced=1 \
  --sysctl net.core.somaxconn=4096 \
  --sysctl 'net.ipv4.tcp_rmem=4096 87380 6291456' \
  ${OMP_NUM_THREADS+--env OMP_NUM_THREADS} \
  ${LOG_LEVEL+--env LOG_LEVEL} \
  ${NCCL_DEBUG+--env NCCL_DEBUG} \
  --stop-signal SIGQUIT \
  --network bank \
  --publish '[2001:db8::7]':443:443 \
  --publish '[2001:db8::7]':8000:8000 \
  temper/full-contract:golden "$@"
