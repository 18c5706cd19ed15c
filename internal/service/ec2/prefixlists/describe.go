package prefixlists

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// DescribeManagedPrefixLists lists prefix lists, those of services, too.
func (a *API) DescribeManagedPrefixLists(ctx context.Context, in *sdk.DescribeManagedPrefixListsInput) (*sdk.DescribeManagedPrefixListsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	l := list.Of[ec2.PrefixList]{Kind: request.PrefixList, ID: func(l ec2.PrefixList) string { return l.ID }, Fields: map[string]func(ec2.PrefixList) []string{
		"owner-id":         func(l ec2.PrefixList) []string { return list.One(a.owner(l)) },
		"prefix-list-id":   func(l ec2.PrefixList) []string { return list.One(l.ID) },
		"prefix-list-name": func(l ec2.PrefixList) []string { return list.One(l.Name) },
	}}
	q := list.Question{IDs: in.PrefixListIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	all, next, err := list.Describe(ctx, a.db, ec2.PrefixLists, l, q, a.shape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeManagedPrefixListsOutput{PrefixLists: all, NextToken: next}, nil
}

func (a *API) owner(l ec2.PrefixList) string {
	if l.AWS {
		return "AWS"
	}
	return a.ns.Account
}

// shape is a list whose last change is made, as answers have it. Those of services have no version and no size.
func (a *API) shape(l ec2.PrefixList, tags []types.Tag) types.ManagedPrefixList {
	out := types.ManagedPrefixList{
		PrefixListId: &l.ID, PrefixListName: &l.Name, OwnerId: new(a.owner(l)), AddressFamily: new("IPv4"), State: types.PrefixListStateCreateComplete,
		PrefixListArn: new(a.ns.ARN("ec2", "prefix-list/"+l.ID)), Tags: tags,
	}
	if l.AWS {
		out.PrefixListArn = new("arn:aws:ec2:" + a.ns.Region + ":aws:prefix-list/" + l.ID)
		return out
	}
	if l.IPv6 {
		out.AddressFamily = new("IPv6")
	}
	out.MaxEntries, out.Version = &l.MaxEntries, &l.Version
	if l.Version > 1 {
		out.State = types.PrefixListStateModifyComplete
	}
	return out
}

// GetManagedPrefixListEntries lists the entries that a list has, or had in a version.
func (a *API) GetManagedPrefixListEntries(ctx context.Context, in *sdk.GetManagedPrefixListEntriesInput) (*sdk.GetManagedPrefixListEntriesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.GetManagedPrefixListEntriesOutput, error) {
		l, err := request.Get(tx, ec2.PrefixLists, request.PrefixList, aws.ToString(in.PrefixListId))
		if err != nil {
			return nil, err
		}
		entries := l.Entries
		if in.TargetVersion != nil {
			v, err := version(tx, l.ID, *in.TargetVersion)
			if err != nil {
				return nil, err
			}
			entries = v.Entries
		}
		of := list.Of[ec2.PrefixListEntry]{ID: func(e ec2.PrefixListEntry) string { return e.CIDR.String() }}
		page, next, err := of.Answer(entries, list.Question{Max: in.MaxResults, Token: in.NextToken}, nil)
		if err != nil {
			return nil, err
		}
		out := &sdk.GetManagedPrefixListEntriesOutput{Entries: []types.PrefixListEntry{}, NextToken: next}
		for _, e := range page {
			out.Entries = append(out.Entries, types.PrefixListEntry{Cidr: new(e.CIDR.String()), Description: handler.Optional(e.Description)})
		}
		return out, nil
	})
}

// GetManagedPrefixListAssociations lists what names a list: route tables and security groups.
func (a *API) GetManagedPrefixListAssociations(ctx context.Context, in *sdk.GetManagedPrefixListAssociationsInput) (*sdk.GetManagedPrefixListAssociationsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.GetManagedPrefixListAssociationsOutput, error) {
		l, err := own(tx, in.PrefixListId)
		if err != nil {
			return nil, err
		}
		all, err := users(tx, l.ID)
		if err != nil {
			return nil, err
		}
		of := list.Of[user]{ID: func(u user) string { return u.id }}
		page, next, err := of.Answer(all, list.Question{Max: in.MaxResults, Token: in.NextToken}, nil)
		if err != nil {
			return nil, err
		}
		out := &sdk.GetManagedPrefixListAssociationsOutput{PrefixListAssociations: []types.PrefixListAssociation{}, NextToken: next}
		for _, u := range page {
			out.PrefixListAssociations = append(out.PrefixListAssociations, types.PrefixListAssociation{ResourceId: &u.id, ResourceOwner: &a.ns.Account})
		}
		return out, nil
	})
}
