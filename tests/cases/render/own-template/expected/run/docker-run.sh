#!/bin/sh
# Starts temper/own-template:golden by its run contract; arguments go to the image's program.
set -eu
exec docker run --rm --interactive \
  --name own-template \
  --user 65532:65532 \
  --workdir / \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGTERM \
  --network default \
  temper/own-template:golden "$@"
