#!/usr/bin/env bash
# On the main branch: shows the plan in the log, then carries it out and waits until all is settled. With the variables
# AICORE_SYNC_URL and AICORE_SYNC_TOKEN it asks the running service there to do so, and needs no other secret.
#
#   apply.sh CONFIG [SECONDS]
#
# Exit codes: docs/exit-codes.md. 0 settled, 2 refused (a running service holds the lock), 3 not settled in time,
# 4 something needs attention, 5 credentials of a tenant or a repository; what does not need them is applied.
set -uo pipefail
[ $# -ge 1 ] || { echo 'usage: apply.sh CONFIG [SECONDS]' >&2; exit 2; }
config=$1 seconds=${2:-1800}

if [ -n "${AICORE_SYNC_URL:-}" ]; then
  [ -n "${AICORE_SYNC_TOKEN:-}" ] || { echo 'AICORE_SYNC_URL names a service, but AICORE_SYNC_TOKEN is empty' >&2; exit 5; }
  exec aicore-sync sync --wait --config "$config" --timeout "$seconds"
fi
aicore-sync plan --config "$config"
code=$?
apply=(aicore-sync apply --wait --config "$config" --timeout "$seconds")
case $code in
  0 | 1 | 2) exec "${apply[@]}" ;; # nothing to do, something, or something that needs a person: `apply` looks again
  5) "${apply[@]}" ;;              # what needs no credential that was refused is applied all the same
esac
exit "$code"
