#!/usr/bin/env bash
# From the target branch only: says in Markdown what a change would do. What it reads comes from a job that ran code which
# nobody has reviewed, so it is read as data, and only after it has passed the checks; none of that code is here.
#
#   review.sh CONFIG RENDERED >comment.md
#
# CONFIG    the target branch's configuration of aicore-sync, with the secrets that `aicore-sync plan` needs
# RENDERED  directory that check.sh wrote
# With the variable REVIEW_COMMENT, the plan also becomes a comment: docs/push-to-main.md says which variables that takes.
# Exit code: 0, or 2 when something in RENDERED is not what check.sh writes or the plan names what must be mended first,
# 5 credentials.
set -uo pipefail
[ $# -ge 2 ] || { echo 'usage: review.sh CONFIG RENDERED >comment.md' >&2; exit 2; }
config=$1 rendered=$2
most_files=500 most_bytes=1048576 most_text=55000
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

refuse() {
  printf '### aicore-sync\n\nWhat the check rendered was refused: %s.\n' "$1"
  exit 2
}

# Indented text is code in Markdown whatever it holds: no mention, no link, no end of a fence.
as_code() { tr -d '\000-\010\013-\037\177' | iconv -f UTF-8 -t UTF-8 -c | sed 's/^/    /'; }

[ -d "$rendered" ] && [ ! -L "$rendered" ] || refuse 'there is nothing'
[ "$(find "$rendered" -mindepth 1 | wc -l)" -le "$most_files" ] || refuse "more than $most_files files"
[ -z "$(find "$rendered" -mindepth 1 ! -type f ! -type d)" ] || refuse 'something is no plain file'
[ -z "$(find "$rendered" -type f -links +1)" ] || refuse 'a file has two names'
[ -z "$(find "$rendered" -type f -size +"$most_bytes"c)" ] || refuse "a file of more than $most_bytes bytes"
name='[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
[ -z "$(find "$rendered" -mindepth 1 -regextype posix-extended \
  ! -path "$rendered/flows.json" \
  ! \( -type d -regex ".*/$name" -path "$rendered/*" ! -path "$rendered/*/*" \) \
  ! \( -type f -regex ".*/$name/wt-$name\.(yaml|json)" -path "$rendered/*/*" ! -path "$rendered/*/*/*" \))" ] ||
  refuse 'a name that check.sh does not write'
[ -f "$rendered/flows.json" ] || refuse 'flows.json is not there'

for tenant in "$rendered"/*/; do
  [ -d "$tenant" ] || continue
  count=$(find "$tenant" -type f | wc -l)
  lines=$(cd "$tenant" && COLUMNS=160 aicore-sync lint . 2>&1)
  code=$?
  if [ "$code" -ne 0 ] || ! grep -q "^$count checked, " <<<"$lines"; then
    printf '### aicore-sync\n\nThe rendered templates did not pass the checks:\n\n'
    head -c "$most_text" <<<"$lines" | as_code
    exit 2
  fi
done

lines=$(aicore-sync plan --config "$config" --rendered "$rendered" --markdown "$home/plan.md" \
  ${REVIEW_COMMENT:+--comment} 2>&1)
code=$?
if [ ! -s "$home/plan.md" ]; then
  printf '### aicore-sync\n\nThe rendered templates passed the checks, but there is no plan:\n\n'
  head -c "$most_text" <<<"$lines" | as_code
  [ "$code" -gt 1 ] || code=2
  exit "$code"
fi
head -c "$most_text" "$home/plan.md" | iconv -f UTF-8 -t UTF-8 -c
[ "$(wc -c <"$home/plan.md")" -le "$most_text" ] || printf '\n\nThe rest does not fit here.\n'
[ "$code" -le 1 ] || exit "$code"
