#!/bin/sh
# Starts temper/onnx-inference:golden by its run contract; arguments go to the image's program.
set -eu
: "${MODELS_FOLDER:?must name the folder for models}"
exec docker run --rm --interactive \
  --name onnx-inference \
  --user 65532:65532 \
  --workdir /app \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --mount type=bind,target=/models,readonly,source="$MODELS_FOLDER" \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGTERM \
  --network default \
  --publish 127.0.0.1:8000:8000 \
  temper/onnx-inference:golden "$@"
