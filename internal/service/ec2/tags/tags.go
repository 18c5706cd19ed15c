package tags

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/groups"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// kind is a kind of resources that can have tags, and finds one of them.
type kind struct {
	request.Kind
	find func(tx store.Tx, id string) error
}

// in finds resources of a kind in their table.
func in[T any](t *store.Table[T], k request.Kind) kind {
	return kind{k, func(tx store.Tx, id string) error {
		_, err := request.Get(tx, t, k, id)
		return err
	}}
}

// kinds are those of all resources that can have tags.
var kinds = []kind{
	in(ec2.Vpcs, request.Vpc), in(ec2.Subnets, request.Subnet), in(ec2.SecurityGroups, request.Group), in(ec2.Interfaces, request.Interface),
	in(ec2.RouteTables, request.RouteTable), in(ec2.InternetGateways, request.InternetGateway), in(ec2.NatGateways, request.NatGateway),
	in(ec2.ElasticAddresses, request.Address), in(ec2.NetworkACLs, request.ACL), in(ec2.DHCPOptionSets, request.Options),
	in(ec2.Endpoints, request.Endpoint), in(ec2.PrefixLists, request.PrefixList), in(ec2.Peerings, request.Peering),
	{request.Rule, func(tx store.Tx, id string) error {
		_, _, err := groups.RuleByID(tx, id)
		return err
	}},
}

// typeOf returns the type of the resource with that id, which must exist.
func typeOf(tx store.Tx, id string) (string, error) {
	prefix, _, _ := strings.Cut(id, "-")
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.Prefix == prefix })
	if i < 0 {
		return "", awserr.New("InvalidID", "The ID '%s' is not valid", id)
	}
	return kinds[i].Type, kinds[i].find(tx, id)
}

// CreateTags gives resources tags, or the tags that they have new values.
func (a *API) CreateTags(ctx context.Context, in *sdk.CreateTagsInput) (*sdk.CreateTagsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	added := request.TagType.From(in.Tags)
	return &sdk.CreateTagsOutput{}, a.retag(ctx, in.Resources, func(tags handler.Tags) (handler.Tags, error) { return request.TagRules.Add(tags, added) })
}

// DeleteTags takes tags from resources: by key, by key and value, or all.
func (a *API) DeleteTags(ctx context.Context, in *sdk.DeleteTagsInput) (*sdk.DeleteTagsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.DeleteTagsOutput{}, a.retag(ctx, in.Resources, func(tags handler.Tags) (handler.Tags, error) {
		if len(in.Tags) == 0 {
			clear(tags)
		}
		for _, t := range in.Tags {
			if value, ok := tags[aws.ToString(t.Key)]; ok && (t.Value == nil || *t.Value == value) {
				delete(tags, aws.ToString(t.Key))
			}
		}
		return tags, nil
	})
}

// arnsOf returns the ARNs of the resources with these ids. An id of another kind, which the handler refuses,
// stays as it is.
func (a *API) arnsOf(_ context.Context, ids []string) (list []string) {
	for _, id := range ids {
		prefix, _, _ := strings.Cut(id, "-")
		for _, k := range request.Kinds {
			if k.Prefix == prefix {
				id = a.ns.ARN("ec2", k.Type+"/"+id)
				break
			}
		}
		list = append(list, id)
	}
	return list
}

// retag changes the tags of resources, all or none.
func (a *API) retag(ctx context.Context, resources []string, change func(handler.Tags) (handler.Tags, error)) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		for _, id := range resources {
			typ, err := typeOf(tx, id)
			if err != nil {
				return err
			}
			had, _, err := handler.Find(tx, ec2.TagSets, id)
			if err != nil {
				return err
			}
			tags, err := change(had.Tags)
			if err != nil {
				return err
			}
			if tags == nil { // it never had any
				continue
			}
			if err := ec2.TagSets.Put(tx, id, ec2.TagSet{Resource: id, Type: typ, Tags: tags}); err != nil {
				return err
			}
		}
		return nil
	})
}

// tag is one tag of one resource.
type tag struct{ resource, typ, key, value string }

func (t tag) id() string { return t.resource + "\x00" + t.key }

// DescribeTags lists tags.
func (a *API) DescribeTags(ctx context.Context, in *sdk.DescribeTagsInput) (*sdk.DescribeTagsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	sets, err := handler.View(ctx, a.db, request.AllTags)
	if err != nil {
		return nil, err
	}
	var all []tag
	for _, s := range sets {
		for k, v := range s.Tags {
			all = append(all, tag{s.Resource, s.Type, k, v})
		}
	}
	slices.SortFunc(all, func(a, b tag) int { return strings.Compare(a.id(), b.id()) })
	all, next, err := tagListing(in.Filters).Answer(all, list.Question{Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}, nil)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeTagsOutput{Tags: []types.TagDescription{}, NextToken: next}
	for _, t := range all {
		out.Tags = append(out.Tags, types.TagDescription{Key: new(t.key), Value: new(t.value), ResourceId: new(t.resource), ResourceType: types.ResourceType(t.typ)})
	}
	return out, nil
}

// tagListing has a field for each filter "tag:KEY": the values of the tags with that key.
func tagListing(filters []types.Filter) list.Of[tag] {
	l := list.Of[tag]{ID: tag.id, Fields: map[string]func(tag) []string{
		"key":           func(t tag) []string { return list.One(t.key) },
		"resource-id":   func(t tag) []string { return list.One(t.resource) },
		"resource-type": func(t tag) []string { return list.One(t.typ) },
		"value":         func(t tag) []string { return list.One(t.value) },
	}}
	for _, f := range filters {
		if key, ok := strings.CutPrefix(aws.ToString(f.Name), "tag:"); ok {
			l.Fields["tag:"+key] = func(t tag) []string {
				if t.key == key {
					return list.One(t.value)
				}
				return nil
			}
		}
	}
	return l
}
