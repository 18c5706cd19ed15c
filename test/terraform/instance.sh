# What the scripts beside this one begin with: an unmodified Terraform, and an instance of Skylift of their own in $work. They say which
# directory their configuration is in ($configuration), and what else has to go at the end (leave).
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
	leave
	rm -rf "$work"
}
trap cleanup EXIT

export DOCKER_CONFIG="$work/docker" DOCKER_BUILDKIT=0 AWS_PAGER="" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE="$work/terraformrc"
: >"$TF_CLI_CONFIG_FILE"
command -v terraform >/dev/null || skip "there is no terraform on this machine"
mirror=${TF_PLUGIN_MIRROR:-$(find / -xdev -maxdepth 7 -type d -path '*/registry.terraform.io/hashicorp/aws' -not -path '*/.terraform/*' 2>/dev/null | head -n 1 | sed 's,/registry.terraform.io/.*,,' || true)}
[ -z "$mirror" ] || printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$mirror" >"$TF_CLI_CONFIG_FILE"
cp -r "$configuration"/. "$work/"
cd "$work"
terraform init -no-color -input=false >init.log 2>&1 || { tail -n 20 init.log; skip "terraform can't get the AWS provider (TF_PLUGIN_MIRROR names a directory that has it)"; }

# Addresses that nobody has: runs of these scripts, and of others, share the machine. 10.77 to 10.79 are the acceptance scripts'.
for _ in $(seq 100); do
	port=$((15000 + RANDOM % 17000)) net=$((16 + RANDOM % 230)) lb=127.$((1 + RANDOM % 250)).$((RANDOM % 250)).$((2 + RANDOM % 250))
	if [ "$net" -ge 77 ] && [ "$net" -le 79 ]; then continue; fi
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

apply() { terraform apply -no-color -input=false -auto-approve >apply.log 2>&1 || { grep -A8 '^Error' apply.log || tail -n 40 apply.log; die "$1"; }; ok "$1"; }
no_difference() { terraform plan -no-color -input=false -detailed-exitcode >plan.log 2>&1 || { tail -n 60 plan.log; die "$1"; }; ok "$1"; }
destroy() { terraform destroy -no-color -input=false -auto-approve >destroy.log 2>&1 || { grep -A8 '^Error' destroy.log || tail -n 40 destroy.log; die "destroyed"; }; ok "destroyed"; }
