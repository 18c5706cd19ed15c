package efs

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/efs"
	"github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// maxGroups is how many security groups a mount target is in at most.
const maxGroups = 5

// CreateMountTarget makes a mount target in a subnet. A file system has at most one
// in each availability zone.
func (a *API) CreateMountTarget(ctx context.Context, in *efs.CreateMountTargetInput) (*efs.CreateMountTargetOutput, error) {
	if in.IpAddressType == types.IpAddressTypeIpv6Only || in.IpAddressType == types.IpAddressTypeDualStack {
		return nil, badRequest("The IP address type '%s' is not supported by Skylift: use 'IPV4_ONLY'.", in.IpAddressType)
	}
	m, err := a.place(ctx, in)
	if err != nil {
		return nil, err
	}
	d, err := handler.Update(ctx, a.db, func(tx store.Tx) (types.MountTargetDescription, error) {
		if err := m.fits(tx); err != nil {
			return types.MountTargetDescription{}, err
		}
		if err := MountTargets.Put(tx, m.ID, m); err != nil {
			return types.MountTargetDescription{}, err
		}
		return a.describeTarget(tx, m)
	})
	if err != nil {
		return nil, err
	}
	return &efs.CreateMountTargetOutput{
		AvailabilityZoneId: d.AvailabilityZoneId, AvailabilityZoneName: d.AvailabilityZoneName, FileSystemId: d.FileSystemId,
		IpAddress: d.IpAddress, LifeCycleState: d.LifeCycleState, MountTargetId: d.MountTargetId, NetworkInterfaceId: d.NetworkInterfaceId,
		OwnerId: d.OwnerId, SubnetId: d.SubnetId, VpcId: d.VpcId,
	}, nil
}

// place makes a record of what is asked for. It checks that the subnet and the groups exist.
func (a *API) place(ctx context.Context, in *efs.CreateMountTargetInput) (MountTarget, error) {
	m := MountTarget{ID: newID("fsmt"), FileSystem: a.local(in.FileSystemId)}
	var err error
	if m.Subnet, err = a.net.Subnet(ctx, *in.SubnetId); said(err) != nil {
		return m, &types.SubnetNotFound{Message: said(err)}
	} else if err != nil {
		return m, fmt.Errorf("look up subnet: %w", err)
	}
	m.Groups, err = a.groups(ctx, m.Subnet.VPC, in.SecurityGroups)
	return m, err
}

// groups checks security groups. An empty list stands for the VPC's default one.
func (a *API) groups(ctx context.Context, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		id, err := a.net.DefaultGroup(ctx, vpc)
		return []string{id}, err
	}
	if len(ids) > maxGroups {
		return nil, &types.SecurityGroupLimitExceeded{Message: new(fmt.Sprintf("A mount target can be in at most %d security groups.", maxGroups))}
	}
	err := a.net.CheckGroups(ctx, vpc, ids)
	if text := said(err); text != nil {
		return nil, &types.SecurityGroupNotFound{Message: text}
	}
	return ids, err
}

// said returns the message of an error that is meant for clients; nil when err isn't one.
func said(err error) *string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return new(e.ErrorMessage())
	}
	return nil
}

// fits refuses m when it can't be beside the file system's other mount targets.
func (m MountTarget) fits(tx store.Tx) error {
	if _, err := available(tx, m.FileSystem); err != nil {
		return err
	}
	others, err := TargetsOf(tx, m.FileSystem)
	if err != nil {
		return err
	}
	for _, o := range others {
		switch {
		case o.Subnet.VPC != m.Subnet.VPC:
			return &types.MountTargetConflict{Message: new("requested subnet for new mount target is not in the same VPC as existing mount targets")}
		case o.Subnet.AZ == m.Subnet.AZ:
			return &types.MountTargetConflict{Message: new("mount target already exists in this AZ")}
		}
	}
	return nil
}

func (a *API) describeTarget(tx store.Tx, m MountTarget) (types.MountTargetDescription, error) {
	state, at, err := m.State(tx)
	d := types.MountTargetDescription{
		OwnerId: &a.ns.Account, MountTargetId: &m.ID, FileSystemId: &m.FileSystem, SubnetId: &m.Subnet.ID, LifeCycleState: state,
		AvailabilityZoneId: &m.Subnet.AZID, AvailabilityZoneName: &m.Subnet.AZ, VpcId: &m.Subnet.VPC,
	}
	if at.ID != "" {
		d.NetworkInterfaceId, d.IpAddress = &at.ID, new(at.Addr.String())
	}
	return d, err
}

// DescribeMountTargets lists the mount targets of a file system or of an access
// point's file system, or a single one.
func (a *API) DescribeMountTargets(ctx context.Context, in *efs.DescribeMountTargetsInput) (*efs.DescribeMountTargetsOutput, error) {
	named := 0
	for _, p := range []*string{in.FileSystemId, in.MountTargetId, in.AccessPointId} {
		if p != nil {
			named++
		}
	}
	if named != 1 {
		return nil, badRequest("Must specify exactly one mutually exclusive parameter.")
	}
	page, err := pages.Open(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeMountTargetsOutput, error) {
		found, err := a.findTargets(tx, in)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, found, func(m MountTarget) string { return m.ID })
		out := &efs.DescribeMountTargetsOutput{Marker: in.Marker, NextMarker: next, MountTargets: []types.MountTargetDescription{}}
		for _, m := range part {
			d, err := a.describeTarget(tx, m)
			if err != nil {
				return nil, err
			}
			out.MountTargets = append(out.MountTargets, d)
		}
		return out, nil
	})
}

func (a *API) findTargets(tx store.Tx, in *efs.DescribeMountTargetsInput) ([]MountTarget, error) {
	if in.MountTargetId != nil {
		m, err := handler.Get(tx, MountTargets, *in.MountTargetId, noMountTarget)
		return []MountTarget{m}, err
	}
	fs := a.local(in.FileSystemId)
	if in.AccessPointId != nil {
		p, err := handler.Get(tx, AccessPoints, a.local(in.AccessPointId), noAccessPoint)
		if err != nil {
			return nil, err
		}
		fs = p.FileSystem
	}
	if _, err := getFileSystem(tx, fs); err != nil {
		return nil, err
	}
	return TargetsOf(tx, fs)
}

// DeleteMountTarget asks for a mount target to be deleted.
func (a *API) DeleteMountTarget(ctx context.Context, in *efs.DeleteMountTargetInput) (*efs.DeleteMountTargetOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.DeleteMountTargetOutput, error) {
		m, err := handler.Get(tx, MountTargets, *in.MountTargetId, noMountTarget)
		if err != nil {
			return nil, err
		}
		m.Deleted = true
		return &efs.DeleteMountTargetOutput{}, MountTargets.Put(tx, m.ID, m)
	})
}

// DescribeMountTargetSecurityGroups returns the groups of a mount target.
func (a *API) DescribeMountTargetSecurityGroups(ctx context.Context, in *efs.DescribeMountTargetSecurityGroupsInput) (*efs.DescribeMountTargetSecurityGroupsOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*efs.DescribeMountTargetSecurityGroupsOutput, error) {
		m, err := usableTarget(tx, *in.MountTargetId)
		return &efs.DescribeMountTargetSecurityGroupsOutput{SecurityGroups: m.Groups}, err
	})
}

// ModifyMountTargetSecurityGroups puts a mount target into other groups. An empty list
// is refused, unlike in CreateMountTarget: the default group would cut off the tasks
// that use the mount target.
func (a *API) ModifyMountTargetSecurityGroups(ctx context.Context, in *efs.ModifyMountTargetSecurityGroupsInput) (*efs.ModifyMountTargetSecurityGroupsOutput, error) {
	if len(in.SecurityGroups) == 0 {
		return nil, badRequest("At least one security group must be specified.")
	}
	m, err := handler.View(ctx, a.db, func(tx store.Tx) (MountTarget, error) { return usableTarget(tx, *in.MountTargetId) })
	if err != nil {
		return nil, err
	}
	groups, err := a.groups(ctx, m.Subnet.VPC, in.SecurityGroups)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*efs.ModifyMountTargetSecurityGroupsOutput, error) {
		m, err := usableTarget(tx, m.ID)
		if err != nil {
			return nil, err
		}
		m.Groups = groups
		return &efs.ModifyMountTargetSecurityGroupsOutput{}, MountTargets.Put(tx, m.ID, m)
	})
}

// usableTarget returns a mount target that is available.
func usableTarget(tx store.Tx, id string) (MountTarget, error) {
	m, err := handler.Get(tx, MountTargets, id, noMountTarget)
	if err != nil {
		return m, err
	}
	state, _, err := m.State(tx)
	if err == nil && state != types.LifeCycleStateAvailable {
		err = &types.IncorrectMountTargetState{
			Message: new(fmt.Sprintf("Mount target '%s' is in the life cycle state '%s'; it must be 'available'.", id, state)),
		}
	}
	return m, err
}
