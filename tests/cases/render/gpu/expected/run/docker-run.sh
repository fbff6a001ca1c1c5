#!/bin/sh
# Starts temper/gpu:golden by its run contract; arguments go to the image's program.
set -eu
: "${DATA_FOLDER:?must name the folder for data}"
: "${MODELS_FOLDER:?must name the folder for models}"
exec docker run --rm --interactive \
  --name gpu \
  --user 65532:65532 \
  --workdir / \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=1g,uid=65532,gid=65532,mode=1777 \
  --tmpfs /var/cache/jit:rw,nosuid,nodev,exec,size=2g,uid=65532,gid=65532,mode=0700 \
  --mount type=bind,target=/data,source="$DATA_FOLDER" \
  --mount type=bind,target=/models,readonly,source="$MODELS_FOLDER" \
  --device /dev/infiniband/rdma_cm:/dev/infiniband/rdma_cm:rw \
  --device /dev/infiniband/uverbs0:/dev/infiniband/uverbs0:rw \
  --gpus all \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 8g \
  --ulimit core=0:0 \
  --ulimit memlock=-1:-1 \
  --ulimit nofile=4096:4096 \
  --env CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=8G,1=512M \
  --env CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25 \
  ${NCCL_DEBUG+--env NCCL_DEBUG} \
  ${NCCL_SOCKET_IFNAME+--env NCCL_SOCKET_IFNAME} \
  --stop-signal SIGTERM \
  --network default \
  temper/gpu:golden "$@"
