package sets

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

// mostListed is how many sets a page has at most.
const mostListed = 300

// ListResourceRecordSets lists a zone's sets, in the order of their names with labels turned round, types and identifiers.
func (a API) ListResourceRecordSets(ctx context.Context, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
	size, err := scope.Size(in.MaxItems, mostListed)
	if err != nil {
		return nil, err
	}
	if in.MaxItems == nil {
		size = scope.PageSize
	}
	begin, err := start(in)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*route53.ListResourceRecordSetsOutput, error) {
		z, err := scope.Zone(tx, in.HostedZoneId)
		if err != nil {
			return nil, err
		}
		out := &route53.ListResourceRecordSetsOutput{ResourceRecordSets: []types.ResourceRecordSet{}, MaxItems: new(int32(size))}
		for s, err := range record.Sets.Scan(tx, z.ID+"/", before(z.ID, begin)) {
			if err != nil {
				return nil, err
			}
			if len(out.ResourceRecordSets) == size {
				next := shape(&s)
				out.IsTruncated, out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = true, next.Name, next.Type, next.SetIdentifier
				return out, nil
			}
			out.ResourceRecordSets = append(out.ResourceRecordSets, shape(&s))
		}
		return out, nil
	})
}

// start returns where a list begins: what a key of a set has behind its zone.
func start(in *route53.ListResourceRecordSetsInput) (string, error) {
	switch {
	case in.StartRecordName == nil && in.StartRecordType != "":
		return "", record.InvalidInput("If you specify type, you must also specify name.")
	case in.StartRecordType == "" && in.StartRecordIdentifier != nil:
		return "", record.InvalidInput("If you specify identifier, you must also specify name and type.")
	case in.StartRecordName == nil:
		return "", nil
	}
	name, err := record.Name(*in.StartRecordName)
	if err != nil {
		return "", record.InvalidInput("FATAL problem: %s encountered with '%s'", err, *in.StartRecordName)
	}
	id := ""
	if in.StartRecordIdentifier != nil {
		id = *in.StartRecordIdentifier
	}
	return record.SetKey("", name, string(in.StartRecordType), id)[1:], nil
}

// before returns the greatest key that may stand in front of one: it ends with a byte less, and what no key goes on with.
func before(zone, begin string) string {
	if begin == "" {
		return ""
	}
	key := zone + "/" + begin
	last := len(key) - 1
	return key[:last] + string(key[last]-1) + "\xff"
}
