#!/usr/bin/env bash
# A stack of stack/ against Skylift with an unmodified Terraform and AWS provider: made, read back without a difference, doing its
# work, changed, read back again, destroyed, and nothing left of it.
#
#   run.sh PATH-TO-SKYLIFT
#
# Needs root, a Docker engine, terraform, docker, aws, curl and go. The provider comes from a mirror on this machine
# (TF_PLUGIN_MIRROR, or found by its name), else terraform init gets it. Without Terraform or the provider it is skipped, and says so;
# where CI is set, or REQUIRE names terraform, that is a failure. Runs beside others of its kind, and leaves nothing behind.
set -euo pipefail
skylift=$(realpath "${1:?path to the skylift binary}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)

die() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }
ok() { printf 'ok    %s\n' "$*"; }
skip() {
	case ",${REQUIRE:-},${CI:+terraform}," in *,terraform,*) die "$*, and it is required here" ;; esac
	printf 'SKIP: %s\n' "$*"
	exit 0
}
cleanup() {
	set +e
	[ -n "${pid:-}" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	[ -d "$work/data" ] && "$skylift" down --purge --yes --data-dir "$work/data" >/dev/null 2>&1
	[ -n "${port:-}" ] && docker images --format '{{.Repository}}:{{.Tag}}' | grep "127.0.0.1:$port/\|^stack-app-$port:" | xargs -r docker rmi -f >/dev/null 2>&1
	rm -rf "$work"
}
trap cleanup EXIT

export DOCKER_CONFIG="$work/docker" DOCKER_BUILDKIT=0 AWS_PAGER="" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE="$work/terraformrc"
: >"$TF_CLI_CONFIG_FILE"
command -v terraform >/dev/null || skip "there is no terraform on this machine"
mirror=${TF_PLUGIN_MIRROR:-$(find / -xdev -maxdepth 7 -type d -path '*/registry.terraform.io/hashicorp/aws' -not -path '*/.terraform/*' 2>/dev/null | head -n 1 | sed 's,/registry.terraform.io/.*,,' || true)}
[ -z "$mirror" ] || printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$mirror" >"$TF_CLI_CONFIG_FILE"
cp "$here"/stack/*.tf "$work/"
cd "$work"
terraform init -no-color -input=false >init.log 2>&1 || { tail -n 20 init.log; skip "terraform can't get the AWS provider (TF_PLUGIN_MIRROR names a directory that has it)"; }

# Addresses that nobody has: runs of this script, and of others, share the machine.
for _ in $(seq 100); do
	port=$((15000 + RANDOM % 17000)) net=$((16 + RANDOM % 230)) lb=127.$((1 + RANDOM % 250)).$((RANDOM % 250)).$((2 + RANDOM % 250))
	if ! ss -Hltn "sport = :$port" | grep -q . && ! { ip -4 address; cat /sys/class/net/*/ifalias 2>/dev/null; } | grep -q "10\.$net\."; then break; fi
done
"$skylift" serve --data-dir data --listen "127.0.0.1:$port" --lb-address "$lb" --vpc-cidr "10.$net.0.0/16" --region us-west-2 >skylift.log 2>&1 &
pid=$!
for _ in $(seq 200); do
	curl -fsS "http://127.0.0.1:$port/readyz" >/dev/null 2>&1 && break
	kill -0 "$pid" || { cat skylift.log; die "skylift ended"; }
	sleep 0.1
done
eval "$("$skylift" env --data-dir "$work/data")"
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" --output text "$@"; }

# Two versions of an application. The stack pushes them into its own repository.
(cd "$here/../.." && CGO_ENABLED=0 go build -o "$work/app" ./test/e2e/app)
for version in 1 2; do
	mkdir -p "image$version" && cp app "image$version/"
	printf 'FROM scratch\nCOPY app /app\nENV SITE=stack VERSION=%s\nCMD ["/app"]\n' "$version" >"image$version/Dockerfile"
	docker build -q -t "stack-app-$port:$version" "image$version" >build.log 2>&1 || { cat build.log; die "the application's image"; }
done
aws ecr get-login-password | docker login --username AWS --password-stdin "127.0.0.1:$port" >/dev/null 2>&1
export TF_VAR_app="stack-app-$port"

apply() { terraform apply -no-color -input=false -auto-approve >apply.log 2>&1 || { grep -A8 '^Error' apply.log || tail -n 40 apply.log; die "$1"; }; ok "$1"; }
no_difference() { terraform plan -no-color -input=false -detailed-exitcode >plan.log 2>&1 || { tail -n 60 plan.log; die "$1"; }; ok "$1"; }
answers() { # ID-OF-CHECK WANT: the site answers so, through the balancer
	got=$(curl -sS --max-time 10 --resolve "stack.example.test:80:$lb" http://stack.example.test/)
	[ "$got" = "$2" ] || die "$1: the site answers '$got', want '$2'"
	ok "$1"
}

for step in 1 2; do
	export TF_VAR_step=$step
	apply "step $step: $([ $step = 1 ] && echo made || echo changed)"
	no_difference "step $step: read back without a difference"
	answers "step $step: it serves its site" "site=stack version=$step"
done
other=$(curl -s -o /dev/null -w '%{http_code}' --resolve "other.example.test:80:$lb" http://other.example.test/)
[ "$other" = 404 ] || die "what no rule wants gets $other, want the listener's 404"
ok "what no rule wants gets the listener's answer"
[ "$(aws ecs describe-services --cluster stack --services stack --query 'services[0].[desiredCount,runningCount]' | tr '\t' ' ')" = "2 2" ] || die "the service doesn't run its two tasks"

terraform destroy -no-color -input=false -auto-approve >destroy.log 2>&1 || { grep -A8 '^Error' destroy.log || tail -n 40 destroy.log; die "destroyed"; }
ok "destroyed"
left=$(
	aws elbv2 describe-load-balancers --query 'LoadBalancers[].LoadBalancerArn'
	aws elbv2 describe-target-groups --query 'TargetGroups[].TargetGroupArn'
	aws ec2 describe-security-groups --query 'SecurityGroups[?GroupName!=`default`].GroupId'
	aws ec2 describe-network-interfaces --query 'NetworkInterfaces[].[NetworkInterfaceId,Description]'
	aws ec2 describe-tags --query 'Tags[].[ResourceId,Key]'
	aws ecs list-clusters --query clusterArns
	aws ecs list-task-definitions --query taskDefinitionArns
	aws ecr describe-repositories --query 'repositories[].repositoryName'
	aws logs describe-log-groups --query 'logGroups[].logGroupName'
	aws efs describe-file-systems --query 'FileSystems[].FileSystemId'
)
left=$(grep -v '^None$\|^$' <<<"$left" || true)
[ -z "$left" ] || die "left after destroy: $left"
ok "nothing is left"
echo PASS
