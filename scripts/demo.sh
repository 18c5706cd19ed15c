#!/usr/bin/env bash
# The demo: a team's day with Skylift, live. Two sites behind one load balancer, then a new version of one under load
# with no request lost. It leaves Skylift running; scripts/demo-stop.sh ends it and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
state=${SKYLIFT_DEMO_DIR:-$HOME/.skylift-demo}
listen=${SKYLIFT_LISTEN:-127.0.0.1:4566} lb=${SKYLIFT_LB_ADDRESS:-127.0.0.1} port=${SKYLIFT_DEMO_PORT:-80}
sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
skylift=$root/bin/skylift
export AWS_PAGER="" DOCKER_BUILDKIT=0 DOCKER_CONFIG="$state/docker"
bold="" dim="" off=""
[ ! -t 1 ] || { bold=$(tput bold 2>/dev/null || true) dim=$(tput dim 2>/dev/null || true) off=$(tput sgr0 2>/dev/null || true); }

step() { printf '\n%s▶ %s%s\n' "$bold" "$*" "$off"; }
die() { printf '\n%s✗ %s%s\n' "$bold" "$*" "$off" >&2; echo "  Skylift's log: $state/skylift.log" >&2; exit 1; }
trap 'die "the demo stopped at line $LINENO; clean up with: make demo-stop"' ERR
run() { # shows a command as the user would type it, and runs it
	printf '%s  $ %s%s\n' "$dim" "$*" "$off"
	"$@"
}
quiet() { # the same, but for what it prints when it works
	printf '%s  $ %s%s\n' "$dim" "$*" "$off"
	"$@" >"$state/out" 2>&1 || { cat "$state/out" >&2; return 1; }
}

for tool in aws docker curl go; do command -v "$tool" >/dev/null || die "$tool is missing: install it first (https://docs.aws.amazon.com/cli/ for aws)"; done
if [ -e "$state" ]; then
	echo "An earlier demo is still there: cleaning it up first."
	scripts/demo-stop.sh
fi
mkdir -p "$state"

step "Start Skylift: one program, one port ($listen)"
if ! ip route get 172.31.0.1 2>/dev/null | grep -q ' via ' && ip route | grep -q '^172\.31\.'; then cidr=10.31.0.0/16; else cidr=172.31.0.0/16; fi
$sudo sh -c "exec '$skylift' serve --data-dir '$state/data' --listen '$listen' --lb-address '$lb' --vpc-cidr '$cidr' >'$state/skylift.log' 2>&1" &
for _ in $(seq 100); do
	curl -fs "http://$listen/readyz" >/dev/null 2>&1 && break
	kill -0 $! 2>/dev/null || { trap - ERR; cat "$state/skylift.log" >&2; die "Skylift did not start"; }
	sleep 0.1
done
curl -fs "http://$listen/readyz" >/dev/null || die "Skylift was not ready within 10 s"
printf '%s  $ eval "$(skylift env)"%s\n' "$dim" "$off"
eval "$($sudo "$skylift" env --data-dir "$state/data")"
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; } # Debian's is older than AWS_ENDPOINT_URL
run aws sts get-caller-identity --output text

step "Build the sample application (examples/hello) and push it, as to ECR"
for site in shop blog; do quiet aws ecr create-repository --repository-name "$site"; done
(cd examples/hello && CGO_ENABLED=0 go build -trimpath -o "$state/hello" main.go)
cp examples/hello/Dockerfile "$state/"
quiet docker build -t hello:demo "$state"
printf '%s  $ aws ecr get-login-password | docker login --username AWS --password-stdin %s%s\n' "$dim" "$listen" "$off"
aws ecr get-login-password | docker login --username AWS --password-stdin "$listen" 2>/dev/null >&2
for site in shop blog; do
	quiet docker tag hello:demo "$listen/$site:latest"
	quiet docker push "$listen/$site:latest"
done

step "One load balancer, security groups, a target group and a rule for each site"
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
subnets=$(aws ec2 describe-subnets --filters Name=default-for-az,Values=true --query 'Subnets[].SubnetId' --output text)
lbgroup=$(aws ec2 create-security-group --group-name web-lb --description 'the balancer' --vpc-id "$vpc" --query GroupId --output text)
webgroup=$(aws ec2 create-security-group --group-name web --description 'the sites' --vpc-id "$vpc" --query GroupId --output text)
quiet aws ec2 authorize-security-group-ingress --group-id "$lbgroup" --protocol tcp --port "$port" --cidr 0.0.0.0/0
quiet aws ec2 authorize-security-group-ingress --group-id "$webgroup" --protocol tcp --port 8080 --source-group "$lbgroup"
# shellcheck disable=SC2086 # the subnets are words
alb=$(aws elbv2 create-load-balancer --name demo --subnets $subnets --security-groups "$lbgroup" --query 'LoadBalancers[0].LoadBalancerArn' --output text)
dns=$(aws elbv2 describe-load-balancers --names demo --query 'LoadBalancers[0].DNSName' --output text)
listener=$(aws elbv2 create-listener --load-balancer-arn "$alb" --protocol HTTP --port "$port" \
	--default-actions 'Type=fixed-response,FixedResponseConfig={StatusCode=404,ContentType=text/plain,MessageBody="no site of this name here\n"}' \
	--query 'Listeners[0].ListenerArn' --output text)
echo "  load balancer $dns"
quiet aws logs create-log-group --log-group-name /demo

step "A secret, and the role that may read it: tasks start as it, and have no more"
value() { printf '{"token":"%s"}' "$(od -An -tx1 -N 16 /dev/urandom | tr -d ' \n')"; } # by standard input: arguments are for all to see
secret=$(value | aws secretsmanager create-secret --name demo/token --secret-string file:///dev/stdin --query ARN --output text)
role=$(aws iam create-role --role-name demo-exec --query Role.Arn --output text --assume-role-policy-document \
	'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}')
quiet aws iam attach-role-policy --role-name demo-exec --policy-arn arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy
quiet aws iam put-role-policy --role-name demo-exec --policy-name secret --policy-document \
	"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"secretsmanager:GetSecretValue\",\"Resource\":\"$secret\"}]}"
echo "  $secret"

step "A service of three tasks for each site"
quiet aws ecs create-cluster
n=0
for site in shop blog; do
	n=$((n + 1))
	tg=$(aws elbv2 create-target-group --name "$site" --protocol HTTP --port 8080 --vpc-id "$vpc" --target-type ip --health-check-path /healthz \
		--health-check-interval-seconds 5 --health-check-timeout-seconds 2 --healthy-threshold-count 2 --query 'TargetGroups[0].TargetGroupArn' --output text)
	aws elbv2 modify-target-group-attributes --target-group-arn "$tg" --attributes Key=deregistration_delay.timeout_seconds,Value=5 >/dev/null
	aws elbv2 create-rule --listener-arn "$listener" --priority $n --conditions "Field=host-header,Values=$site.localhost" --actions "Type=forward,TargetGroupArn=$tg" >/dev/null
	cat >"$state/$site.json" <<-EOF
		{
		  "family": "$site", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
		  "executionRoleArn": "$role",
		  "containerDefinitions": [{
		    "name": "web", "image": "$listen/$site:latest", "portMappings": [{"containerPort": 8080}],
		    "environment": [{"name": "SITE", "value": "$site"}],
		    "secrets": [{"name": "TOKEN", "valueFrom": "$secret:token::"}],
		    "logConfiguration": {"logDriver": "awslogs", "options": {
		      "awslogs-group": "/demo", "awslogs-region": "$AWS_DEFAULT_REGION", "awslogs-stream-prefix": "$site"}}
		  }]
		}
	EOF
	quiet aws ecs register-task-definition --cli-input-json "file://$state/$site.json"
	quiet aws ecs create-service --service-name "$site" --task-definition "$site" --desired-count 3 --launch-type FARGATE \
		--health-check-grace-period-seconds 30 --load-balancers "targetGroupArn=$tg,containerName=web,containerPort=8080" \
		--network-configuration "awsvpcConfiguration={subnets=[$(echo $subnets | tr ' ' ,)],securityGroups=[$webgroup]}"
done
echo "  waiting for three healthy tasks of each site …"
run aws ecs wait services-stable --services shop blog

at() { [ "$port" = 80 ] && echo "http://$1/" || echo "http://$1:$port/"; }
step "The sites are up, by host name"
for site in shop blog; do run curl -s --resolve "$site.localhost:$port:$lb" "$(at "$site.localhost")"; done

step "Somebody takes the balancer's way in away: skylift why names the group, and the command that mends it"
quiet aws ec2 revoke-security-group-ingress --group-id "$webgroup" --protocol tcp --port 8080 --source-group "$lbgroup"
$sudo "$skylift" why blog --data-dir "$state/data" >"$state/why"
printf '%s  $ skylift why blog%s\n' "$dim" "$off"
sed -n '/balancer-kept-out/,/^$/s/^/  /p' "$state/why"
mend=$(grep -m 1 -o 'aws ec2 authorize-security-group-ingress .*' "$state/why") || { cat "$state/why"; die "skylift why does not find what is in the way"; }
eval "quiet $mend"
run curl -s --retry 10 --retry-all-errors --retry-delay 1 -f --resolve "blog.localhost:$port:$lb" "$(at blog.localhost)"

step "Another value of the secret: status says who has the old one, and the next deployment brings it"
printf '%s  $ aws secretsmanager put-secret-value --secret-id demo/token --secret-string file:///dev/stdin%s\n' "$dim" "$off"
value | aws secretsmanager put-secret-value --secret-id demo/token --secret-string file:///dev/stdin >/dev/null
$sudo "$skylift" status --data-dir "$state/data" | grep 'older version' || die "status does not say that the secret has another value"

step "A new version of the shop, while requests come in"
printf 'FROM hello:demo\nENV APP_VERSION=2\n' >"$state/Dockerfile.2"
quiet docker build -t "$listen/shop:latest" -f "$state/Dockerfile.2" "$state"
quiet docker push "$listen/shop:latest"
go build -o "$state/load" ./examples/load
"$state/load" -resolve "$lb:$port" -d 30s "$(at shop.localhost)" >"$state/load.out" & loader=$!
quiet aws ecs update-service --service shop --force-new-deployment
said=""
while kill -0 $loader 2>/dev/null; do
	now=$(aws ecs describe-services --services shop --query "join('    ', services[0].deployments[].join(' ', [status, 'deployment:', to_string(runningCount), 'running,', to_string(pendingCount), 'pending']))" --output text)
	[ "$now" = "$said" ] || echo "  $now"
	said=$now
	sleep 0.5
done
wait $loader || { cat "$state/load.out"; die "requests were lost"; }
sed 's/^/  /' "$state/load.out"
run aws ecs wait services-stable --services shop
run curl -s --resolve "shop.localhost:$port:$lb" "$(at shop.localhost)"

step "At a glance"
run $sudo "$skylift" status --data-dir "$state/data"

cat <<EOF

${bold}✓ That was the main job. Skylift goes on running.${off}

  the sites         $(at shop.localhost)   $(at blog.localhost)   (curl and browsers resolve *.localhost themselves)
  the balancer      $(at "$dns")
  speak to it       eval "\$($sudo${sudo:+ }$skylift env --data-dir $state/data)"   and then: aws ecs list-services
  what runs         $sudo${sudo:+ }$skylift status --data-dir $state/data
  its log           $state/skylift.log
  stop, clean up    make demo-stop
EOF
