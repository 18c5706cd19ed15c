package dhcp

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

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

// The options that tasks are told. The others that AWS has are refused by name: no task would hear of them.
const (
	keyDomain  = "domain-name"
	keyServers = "domain-name-servers"
)

// maxServers is how many name servers a set may name
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateDhcpOptions.html).
const maxServers = 4

var domainForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// readOption reads one option of a request.
func readOption(c types.NewDhcpConfiguration) (ec2.DHCPOption, error) {
	o := ec2.DHCPOption{Key: aws.ToString(c.Key), Values: c.Values}
	bad := func(value string) error {
		return awserr.New("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", value, o.Key)
	}
	switch o.Key {
	case keyDomain:
		if len(o.Values) != 1 {
			return o, bad(strings.Join(o.Values, ", "))
		}
		for name := range strings.FieldsSeq(o.Values[0]) {
			if !domainForm.MatchString(name) {
				return o, bad(o.Values[0])
			}
		}
	case keyServers:
		if len(o.Values) == 1 { // one string may have all of them
			o.Values = strings.FieldsFunc(o.Values[0], func(r rune) bool { return r == ',' || r == ' ' })
		}
		if len(o.Values) == 0 || len(o.Values) > maxServers {
			return o, bad(strings.Join(o.Values, ", "))
		}
		for _, server := range o.Values {
			if addr, err := netip.ParseAddr(server); server != amazonDNS && (err != nil || !addr.Is4()) {
				return o, bad(server)
			}
		}
	default:
		return o, awserr.New("UnsupportedOperation", "The DHCP option '%s' is not supported by Skylift: only '%s' and '%s' are.", o.Key, keyDomain, keyServers)
	}
	return o, nil
}

func newOptionsFaults(in *sdk.CreateDhcpOptionsInput) (f awserr.Faults) {
	for _, c := range in.DhcpConfigurations {
		_, err := readOption(c)
		f.Add(err)
	}
	f.Add(request.TagSpecFaults(request.Options.Type, in.TagSpecifications)...)
	return f
}

// CreateDhcpOptions makes a set of options, which never changes.
func (a *API) CreateDhcpOptions(ctx context.Context, in *sdk.CreateDhcpOptionsInput) (*sdk.CreateDhcpOptionsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newOptionsFaults(in).First(); err != nil {
		return nil, err
	}
	o := ec2.DHCPOptions{ID: ec2.NewID("dopt")}
	for _, c := range in.DhcpConfigurations {
		option, err := readOption(c)
		if err != nil {
			return nil, err
		}
		if valuesOf(o, option.Key) != nil {
			return nil, awserr.New("InvalidParameterValue", "The DHCP option '%s' must not appear multiple times", option.Key)
		}
		o.Options = append(o.Options, option)
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateDhcpOptionsOutput, error) {
		tags, err := request.Tagged(tx, o.ID, request.Options, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		return &sdk.CreateDhcpOptionsOutput{DhcpOptions: new(a.optionsShape(o, tags))}, ec2.DHCPOptionSets.Put(tx, o.ID, o)
	})
}

// DeleteDhcpOptions deletes a set that no VPC has.
func (a *API) DeleteDhcpOptions(ctx context.Context, in *sdk.DeleteDhcpOptionsInput) (*sdk.DeleteDhcpOptionsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteDhcpOptionsOutput, error) {
		o, err := request.Get(tx, ec2.DHCPOptionSets, request.Options, aws.ToString(in.DhcpOptionsId))
		if err != nil {
			return nil, err
		}
		var holders []string
		for v, err := range ec2.Vpcs.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			if v.DHCPOptionsID == o.ID {
				holders = append(holders, v.ID)
			}
		}
		sentence := fmt.Sprintf("The dhcpOptions '%s' has dependencies and cannot be deleted.", o.ID)
		if o.Default {
			return nil, request.Dependency(sentence, []string{"new VPCs"})
		}
		if len(holders) > 0 {
			return nil, request.Dependency(sentence, holders)
		}
		if err := request.DropTags(tx, o.ID); err != nil {
			return nil, err
		}
		return &sdk.DeleteDhcpOptionsOutput{}, ec2.DHCPOptionSets.Delete(tx, o.ID)
	})
}

// AssociateDhcpOptions gives a VPC another set of options, or none ("default"). Who runs in it keeps what it was told.
func (a *API) AssociateDhcpOptions(ctx context.Context, in *sdk.AssociateDhcpOptionsInput) (*sdk.AssociateDhcpOptionsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.AssociateDhcpOptionsOutput, error) {
		id := aws.ToString(in.DhcpOptionsId)
		if id != none {
			if _, err := request.Get(tx, ec2.DHCPOptionSets, request.Options, id); err != nil {
				return nil, err
			}
		}
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		vpc.DHCPOptionsID = id
		return &sdk.AssociateDhcpOptionsOutput{}, ec2.Vpcs.Put(tx, vpc.ID, vpc)
	})
}

// DescribeDhcpOptions lists sets of options.
func (a *API) DescribeDhcpOptions(ctx context.Context, in *sdk.DescribeDhcpOptionsInput) (*sdk.DescribeDhcpOptionsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := list.Of[ec2.DHCPOptions]{Kind: request.Options, ID: func(o ec2.DHCPOptions) string { return o.ID }, Fields: map[string]func(ec2.DHCPOptions) []string{
		"dhcp-options-id": func(o ec2.DHCPOptions) []string { return list.One(o.ID) },
		"key": func(o ec2.DHCPOptions) (out []string) {
			for _, option := range o.Options {
				out = append(out, option.Key)
			}
			return out
		},
		"owner-id": list.Always[ec2.DHCPOptions](a.ns.Account),
		"value": func(o ec2.DHCPOptions) (out []string) {
			for _, option := range o.Options {
				out = append(out, option.Values...)
			}
			return out
		},
	}}
	q := list.Question{IDs: in.DhcpOptionsIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	all, next, err := list.Describe(ctx, a.db, ec2.DHCPOptionSets, l, q, a.optionsShape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeDhcpOptionsOutput{DhcpOptions: all, NextToken: next}, nil
}

func (a *API) optionsShape(o ec2.DHCPOptions, tags []types.Tag) types.DhcpOptions {
	out := types.DhcpOptions{DhcpOptionsId: &o.ID, OwnerId: &a.ns.Account, Tags: tags, DhcpConfigurations: []types.DhcpConfiguration{}}
	sorted := slices.SortedFunc(slices.Values(o.Options), func(a, b ec2.DHCPOption) int { return strings.Compare(a.Key, b.Key) })
	for _, option := range sorted {
		c := types.DhcpConfiguration{Key: &option.Key}
		for _, v := range option.Values {
			c.Values = append(c.Values, types.AttributeValue{Value: &v})
		}
		out.DhcpConfigurations = append(out.DhcpConfigurations, c)
	}
	return out
}
