#!/usr/bin/env bash
# For changes that nobody has reviewed: checks a source and renders every flow of it. Rendering runs the flows' code, so
# this runs where there is no secret, and where possible no network.
#
#   check.sh CONFIG OUT
#
# CONFIG  configuration of aicore-sync; its secrets need not exist
# OUT     directory for what the review reads: rendered templates, and the flows with their manifests as data
# Exit code: that of `aicore-sync lint`, else of `aicore-sync render`.
set -uo pipefail
[ $# -ge 2 ] || { echo 'usage: check.sh CONFIG OUT' >&2; exit 2; }
config=$1 out=$2

aicore-sync lint --config "$config" --output "${LINT_FORM:-table}" || exit
exec aicore-sync render --config "$config" --out "$out"
