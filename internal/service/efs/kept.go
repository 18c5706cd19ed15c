package efs

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Why some settings of a file system are kept and shown, but have no effect.
const (
	noModes   = "files are as fast as the disk below the data directory is"
	noBackup  = "there is no AWS Backup"
	noClasses = "there is one storage class"
)

// throughput checks a throughput mode. A provisioned one must have a number of MiB a second, and no other may.
func throughput(mode types.ThroughputMode, mibps *float64) (string, float64, error) {
	switch {
	case mode == types.ThroughputModeProvisioned && mibps == nil:
		return "", 0, badRequest("The parameter 'ProvisionedThroughputInMibps' is required when the throughput mode is 'provisioned'.")
	case mode != types.ThroughputModeProvisioned && mibps != nil:
		return "", 0, badRequest("The parameter 'ProvisionedThroughputInMibps' is only valid when the throughput mode is 'provisioned'.")
	case mibps == nil:
		return string(mode), 0, nil
	}
	return string(mode), *mibps, nil
}

// backup is the backup status that a new file system keeps.
func backup(wanted *bool) string {
	switch {
	case wanted == nil:
		return ""
	case *wanted:
		return string(types.StatusEnabled)
	}
	return string(types.StatusDisabled)
}

// PutBackupPolicy keeps whether a file system is to be backed up.
func (a *API) PutBackupPolicy(ctx context.Context, in *efs.PutBackupPolicyInput) (*efs.PutBackupPolicyOutput, error) {
	wanted := map[types.Status]types.Status{
		types.StatusEnabled: types.StatusEnabled, types.StatusEnabling: types.StatusEnabled,
		types.StatusDisabled: types.StatusDisabled, types.StatusDisabling: types.StatusDisabled,
	}[in.BackupPolicy.Status]
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.PutBackupPolicyOutput, error) {
		f, err := available(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		f.Backup = string(wanted)
		return &efs.PutBackupPolicyOutput{BackupPolicy: &types.BackupPolicy{Status: wanted}}, FileSystems.Put(tx, f.ID, f)
	})
}

// DescribeBackupPolicy returns the policy that is kept.
func (a *API) DescribeBackupPolicy(ctx context.Context, in *efs.DescribeBackupPolicyInput) (*efs.DescribeBackupPolicyOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeBackupPolicyOutput, error) {
		f, err := getFileSystem(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		if f.Backup == "" {
			return nil, &types.PolicyNotFound{Message: new(fmt.Sprintf("The file system '%s' has no backup policy.", f.ID))}
		}
		return &efs.DescribeBackupPolicyOutput{BackupPolicy: &types.BackupPolicy{Status: types.Status(f.Backup)}}, nil
	})
}

// PutLifecycleConfiguration keeps when files are to move to another storage class. An empty list means
// never.
func (a *API) PutLifecycleConfiguration(ctx context.Context, in *efs.PutLifecycleConfigurationInput) (*efs.PutLifecycleConfigurationOutput, error) {
	policies, err := readPolicies(in.LifecyclePolicies)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.PutLifecycleConfigurationOutput, error) {
		f, err := available(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		f.Lifecycle = policies
		return &efs.PutLifecycleConfigurationOutput{LifecyclePolicies: wirePolicies(policies)}, FileSystems.Put(tx, f.ID, f)
	})
}

// DescribeLifecycleConfiguration returns the configuration that is kept.
func (a *API) DescribeLifecycleConfiguration(ctx context.Context, in *efs.DescribeLifecycleConfigurationInput) (*efs.DescribeLifecycleConfigurationOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeLifecycleConfigurationOutput, error) {
		f, err := getFileSystem(tx, a.local(in.FileSystemId))
		return &efs.DescribeLifecycleConfigurationOutput{LifecyclePolicies: wirePolicies(f.Lifecycle)}, err
	})
}

// readPolicies reads policies. Each must have exactly one transition, and no two the same one.
// https://docs.aws.amazon.com/efs/latest/ug/API_PutLifecycleConfiguration.html
func readPolicies(in []types.LifecyclePolicy) (out []LifecyclePolicy, err error) {
	var all LifecyclePolicy
	for _, p := range in {
		said := 0
		for _, t := range []struct {
			rule string
			seen *string
		}{{string(p.TransitionToIA), &all.ToIA}, {string(p.TransitionToArchive), &all.ToArchive}, {string(p.TransitionToPrimaryStorageClass), &all.ToPrimary}} {
			if t.rule == "" {
				continue
			}
			said++
			if *t.seen != "" {
				return nil, badRequest("A LifecycleConfiguration can have one policy for each transition.")
			}
			*t.seen = t.rule
		}
		if said != 1 {
			return nil, badRequest("Each LifecyclePolicy must have exactly one of TransitionToIA, TransitionToArchive and TransitionToPrimaryStorageClass.")
		}
		out = append(out, LifecyclePolicy{string(p.TransitionToIA), string(p.TransitionToArchive), string(p.TransitionToPrimaryStorageClass)})
	}
	return out, nil
}

func wirePolicies(policies []LifecyclePolicy) []types.LifecyclePolicy {
	out := []types.LifecyclePolicy{}
	for _, p := range policies {
		out = append(out, types.LifecyclePolicy{
			TransitionToIA: types.TransitionToIARules(p.ToIA), TransitionToArchive: types.TransitionToArchiveRules(p.ToArchive),
			TransitionToPrimaryStorageClass: types.TransitionToPrimaryStorageClassRules(p.ToPrimary),
		})
	}
	return out
}

// Wishes lists what file systems keep without effect.
func Wishes(tx store.Tx) (out []wire.Wish, err error) {
	for f, err := range FileSystems.Peek(tx, "") {
		if err != nil {
			return nil, fmt.Errorf("list file systems: %w", err)
		}
		for _, w := range []struct {
			is        bool
			what, why string
		}{
			{f.Backup == string(types.StatusEnabled), "backup", noBackup},
			{f.PerformanceMode == string(types.PerformanceModeMaxIo), "performance mode maxIO", noModes},
			{f.ThroughputMode == string(types.ThroughputModeProvisioned), "provisioned throughput", noModes},
			{len(f.Lifecycle) > 0, "life cycle policies", noClasses},
		} {
			if w.is && !f.Deleted {
				out = append(out, wire.Wish{What: w.what, Why: w.why, Resource: f.ID})
			}
		}
	}
	return out, nil
}
