// Package prefixlists answers EC2's calls about managed prefix lists.
//
// A list has one family, and room for MaxEntries entries, which is what it counts for where it is used. Each change of its
// entries makes a version, and the latest 1,000 are kept.
package prefixlists

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for managed prefix lists.
type API struct {
	db store.DB
	ns arn.Namespace
}

// New returns the API.
func New(db store.DB, ns arn.Namespace) *API { return &API{db, ns} }

// What condition keys are never there, and why.
const (
	resolverKeys = "ec2:IpamPrefixListResolverTargetId"
	noResolvers  = "no pool of addresses makes prefix lists"
)

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreateManagedPrefixList", a.CreateManagedPrefixList).Makes("prefix-list: *").
			Takes("AddressFamily ClientToken DryRun Entry{*} MaxEntries PrefixListName", request.TagMembers).
			Checks(func(in *sdk.CreateManagedPrefixListInput) []error { return newListFaults(in) }),
		wire.Op("DeleteManagedPrefixList", a.DeleteManagedPrefixList).On("prefix-list: PrefixListId").Lacks(resolverKeys, noResolvers).Takes("DryRun PrefixListId"),
		wire.Op("DescribeManagedPrefixLists", a.DescribeManagedPrefixLists).Takes(list.Members, "PrefixListId"),
		wire.Op("GetManagedPrefixListAssociations", a.GetManagedPrefixListAssociations).On("prefix-list: PrefixListId").Lacks(resolverKeys, noResolvers).Takes("DryRun MaxResults NextToken PrefixListId"),
		wire.Op("GetManagedPrefixListEntries", a.GetManagedPrefixListEntries).On("prefix-list: PrefixListId").Lacks(resolverKeys, noResolvers).Takes("DryRun MaxResults NextToken PrefixListId TargetVersion"),
		wire.Op("ModifyManagedPrefixList", a.ModifyManagedPrefixList).On("prefix-list: PrefixListId").KeyFound("ec2:Attribute", changedAttributes).Lacks(resolverKeys, noResolvers).
			Takes("AddEntry{*} CurrentVersion DryRun MaxEntries PrefixListId PrefixListName RemoveEntry{*}"),
		wire.Op("RestoreManagedPrefixListVersion", a.RestoreManagedPrefixListVersion).On("prefix-list: PrefixListId").Takes("CurrentVersion DryRun PrefixListId PreviousVersion"),
	}
}

// changedAttributes is the value of ec2:Attribute.
func changedAttributes(_ context.Context, in *sdk.ModifyManagedPrefixListInput) (names []string) {
	for _, at := range []struct {
		name  string
		given bool
	}{
		{"AddEntry", len(in.AddEntries) > 0}, {"RemoveEntry", len(in.RemoveEntries) > 0}, {"MaxEntries", in.MaxEntries != nil}, {"PrefixListName", in.PrefixListName != nil},
	} {
		if at.given {
			names = append(names, at.name)
		}
	}
	return names
}
