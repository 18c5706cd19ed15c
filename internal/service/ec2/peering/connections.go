package peering

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// How long a connection waits for the accepter, and how long one that came to an end is shown
// (https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle).
const (
	waitsFor = 7 * 24 * time.Hour
	shownFor = 2 * time.Hour
)

func (a *API) newPeeringFaults(in *sdk.CreateVpcPeeringConnectionInput) (f awserr.Faults) {
	if request.Given(in.PeerVpcId) == nil {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter peerVpcId"))
	}
	if o := aws.ToString(in.PeerOwnerId); o != "" && o != a.ns.Account {
		f.Add(awserr.New("UnsupportedOperation", "The value '%s' of the parameter peerOwnerId is not supported by Skylift: VPCs of the account %s alone can be peered.", o, a.ns.Account))
	}
	if r := aws.ToString(in.PeerRegion); r != "" && r != a.ns.Region {
		f.Add(awserr.New("UnsupportedOperation", "The value '%s' of the parameter peerRegion is not supported by Skylift: VPCs of the region %s alone can be peered.", r, a.ns.Region))
	}
	f.Add(request.TagSpecFaults(request.Peering.Type, in.TagSpecifications)...)
	return f
}

// CreateVpcPeeringConnection asks for a connection of two VPCs, which then waits for AcceptVpcPeeringConnection.
func (a *API) CreateVpcPeeringConnection(ctx context.Context, in *sdk.CreateVpcPeeringConnectionInput) (*sdk.CreateVpcPeeringConnectionOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := a.newPeeringFaults(in).First(); err != nil {
		return nil, err
	}
	p := ec2.Peering{ID: ec2.NewID("pcx"), State: ec2.PeeringPending, Created: time.Now().UTC()}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateVpcPeeringConnectionOutput, error) {
		if err := prune(tx, p.Created); err != nil {
			return nil, err
		}
		requester, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		accepter, err := request.Get(tx, ec2.Vpcs, request.Vpc, *in.PeerVpcId)
		if err != nil {
			return nil, err
		}
		if requester.ID == accepter.ID {
			return nil, awserr.New("InvalidParameterValue", "Cannot create a VPC peering connection between %s and itself", requester.ID)
		}
		all, err := ec2.Peerings.List(tx, "")
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o ec2.Peering) bool {
			return o.Other(requester.ID) == accepter.ID && (o.State == ec2.PeeringActive || o.State == ec2.PeeringPending)
		}) {
			return nil, awserr.New("VpcPeeringConnectionAlreadyExists", "A VPC peering connection between %s and %s already exists", requester.ID, accepter.ID)
		}
		made := p
		made.Requester, made.Accepter = requester.ID, accepter.ID
		made.RequesterCIDRs, made.AccepterCIDRs = requester.CIDRs(), accepter.CIDRs()
		tags, err := request.Tagged(tx, made.ID, request.Peering, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		return &sdk.CreateVpcPeeringConnectionOutput{VpcPeeringConnection: new(a.shape(view{made, ec2.Ways{}}, tags))}, ec2.Peerings.Put(tx, made.ID, made)
	})
}

// over tells whether p is not there any more: it waited too long, or has been at an end for long enough.
func over(p ec2.Peering, now time.Time) bool {
	switch p.State {
	case ec2.PeeringActive:
		return false
	case ec2.PeeringPending:
		return now.Sub(p.Created) > waitsFor
	}
	return now.Sub(p.Ended) > shownFor
}

// prune forgets the connections that are not there any more.
func prune(tx store.Tx, now time.Time) error {
	all, err := ec2.Peerings.List(tx, "")
	if err != nil {
		return err
	}
	for _, p := range all {
		if !over(p, now) {
			continue
		}
		if err := request.DropTags(tx, p.ID); err != nil {
			return err
		}
		if err := ec2.Peerings.Delete(tx, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// change brings a connection from one of the states that a call is for into another.
func (a *API) change(ctx context.Context, id *string, to string, from ...string) (out types.VpcPeeringConnection, err error) {
	now := time.Now().UTC()
	err = a.db.Update(ctx, func(tx store.Tx) error {
		if err := prune(tx, now); err != nil {
			return err
		}
		p, err := request.Get(tx, ec2.Peerings, request.Peering, aws.ToString(id))
		if err != nil {
			return err
		}
		if !slices.Contains(from, p.State) {
			return awserr.New("InvalidStateTransition", "VpcPeeringConnectionID %s is not in the correct state for the request: it is %s.", p.ID, p.State)
		}
		for _, end := range []string{p.Requester, p.Accepter} {
			if _, err := request.Get(tx, ec2.Vpcs, request.Vpc, end); err != nil && to == ec2.PeeringActive {
				return err
			}
		}
		p.State = to
		if to != ec2.PeeringActive {
			p.Ended = now
			if err := request.DropTags(tx, p.ID); err != nil {
				return err
			}
		}
		out = a.shape(view{p, ec2.Ways{}}, nil)
		return ec2.Peerings.Put(tx, p.ID, p)
	})
	return out, err
}

// AcceptVpcPeeringConnection lets routes lead through a connection.
func (a *API) AcceptVpcPeeringConnection(ctx context.Context, in *sdk.AcceptVpcPeeringConnectionInput) (*sdk.AcceptVpcPeeringConnectionOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	p, err := a.change(ctx, in.VpcPeeringConnectionId, ec2.PeeringActive, ec2.PeeringPending)
	if err != nil {
		return nil, err
	}
	return &sdk.AcceptVpcPeeringConnectionOutput{VpcPeeringConnection: &p}, nil
}

// RejectVpcPeeringConnection refuses a connection that was asked for.
func (a *API) RejectVpcPeeringConnection(ctx context.Context, in *sdk.RejectVpcPeeringConnectionInput) (*sdk.RejectVpcPeeringConnectionOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if _, err := a.change(ctx, in.VpcPeeringConnectionId, ec2.PeeringRejected, ec2.PeeringPending); err != nil {
		return nil, err
	}
	return &sdk.RejectVpcPeeringConnectionOutput{Return: new(true)}, nil
}

// DeleteVpcPeeringConnection ends a connection. Routes through it become blackholes.
func (a *API) DeleteVpcPeeringConnection(ctx context.Context, in *sdk.DeleteVpcPeeringConnectionInput) (*sdk.DeleteVpcPeeringConnectionOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if _, err := a.change(ctx, in.VpcPeeringConnectionId, ec2.PeeringDeleted, ec2.PeeringPending, ec2.PeeringActive); err != nil {
		return nil, err
	}
	return &sdk.DeleteVpcPeeringConnectionOutput{Return: new(true)}, nil
}

// acceptersOf returns the VPCs that these connections ask.
func (a *API) acceptersOf(ctx context.Context, ids []string) (out []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error {
		out = nil
		for _, id := range ids {
			p, err := ec2.Peerings.Get(tx, id)
			if err != nil {
				return err // the handler says so
			}
			out = append(out, p.Accepter)
		}
		return nil
	})
	return out
}

// DescribeVpcPeeringConnections lists connections, also those that came to an end a while ago.
func (a *API) DescribeVpcPeeringConnections(ctx context.Context, in *sdk.DescribeVpcPeeringConnectionsInput) (*sdk.DescribeVpcPeeringConnectionsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	now := time.Now()
	q := list.Question{IDs: in.VpcPeeringConnectionIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeVpcPeeringConnectionsOutput, error) {
		ways, err := ec2.ReadWays(tx)
		if err != nil {
			return nil, err
		}
		peerings, err := ec2.Peerings.List(tx, "")
		if err != nil {
			return nil, err
		}
		var all []view
		for _, p := range peerings {
			if !over(p, now) {
				all = append(all, view{p, ways})
			}
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		chosen, next, err := a.listing().Answer(all, q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeVpcPeeringConnectionsOutput{VpcPeeringConnections: []types.VpcPeeringConnection{}, NextToken: next}
		for _, v := range chosen {
			out.VpcPeeringConnections = append(out.VpcPeeringConnections, a.shape(v, request.TagType.To(tags[v.ID].Tags)))
		}
		return out, nil
	})
}
