#!/bin/sh
# Starts temper/awkward:golden by its run contract; arguments go to the image's program.
set -eu
: "${DATA_FOLDER:?must name the folder for data}"
: "${SRV_READ_ONLY_FOLDER:?must name the folder for srv-read-only}"
: "${SRV_READ_ONLY_X_FOLDER:?must name the folder for srv-read-only-x}"
: "${_2ND_FOLDER:?must name the folder for 2nd}"
exec docker run --rm --interactive \
  --name awkward \
  --user 65532:65532 \
  --workdir '/opt/my app' \
  --read-only \
  --cap-drop ALL \
  --security-opt no-new-privileges:true \
  --tmpfs /tmp:rw,nosuid,nodev,noexec,size=64m,uid=65532,gid=65532,mode=1777 \
  --tmpfs '/var/cache/my app:rw,nosuid,nodev,exec,size=1g,uid=65532,gid=65532,mode=0700' \
  --mount type=bind,target=/data,source="$DATA_FOLDER" \
  --mount 'type=bind,target=/srv/read only,readonly,source='"$SRV_READ_ONLY_FOLDER" \
  --mount type=bind,target=/srv/read-only,readonly,source="$SRV_READ_ONLY_X_FOLDER" \
  --mount type=bind,target=/2nd,readonly,source="$_2ND_FOLDER" \
  --memory 512m \
  --memory-swap 512m \
  --pids-limit 128 \
  --cpus 1.0 \
  --shm-size 64m \
  --ulimit core=0:0 \
  --ulimit nofile=4096:4096 \
  --stop-signal SIGQUIT \
  --network default \
  --publish 127.0.0.1:8000:8000 \
  --publish 127.0.0.1:9000:9000 \
  temper/awkward:golden "$@"
