package efs

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// CreateFileSystem makes a file system, unless one has the same token.
func (a *API) CreateFileSystem(ctx context.Context, in *efs.CreateFileSystemInput) (*efs.CreateFileSystemOutput, error) {
	f, err := a.readFileSystem(in)
	if err != nil {
		return nil, err
	}
	d, err := handler.Update(ctx, a.db, func(tx store.Tx) (types.FileSystemDescription, error) {
		same, err := FileSystems.By(tx, "token", f.Token)
		if err != nil {
			return types.FileSystemDescription{}, err
		}
		if len(same) > 0 {
			return types.FileSystemDescription{}, &types.FileSystemAlreadyExists{
				Message:      new(fmt.Sprintf("File system '%s' already exists with creation token '%s'", same[0].ID, f.Token)),
				FileSystemId: new(same[0].ID),
			}
		}
		if err := FileSystems.Put(tx, f.ID, f); err != nil {
			return types.FileSystemDescription{}, err
		}
		return a.describe(tx, f)
	})
	if err != nil {
		return nil, err
	}
	return &efs.CreateFileSystemOutput{
		CreationTime: d.CreationTime, CreationToken: d.CreationToken, Encrypted: d.Encrypted, KmsKeyId: d.KmsKeyId, FileSystemArn: d.FileSystemArn,
		FileSystemId: d.FileSystemId, FileSystemProtection: d.FileSystemProtection, LifeCycleState: d.LifeCycleState, Name: d.Name,
		NumberOfMountTargets: d.NumberOfMountTargets, OwnerId: d.OwnerId, PerformanceMode: d.PerformanceMode,
		SizeInBytes: d.SizeInBytes, Tags: d.Tags, ThroughputMode: d.ThroughputMode, ProvisionedThroughputInMibps: d.ProvisionedThroughputInMibps,
	}, nil
}

// readFileSystem makes a record of what is asked for, or refuses it.
func (a *API) readFileSystem(in *efs.CreateFileSystemInput) (FileSystem, error) {
	if err := a.fileSystemFaults(in).First(); err != nil {
		return FileSystem{}, err
	}
	mode, provisioned, err := throughputOf(in)
	if err != nil {
		return FileSystem{}, err
	}
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	return FileSystem{
		ID: newID("fs"), Token: *in.CreationToken, Created: time.Now().UTC(), Tags: tags,
		PerformanceMode: string(cmp.Or(in.PerformanceMode, types.PerformanceModeGeneralPurpose)),
		ThroughputMode:  mode, Provisioned: provisioned, Backup: backup(in.Backup),
		Encrypted: in.Encrypted != nil && *in.Encrypted,
	}, err
}

// fileSystemFaults is what is wrong with a request for a new file system, whatever exists.
func (a *API) fileSystemFaults(in *efs.CreateFileSystemInput) awserr.Faults {
	f := a.encryptionFaults(in)
	_, _, err := throughputOf(in)
	f.Add(err)
	_, err = readToken("CreationToken", in.CreationToken)
	f.Add(err)
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

func throughputOf(in *efs.CreateFileSystemInput) (mode string, mibps float64, err error) {
	return throughput(cmp.Or(in.ThroughputMode, types.ThroughputModeBursting), in.ProvisionedThroughputInMibps)
}

// readToken reads a client's token for a resource.
func readToken(parameter string, token *string) (string, error) {
	if token == nil || *token == "" || strings.Contains(*token, "\x00") {
		return "", badRequest("The parameter '%s' must be a text of 1 to 64 characters.", parameter)
	}
	return *token, nil
}

// DescribeFileSystems lists file systems: all, or the one with that id or that
// token.
func (a *API) DescribeFileSystems(ctx context.Context, in *efs.DescribeFileSystemsInput) (*efs.DescribeFileSystemsOutput, error) {
	if in.FileSystemId != nil && in.CreationToken != nil {
		return nil, badRequest("Request cannot contain both a file system ID and a creation token.")
	}
	page, err := pages.Open(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeFileSystemsOutput, error) {
		found, err := a.findFileSystems(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(f FileSystem) string { return f.ID })
		out := &efs.DescribeFileSystemsOutput{Marker: in.Marker, NextMarker: next, FileSystems: []types.FileSystemDescription{}}
		for _, f := range part {
			d, err := a.describe(tx, f)
			if err != nil {
				return nil, err
			}
			out.FileSystems = append(out.FileSystems, d)
		}
		return out, nil
	})
}

func (a *API) findFileSystems(tx store.Tx, in *efs.DescribeFileSystemsInput) ([]FileSystem, error) {
	switch {
	case in.FileSystemId != nil:
		f, err := getFileSystem(tx, a.local(in.FileSystemId))
		return []FileSystem{f}, err
	case in.CreationToken != nil:
		token, err := readToken("CreationToken", in.CreationToken)
		if err != nil {
			return nil, err
		}
		return FileSystems.By(tx, "token", token)
	}
	return FileSystems.List(tx, "")
}

// describe returns f as the API shows it.
func (a *API) describe(tx store.Tx, f FileSystem) (types.FileSystemDescription, error) {
	state, volume, err := f.State(tx)
	if err != nil {
		return types.FileSystemDescription{}, err
	}
	targets, err := TargetsOf(tx, f.ID)
	if err != nil {
		return types.FileSystemDescription{}, err
	}
	size := &types.FileSystemSize{Value: volume.Bytes, ValueInStandard: &volume.Bytes, ValueInIA: new(int64), ValueInArchive: new(int64)}
	if !volume.Metered.IsZero() {
		size.Timestamp = &volume.Metered
	}
	var provisioned *float64
	if f.Provisioned > 0 {
		provisioned = &f.Provisioned
	}
	return types.FileSystemDescription{
		ProvisionedThroughputInMibps: provisioned,

		OwnerId: &a.ns.Account, FileSystemId: &f.ID, FileSystemArn: new(a.arnOf(f.ID)),
		CreationToken: &f.Token, CreationTime: &f.Created, LifeCycleState: state, Name: nameOf(f.Tags), NumberOfMountTargets: int32(len(targets)),
		SizeInBytes: size, PerformanceMode: types.PerformanceMode(f.PerformanceMode), ThroughputMode: types.ThroughputMode(f.ThroughputMode),
		Encrypted: &f.Encrypted, KmsKeyId: a.key(f), Tags: tagType.To(f.Tags),
		FileSystemProtection: &types.FileSystemProtectionDescription{ReplicationOverwriteProtection: types.ReplicationOverwriteProtectionEnabled},
	}, nil
}

// UpdateFileSystem changes the throughput mode.
func (a *API) UpdateFileSystem(ctx context.Context, in *efs.UpdateFileSystemInput) (*efs.UpdateFileSystemOutput, error) {
	d, err := handler.Update(ctx, a.db, func(tx store.Tx) (types.FileSystemDescription, error) {
		f, err := available(tx, a.local(in.FileSystemId))
		if err != nil {
			return types.FileSystemDescription{}, err
		}
		given := in.ProvisionedThroughputInMibps
		if given == nil && f.Provisioned > 0 && in.ThroughputMode == "" {
			given = &f.Provisioned
		}
		mode := cmp.Or(in.ThroughputMode, types.ThroughputMode(f.ThroughputMode))
		if f.ThroughputMode, f.Provisioned, err = throughput(mode, given); err != nil {
			return types.FileSystemDescription{}, err
		}
		if err := FileSystems.Put(tx, f.ID, f); err != nil {
			return types.FileSystemDescription{}, err
		}
		return a.describe(tx, f)
	})
	if err != nil {
		return nil, err
	}
	return &efs.UpdateFileSystemOutput{
		CreationTime: d.CreationTime, CreationToken: d.CreationToken, Encrypted: d.Encrypted, KmsKeyId: d.KmsKeyId, FileSystemArn: d.FileSystemArn,
		FileSystemId: d.FileSystemId, FileSystemProtection: d.FileSystemProtection, LifeCycleState: d.LifeCycleState, Name: d.Name,
		NumberOfMountTargets: d.NumberOfMountTargets, OwnerId: d.OwnerId, PerformanceMode: d.PerformanceMode,
		SizeInBytes: d.SizeInBytes, Tags: d.Tags, ThroughputMode: d.ThroughputMode, ProvisionedThroughputInMibps: d.ProvisionedThroughputInMibps,
	}, nil
}

// DeleteFileSystem asks for a file system to be deleted with all that is in it.
// Its access points go with it; its mount targets must have gone before.
func (a *API) DeleteFileSystem(ctx context.Context, in *efs.DeleteFileSystemInput) (*efs.DeleteFileSystemOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.DeleteFileSystemOutput, error) {
		f, err := getFileSystem(tx, a.local(in.FileSystemId))
		if err != nil {
			return nil, err
		}
		targets, err := TargetsOf(tx, f.ID)
		if err != nil {
			return nil, err
		}
		if len(targets) > 0 {
			return nil, &types.FileSystemInUse{Message: new(fmt.Sprintf("The file system '%s' cannot be deleted because it has mount targets. "+
				"You must delete the mount targets, and then try again.", f.ID))}
		}
		f.Deleted = true
		return &efs.DeleteFileSystemOutput{}, FileSystems.Put(tx, f.ID, f)
	})
}
