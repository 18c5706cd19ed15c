package endpoints

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

func newEndpointFaults(in *sdk.CreateVpcEndpointInput) (f awserr.Faults) {
	if request.Given(in.ServiceName) == nil {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter serviceName"))
	}
	switch in.VpcEndpointType {
	case "", ec2.GatewayEndpoint:
	default:
		f.Add(awserr.New("UnsupportedOperation", "The value '%s' of the parameter vpcEndpointType is not supported by Skylift: only '%s' is.", in.VpcEndpointType, ec2.GatewayEndpoint))
	}
	f.Add(request.TagSpecFaults(request.Endpoint.Type, in.TagSpecifications)...)
	return f
}

// CreateVpcEndpoint makes a gateway endpoint, with a route in each of the tables that it names.
func (a *API) CreateVpcEndpoint(ctx context.Context, in *sdk.CreateVpcEndpointInput) (*sdk.CreateVpcEndpointOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newEndpointFaults(in).First(); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	e := ec2.Endpoint{ID: ec2.NewID("vpce"), VpcID: aws.ToString(in.VpcId), Service: *in.ServiceName, Type: ec2.GatewayEndpoint, Created: time.Now().UTC(), Token: token}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateVpcEndpointOutput, error) {
		out := &sdk.CreateVpcEndpointOutput{ClientToken: in.ClientToken}
		had, there, err := request.Again(tx, ec2.Endpoints, token, func(e *ec2.Endpoint) ec2.Token { return e.Token })
		if err != nil || there {
			out.VpcEndpoint = new(a.shape(had, nil))
			return out, err
		}
		if _, err := request.Get(tx, ec2.Vpcs, request.Vpc, e.VpcID); err != nil {
			return nil, err
		}
		made := e
		for _, table := range in.RouteTableIds {
			if err := lead(tx, &made, table); err != nil {
				return nil, err
			}
		}
		if len(in.RouteTableIds) == 0 {
			if _, err := listOf(tx, made.Service); err != nil {
				return nil, err
			}
		}
		tags, err := request.Tagged(tx, made.ID, request.Endpoint, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out.VpcEndpoint = new(a.shape(made, tags))
		out.VpcEndpoint.State = "pending"
		return out, ec2.Endpoints.Put(tx, made.ID, made)
	})
}

// listOf returns the prefix list of a service that gateway endpoints lead to.
func listOf(tx store.Tx, service string) (ec2.PrefixList, error) {
	all, err := ec2.PrefixLists.List(tx, "")
	if err != nil {
		return ec2.PrefixList{}, err
	}
	i := slices.IndexFunc(all, func(l ec2.PrefixList) bool { return l.AWS && l.Name == service })
	if i < 0 {
		return ec2.PrefixList{}, awserr.New("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", service)
	}
	return all[i], nil
}

// lead gives a table the route to e, and e the table.
func lead(tx store.Tx, e *ec2.Endpoint, table string) error {
	l, err := listOf(tx, e.Service)
	if err != nil {
		return err
	}
	t, err := request.Get(tx, ec2.RouteTables, request.RouteTable, table)
	if err != nil {
		return err
	}
	if t.VpcID != e.VpcID {
		return awserr.New("InvalidParameter", "Route table %s does not belong to the VPC %s of the endpoint", t.ID, e.VpcID)
	}
	if slices.ContainsFunc(t.Routes, func(r ec2.Route) bool { return r.PrefixList == l.ID }) {
		return awserr.New("RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s", t.ID, l.ID)
	}
	t.Routes = append(t.Routes, ec2.Route{PrefixList: l.ID, Target: e.ID, Origin: "CreateRoute"})
	e.RouteTables = append(e.RouteTables, t.ID)
	return ec2.RouteTables.Put(tx, t.ID, t)
}

// unlead takes the route to e from a table.
func unlead(tx store.Tx, e *ec2.Endpoint, table string) error {
	i := slices.Index(e.RouteTables, table)
	if i < 0 {
		return awserr.New("InvalidRouteTableId.NotFound", "Route table %s is not associated with the endpoint %s", table, e.ID)
	}
	t, err := ec2.RouteTables.Get(tx, table)
	if err != nil {
		return err
	}
	t.Routes = slices.DeleteFunc(t.Routes, func(r ec2.Route) bool { return r.Target == e.ID })
	e.RouteTables = slices.Delete(e.RouteTables, i, i+1)
	return ec2.RouteTables.Put(tx, t.ID, t)
}

// ModifyVpcEndpoint changes in which tables routes lead to an endpoint. Its policy is the one that allows everything, so
// there is nothing to reset.
func (a *API) ModifyVpcEndpoint(ctx context.Context, in *sdk.ModifyVpcEndpointInput) (*sdk.ModifyVpcEndpointOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ModifyVpcEndpointOutput, error) {
		e, err := request.Get(tx, ec2.Endpoints, request.Endpoint, aws.ToString(in.VpcEndpointId))
		if err != nil {
			return nil, err
		}
		for _, table := range in.RemoveRouteTableIds {
			if err := unlead(tx, &e, table); err != nil {
				return nil, err
			}
		}
		for _, table := range in.AddRouteTableIds {
			if err := lead(tx, &e, table); err != nil {
				return nil, err
			}
		}
		return &sdk.ModifyVpcEndpointOutput{Return: new(true)}, ec2.Endpoints.Put(tx, e.ID, e)
	})
}

// DeleteVpcEndpoints deletes endpoints with their routes: those that it can. The answer names the others.
func (a *API) DeleteVpcEndpoints(ctx context.Context, in *sdk.DeleteVpcEndpointsInput) (*sdk.DeleteVpcEndpointsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteVpcEndpointsOutput, error) {
		out := &sdk.DeleteVpcEndpointsOutput{Unsuccessful: []types.UnsuccessfulItem{}}
		for _, id := range in.VpcEndpointIds {
			err := remove(tx, id)
			if e, ok := errors.AsType[smithy.APIError](err); ok {
				out.Unsuccessful = append(out.Unsuccessful, types.UnsuccessfulItem{
					ResourceId: &id, Error: &types.UnsuccessfulItemError{Code: new(e.ErrorCode()), Message: new(e.ErrorMessage())},
				})
			} else if err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func remove(tx store.Tx, id string) error {
	e, err := request.Get(tx, ec2.Endpoints, request.Endpoint, id)
	if err != nil {
		return err
	}
	for _, table := range slices.Clone(e.RouteTables) {
		if err := unlead(tx, &e, table); err != nil {
			return err
		}
	}
	if err := request.DropTags(tx, e.ID); err != nil {
		return err
	}
	return ec2.Endpoints.Delete(tx, e.ID)
}
