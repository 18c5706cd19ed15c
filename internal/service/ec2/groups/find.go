package groups

import (
	"context"
	"fmt"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// groupByName returns a group of the default VPC.
func groupByName(tx store.Tx, name string) (ec2.SecurityGroup, error) {
	vpc, err := ec2.DefaultVpc(tx)
	if err != nil {
		return ec2.SecurityGroup{}, err
	}
	found, err := ec2.SecurityGroups.By(tx, "name", vpc.ID+"/"+name)
	if err != nil {
		return ec2.SecurityGroup{}, err
	}
	if len(found) == 0 {
		return ec2.SecurityGroup{}, awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc.ID)
	}
	return found[0], nil
}

// groupsNamed returns the ids of the groups of the default VPC with these names.
func (a *API) groupsNamed(ctx context.Context, names []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		ids = nil
		for _, name := range names {
			g, err := groupByName(tx, name)
			if err != nil {
				return err // the handler says so
			}
			ids = append(ids, g.ID)
		}
		return nil
	})
	return ids
}

// groupBy returns the group that a request names by id or by name.
func groupBy(tx store.Tx, id, name *string) (ec2.SecurityGroup, error) {
	switch {
	case id != nil && name != nil:
		return ec2.SecurityGroup{}, twoGroups()
	case id != nil:
		return request.Get(tx, ec2.SecurityGroups, request.Group, *id)
	case name != nil:
		return groupByName(tx, *name)
	}
	return ec2.SecurityGroup{}, noGroup()
}

func twoGroups() error {
	return awserr.New("InvalidParameterCombination", "The parameters groupId and groupName cannot be used together")
}

func noGroup() error {
	return awserr.New("MissingParameter", "The request must contain the parameter groupName or groupId")
}

// Default returns the id of the default group of a VPC.
func Default(tx store.Tx, vpcID string) (string, error) {
	if _, err := request.Get(tx, ec2.Vpcs, request.Vpc, vpcID); err != nil {
		return "", err
	}
	found, err := ec2.SecurityGroups.By(tx, "name", vpcID+"/"+ec2.DefaultGroupName)
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("VPC %s has no default security group", vpcID)
	}
	return found[0].ID, nil
}

// Check returns an error that names the first of ids that is not a group of the VPC.
func Check(tx store.Tx, vpcID string, ids []string) error {
	for _, id := range ids {
		g, err := request.Get(tx, ec2.SecurityGroups, request.Group, id)
		if err != nil {
			return err
		}
		if g.VpcID != vpcID {
			return awserr.New("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", id, vpcID)
		}
	}
	return nil
}
