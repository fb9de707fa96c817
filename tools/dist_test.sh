#!/usr/bin/env bash
# Test on several processes: dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]
set -euo pipefail
config=${1:?usage: dist_test.sh CONFIG CHECKPOINT PROCESSES [options]}
checkpoint=${2:?usage: dist_test.sh CONFIG CHECKPOINT PROCESSES [options]}
processes=${3:?usage: dist_test.sh CONFIG CHECKPOINT PROCESSES [options]}
exec "${PYTHON:-python}" -m torch.distributed.run --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$processes" \
  --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
  "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
