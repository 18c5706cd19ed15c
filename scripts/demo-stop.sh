#!/usr/bin/env bash
# Ends the demo and leaves nothing of it behind.
set -euo pipefail
cd "$(dirname "$0")/.."
state=${SKYLIFT_DEMO_DIR:-$HOME/.skylift-demo}
listen=${SKYLIFT_LISTEN:-127.0.0.1:4566}
sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
[ -e "$state" ] || { echo "no demo is there"; exit 0; }
if [ -e "$state/data/instance.json" ] || $sudo test -e "$state/data/instance.json"; then
	$sudo bin/skylift down --purge --yes --data-dir "$state/data"
fi
docker images --format '{{.Repository}}:{{.Tag}}' | grep -E "^($listen/(shop|blog):|hello:demo$)" | xargs -r docker rmi -f >/dev/null 2>&1 || true
$sudo rm -rf "$state"
echo "the demo is gone"
