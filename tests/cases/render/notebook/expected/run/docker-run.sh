#!/bin/sh
# Starts temper/notebook:golden by its run contract; arguments go to the image's program.
set -eu
: "${WORKSPACE_FOLDER:?must name the folder for workspace}"
: "${RUN_SECRETS_JUPYTER_FOLDER:?must name the folder for run-secrets-jupyter}"
exec docker run --rm --interactive \
  --name notebook \
  --user 65532:65532 \
  --workdir / \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --tmpfs /home/jupyter:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=0700 \
  --mount type=bind,target=/workspace,source="$WORKSPACE_FOLDER" \
  --mount type=bind,target=/run/secrets/jupyter,readonly,source="$RUN_SECRETS_JUPYTER_FOLDER" \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGTERM \
  --network default \
  --publish 127.0.0.1:8888:8888 \
  temper/notebook:golden "$@"
