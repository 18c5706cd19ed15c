// Package zones makes, shows and deletes hosted zones.
package zones

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

const (
	onZone = "hostedzone: Id"
	vpcKey = "route53:VPCs"
)

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AssociateVPCWithHostedZone", a.AssociateVPCWithHostedZone).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id VPC{*} Comment").
			KeyFound(vpcKey, func(_ context.Context, in *route53.AssociateVPCWithHostedZoneInput) []string { return keyOf(in.VPC) }),
		wire.Op("CreateHostedZone", a.CreateHostedZone).Takes("Name CallerReference VPC{*} HostedZoneConfig{*}").
			KeyFound(vpcKey, func(_ context.Context, in *route53.CreateHostedZoneInput) []string { return keyOf(in.VPC) }),
		wire.Op("DeleteHostedZone", a.DeleteHostedZone).OnFound(onZone, scope.ZoneIDs).Takes("Id"),
		wire.Op("DisassociateVPCFromHostedZone", a.DisassociateVPCFromHostedZone).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id VPC{*} Comment").
			KeyFound(vpcKey, func(_ context.Context, in *route53.DisassociateVPCFromHostedZoneInput) []string { return keyOf(in.VPC) }),
		wire.Op("GetAccountLimit", a.GetAccountLimit).Takes("Type"),
		wire.Op("GetDNSSEC", a.GetDNSSEC).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id"),
		wire.Op("GetHostedZone", a.GetHostedZone).OnFound(onZone, scope.ZoneIDs).Takes("Id"),
		wire.Op("GetHostedZoneCount", a.GetHostedZoneCount).Takes(""),
		wire.Op("GetHostedZoneLimit", a.GetHostedZoneLimit).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id Type"),
		wire.Op("ListHostedZones", a.ListHostedZones).Takes("marker maxitems hostedzonetype"),
		wire.Op("ListHostedZonesByName", a.ListHostedZonesByName).Takes("dnsname hostedzoneid maxitems"),
		wire.Op("ListHostedZonesByVPC", a.ListHostedZonesByVPC).Takes("vpcid vpcregion maxitems nexttoken").
			KeyFound(vpcKey, func(_ context.Context, in *route53.ListHostedZonesByVPCInput) []string {
				return keyOf(&types.VPC{VPCId: in.VPCId, VPCRegion: in.VPCRegion})
			}),
		wire.Op("UpdateHostedZoneComment", a.UpdateHostedZoneComment).OnFound(onZone, scope.ZoneIDs).Takes("Id Comment"),
	}
}

// keyOf is how policies name a VPC
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html).
func keyOf(v *types.VPC) []string {
	if v == nil || v.VPCId == nil {
		return nil
	}
	return []string{"VPCId=" + *v.VPCId + ",VPCRegion=" + string(v.VPCRegion)}
}

// CreateHostedZone makes a zone with its SOA record and its NS records.
func (a API) CreateHostedZone(ctx context.Context, in *route53.CreateHostedZoneInput) (*route53.CreateHostedZoneOutput, error) {
	z, err := a.read(ctx, in)
	if err != nil {
		return nil, err
	}
	c := scope.NewChange(z.ID, nil)
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		if err := Room(tx, z); err != nil {
			return err
		}
		return Put(tx, z, c)
	})
	if err != nil {
		return nil, err
	}
	out := &route53.CreateHostedZoneOutput{
		HostedZone: shape(z), ChangeInfo: scope.Info(c, types.ChangeStatusPending), DelegationSet: delegation(z),
		Location: new("https://route53.amazonaws.com/2013-04-01/hostedzone/" + z.ID),
	}
	if z.Private {
		out.VPC = vpcShape(z.VPCs[0])
	}
	return out, nil
}

// read makes a record of what is asked for, or refuses it.
func (a API) read(ctx context.Context, in *route53.CreateHostedZoneInput) (z record.Zone, err error) {
	z = record.Zone{ID: scope.NewID("Z"), Reference: *in.CallerReference, Created: time.Now().UTC(), Count: 2}
	if z.Name, err = record.Name(*in.Name); err != nil {
		return z, &types.InvalidDomainName{Message: new(fmt.Sprintf("'%s' is not a valid domain name: %s", *in.Name, err))}
	}
	if c := in.HostedZoneConfig; c != nil {
		z.Comment, z.Private = c.Comment, c.PrivateZone
	}
	switch {
	case in.VPC != nil:
		v, err := a.vpc(ctx, in.VPC)
		if err != nil {
			return z, err
		}
		z.Private, z.VPCs = true, []record.VPC{v}
	case z.Private:
		return z, record.InvalidInput("When you're creating a private hosted zone, you must specify a VPC.")
	}
	z.NameServers = a.Servers(z.Private)
	return z, nil
}

// vpc returns the VPC that a request names, which must be there.
func (a API) vpc(ctx context.Context, v *types.VPC) (record.VPC, error) {
	switch {
	case v.VPCId == nil || v.VPCRegion == "":
		return record.VPC{}, record.InvalidInput("A VPC is named by both its ID and its region.")
	case string(v.VPCRegion) != a.NS.Region || a.Network.CheckVPC(ctx, *v.VPCId) != nil:
		return record.VPC{}, &types.InvalidVPCId{Message: new("The VPC ID is invalid.")}
	}
	return record.VPC{Region: string(v.VPCRegion), ID: *v.VPCId}, nil
}

// Room fails when a zone can't be made beside those that there are.
func Room(tx store.Tx, z record.Zone) error {
	for range record.Zones.Keys(tx, record.ByReference, record.ReferenceKey(z.Reference), "") {
		return &types.HostedZoneAlreadyExists{Message: new("A hosted zone has already been created with the specified caller reference.")}
	}
	n, err := scope.Count(tx, record.Zones)
	switch {
	case err != nil:
		return err
	case n >= scope.MaxZones:
		return &types.TooManyHostedZones{Message: new(fmt.Sprintf("This account has the most hosted zones that it can have: %d.", scope.MaxZones))}
	case z.Private:
		return free(tx, z.VPCs[0], z.Name)
	}
	return nil
}

// free fails when a VPC has a private zone of that name.
func free(tx store.Tx, v record.VPC, name string) error {
	has, err := record.Zones.By(tx, record.ByVPC, v.ID)
	for _, z := range has {
		if z.Name == name {
			return &types.ConflictingDomainExists{Message: new(fmt.Sprintf(
				"The VPC %s in region %s has already been associated with the hosted zone %s with the same domain name.", v.ID, v.Region, z.ID))}
		}
	}
	return err
}

// Put writes a new zone and the records that each zone has.
func Put(tx store.Tx, z record.Zone, c record.Change) error {
	ns := record.Set{Zone: z.ID, Name: z.Name, Type: "NS", TTL: 172800, Values: z.NameServers}
	soa := record.Set{Zone: z.ID, Name: z.Name, Type: "SOA", TTL: 900, Values: []string{z.NameServers[0] + " awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}}
	for _, s := range []record.Set{ns, soa} {
		if err := record.Sets.Put(tx, s.Key(), s); err != nil {
			return err
		}
	}
	return scope.Commit(tx, z, c)
}

// DeleteHostedZone deletes a zone that has no records but those that each zone has.
func (a API) DeleteHostedZone(ctx context.Context, in *route53.DeleteHostedZoneInput) (*route53.DeleteHostedZoneOutput, error) {
	c := scope.NewChange(scope.Bare(in.Id, scope.ZonePath), nil)
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.DeleteHostedZoneOutput, error) {
		z, err := scope.Free(tx, in.Id)
		if err != nil {
			return nil, err
		}
		return &route53.DeleteHostedZoneOutput{ChangeInfo: scope.Info(c, types.ChangeStatusPending)}, Delete(tx, z, c)
	})
}

// Delete removes a zone that has no records but those that each zone has.
func Delete(tx store.Tx, z record.Zone, c record.Change) error {
	if z.Count > 2 {
		return &types.HostedZoneNotEmpty{Message: new("The specified hosted zone contains non-required resource record sets and so cannot be deleted.")}
	}
	var keys []string
	for s, err := range record.Sets.Peek(tx, z.ID+"/") {
		if err != nil {
			return err
		}
		keys = append(keys, s.Key())
	}
	for _, k := range keys {
		if err := record.Sets.Delete(tx, k); err != nil {
			return err
		}
	}
	if err := record.Changes.Put(tx, c.ID, c); err != nil {
		return err
	}
	return record.Zones.Delete(tx, z.ID)
}

// UpdateHostedZoneComment changes, or removes, a zone's comment.
func (a API) UpdateHostedZoneComment(ctx context.Context, in *route53.UpdateHostedZoneCommentInput) (*route53.UpdateHostedZoneCommentOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.UpdateHostedZoneCommentOutput, error) {
		z, err := scope.Zone(tx, in.Id)
		if err != nil {
			return nil, err
		}
		z.Comment = in.Comment
		return &route53.UpdateHostedZoneCommentOutput{HostedZone: shape(z)}, record.Zones.Put(tx, z.ID, z)
	})
}

// AssociateVPCWithHostedZone has one more VPC ask a private zone.
func (a API) AssociateVPCWithHostedZone(ctx context.Context, in *route53.AssociateVPCWithHostedZoneInput) (*route53.AssociateVPCWithHostedZoneOutput, error) {
	v, err := a.vpc(ctx, in.VPC)
	if err != nil {
		return nil, err
	}
	c := scope.NewChange(scope.Bare(in.HostedZoneId, scope.ZonePath), in.Comment)
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.AssociateVPCWithHostedZoneOutput, error) {
		z, err := a.private(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		if err := free(tx, v, z.Name); err != nil {
			return nil, err
		}
		if len(z.VPCs) >= scope.MaxVPCs {
			return nil, &types.LimitsExceeded{Message: new(fmt.Sprintf("A hosted zone can be associated with at most %d VPCs.", scope.MaxVPCs))}
		}
		z.VPCs = append(z.VPCs, v)
		return &route53.AssociateVPCWithHostedZoneOutput{ChangeInfo: scope.Info(c, types.ChangeStatusPending)}, scope.Commit(tx, z, c)
	})
}

// DisassociateVPCFromHostedZone has a VPC no longer ask a private zone, unless it is the last.
func (a API) DisassociateVPCFromHostedZone(ctx context.Context, in *route53.DisassociateVPCFromHostedZoneInput) (*route53.DisassociateVPCFromHostedZoneOutput, error) {
	c := scope.NewChange(scope.Bare(in.HostedZoneId, scope.ZonePath), in.Comment)
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*route53.DisassociateVPCFromHostedZoneOutput, error) {
		z, err := a.private(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(z.VPCs, func(v record.VPC) bool {
			return in.VPC.VPCId != nil && v.ID == *in.VPC.VPCId && (in.VPC.VPCRegion == "" || v.Region == string(in.VPC.VPCRegion))
		})
		switch {
		case at < 0:
			return nil, &types.VPCAssociationNotFound{Message: new("The specified VPC and hosted zone are not currently associated.")}
		case len(z.VPCs) == 1:
			return nil, &types.LastVPCAssociation{Message: new("The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is associated with the hosted zone.")}
		}
		z.VPCs = slices.Delete(z.VPCs, at, at+1)
		return &route53.DisassociateVPCFromHostedZoneOutput{ChangeInfo: scope.Info(c, types.ChangeStatusPending)}, scope.Commit(tx, z, c)
	})
}

// private returns a private zone.
func (a API) private(tx store.Tx, id *string) (record.Zone, error) {
	z, err := scope.Free(tx, id)
	if err == nil && !z.Private {
		err = &types.PublicZoneVPCAssociation{Message: new("Route 53 doesn't support associating a VPC with a public hosted zone.")}
	}
	return z, err
}
