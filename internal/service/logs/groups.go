package logs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// Group is a log group's record.
type Group struct {
	ID        string // its events are stored under it; it is never used again
	Name      string
	Created   time.Time
	Retention int32        `json:",omitempty"` // days; 0: for ever
	Tags      handler.Tags // empty, not nil, when it had some
}

var groups = store.NewTable[Group]("loggroup") // by name

func getGroup(tx store.Tx, name string) (Group, error) {
	return handler.Get(tx, groups, name, noGroup)
}

// expiry is the time before which g's events are gone.
func (g *Group) expiry(now time.Time) time.Time {
	if g.Retention == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, -int(g.Retention))
}

// CreateLogGroup makes a group.
func (a *API) CreateLogGroup(ctx context.Context, in *cwl.CreateLogGroupInput) (*cwl.CreateLogGroupOutput, error) {
	if err := checkGroupName(*in.LogGroupName); err != nil {
		return nil, err
	}
	tags, err := tagRules(nil).Add(nil, handler.Sorted(in.Tags))
	if err != nil {
		return nil, err
	}
	g := Group{ID: id.Hex(16), Name: *in.LogGroupName, Created: time.Now(), Tags: tags}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*cwl.CreateLogGroupOutput, error) {
		_, exists, err := handler.Find(tx, groups, g.Name)
		if err != nil {
			return nil, err
		}
		if exists {
			return nil, &types.ResourceAlreadyExistsException{Message: new("The specified log group already exists")}
		}
		return &cwl.CreateLogGroupOutput{}, groups.Put(tx, g.Name, g)
	})
}

// newGroupFaults is what is wrong with a request for a new group, beyond what the wire checks.
func newGroupFaults(in *cwl.CreateLogGroupInput) []error {
	var f awserr.Faults
	f.Add(reservedFault(*in.LogGroupName))
	f.Add(tagRules(nil).Faults(handler.Sorted(in.Tags))...)
	return f
}

// DeleteLogGroup deletes a group with all its streams. Run frees the disk space.
func (a *API) DeleteLogGroup(ctx context.Context, in *cwl.DeleteLogGroupInput) (*cwl.DeleteLogGroupOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*cwl.DeleteLogGroupOutput, error) {
		if _, err := getGroup(tx, *in.LogGroupName); err != nil {
			return nil, err
		}
		return &cwl.DeleteLogGroupOutput{}, groups.Delete(tx, *in.LogGroupName)
	})
}

// DescribeLogGroups lists groups by name.
func (a *API) DescribeLogGroups(ctx context.Context, in *cwl.DescribeLogGroupsInput) (*cwl.DescribeLogGroupsOutput, error) {
	match, err := a.groupFilter(in)
	if err != nil {
		return nil, err
	}
	page, err := pages.Open(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cwl.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	part, err := handler.View(ctx, a.db, func(tx store.Tx) (part []Group, err error) {
		all := handler.Keep(groups.Scan(tx, aws.ToString(in.LogGroupNamePrefix), page.After), func(g Group) bool { return match(g.Name) })
		part, out.NextToken, err = handler.Fill(page, all, func(g Group) string { return g.Name })
		return part, err
	})
	if err != nil {
		return nil, fmt.Errorf("list log groups: %w", err)
	}
	for _, g := range part {
		bytes, err := a.events.GroupBytes(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, a.wireGroup(g, bytes))
	}
	return out, nil
}

// groupFilter returns the condition that the request sets for a group's name.
func (a *API) groupFilter(in *cwl.DescribeLogGroupsInput) (func(name string) bool, error) {
	if in.LogGroupNamePattern != nil && in.LogGroupNamePrefix != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	if len(in.LogGroupIdentifiers) > 0 && (in.LogGroupNamePattern != nil || in.LogGroupNamePrefix != nil) {
		return nil, invalid("LogGroup identifiers and LogGroup name prefix or pattern are mutually exclusive parameters.")
	}
	wanted := map[string]bool{}
	for _, id := range in.LogGroupIdentifiers {
		name, err := a.identified(id)
		if err != nil {
			return nil, err
		}
		wanted[name] = true
	}
	standard := in.LogGroupClass == "" || in.LogGroupClass == types.LogGroupClassStandard
	return func(name string) bool {
		return standard && strings.Contains(name, aws.ToString(in.LogGroupNamePattern)) && (len(wanted) == 0 || wanted[name])
	}, nil
}

func (a *API) wireGroup(g Group, bytes int64) types.LogGroup {
	arn := a.groupARN(g.Name)
	out := types.LogGroup{
		Arn:                       new(arn + ":*"),
		LogGroupArn:               new(arn),
		LogGroupName:              new(g.Name),
		LogGroupClass:             types.LogGroupClassStandard,
		CreationTime:              new(g.Created.UnixMilli()),
		MetricFilterCount:         new(int32(0)),
		StoredBytes:               new(bytes),
		DeletionProtectionEnabled: new(false),
	}
	if g.Retention != 0 {
		out.RetentionInDays = new(g.Retention)
	}
	return out
}

func (a *API) groupARN(name string) string { return a.ns.ARN("logs", "log-group:"+name) }

// updateGroup changes a group's record.
func (a *API) updateGroup(ctx context.Context, name string, change func(*Group) error) error {
	_, err := handler.Update(ctx, a.db, func(tx store.Tx) (Group, error) { return handler.Change(tx, groups, name, noGroup, change) })
	return err
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{groups, streams} }
