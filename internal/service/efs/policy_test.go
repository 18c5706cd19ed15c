package efs_test

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
)

func TestFileSystemPolicies(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	fs := e.fileSystem("one")
	put := func(text string, bypass bool) *sdk.PutFileSystemPolicyInput {
		return &sdk.PutFileSystemPolicyInput{FileSystemId: &fs, Policy: &text, BypassPolicyLockoutSafetyCheck: bypass}
	}
	refused(e, "PolicyNotFound", fs, e.DescribeFileSystemPolicy, &sdk.DescribeFileSystemPolicyInput{FileSystemId: &fs})
	for what, bad := range map[string]string{
		"no JSON":           `{`,
		"nobody":            `{"Statement":[{"Effect":"Allow","Action":"elasticfilesystem:ClientMount"}]}`,
		"a role that isn't": `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:role/gone"},"Action":"elasticfilesystem:ClientMount"}]}`,
		"no principal":      `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"app"},"Action":"elasticfilesystem:ClientMount"}]}`,
		"a lockout":         `{"Statement":[{"Effect":"Deny","Principal":{"AWS":"` + account + `"},"Action":"elasticfilesystem:*"}]}`,
	} {
		t.Log(what)
		refused(e, "InvalidPolicyException", "", e.PutFileSystemPolicy, put(bad, false))
	}
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + appRole + `"},"Action":"elasticfilesystem:ClientMount"},
		{"Effect":"Deny","Principal":"*","Action":"elasticfilesystem:DeleteFileSystem"}]}`
	if out := must(e, e.PutFileSystemPolicy, put(text, false)); *out.FileSystemId != fs || *out.Policy != text {
		t.Errorf("set: %+v", out)
	}
	if out := must(e, e.DescribeFileSystemPolicy, &sdk.DescribeFileSystemPolicyInput{FileSystemId: &fs}); *out.Policy != text {
		t.Errorf("read: %s", *out.Policy)
	}
	// It counts for calls of the API, too.
	refused(e, "AccessDeniedException", "with an explicit deny in a resource-based policy", e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: &fs})
	must(e, e.DeleteFileSystemPolicy, &sdk.DeleteFileSystemPolicyInput{FileSystemId: &fs})
	must(e, e.DeleteFileSystemPolicy, &sdk.DeleteFileSystemPolicyInput{FileSystemId: &fs}) // again: the default one stays
	refused(e, "PolicyNotFound", fs, e.DescribeFileSystemPolicy, &sdk.DescribeFileSystemPolicyInput{FileSystemId: &fs})
	must(e, e.DeleteFileSystem, &sdk.DeleteFileSystemInput{FileSystemId: &fs})

	other := e.fileSystem("other")
	fs = other
	must(e, e.PutFileSystemPolicy, put(`{"Statement":[{"Effect":"Deny","Principal":"*","Action":"elasticfilesystem:PutFileSystemPolicy"}]}`, true))
	refused(e, "AccessDeniedException", "elasticfilesystem:PutFileSystemPolicy", e.PutFileSystemPolicy, put(text, true))
	none := "fs-0123456789abcdef0"
	refused(e, "FileSystemNotFound", none, e.DescribeFileSystemPolicy, &sdk.DescribeFileSystemPolicyInput{FileSystemId: &none})
}
