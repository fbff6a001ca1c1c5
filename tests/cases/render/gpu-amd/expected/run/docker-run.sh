#!/bin/sh
# Starts temper/gpu-amd:golden by its run contract; arguments go to the image's program.
# The user needs the group that owns /dev/kfd and /dev/dri on the host: its number by 'run: groups' in the profile.
set -eu
exec docker run --rm --interactive \
  --name gpu-amd \
  --user 65532:65532 \
  --workdir / \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --device /dev/kfd:/dev/kfd:rw \
  --device /dev/dri:/dev/dri:rw \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGTERM \
  --network default \
  temper/gpu-amd:golden "$@"
