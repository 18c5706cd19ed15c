// Package sets changes and shows resource record sets.
//
// A batch of changes is made whole or not at all, and whoever sends a wrong one is told all that is wrong with it.
package sets

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API has the handlers.
type API struct{ *scope.Scope }

const taken = "ChangeBatch{Comment Changes{Action ResourceRecordSet{Name Type SetIdentifier Weight Region GeoLocation{*} Failover MultiValueAnswer TTL ResourceRecords{*} AliasTarget{*} HealthCheckId}}}"

// Operations lists what the API answers.
func (a API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ChangeResourceRecordSets", a.ChangeResourceRecordSets).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id", taken).
			KeyFound("route53:ChangeResourceRecordSetsActions", said(func(c types.Change) string { return string(c.Action) })).
			KeyFound("route53:ChangeResourceRecordSetsRecordTypes", said(func(c types.Change) string { return string(c.ResourceRecordSet.Type) })).
			KeyFound("route53:ChangeResourceRecordSetsNormalizedRecordNames", said(normalized)).
			Checks(func(in *route53.ChangeResourceRecordSetsInput) []error { return shapeFaults(in.ChangeBatch) }),
		wire.Op("GetChange", a.GetChange).OnFound("change: Id", scope.ChangeIDs).Takes("Id"),
		wire.Op("ListResourceRecordSets", a.ListResourceRecordSets).OnFound("hostedzone: Id", scope.ZoneIDs).Takes("Id name type identifier maxitems"),
		wire.Op("TestDNSAnswer", a.TestDNSAnswer).Takes("hostedzoneid recordname recordtype"),
	}
}

// said makes a condition key of what each change says.
func said(of func(types.Change) string) func(context.Context, *route53.ChangeResourceRecordSetsInput) []string {
	return func(_ context.Context, in *route53.ChangeResourceRecordSetsInput) (all []string) {
		for _, c := range in.ChangeBatch.Changes {
			if s := of(c); !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
		return all
	}
}

// normalized is the name that policies know a record by: in lower case, escaped, and without the dot at its end
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html). What is no name is as it is.
func normalized(c types.Change) string {
	name, err := record.Name(*c.ResourceRecordSet.Name)
	if err != nil {
		return *c.ResourceRecordSet.Name
	}
	return name[:len(name)-1]
}

// ChangeResourceRecordSets makes a batch of changes.
func (a API) ChangeResourceRecordSets(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	if err := shapeFaults(in.ChangeBatch).First(); err != nil {
		return nil, err
	}
	changes := read(in.ChangeBatch.Changes)
	c := scope.NewChange(scope.Bare(in.HostedZoneId, scope.ZonePath), in.ChangeBatch.Comment)
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		z, err := scope.Free(tx, in.HostedZoneId)
		if err != nil {
			return err
		}
		b := batch{tx: tx, zone: z, balancers: a.Balancers}
		if err := b.make(changes); err != nil {
			return err
		}
		return b.commit(c)
	})
	if err != nil {
		return nil, err
	}
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: scope.Info(c, types.ChangeStatusPending)}, nil
}

// shapeFaults is what is wrong with a batch, whatever there is.
func shapeFaults(b *types.ChangeBatch) (f awserr.Faults) {
	if b == nil {
		return nil
	}
	for i := range b.Changes {
		f.Add(shapeFault(&b.Changes[i]))
	}
	return f
}

func shapeFault(c *types.Change) error {
	s := c.ResourceRecordSet
	whole := s.TTL != nil && len(s.ResourceRecords) > 0
	switch part := s.TTL != nil || len(s.ResourceRecords) > 0; {
	case s.AliasTarget != nil && part:
		return wrongShape(c, "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one")
	case s.AliasTarget == nil && !whole:
		return wrongShape(c, "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none")
	}
	const policies = "Expected exactly one of [Weight, Region, Failover, GeoLocation, MultiValueAnswer, CidrRoutingConfig, or GeoProximityLocation], but found "
	switch n := policiesOf(s); {
	case n > 1:
		return wrongShape(c, policies+"more than one")
	case n == 1 && s.SetIdentifier == nil:
		return wrongShape(c, "Missing field 'SetIdentifier'")
	case n == 0 && s.SetIdentifier != nil:
		return wrongShape(c, policies+"none")
	}
	if g := s.GeoLocation; g != nil && (g.CountryCode == nil || *g.CountryCode != "*" || g.ContinentCode != nil || g.SubdivisionCode != nil) {
		return record.Unsupported("GeoLocation", "where addresses are isn't known, so only the default location is there (CountryCode *)")
	}
	return nil
}

// policiesOf counts the routing policies that a set names.
func policiesOf(s *types.ResourceRecordSet) (n int) {
	for _, is := range []bool{s.Weight != nil, s.Region != "", s.Failover != "", s.GeoLocation != nil, s.MultiValueAnswer != nil && *s.MultiValueAnswer} {
		if is {
			n++
		}
	}
	return n
}

func wrongShape(c *types.Change, what string) error {
	id := "null"
	if c.ResourceRecordSet.SetIdentifier != nil {
		id = *c.ResourceRecordSet.SetIdentifier
	}
	return record.InvalidInput("Invalid request: %s in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]",
		what, c.Action, *c.ResourceRecordSet.Name, c.ResourceRecordSet.Type, id)
}

// change is a change with the record that it is about.
type change struct {
	action types.ChangeAction
	set    record.Set
	said   string // its name as it was given
	fault  error  // of its name
}

// read makes changes of what is asked for, those that delete first.
func read(in []types.Change) (all []change) {
	for _, c := range in {
		s, err := setOf(c.ResourceRecordSet)
		all = append(all, change{c.Action, s, *c.ResourceRecordSet.Name, err})
	}
	slices.SortStableFunc(all, func(a, b change) int { return later(a) - later(b) })
	return all
}

func later(c change) int {
	if c.action == types.ChangeActionDelete {
		return 0
	}
	return 1
}

// setOf makes a record of a set, without its zone.
func setOf(in *types.ResourceRecordSet) (s record.Set, err error) {
	if s.Name, err = record.Name(*in.Name); err != nil {
		return s, err
	}
	s.Type, s.Weight, s.Region, s.Failover = string(in.Type), in.Weight, string(in.Region), string(in.Failover)
	if in.SetIdentifier != nil {
		s.ID = *in.SetIdentifier
	}
	if in.TTL != nil {
		s.TTL = *in.TTL
	}
	for _, r := range in.ResourceRecords {
		s.Values = append(s.Values, *r.Value)
	}
	if t := in.AliasTarget; t != nil {
		name, err := record.Name(*t.DNSName)
		if err != nil {
			return s, err
		}
		s.Alias = &record.Alias{Zone: scope.Bare(t.HostedZoneId, scope.ZonePath), Name: name, Evaluate: t.EvaluateTargetHealth}
	}
	if in.GeoLocation != nil {
		s.Geo = &record.Geo{Country: *in.GeoLocation.CountryCode}
	}
	s.Multi = in.MultiValueAnswer != nil && *in.MultiValueAnswer
	if in.HealthCheckId != nil {
		s.Check = *in.HealthCheckId
	}
	return s, nil
}

// shape is a set in an answer.
func shape(s *record.Set) types.ResourceRecordSet {
	out := types.ResourceRecordSet{
		Name: &s.Name, Type: types.RRType(s.Type), Weight: s.Weight, Region: types.ResourceRecordSetRegion(s.Region), Failover: types.ResourceRecordSetFailover(s.Failover),
	}
	if s.ID != "" {
		out.SetIdentifier = &s.ID
	}
	if s.Alias == nil {
		out.TTL = &s.TTL
	} else {
		out.AliasTarget = &types.AliasTarget{HostedZoneId: &s.Alias.Zone, DNSName: &s.Alias.Name, EvaluateTargetHealth: s.Alias.Evaluate}
	}
	for i := range s.Values {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: &s.Values[i]})
	}
	if s.Geo != nil {
		out.GeoLocation = &types.GeoLocation{CountryCode: &s.Geo.Country}
	}
	if s.Multi {
		out.MultiValueAnswer = &s.Multi
	}
	if s.Check != "" {
		out.HealthCheckId = &s.Check
	}
	return out
}

// GetChange says whether the name server answers as it is after a change.
func (a API) GetChange(ctx context.Context, in *route53.GetChangeInput) (*route53.GetChangeOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.GetChangeOutput, error) {
		c, err := handler.Get(tx, record.Changes, scope.Bare(in.Id, scope.ChangePath), record.NoChange)
		if err != nil {
			return nil, err
		}
		status := types.ChangeStatusPending
		if a.Names.Served(c.ID) {
			status = types.ChangeStatusInsync
		}
		return &route53.GetChangeOutput{ChangeInfo: scope.Info(c, status)}, nil
	})
}

// TestDNSAnswer says what the name server answers from a zone.
func (a API) TestDNSAnswer(ctx context.Context, in *route53.TestDNSAnswerInput) (*route53.TestDNSAnswerOutput, error) {
	name, err := record.Name(*in.RecordName)
	if err != nil {
		return nil, record.InvalidInput("%s encountered with '%s'", err, *in.RecordName)
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.TestDNSAnswerOutput, error) {
		z, err := scope.Zone(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		if !record.Within(name, z.Name) {
			return nil, record.InvalidInput("The record name %s is not within the hosted zone %s", name, z.Name)
		}
		got := a.Names.Test(z.ID, name, string(in.RecordType))
		out := &route53.TestDNSAnswerOutput{
			Nameserver: new(z.NameServers[0]), Protocol: new("UDP"), RecordName: &name, RecordType: in.RecordType, ResponseCode: &got.Code, RecordData: got.Data,
		}
		if out.RecordData == nil {
			out.RecordData = []string{}
		}
		return out, nil
	})
}

// inNames puts the same into the words of several messages: which set is meant.
func inNames(s *record.Set) string {
	out := fmt.Sprintf("name='%s', type='%s'", s.Name, s.Type)
	if s.ID != "" {
		out += fmt.Sprintf(", set identifier='%s'", s.ID)
	}
	return out
}
