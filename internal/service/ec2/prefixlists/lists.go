package prefixlists

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// AWS's limits
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-share-limits-prefix-lists).
const (
	maxEntries  = 1000
	maxVersions = 1000
	maxChanges  = 100 // entries in one request
)

func newListFaults(in *sdk.CreateManagedPrefixListInput) (f awserr.Faults) {
	family := aws.ToString(in.AddressFamily)
	if family != "IPv4" && family != "IPv6" {
		f.Add(awserr.New("InvalidParameterValue", "Value (%s) for parameter addressFamily is invalid. Valid values are IPv4 and IPv6.", family))
	}
	f.Add(checkMost(in.MaxEntries), checkName(in.PrefixListName))
	entries, err := added(in.Entries, family == "IPv6")
	f.Add(err)
	if err == nil {
		f.Add(room(ec2.PrefixList{Entries: entries, MaxEntries: aws.ToInt32(in.MaxEntries)}))
	}
	f.Add(request.TagSpecFaults(request.PrefixList.Type, in.TagSpecifications)...)
	return f
}

func checkMost(n *int32) error {
	if most := aws.ToInt32(n); n != nil && (most < 1 || most > maxEntries) {
		return awserr.New("InvalidParameterValue", "Value (%d) for parameter maxEntries is invalid. It must be from 1 to %d.", most, maxEntries)
	}
	return nil
}

func checkName(name *string) error {
	if s := aws.ToString(name); name != nil && (s == "" || len(s) > 255 || strings.HasPrefix(s, "com.amazonaws")) {
		return awserr.New("InvalidParameterValue", "Value (%s) for parameter prefixListName is invalid. It must have up to 255 characters and must not start with com.amazonaws.", s)
	}
	return nil
}

// added reads entries of a family, each of them once.
func added(in []types.AddPrefixListEntry, v6 bool) (out []ec2.PrefixListEntry, err error) {
	if len(in) > maxChanges {
		return nil, awserr.New("InvalidParameterValue", "A request can add at most %d entries", maxChanges)
	}
	for _, e := range in {
		p, err := readRange(aws.ToString(e.Cidr), v6)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o ec2.PrefixListEntry) bool { return o.CIDR == p }) {
			return nil, awserr.New("InvalidParameterValue", "The CIDR '%s' must not appear multiple times", p)
		}
		if d := aws.ToString(e.Description); len(d) > 255 {
			return nil, awserr.New("InvalidParameterValue", "Value (%s) for parameter description is invalid. It must not be longer than 255 characters.", d)
		}
		out = append(out, ec2.PrefixListEntry{CIDR: p, Description: aws.ToString(e.Description)})
	}
	return out, nil
}

func readRange(s string, v6 bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is6() != v6 || p.Addr().Is4In6() {
		return p, awserr.New("InvalidParameterValue", "The CIDR '%s' is invalid for the address family of the prefix list", s)
	}
	return p.Masked(), nil
}

// room refuses a list that has more entries than it may have.
func room(l ec2.PrefixList) error {
	if len(l.Entries) > int(l.MaxEntries) {
		return awserr.New("PrefixListMaxEntriesExceeded", "You've reached the maximum number of entries for the prefix list: %d.", l.MaxEntries)
	}
	return nil
}

// CreateManagedPrefixList makes a list.
func (a *API) CreateManagedPrefixList(ctx context.Context, in *sdk.CreateManagedPrefixListInput) (*sdk.CreateManagedPrefixListOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newListFaults(in).First(); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	l := ec2.PrefixList{
		ID: ec2.NewID("pl"), Name: aws.ToString(in.PrefixListName), IPv6: aws.ToString(in.AddressFamily) == "IPv6",
		MaxEntries: aws.ToInt32(in.MaxEntries), Version: 1, Token: token,
	}
	if l.Entries, err = added(in.Entries, l.IPv6); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateManagedPrefixListOutput, error) {
		had, there, err := request.Again(tx, ec2.PrefixLists, token, func(l *ec2.PrefixList) ec2.Token { return l.Token })
		if err != nil || there {
			return &sdk.CreateManagedPrefixListOutput{PrefixList: new(a.shape(had, nil))}, err
		}
		tags, err := request.Tagged(tx, l.ID, request.PrefixList, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out := a.shape(l, tags)
		out.State = types.PrefixListStateCreateInProgress
		return &sdk.CreateManagedPrefixListOutput{PrefixList: &out}, put(tx, l)
	})
}

// put writes a list and the version that it has.
func put(tx store.Tx, l ec2.PrefixList) error {
	v := ec2.PrefixListVersion{List: l.ID, Version: l.Version, Entries: l.Entries}
	if err := ec2.PrefixListVersions.Put(tx, ec2.PrefixListKey(l.ID, l.Version), v); err != nil {
		return err
	}
	if err := ec2.PrefixListVersions.Delete(tx, ec2.PrefixListKey(l.ID, l.Version-maxVersions)); err != nil {
		return err
	}
	return ec2.PrefixLists.Put(tx, l.ID, l)
}

// own returns a list that users may change.
func own(tx store.Tx, id *string) (ec2.PrefixList, error) {
	l, err := request.Get(tx, ec2.PrefixLists, request.PrefixList, aws.ToString(id))
	if err == nil && l.AWS {
		err = awserr.New("UnauthorizedOperation", "The prefix list %s is AWS's own and can't be changed.", l.ID)
	}
	return l, err
}

// current refuses a change of another version than the latest.
func current(l ec2.PrefixList, version *int64) error {
	if version == nil {
		return awserr.New("MissingParameter", "The request must contain the parameter currentVersion")
	}
	if *version != l.Version {
		return awserr.New("PrefixListVersionMismatch", "The prefix list has the incorrect version number. The current version of %s is %d.", l.ID, l.Version)
	}
	return nil
}

// ModifyManagedPrefixList changes a list's entries, which makes a version, its name, or how many entries it may have.
func (a *API) ModifyManagedPrefixList(ctx context.Context, in *sdk.ModifyManagedPrefixListInput) (*sdk.ModifyManagedPrefixListOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	f := awserr.Faults{}
	f.Add(checkMost(in.MaxEntries), checkName(in.PrefixListName))
	entries := len(in.AddEntries)+len(in.RemoveEntries) > 0
	if entries && in.MaxEntries != nil {
		f.Add(awserr.New("InvalidParameterCombination", "You cannot modify the entries of a prefix list and modify the size of a prefix list at the same time."))
	}
	if err := f.First(); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ModifyManagedPrefixListOutput, error) {
		l, err := own(tx, in.PrefixListId)
		if err != nil {
			return nil, err
		}
		if entries {
			if err := current(l, in.CurrentVersion); err != nil {
				return nil, err
			}
			if l.Entries, err = altered(l, in); err != nil {
				return nil, err
			}
			l.Version++
		}
		l.Name = aws.ToString(cmpName(in.PrefixListName, &l.Name))
		if in.MaxEntries != nil {
			l.MaxEntries = *in.MaxEntries
		}
		if err := room(l); err != nil {
			return nil, err
		}
		if err := fits(tx, l); err != nil {
			return nil, err
		}
		out := a.shape(l, nil)
		out.State = types.PrefixListStateModifyInProgress
		return &sdk.ModifyManagedPrefixListOutput{PrefixList: &out}, put(tx, l)
	})
}

func cmpName(given, had *string) *string {
	if given != nil {
		return given
	}
	return had
}

// altered returns the entries of l without those that in removes, and with those that it adds: an entry that is there gets
// the description.
func altered(l ec2.PrefixList, in *sdk.ModifyManagedPrefixListInput) ([]ec2.PrefixListEntry, error) {
	out := slices.Clone(l.Entries)
	index := func(p netip.Prefix) int {
		return slices.IndexFunc(out, func(e ec2.PrefixListEntry) bool { return e.CIDR == p })
	}
	for _, e := range in.RemoveEntries {
		p, err := readRange(aws.ToString(e.Cidr), l.IPv6)
		if err != nil {
			return nil, err
		}
		i := index(p)
		if i < 0 {
			return nil, awserr.New("InvalidParameterValue", "The entry %s does not exist in the prefix list %s", p, l.ID)
		}
		out = slices.Delete(out, i, i+1)
	}
	more, err := added(in.AddEntries, l.IPv6)
	if err != nil {
		return nil, err
	}
	for _, e := range more {
		if i := index(e.CIDR); i >= 0 {
			out[i] = e
		} else {
			out = append(out, e)
		}
	}
	return out, nil
}

// fits refuses a list that has grown too large for what uses it.
func fits(tx store.Tx, l ec2.PrefixList) error {
	had, err := ec2.PrefixLists.Get(tx, l.ID)
	if err != nil || l.MaxEntries <= had.MaxEntries {
		return err
	}
	users, err := users(tx, l.ID)
	if err != nil {
		return err
	}
	const most = 1000 // routes of a table, rules of a group
	for _, u := range users {
		if u.weight-int(had.MaxEntries)+int(l.MaxEntries) > most {
			return awserr.New("InvalidParameterValue", "The prefix list %s can't have %d entries: %s, which uses it, would have too many.", l.ID, l.MaxEntries, u.id)
		}
	}
	return nil
}

// user is what names a prefix list, and how many routes or rules it has, with the entries of its lists.
type user struct {
	id     string
	weight int
}

func users(tx store.Tx, list string) (out []user, err error) {
	sizes := map[string]int{}
	for l, err := range ec2.PrefixLists.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		sizes[l.ID] = int(l.MaxEntries)
	}
	weigh := func(named []string) (n int, uses bool) {
		for _, id := range named {
			n += max(1, sizes[id])
			uses = uses || id == list
		}
		return n, uses
	}
	for t, err := range ec2.RouteTables.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		var named []string
		for _, r := range t.Routes {
			named = append(named, r.PrefixList)
		}
		if n, uses := weigh(named); uses {
			out = append(out, user{t.ID, n})
		}
	}
	for g, err := range ec2.SecurityGroups.PeekBy(tx, "refers", list) {
		if err != nil {
			return nil, err
		}
		var named []string
		for _, r := range g.Rules {
			named = append(named, r.PrefixList)
		}
		n, _ := weigh(named)
		out = append(out, user{g.ID, n})
	}
	slices.SortFunc(out, func(a, b user) int { return strings.Compare(a.id, b.id) })
	return out, nil
}

// RestoreManagedPrefixListVersion gives a list the entries of an earlier version, as a new one.
func (a *API) RestoreManagedPrefixListVersion(ctx context.Context, in *sdk.RestoreManagedPrefixListVersionInput) (*sdk.RestoreManagedPrefixListVersionOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.RestoreManagedPrefixListVersionOutput, error) {
		l, err := own(tx, in.PrefixListId)
		if err != nil {
			return nil, err
		}
		if err := current(l, in.CurrentVersion); err != nil {
			return nil, err
		}
		v, err := version(tx, l.ID, aws.ToInt64(in.PreviousVersion))
		if err != nil {
			return nil, err
		}
		l.Entries, l.Version = v.Entries, l.Version+1
		if err := room(l); err != nil {
			return nil, err
		}
		out := a.shape(l, nil)
		out.State = types.PrefixListStateRestoreInProgress
		return &sdk.RestoreManagedPrefixListVersionOutput{PrefixList: &out}, put(tx, l)
	})
}

func version(tx store.Tx, list string, n int64) (ec2.PrefixListVersion, error) {
	return handler.Get(tx, ec2.PrefixListVersions, ec2.PrefixListKey(list, n), func(string) error {
		return awserr.New("InvalidParameterValue", "The prefix list %s has no version %d", list, n)
	})
}

// DeleteManagedPrefixList deletes a list that nothing names.
func (a *API) DeleteManagedPrefixList(ctx context.Context, in *sdk.DeleteManagedPrefixListInput) (*sdk.DeleteManagedPrefixListOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteManagedPrefixListOutput, error) {
		l, err := own(tx, in.PrefixListId)
		if err != nil {
			return nil, err
		}
		users, err := users(tx, l.ID)
		if err != nil {
			return nil, err
		}
		var holders []string
		for _, u := range users {
			holders = append(holders, u.id)
		}
		if len(holders) > 0 {
			return nil, request.Dependency(fmt.Sprintf("The prefix list %s is in use and cannot be deleted.", l.ID), holders)
		}
		versions, err := ec2.PrefixListVersions.List(tx, l.ID+"/")
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if err := ec2.PrefixListVersions.Delete(tx, ec2.PrefixListKey(l.ID, v.Version)); err != nil {
				return nil, err
			}
		}
		if err := request.DropTags(tx, l.ID); err != nil {
			return nil, err
		}
		out := a.shape(l, nil)
		out.State = types.PrefixListStateDeleteInProgress
		return &sdk.DeleteManagedPrefixListOutput{PrefixList: &out}, ec2.PrefixLists.Delete(tx, l.ID)
	})
}
