package routes

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateRouteTable makes a table with local routes alone.
func (a *API) CreateRouteTable(ctx context.Context, in *sdk.CreateRouteTableInput) (*sdk.CreateRouteTableOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	t := ec2.RouteTable{ID: ec2.NewID("rtb"), VpcID: aws.ToString(in.VpcId), Token: token}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateRouteTableOutput, error) {
		had, there, err := request.Again(tx, ec2.RouteTables, token, func(t *ec2.RouteTable) ec2.Token { return t.Token })
		if err != nil {
			return nil, err
		}
		ways, err := ec2.ReadWays(tx)
		if err != nil {
			return nil, err
		}
		if there {
			return &sdk.CreateRouteTableOutput{RouteTable: new(a.tableShape(tableView{had, shownRoutes(ways, had)}, nil)), ClientToken: in.ClientToken}, nil
		}
		if _, err := request.Get(tx, ec2.Vpcs, request.Vpc, t.VpcID); err != nil {
			return nil, err
		}
		tags, err := request.Tagged(tx, t.ID, request.RouteTable, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out := &sdk.CreateRouteTableOutput{RouteTable: new(a.tableShape(tableView{t, shownRoutes(ways, t)}, tags)), ClientToken: in.ClientToken}
		return out, ec2.RouteTables.Put(tx, t.ID, t)
	})
}

// DeleteRouteTable deletes a table that no subnet is associated with.
func (a *API) DeleteRouteTable(ctx context.Context, in *sdk.DeleteRouteTableInput) (*sdk.DeleteRouteTableOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteRouteTableOutput, error) {
		t, err := request.Get(tx, ec2.RouteTables, request.RouteTable, aws.ToString(in.RouteTableId))
		if err != nil {
			return nil, err
		}
		var holders []string
		for _, s := range t.Associations {
			holders = append(holders, s.ID)
		}
		if len(holders) > 0 {
			return nil, request.Dependency(fmt.Sprintf("The routeTable '%s' has dependencies and cannot be deleted.", t.ID), holders)
		}
		if err := forget(tx, t.ID); err != nil {
			return nil, err
		}
		if err := request.DropTags(tx, t.ID); err != nil {
			return nil, err
		}
		return &sdk.DeleteRouteTableOutput{}, ec2.RouteTables.Delete(tx, t.ID)
	})
}

// forget takes a table out of the endpoints that have routes in it.
func forget(tx store.Tx, table string) error {
	all, err := ec2.Endpoints.List(tx, "")
	if err != nil {
		return err
	}
	for _, e := range all {
		i := slices.Index(e.RouteTables, table)
		if i < 0 {
			continue
		}
		e.RouteTables = slices.Delete(e.RouteTables, i, i+1)
		if err := ec2.Endpoints.Put(tx, e.ID, e); err != nil {
			return err
		}
	}
	return nil
}

// associated is the state of an association that is made.
func associated() *types.RouteTableAssociationState {
	return &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated}
}

// AssociateRouteTable gives a subnet a table of its own.
func (a *API) AssociateRouteTable(ctx context.Context, in *sdk.AssociateRouteTableInput) (*sdk.AssociateRouteTableOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if request.Given(in.SubnetId) == nil {
		return nil, awserr.New("MissingParameter", "The request must contain the parameter subnetId")
	}
	made := ec2.RouteAssociation{ID: ec2.NewID("rtbassoc"), SubnetID: *in.SubnetId}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.AssociateRouteTableOutput, error) {
		t, err := request.Get(tx, ec2.RouteTables, request.RouteTable, aws.ToString(in.RouteTableId))
		if err != nil {
			return nil, err
		}
		s, err := request.Get(tx, ec2.Subnets, request.Subnet, made.SubnetID)
		if err != nil {
			return nil, err
		}
		if s.VpcID != t.VpcID {
			return nil, awserr.New("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.ID, s.ID)
		}
		all, err := ec2.RouteTables.List(tx, "")
		if err != nil {
			return nil, err
		}
		if _, n := associationOf(all, func(x ec2.RouteAssociation) bool { return x.SubnetID == s.ID }); n >= 0 {
			return nil, awserr.New("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
		}
		t.Associations = append(t.Associations, made)
		return &sdk.AssociateRouteTableOutput{AssociationId: &made.ID, AssociationState: associated()}, ec2.RouteTables.Put(tx, t.ID, t)
	})
}

// associationOf returns the table that has an association which fits, and its index there; -1 when none has.
func associationOf(all []ec2.RouteTable, fits func(ec2.RouteAssociation) bool) (ec2.RouteTable, int) {
	for _, t := range all {
		if i := slices.IndexFunc(t.Associations, fits); i >= 0 {
			return t, i
		}
	}
	return ec2.RouteTable{}, -1
}

// held returns the table that has an association, and its index there.
func held(tx store.Tx, id string) (ec2.RouteTable, int, error) {
	all, err := ec2.RouteTables.List(tx, "")
	if err != nil {
		return ec2.RouteTable{}, 0, err
	}
	t, i := associationOf(all, func(x ec2.RouteAssociation) bool { return x.ID == id })
	if i < 0 {
		return t, i, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	return t, i, nil
}

// tablesOf returns the tables that have these associations.
func (a *API) tablesOf(ctx context.Context, ids []string) []string {
	return a.ofAssociations(ctx, ids, func(t ec2.RouteTable, _ ec2.RouteAssociation) string { return t.ID })
}

// subnetsOf returns the subnets that these associations are for.
func (a *API) subnetsOf(ctx context.Context, ids []string) []string {
	return a.ofAssociations(ctx, ids, func(_ ec2.RouteTable, s ec2.RouteAssociation) string { return s.SubnetID })
}

func (a *API) ofAssociations(ctx context.Context, ids []string, of func(ec2.RouteTable, ec2.RouteAssociation) string) (out []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, id := range ids {
			t, i, err := held(tx, id)
			if err != nil {
				return err // the handler says so
			}
			if found := of(t, t.Associations[i]); found != "" {
				out = append(out, found)
			}
		}
		return nil
	})
	return out
}

// DisassociateRouteTable lets a subnet have the main table again.
func (a *API) DisassociateRouteTable(ctx context.Context, in *sdk.DisassociateRouteTableInput) (*sdk.DisassociateRouteTableOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DisassociateRouteTableOutput, error) {
		t, i, err := held(tx, aws.ToString(in.AssociationId))
		if err != nil {
			return nil, err
		}
		if t.Associations[i].Main {
			return nil, awserr.New("InvalidParameterValue", "cannot disassociate the main route table association %s", t.Associations[i].ID)
		}
		t.Associations = slices.Delete(t.Associations, i, i+1)
		return &sdk.DisassociateRouteTableOutput{}, ec2.RouteTables.Put(tx, t.ID, t)
	})
}

// ReplaceRouteTableAssociation gives a subnet, or the VPC when it is the main association, another table.
func (a *API) ReplaceRouteTableAssociation(ctx context.Context, in *sdk.ReplaceRouteTableAssociationInput) (*sdk.ReplaceRouteTableAssociationOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	id := ec2.NewID("rtbassoc")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ReplaceRouteTableAssociationOutput, error) {
		from, i, err := held(tx, aws.ToString(in.AssociationId))
		if err != nil {
			return nil, err
		}
		to, err := request.Get(tx, ec2.RouteTables, request.RouteTable, aws.ToString(in.RouteTableId))
		if err != nil {
			return nil, err
		}
		if to.VpcID != from.VpcID {
			return nil, awserr.New("InvalidParameterValue", "route table %s and association %s belong to different networks", to.ID, from.Associations[i].ID)
		}
		moved := from.Associations[i]
		moved.ID = id
		from.Associations = slices.Delete(from.Associations, i, i+1)
		if to.ID == from.ID {
			to = from
		} else if err := ec2.RouteTables.Put(tx, from.ID, from); err != nil {
			return nil, err
		}
		to.Associations = append(to.Associations, moved)
		return &sdk.ReplaceRouteTableAssociationOutput{NewAssociationId: &id, AssociationState: associated()}, ec2.RouteTables.Put(tx, to.ID, to)
	})
}
