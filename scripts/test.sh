#!/usr/bin/env bash
# Passes every test. The model only computes, so it fills what the others leave while they wait; Terraform and the
# workflows wait most, so they run beside the end-to-end tests. A part that fails stops no other; all that failed are
# named at the end. Each part is a make of its own: a process that a test left would hold the pipe that makes share.
set -euo pipefail
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL
declare -A running=() began=() # parts, and when each began, by its process group
failed=()
trap 'for p in "${!running[@]}"; do kill -- "-$p" 2>/dev/null; done' EXIT
trap 'exit 130' INT TERM
set -m

begin() { make --no-print-directory "$1" & running[$!]=$1; began[$!]=$SECONDS; }

# pass waits for the part of this name, or for all.
pass() {
	local pid status
	while [ ${#running[@]} -gt 0 ]; do
		status=0
		wait -n -p pid "${!running[@]}" || status=$?
		local part=${running[$pid]}
		unset "running[$pid]"
		echo "part  $part: $((SECONDS - began[$pid])) s"
		[ "$status" = 0 ] || failed+=("$part")
		[ "$part" != "${1:-}" ] || return 0
	done
}

make --no-print-directory lint build
echo "part  lint and build: $SECONDS s"
begin model
begin unit
pass unit
begin e2e
begin scripts
begin resources
pass
[ ${#failed[@]} = 0 ] || { echo "FAIL: ${failed[*]}" >&2; exit 1; }
