package zones

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

// shape is a zone in an answer.
func shape(z record.Zone) *types.HostedZone {
	return &types.HostedZone{
		Id: new(scope.ZonePath + z.ID), Name: &z.Name, CallerReference: &z.Reference, ResourceRecordSetCount: &z.Count,
		Config: &types.HostedZoneConfig{Comment: z.Comment, PrivateZone: z.Private}, LinkedService: scope.Linked(z.Owner),
	}
}

// delegation is the name servers of a public zone; nil of a private one.
func delegation(z record.Zone) *types.DelegationSet {
	if z.Private {
		return nil
	}
	var names []string
	for _, n := range z.NameServers {
		names = append(names, strings.TrimSuffix(n, "."))
	}
	return &types.DelegationSet{NameServers: names}
}

func vpcShape(v record.VPC) *types.VPC {
	return &types.VPC{VPCId: &v.ID, VPCRegion: types.VPCRegion(v.Region)}
}

// GetHostedZone shows a zone.
func (a API) GetHostedZone(ctx context.Context, in *route53.GetHostedZoneInput) (*route53.GetHostedZoneOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHostedZoneOutput, error) {
		z, err := scope.Zone(tx, in.Id)
		if err != nil {
			return nil, err
		}
		out := &route53.GetHostedZoneOutput{HostedZone: shape(z), DelegationSet: delegation(z)}
		for _, v := range z.VPCs {
			out.VPCs = append(out.VPCs, *vpcShape(v))
		}
		return out, nil
	})
}

// ListHostedZones lists zones in the order of their ids.
func (a API) ListHostedZones(ctx context.Context, in *route53.ListHostedZonesInput) (*route53.ListHostedZonesOutput, error) {
	size, err := scope.Size(in.MaxItems, scope.PageSize)
	if err != nil {
		return nil, err
	}
	begin := scope.Bare(in.Marker, scope.ZonePath)
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListHostedZonesOutput, error) {
		out := &route53.ListHostedZonesOutput{HostedZones: []types.HostedZone{}, Marker: in.Marker, MaxItems: new(int32(size))}
		if begin != "" {
			if _, err := handler.Get(tx, record.Zones, begin, record.NoZone); err != nil {
				return nil, err
			}
		}
		for z, err := range record.Zones.Peek(tx, "") {
			switch {
			case err != nil:
				return nil, err
			case z.ID < begin || in.HostedZoneType == types.HostedZoneTypePrivateHostedZone && !z.Private:
				continue
			case len(out.HostedZones) == size:
				out.IsTruncated, out.NextMarker = true, new(z.ID)
				return out, nil
			}
			out.HostedZones = append(out.HostedZones, *shape(*z))
		}
		return out, nil
	})
}

// ListHostedZonesByName lists zones in the order of their names with labels turned round, and those of one name in that of their
// ids.
func (a API) ListHostedZonesByName(ctx context.Context, in *route53.ListHostedZonesByNameInput) (*route53.ListHostedZonesByNameOutput, error) {
	size, err := scope.Size(in.MaxItems, scope.PageSize)
	if err != nil {
		return nil, err
	}
	begin := ""
	switch id := scope.Bare(in.HostedZoneId, scope.ZonePath); {
	case in.DNSName != nil:
		name, err := record.Name(*in.DNSName)
		if err != nil {
			return nil, &types.InvalidDomainName{Message: new("The specified domain name is not valid: " + err.Error())}
		}
		begin = order(name, id)
	case id != "":
		return nil, record.InvalidInput("If you specify hostedzoneid, you must also specify dnsname.")
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListHostedZonesByNameOutput, error) {
		all, err := store.Collect(record.Zones.Peek(tx, ""))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(all, func(a, b *record.Zone) int { return strings.Compare(order(a.Name, a.ID), order(b.Name, b.ID)) })
		out := &route53.ListHostedZonesByNameOutput{HostedZones: []types.HostedZone{}, DNSName: in.DNSName, HostedZoneId: in.HostedZoneId, MaxItems: new(int32(size))}
		for _, z := range all {
			switch {
			case order(z.Name, z.ID) < begin:
				continue
			case len(out.HostedZones) == size:
				out.IsTruncated, out.NextDNSName, out.NextHostedZoneId = true, new(z.Name), new(z.ID)
				return out, nil
			}
			out.HostedZones = append(out.HostedZones, *shape(*z))
		}
		return out, nil
	})
}

// order is what zones are listed by.
func order(name, id string) string { return record.Turned(name) + " " + id }

// byVPC is how lists of a VPC's zones are cut.
var byVPC = handler.Pages{
	Default: scope.PageSize, Most: scope.PageSize,
	BadToken: func(string) error {
		return &types.InvalidPaginationToken{Message: new("The value that you specified for the next token is not one that was returned.")}
	},
}

// ListHostedZonesByVPC lists the private zones that a VPC asks.
func (a API) ListHostedZonesByVPC(ctx context.Context, in *route53.ListHostedZonesByVPCInput) (*route53.ListHostedZonesByVPCOutput, error) {
	if _, err := a.vpc(ctx, &types.VPC{VPCId: in.VPCId, VPCRegion: in.VPCRegion}); err != nil {
		return nil, err
	}
	size, err := scope.Size(in.MaxItems, scope.PageSize)
	if err != nil {
		return nil, err
	}
	page, err := byVPC.Open(new(int32(size)), in.NextToken, *in.VPCId)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListHostedZonesByVPCOutput, error) {
		all, err := record.Zones.By(tx, record.ByVPC, *in.VPCId)
		if err != nil {
			return nil, err
		}
		part, next := handler.Cut(page, all, func(z record.Zone) string { return z.ID })
		out := &route53.ListHostedZonesByVPCOutput{HostedZoneSummaries: []types.HostedZoneSummary{}, MaxItems: new(int32(size)), NextToken: next}
		for _, z := range part {
			owner := &types.HostedZoneOwner{OwningAccount: &a.NS.Account}
			if z.Owner != nil {
				owner = &types.HostedZoneOwner{OwningService: &z.Owner.Principal}
			}
			out.HostedZoneSummaries = append(out.HostedZoneSummaries, types.HostedZoneSummary{HostedZoneId: &z.ID, Name: &z.Name, Owner: owner})
		}
		return out, nil
	})
}

// GetHostedZoneCount counts zones.
func (a API) GetHostedZoneCount(ctx context.Context, _ *route53.GetHostedZoneCountInput) (*route53.GetHostedZoneCountOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHostedZoneCountOutput, error) {
		n, err := scope.Count(tx, record.Zones)
		return &route53.GetHostedZoneCountOutput{HostedZoneCount: &n}, err
	})
}

// GetHostedZoneLimit says how much of a zone's limit is used.
func (a API) GetHostedZoneLimit(ctx context.Context, in *route53.GetHostedZoneLimitInput) (*route53.GetHostedZoneLimitOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetHostedZoneLimitOutput, error) {
		z, err := scope.Zone(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		limit, used := int64(scope.MaxSets), z.Count
		if in.Type == types.HostedZoneLimitTypeMaxVpcsAssociatedByZone {
			if !z.Private {
				return nil, &types.HostedZoneNotPrivate{Message: new("The specified hosted zone is a public hosted zone, not a private hosted zone.")}
			}
			limit, used = scope.MaxVPCs, int64(len(z.VPCs))
		}
		return &route53.GetHostedZoneLimitOutput{Count: used, Limit: &types.HostedZoneLimit{Type: in.Type, Value: &limit}}, nil
	})
}

// GetAccountLimit says how much of the account's limit is used.
func (a API) GetAccountLimit(ctx context.Context, in *route53.GetAccountLimitInput) (*route53.GetAccountLimitOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetAccountLimitOutput, error) {
		out := &route53.GetAccountLimitOutput{Limit: &types.AccountLimit{Type: in.Type}}
		switch in.Type {
		case types.AccountLimitTypeMaxHostedZonesByOwner:
			n, err := scope.Count(tx, record.Zones)
			out.Count, out.Limit.Value = n, new(int64(scope.MaxZones))
			return out, err
		case types.AccountLimitTypeMaxHealthChecksByOwner:
			n, err := scope.Count(tx, record.Checks)
			out.Count, out.Limit.Value = n, new(int64(scope.MaxChecks))
			return out, err
		}
		return nil, record.Unsupported("Type", "there are no traffic policies and no reusable delegation sets")
	})
}

// GetDNSSEC says that a zone isn't signed.
func (a API) GetDNSSEC(ctx context.Context, in *route53.GetDNSSECInput) (*route53.GetDNSSECOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetDNSSECOutput, error) {
		z, err := scope.Zone(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		if z.Private {
			return nil, &types.InvalidArgument{Message: new("Operation is unsupported for private hosted zones.")}
		}
		return &route53.GetDNSSECOutput{Status: &types.DNSSECStatus{ServeSignature: new("NOT_SIGNING")}, KeySigningKeys: []types.KeySigningKey{}}, nil
	})
}
