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
shopt -s inherit_errexit # a list that can't be had isn't an empty one
skylift=$(realpath "${1:?path to the skylift binary}")
here=$(cd "$(dirname "$0")" && pwd)
configuration=$here/stack
leave() { [ -n "${port:-}" ] && docker images --format '{{.Repository}}:{{.Tag}}' | grep "127.0.0.1:$port/\|^stack-app-$port:" | xargs -r docker rmi -f >/dev/null 2>&1; }
. "$here/instance.sh"

# Two versions of an application. The stack pushes them into its own repository.
(cd "$here/../.." && CGO_ENABLED=0 go build -o "$work/app" ./test/e2e/app)
for version in 1 2; do
	mkdir -p "image$version" && cp app "image$version/"
	printf 'FROM scratch\nCOPY app /app\nENV SITE=stack VERSION=%s\nCMD ["/app"]\n' "$version" >"image$version/Dockerfile"
	docker build -q -t "stack-app-$port:$version" "image$version" >build.log 2>&1 || { cat build.log; die "the application's image"; }
done
aws ecr get-login-password | docker login --username AWS --password-stdin "127.0.0.1:$port" >/dev/null 2>&1
export TF_VAR_app="stack-app-$port"

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
bucket=stack-site-$(aws sts get-caller-identity --query Account)
for kind in '' _versioning _ownership_controls _public_access_block _server_side_encryption_configuration _lifecycle_configuration _cors_configuration _policy; do
	terraform state rm "aws_s3_bucket$kind.site" >import.log 2>&1 && terraform import -no-color -input=false "aws_s3_bucket$kind.site" "$bucket" >import.log 2>&1 ||
		{ tail -n 20 import.log; die "aws_s3_bucket$kind is imported"; }
done
apply "the bucket and its settings are imported" # force_destroy is Terraform's own
no_difference "imported: read back without a difference"
other=$(curl -s -o /dev/null -w '%{http_code}' --resolve "other.example.test:80:$lb" http://other.example.test/)
[ "$other" = 404 ] || die "what no rule wants gets $other, want the listener's 404"
ok "what no rule wants gets the listener's answer"
[ "$(aws ecs describe-services --cluster stack --services stack --query 'services[0].[desiredCount,runningCount]' | tr '\t' ' ')" = "2 2" ] || die "the service doesn't run its two tasks"

destroy
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
	aws s3api list-buckets --query 'Buckets[].Name'
)
left=$(grep -v '^None$\|^$' <<<"$left" || true)
[ -z "$left" ] || die "left after destroy: $left"
ok "nothing is left"
echo PASS
