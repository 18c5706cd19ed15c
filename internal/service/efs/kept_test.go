package efs_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/wire"
)

// TestNoBackupIsNoWish: a policy that asks for nothing keeps nothing that lacks an effect.
func TestNoBackupIsNoWish(t *testing.T) {
	t.Parallel()
	s, err := wire.NewService("elasticfilesystem", efs.New(nil, arn.Namespace{}, nil, nil, false).Operations()...)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPut, "/2015-02-01/file-systems/fs-01234567/backup-policy", nil)
	for status, want := range map[string][]string{"DISABLED": nil, "DISABLING": nil, "ENABLED": {"BackupPolicy.Status"}, "ENABLING": {"BackupPolicy.Status"}} {
		call, err := s.Decode(r, []byte(`{"BackupPolicy":{"Status":"`+status+`"}}`))
		if err != nil {
			t.Errorf("%s: %v", status, err)
			continue
		}
		if diff := cmp.Diff(want, call.Kept); diff != "" {
			t.Errorf("%s (-want +got):\n%s", status, diff)
		}
	}
}

// TestWhatIsKept sets what has no effect, and finds it as it was set.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	made := must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{
		CreationToken: new("t"), Backup: new(true), PerformanceMode: types.PerformanceModeMaxIo,
		ThroughputMode: types.ThroughputModeProvisioned, ProvisionedThroughputInMibps: new(1.5),
	})
	id := *made.FileSystemId
	e.settle()
	if d := e.described(id); d.PerformanceMode != "maxIO" || d.ThroughputMode != "provisioned" || *d.ProvisionedThroughputInMibps != 1.5 || *made.ProvisionedThroughputInMibps != 1.5 {
		t.Errorf("described as %+v", d)
	}
	must(e, e.UpdateFileSystem, &sdk.UpdateFileSystemInput{FileSystemId: &id, ProvisionedThroughputInMibps: new(2.0)})
	if d := e.described(id); *d.ProvisionedThroughputInMibps != 2 {
		t.Errorf("after an update: %v MiB/s", *d.ProvisionedThroughputInMibps)
	}
	must(e, e.UpdateFileSystem, &sdk.UpdateFileSystemInput{FileSystemId: &id, ThroughputMode: types.ThroughputModeElastic})
	if d := e.described(id); d.ThroughputMode != "elastic" || d.ProvisionedThroughputInMibps != nil {
		t.Errorf("after another update: %+v", d)
	}
	refused(e, "BadRequest", "'ProvisionedThroughputInMibps' is required", e.UpdateFileSystem, &sdk.UpdateFileSystemInput{FileSystemId: &id, ThroughputMode: types.ThroughputModeProvisioned})

	policy := func() types.Status {
		return must(e, e.DescribeBackupPolicy, &sdk.DescribeBackupPolicyInput{FileSystemId: &id}).BackupPolicy.Status
	}
	if got := policy(); got != types.StatusEnabled {
		t.Errorf("backup policy %s", got)
	}
	must(e, e.PutBackupPolicy, &sdk.PutBackupPolicyInput{FileSystemId: &id, BackupPolicy: &types.BackupPolicy{Status: types.StatusDisabled}})
	if got := policy(); got != types.StatusDisabled {
		t.Errorf("backup policy %s after it was disabled", got)
	}
	other := e.fileSystem("u")
	refused(e, "PolicyNotFound", "", e.DescribeBackupPolicy, &sdk.DescribeBackupPolicyInput{FileSystemId: &other})

	want := []types.LifecyclePolicy{{TransitionToIA: "AFTER_30_DAYS"}, {TransitionToPrimaryStorageClass: "AFTER_1_ACCESS"}}
	put := must(e, e.PutLifecycleConfiguration, &sdk.PutLifecycleConfigurationInput{FileSystemId: &id, LifecyclePolicies: want}).LifecyclePolicies
	got := must(e, e.DescribeLifecycleConfiguration, &sdk.DescribeLifecycleConfigurationInput{FileSystemId: &id}).LifecyclePolicies
	for _, g := range [][]types.LifecyclePolicy{put, got} {
		if d := cmp.Diff(want, g, cmpopts.IgnoreUnexported(types.LifecyclePolicy{})); d != "" {
			t.Errorf("life cycle (-want +got):\n%s", d)
		}
	}
}
