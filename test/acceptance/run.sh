#!/usr/bin/env bash
# Runs every acceptance script against the program, as its users run them.
#
#   run.sh PATH-TO-SKYLIFT [SCRIPT…]     default: those in ../shared/acceptance, where it is there, and those beside this one
#
# The AWS CLI exists in two major versions, and people type commands of both: `aws ecr get-login` is only in version 1,
# `aws logs tail` only in version 2. Where both are installed, the scripts get an `aws` that hands each command to the
# version that has it. (Debian's version 2 is older than AWS_ENDPOINT_URL, so it gets the flag; and its tail, written line
# by line, would fail with a broken pipe where `grep -q` has seen enough: it is handed on in one piece.)
set -euo pipefail
skylift=$(realpath "${1:?path to the skylift binary}"); shift
here=$(cd "$(dirname "$0")" && pwd)
shared=$here/../../../shared/acceptance
stacks="config site dns network" # those of terraform-stack.sh that come up
[ $# -gt 0 ] || set -- $(ls "$shared"/*.sh "$here"/*-workflow.sh 2>/dev/null || true)

bin=$(mktemp -d); trap 'rm -rf "$bin"' EXIT
one=$(command -v aws)
for two in $(which -a aws) /usr/bin/aws; do "$two" --version 2>&1 | grep -q '^aws-cli/2' && break; two=""; done
if [ -n "$two" ] && [ "$two" != "$one" ]; then
	cat >"$bin/aws" <<-EOF
		#!/bin/sh
		case "\$1 \$2" in "logs tail") "$two" --endpoint-url "\$AWS_ENDPOINT_URL" "\$@" | dd bs=1M iflag=fullblock status=none; exit ;; esac
		exec "$one" "\$@"
	EOF
	chmod +x "$bin/aws"
	export PATH="$bin:$PATH"
fi
[ $# -gt 0 ] || echo "no acceptance script is here: nothing was run"
for script; do
	printf '\n#### %s\n' "$(basename "$script")"
	case $script in
	*/terraform-stack.sh) SERVE_FLAGS="--dns-listen 127.0.0.1:15399" bash "$script" "$skylift" $stacks ;;
	*) bash "$script" "$skylift" ;;
	esac
done
