#!/usr/bin/env bash
# Installs what Skylift's demo and tests need on Debian or Ubuntu and is missing, and starts the Docker engine where
# none runs. Safe to run again. With "bench", "lint" or "test" as arguments, what those need besides.
set -euo pipefail
cd "$(dirname "$0")/.."
sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

missing=()
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
need containerd containerd
need containerd-shim-runc-v2 containerd
need runc runc
need dockerd docker.io
need iptables iptables
need ip iproute2
need curl curl
need gcc gcc
for want in "$@"; do
	case $want in
	bench) need nginx nginx-light; need haproxy haproxy; need docker-registry docker-registry; need wrk wrk ;;
	test)
		need etcd etcd-server; need nft nftables; need nginx nginx-light; need openssl openssl
		# Version 2 of the AWS CLI, beside version 1 where that is what is there: people use both.
		[ -x /usr/bin/aws ] || missing+=(awscli)
		;;
	esac
done
if [ ${#missing[@]} -gt 0 ]; then
	say "installing ${missing[*]}"
	# No service is to start by being installed: the project starts what it needs itself.
	$sudo apt-get update -qq
	$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! docker version >/dev/null 2>&1; then
	if [ -d /run/systemd/system ] && $sudo systemctl start docker 2>/dev/null; then
		say "started the Docker engine by systemd"
	else
		say "starting the Docker engine (its log: /var/log/dockerd-skylift.log)"
		# The pid file of one that was killed would keep it from starting, once its number is another process's.
		[ "$(cat "/proc/$(cat /var/run/docker.pid 2>/dev/null)/comm" 2>/dev/null)" = dockerd ] || $sudo rm -f /var/run/docker.pid
		$sudo sh -c 'setsid dockerd >/var/log/dockerd-skylift.log 2>&1 </dev/null &'
	fi
	for _ in $(seq 300); do docker version >/dev/null 2>&1 && break; sleep 0.1; done
	docker version >/dev/null 2>&1 || { echo "the Docker engine did not start within 30 s: see /var/log/dockerd-skylift.log" >&2; exit 1; }
fi

# tool NAME VERSION PACKAGE builds a Go program that isn't there in that version.
tool() {
	if ! ".cache/bin/$1" --version 2>/dev/null | grep -q "${2#v}"; then
		say "building $1 $2 (once)"
		GOBIN="$PWD/.cache/bin" go install "$3@$2"
	fi
}
for want in "$@"; do
	case $want in
	lint) tool golangci-lint v2.15.0 github.com/golangci/golangci-lint/v2/cmd/golangci-lint ;;
	test) tool gotestsum v1.13.0 gotest.tools/gotestsum ;;
	esac
done
