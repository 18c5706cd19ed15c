#!/usr/bin/env bash
# Each resource of resources/ against Skylift with an unmodified Terraform and AWS provider: made, read back without a difference,
# changed, read back again, imported, read back again, destroyed, and nothing left of it.
#
#   resources.sh PATH-TO-SKYLIFT [MODULE...]           MODULE: iam ssm …; all, unless some are named
#
# Needs root, terraform, aws and curl. The provider comes as for run.sh.
set -euo pipefail
shopt -s inherit_errexit # a list that can't be had isn't an empty one
skylift=$(realpath "${1:?path to the skylift binary}"); shift
here=$(cd "$(dirname "$0")" && pwd)
configuration=$here/resources
leave() { :; }
. "$here/instance.sh"
ok() { printf 'ok    resources: %s (%d s)\n' "$*" "$SECONDS"; }
# Nearly all of the time the provider waits, to be sure that AWS says everywhere what it says: so it does much at a time.
targets=$([ $# = 0 ] || printf -- '-target=module.%s ' "$@")
export TF_CLI_ARGS_apply="-parallelism=64 $targets" TF_CLI_ARGS_plan="-parallelism=64 $targets" TF_CLI_ARGS_destroy="-parallelism=64"

for step in 1 2; do
	export TF_VAR_step=$step
	apply "step $step: $([ $step = 1 ] && echo made || echo changed)"
	no_difference "step $step: read back without a difference"
done

terraform output -raw imports >blocks
mapfile -t addresses < <(sed -n 's/^  to = //p' blocks)
terraform state rm "${addresses[@]}" >import.log 2>&1 || { tail -n 20 import.log; die "forgotten by Terraform"; }
mv blocks blocks.tf
apply "imported: ${#addresses[@]} resources" # what only Terraform knows of them, such as force_destroy, is written
grep -q ' 0 added, .* 0 destroyed' apply.log || { grep '^Apply complete\|will be created\|must be replaced' apply.log; die "what was imported is made anew"; }
rm blocks.tf
no_difference "imported: read back without a difference"

destroy
left=$( # keys wait to be deleted
	aws resourcegroupstaggingapi get-resources --tag-filters Key=made,Values=terraform --query 'ResourceTagMappingList[].ResourceARN' | tr '\t' '\n' | { grep -v ':kms:.*:key/' || true; }
	aws iam get-account-authorization-details --query '[UserDetailList[].UserName,GroupDetailList[].GroupName,RoleDetailList[?!starts_with(Path, `/aws-service-role/`)].RoleName,Policies[?!starts_with(Arn, `arn:aws:iam::aws:`)].Arn][]' | tr '\t' '\n'
	aws iam list-instance-profiles --query 'InstanceProfiles[].Arn'
	aws iam list-open-id-connect-providers --query 'OpenIDConnectProviderList[].Arn'
	aws iam list-account-aliases --query AccountAliases
	aws kms list-aliases --query 'Aliases[?!starts_with(AliasName, `alias/aws/`)].AliasName'
)
left=$(grep -v '^None$\|^$' <<<"$left" || true)
[ -z "$left" ] || die "left after destroy: $left"
ok "nothing is left"
echo PASS
