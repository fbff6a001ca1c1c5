#!/bin/sh
# Starts temper/cuda-runtime:golden by its run contract; arguments go to the image's program.
set -eu
exec docker run --rm --interactive \
  --name cuda-runtime \
  --user 65532:65532 \
  --workdir / \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --gpus all \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGINT \
  --network default \
  temper/cuda-runtime:golden "$@"
