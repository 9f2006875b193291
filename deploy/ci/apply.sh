#!/usr/bin/env bash
# On the main branch: shows the plan in the log, then carries it out and waits until all is settled. With the variables
# AICORE_SYNC_URL and AICORE_SYNC_TOKEN it asks the running service there to do so, and needs no other secret.
#
#   apply.sh CONFIG [SECONDS]
#
# Exit codes: docs/exit-codes.md. 0 settled, 2 refused (a running service holds the lock), 3 not settled in time,
# 4 something needs attention, 5 credentials.
set -uo pipefail
config=$1 seconds=${2:-1800}

if [ -n "${AICORE_SYNC_URL:-}" ]; then
  exec aicore-sync sync --wait --config "$config" --timeout "$seconds"
fi
aicore-sync plan --config "$config"
code=$?
case $code in
  0 | 1) ;;             # nothing to do, or something: both are decided by `apply`, which looks again
  2) echo 'the plan names what needs a person; the rest is applied' >&2 ;;
  *) exit "$code" ;;
esac
exec aicore-sync apply --wait --config "$config" --timeout "$seconds"
