package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// Group is a log group's record.
type Group struct {
	ID        string // its events are stored under it; never used again
	Name      string
	Created   time.Time
	Retention int32             `json:",omitempty"` // days; 0: for ever
	Tags      map[string]string // empty, but not nil, when it had some
}

var groups = store.NewTable[Group]("loggroup") // by name

func getGroup(tx store.Tx, name string) (Group, error) {
	g, err := groups.Get(tx, name)
	if errors.Is(err, store.ErrNotFound) {
		return g, noGroup()
	}
	if err != nil {
		return g, fmt.Errorf("read log group %s: %w", name, err)
	}
	return g, nil
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
	g := Group{ID: id.Hex(16), Name: *in.LogGroupName, Created: time.Now()}
	if len(in.Tags) > 0 {
		g.Tags = in.Tags
	}
	err := a.db.Update(ctx, func(tx store.Tx) error {
		if _, err := groups.Get(tx, g.Name); err == nil {
			return &types.ResourceAlreadyExistsException{Message: new("The specified log group already exists")}
		} else if !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read log group %s: %w", g.Name, err)
		}
		return groups.Put(tx, g.Name, g)
	})
	if err != nil {
		return nil, err
	}
	return &cwl.CreateLogGroupOutput{}, nil
}

// newGroupFaults is what the API's description doesn't say of a new group.
func newGroupFaults(in *cwl.CreateLogGroupInput) []error {
	var f awserr.Faults
	f.Add(reservedFault(*in.LogGroupName))
	return f
}

// DeleteLogGroup deletes a group with all its streams. Run gives back the
// room.
func (a *API) DeleteLogGroup(ctx context.Context, in *cwl.DeleteLogGroupInput) (*cwl.DeleteLogGroupOutput, error) {
	err := a.db.Update(ctx, func(tx store.Tx) error {
		if _, err := getGroup(tx, *in.LogGroupName); err != nil {
			return err
		}
		return groups.Delete(tx, *in.LogGroupName)
	})
	if err != nil {
		return nil, err
	}
	return &cwl.DeleteLogGroupOutput{}, nil
}

// DescribeLogGroups lists groups by name.
func (a *API) DescribeLogGroups(ctx context.Context, in *cwl.DescribeLogGroupsInput) (*cwl.DescribeLogGroupsOutput, error) {
	match, err := a.groupFilter(in)
	if err != nil {
		return nil, err
	}
	after, err := parseToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	var page []Group
	limit, more := limitOf(in.Limit, 50), false
	err = a.db.View(ctx, func(tx store.Tx) error {
		for g, err := range groups.Scan(tx, deref(in.LogGroupNamePrefix), after) {
			if err != nil {
				return err
			}
			if !match(g.Name) {
				continue
			}
			if more = len(page) == limit; more {
				return nil
			}
			page = append(page, g)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log groups: %w", err)
	}
	out := &cwl.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{}}
	for _, g := range page {
		bytes, err := a.events.GroupBytes(ctx, g.ID)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, a.wireGroup(g, bytes))
	}
	if more {
		out.NextToken = new(makeToken(page[limit-1].Name))
	}
	return out, nil
}

// groupFilter is what in asks of a group's name.
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
		return standard && strings.Contains(name, deref(in.LogGroupNamePattern)) && (len(wanted) == 0 || wanted[name])
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
	return a.db.Update(ctx, func(tx store.Tx) error {
		g, err := getGroup(tx, name)
		if err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		return groups.Put(tx, name, g)
	})
}

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{groups, streams} }
