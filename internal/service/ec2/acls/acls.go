package acls

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateNetworkAcl makes an ACL that denies everything, for no subnet yet.
func (a *API) CreateNetworkAcl(ctx context.Context, in *sdk.CreateNetworkAclInput) (*sdk.CreateNetworkAclOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	l := ec2.NetworkACL{ID: ec2.NewID("acl"), VpcID: aws.ToString(in.VpcId), Token: token}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateNetworkAclOutput, error) {
		out := &sdk.CreateNetworkAclOutput{ClientToken: in.ClientToken}
		had, there, err := request.Again(tx, ec2.NetworkACLs, token, func(l *ec2.NetworkACL) ec2.Token { return l.Token })
		if err != nil || there {
			out.NetworkAcl = new(a.shape(had, nil))
			return out, err
		}
		if _, err := request.Get(tx, ec2.Vpcs, request.Vpc, l.VpcID); err != nil {
			return nil, err
		}
		tags, err := request.Tagged(tx, l.ID, request.ACL, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out.NetworkAcl = new(a.shape(l, tags))
		return out, ec2.NetworkACLs.Put(tx, l.ID, l)
	})
}

// DeleteNetworkAcl deletes an ACL that no subnet has.
func (a *API) DeleteNetworkAcl(ctx context.Context, in *sdk.DeleteNetworkAclInput) (*sdk.DeleteNetworkAclOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteNetworkAclOutput, error) {
		l, err := request.Get(tx, ec2.NetworkACLs, request.ACL, aws.ToString(in.NetworkAclId))
		if err != nil {
			return nil, err
		}
		if l.Default {
			return nil, awserr.New("InvalidParameterValue", "cannot delete default network ACL %s", l.ID)
		}
		var holders []string
		for _, s := range l.Associations {
			holders = append(holders, s.SubnetID)
		}
		if len(holders) > 0 {
			return nil, request.Dependency(fmt.Sprintf("The networkAcl '%s' has dependencies and cannot be deleted.", l.ID), holders)
		}
		if err := request.DropTags(tx, l.ID); err != nil {
			return nil, err
		}
		return &sdk.DeleteNetworkAclOutput{}, ec2.NetworkACLs.Delete(tx, l.ID)
	})
}

// ReplaceNetworkAclAssociation gives a subnet another ACL.
func (a *API) ReplaceNetworkAclAssociation(ctx context.Context, in *sdk.ReplaceNetworkAclAssociationInput) (*sdk.ReplaceNetworkAclAssociationOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	id := ec2.NewID("aclassoc")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ReplaceNetworkAclAssociationOutput, error) {
		from, i, err := held(tx, aws.ToString(in.AssociationId))
		if err != nil {
			return nil, err
		}
		to, err := request.Get(tx, ec2.NetworkACLs, request.ACL, aws.ToString(in.NetworkAclId))
		if err != nil {
			return nil, err
		}
		if to.VpcID != from.VpcID {
			return nil, awserr.New("InvalidParameterValue", "network ACL %s and association %s belong to different networks", to.ID, from.Associations[i].ID)
		}
		moved := from.Associations[i]
		moved.ID = id
		from.Associations = slices.Delete(from.Associations, i, i+1)
		if to.ID == from.ID {
			to = from
		} else if err := ec2.NetworkACLs.Put(tx, from.ID, from); err != nil {
			return nil, err
		}
		to.Associations = append(to.Associations, moved)
		return &sdk.ReplaceNetworkAclAssociationOutput{NewAssociationId: &id}, ec2.NetworkACLs.Put(tx, to.ID, to)
	})
}

// held returns the ACL that has an association, and its index there.
func held(tx store.Tx, id string) (ec2.NetworkACL, int, error) {
	all, err := ec2.NetworkACLs.List(tx, "")
	if err != nil {
		return ec2.NetworkACL{}, 0, err
	}
	for _, l := range all {
		if i := slices.IndexFunc(l.Associations, func(s ec2.ACLAssociation) bool { return s.ID == id }); i >= 0 {
			return l, i, nil
		}
	}
	return ec2.NetworkACL{}, 0, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

// subnetsOf returns the subnets that these associations are for.
func (a *API) subnetsOf(ctx context.Context, ids []string) (out []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, id := range ids {
			l, i, err := held(tx, id)
			if err != nil {
				return err // the handler says so
			}
			out = append(out, l.Associations[i].SubnetID)
		}
		return nil
	})
	return out
}
