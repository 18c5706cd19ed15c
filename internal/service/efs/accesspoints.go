package efs

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// CreateAccessPoint makes an access point, unless one has the same token. The
// first mount makes its root directory.
func (a *API) CreateAccessPoint(ctx context.Context, in *efs.CreateAccessPointInput) (*efs.CreateAccessPointOutput, error) {
	p, err := a.readAccessPoint(in)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		if _, err := available(tx, p.FileSystem); err != nil {
			return err
		}
		same, err := AccessPoints.By(tx, "token", p.Token)
		if err != nil {
			return err
		}
		if len(same) > 0 {
			return &types.AccessPointAlreadyExists{
				Message:       new(fmt.Sprintf("Access point '%s' already exists with client token '%s'", same[0].ID, p.Token)),
				AccessPointId: new(same[0].ID),
			}
		}
		return AccessPoints.Put(tx, p.ID, p)
	})
	if err != nil {
		return nil, err
	}
	d := a.describePoint(p, types.LifeCycleStateAvailable)
	return &efs.CreateAccessPointOutput{
		AccessPointArn: d.AccessPointArn, AccessPointId: d.AccessPointId, ClientToken: d.ClientToken, FileSystemId: d.FileSystemId,
		LifeCycleState: d.LifeCycleState, Name: d.Name, OwnerId: d.OwnerId, PosixUser: d.PosixUser, RootDirectory: d.RootDirectory, Tags: d.Tags,
	}, nil
}

// readAccessPoint makes a record of what is asked for, or refuses it.
func (a *API) readAccessPoint(in *efs.CreateAccessPointInput) (p AccessPoint, err error) {
	if err := pointFaults(in).First(); err != nil {
		return p, err
	}
	p = AccessPoint{ID: newID("fsap"), Token: *in.ClientToken, FileSystem: a.local(in.FileSystemId), Root: "/"}
	if p.Tags, err = tagRules.Add(nil, tagType.From(in.Tags)); err != nil {
		return p, err
	}
	if u := in.PosixUser; u != nil {
		p.User = &User{UID: *u.Uid, GID: *u.Gid}
	}
	r := in.RootDirectory
	if r == nil {
		return p, nil
	}
	if r.Path != nil {
		p.Root = *r.Path
	}
	if c := r.CreationInfo; c != nil {
		p.Creation = &Creation{UID: *c.OwnerUid, GID: *c.OwnerGid, Permissions: *c.Permissions}
	}
	return p, nil
}

// pointFaults is what is wrong with a request for a new access point, whatever exists.
func pointFaults(in *efs.CreateAccessPointInput) (f awserr.Faults) {
	_, err := readToken("ClientToken", in.ClientToken)
	f.Add(err)
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	if r := in.RootDirectory; r != nil && r.Path != nil && !validRoot(*r.Path) {
		f.Add(invalid("1 validation error detected: Value '%s' at 'rootDirectory.path' failed to satisfy constraint: "+
			`Member must satisfy regular expression pattern: ^(\/|(\/(?!\.)+[^$#<>;`+"`"+`|&?{}^*/\n]+){1,4})$`, *r.Path))
	}
	return f
}

// validRoot says whether path is "/", or has one to four elements that neither
// begin with a dot nor have a character that AWS excludes.
func validRoot(path string) bool {
	if path == "/" {
		return true
	}
	elements := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, e := range elements {
		if e == "" || e[0] == '.' || strings.ContainsAny(e, "$#<>;`|&?{}^*\n\x00") {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && len(elements) <= 4
}

func (a *API) describePoint(p AccessPoint, state types.LifeCycleState) types.AccessPointDescription {
	d := types.AccessPointDescription{
		AccessPointId: &p.ID, AccessPointArn: new(a.ns.ARN(serviceName, "access-point/"+p.ID)), ClientToken: &p.Token, FileSystemId: &p.FileSystem,
		LifeCycleState: state, Name: nameOf(p.Tags), OwnerId: &a.ns.Account, Tags: tagType.To(p.Tags), RootDirectory: &types.RootDirectory{Path: &p.Root},
	}
	if p.User != nil {
		d.PosixUser = &types.PosixUser{Uid: &p.User.UID, Gid: &p.User.GID}
	}
	if c := p.Creation; c != nil {
		d.RootDirectory.CreationInfo = &types.CreationInfo{OwnerUid: &c.UID, OwnerGid: &c.GID, Permissions: &c.Permissions}
	}
	return d
}

// DescribeAccessPoints lists access points: all, those of a file system, or
// one.
func (a *API) DescribeAccessPoints(ctx context.Context, in *efs.DescribeAccessPointsInput) (*efs.DescribeAccessPointsOutput, error) {
	if in.AccessPointId != nil && in.FileSystemId != nil {
		return nil, badRequest("Request cannot contain both a file system ID and an access point ID.")
	}
	page, err := pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeAccessPointsOutput, error) {
		found, err := a.findPoints(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(p AccessPoint) string { return p.ID })
		out := &efs.DescribeAccessPointsOutput{NextToken: next, AccessPoints: []types.AccessPointDescription{}}
		for _, p := range part {
			f, err := getFileSystem(tx, p.FileSystem)
			if err != nil {
				return nil, err
			}
			state, _, err := f.State(tx)
			if err != nil {
				return nil, err
			}
			out.AccessPoints = append(out.AccessPoints, a.describePoint(p, state))
		}
		return out, nil
	})
}

func (a *API) findPoints(tx store.Tx, in *efs.DescribeAccessPointsInput) ([]AccessPoint, error) {
	switch {
	case in.AccessPointId != nil:
		p, err := handler.Get(tx, AccessPoints, a.local(in.AccessPointId), noAccessPoint)
		return []AccessPoint{p}, err
	case in.FileSystemId != nil:
		fs := a.local(in.FileSystemId)
		if _, err := getFileSystem(tx, fs); err != nil {
			return nil, err
		}
		return PointsOf(tx, fs)
	}
	return AccessPoints.List(tx, "")
}

// DeleteAccessPoint deletes an access point. A task that has mounted it keeps the
// mount, and the files stay.
func (a *API) DeleteAccessPoint(ctx context.Context, in *efs.DeleteAccessPointInput) (*efs.DeleteAccessPointOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.DeleteAccessPointOutput, error) {
		p, err := handler.Get(tx, AccessPoints, a.local(in.AccessPointId), noAccessPoint)
		if err != nil {
			return nil, err
		}
		return &efs.DeleteAccessPointOutput{}, AccessPoints.Delete(tx, p.ID)
	})
}
