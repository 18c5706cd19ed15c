package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdkkms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	sdksm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	sdkssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store/memstore"
)

// builderOf has all services, over a store in memory.
func builderOf(t *testing.T) *builder {
	t.Helper()
	b := &builder{m: &machine{
		Config: Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		ns:     arn.Namespace{Region: "us-west-2", Account: "123456789012"}, db: memstore.New(), ring: seal.NewKey(),
	}}
	for _, s := range services {
		b.made = append(b.made, ok(s.make(b, t.Context()))(t))
	}
	return b
}

// TestExecutionRole reads a secret and a parameter under a customer's key as a role with exactly the permissions for that, and with
// one of them less.
func TestExecutionRole(t *testing.T) {
	t.Parallel()
	b, ctx := builderOf(t), t.Context()
	key := ok(b.keys.CreateKey(ctx, &sdkkms.CreateKeyInput{Tags: []kmstypes.Tag{{TagKey: new("app"), TagValue: new("shop")}}}))(t).KeyMetadata
	secret := *ok(b.secrets.CreateSecret(ctx, &sdksm.CreateSecretInput{
		Name: new("shop/db"), SecretString: new(`{"password":"canary"}`), KmsKeyId: key.Arn, Tags: []smtypes.Tag{{Key: new("app"), Value: new("shop")}},
	}))(t).ARN
	ok(b.values.PutParameter(ctx, &sdkssm.PutParameterInput{Name: new("/shop/token"), Type: ssmtypes.ParameterTypeSecureString, Value: new("canary"), KeyId: key.KeyId}))(t)
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"},"ArnLike":{"aws:SourceArn":"arn:aws:ecs:us-west-2:123456789012:*"}}}}`
	exec := *ok(b.identity.CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: new("exec"), AssumeRolePolicyDocument: &trust}))(t).Role.Arn
	statements := map[string]string{
		"secret": `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"` + secret + `","Condition":{"StringEquals":{"secretsmanager:ResourceTag/app":"shop","secretsmanager:VersionStage":"AWSCURRENT"}}}`,
		"value":  `{"Effect":"Allow","Action":"ssm:GetParameters","Resource":"arn:aws:ssm:us-west-2:123456789012:parameter/shop/*"}`,
		"key of secrets": `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + *key.Arn + `","Condition":{"StringEquals":{
			"kms:ViaService":"secretsmanager.us-west-2.amazonaws.com","kms:EncryptionContext:SecretARN":"` + secret + `","aws:ResourceTag/app":"shop"}}}`,
		"key of values": `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{
			"kms:ViaService":"ssm.us-west-2.amazonaws.com","kms:EncryptionContext:PARAMETER_ARN":"arn:aws:ssm:us-west-2:123456789012:parameter/shop/token"}}}`,
	}
	f := inputs.For{Source: "arn:aws:ecs:us-west-2:123456789012:task/default/0123", TaskDefinition: types.TaskDefinition{
		ExecutionRoleArn: &exec, ContainerDefinitions: []types.ContainerDefinition{{Name: new("web"), Secrets: []types.Secret{
			{Name: new("PASSWORD"), ValueFrom: new(secret + ":password:AWSCURRENT:")}, {Name: new("TOKEN"), ValueFrom: new("/shop/token")},
		}}},
	}}
	in := b.inputs(&taskRoles{iam: b.identity, account: b.m.ns.Account})
	const user = "User: arn:aws:sts::123456789012:assumed-role/exec/0123 is not authorized to perform: "
	decrypt := user + "kms:Decrypt on resource: " + *key.Arn + " because no identity-based policy allows the kms:Decrypt action"
	for without, want := range map[string]string{
		"":               "",
		"secret":         "AccessDeniedException: " + user + "secretsmanager:GetSecretValue on resource: " + secret + " because no identity-based policy allows the secretsmanager:GetSecretValue action (variable PASSWORD of container web)",
		"value":          "AccessDeniedException: " + user + "ssm:GetParameters on resource: arn:aws:ssm:us-west-2:123456789012:parameter/shop/token because no identity-based policy allows the ssm:GetParameters action",
		"key of secrets": "AccessDeniedException: Access to KMS is not allowed. " + decrypt + " (variable PASSWORD of container web)",
		"key of values":  "AccessDeniedException: " + decrypt,
	} {
		var list []string
		for name, s := range statements {
			if name != without {
				list = append(list, s)
			}
		}
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
		ok(b.identity.PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: new("exec"), PolicyName: new("p"), PolicyDocument: &text}))(t)
		got, err := in.Read(ctx, f)
		if refused, is := errors.AsType[*inputs.Error](err); is {
			if want == "" || !strings.HasSuffix(refused.Reason, want) || strings.Contains(refused.Reason, "canary") {
				t.Errorf("without %q: %s\nwant %s", without, refused.Reason, want)
			}
			continue
		}
		if got := fmt.Sprint([]string(got.Variables["web"])); err != nil || want != "" || got != "[PASSWORD=canary TOKEN=canary]" {
			t.Errorf("without %q: %v, %s, want %q", without, err, got, want)
		}
	}
	const fewer = `{"Version":"2012-10-17","Statement":[%s,%s,%s]}`
	text := fmt.Sprintf(fewer, statements["value"], statements["key of secrets"], statements["key of values"])
	ok(b.identity.PutRolePolicy(ctx, &sdkiam.PutRolePolicyInput{RoleName: new("exec"), PolicyName: new("p"), PolicyDocument: &text}))(t)
	ok(b.secrets.PutResourcePolicy(ctx, &sdksm.PutResourcePolicyInput{SecretId: &secret, ResourcePolicy: new(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + exec + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`)}))(t)
	if _, err := in.Read(ctx, f); err != nil {
		t.Errorf("a secret whose own policy lets the role in: %v", err)
	}
	f.ExecutionRoleArn = new(exec + "2")
	if _, err := in.Read(ctx, f); err == nil || err.Error() != role.NotAssumed(exec+"2") {
		t.Errorf("a role that isn't there: %v", err)
	}
	f.ExecutionRoleArn, f.Source = &exec, "arn:aws:ecs:eu-west-1:123456789012:task/default/0123"
	if _, err := in.Read(ctx, f); err == nil || err.Error() != role.NotAssumed(exec) {
		t.Errorf("a role that doesn't trust tasks there: %v", err)
	}
}
