package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/store"
)

// DefinitionKey is a revision's key: revisions of a family sort by number.
func DefinitionKey(family string, revision int32) string {
	return fmt.Sprintf("%s/%010d", family, revision)
}

// DefinitionByARN returns the revision with that ARN.
func DefinitionByARN(tx store.Tx, arn string) (TaskDefinition, error) {
	family, revision, err := parseDefinition(arn)
	if err != nil {
		return TaskDefinition{}, err
	}
	return Definitions.Get(tx, DefinitionKey(family, revision))
}

// parseDefinition reads family, family:revision or an ARN; revision is 0 when
// none is named.
func parseDefinition(ref string) (family string, revision int32, err error) {
	if _, rest, ok := strings.Cut(ref, ":task-definition/"); ok {
		ref = rest
	} else if strings.HasPrefix(ref, "arn:") {
		return "", 0, invalid("Invalid task definition ARN: %s.", ref)
	}
	family, number, ok := strings.Cut(ref, ":")
	if !ok {
		return family, 0, nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return "", 0, invalid("Invalid revision number. Number: %s", number)
	}
	return family, int32(n), nil
}

// definition returns the revision that ref names: the newest ACTIVE one of the
// family when it names no number.
func definition(tx store.Tx, ref string) (TaskDefinition, error) {
	family, revision, err := parseDefinition(ref)
	if err != nil {
		return TaskDefinition{}, err
	}
	if revision > 0 {
		d, err := Definitions.Get(tx, DefinitionKey(family, revision))
		if missing(err) {
			return d, client("Unable to describe task definition.")
		}
		return d, err
	}
	all, err := Definitions.List(tx, family+"/")
	if err != nil {
		return TaskDefinition{}, err
	}
	for _, d := range slices.Backward(all) {
		if d.Definition.Status == types.TaskDefinitionStatusActive {
			return d, nil
		}
	}
	return TaskDefinition{}, client("Unable to describe task definition.")
}

// launchable returns the revision that ref names, which must be ACTIVE.
func launchable(tx store.Tx, ref string) (TaskDefinition, error) {
	d, err := definition(tx, ref)
	if e, ok := errors.AsType[*types.ClientException](err); ok && aws.ToString(e.Message) == "Unable to describe task definition." {
		return d, client("TaskDefinition not found.")
	}
	if err != nil {
		return d, err
	}
	if d.Definition.Status != types.TaskDefinitionStatusActive {
		return d, client("TaskDefinition is inactive")
	}
	return d, nil
}

// RegisterTaskDefinition makes the next revision of a family.
func (a *API) RegisterTaskDefinition(ctx context.Context, in *ecs.RegisterTaskDefinitionInput) (*ecs.RegisterTaskDefinitionOutput, error) {
	def, err := newDefinition(in)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	def.RegisteredAt, def.RegisteredBy = aws.Time(now()), str(caller.From(ctx).ARN)
	rec := TaskDefinition{Definition: *def, Tags: in.Tags}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		f, err := Families.Get(tx, *in.Family)
		if err != nil && !missing(err) {
			return err
		}
		f.Name, f.Last = *in.Family, f.Last+1
		rec.Definition.Revision = f.Last
		rec.Definition.TaskDefinitionArn = aws.String(a.ns.ARN("ecs", fmt.Sprintf("task-definition/%s:%d", f.Name, f.Last)))
		if err := Families.Put(tx, f.Name, f); err != nil {
			return err
		}
		return Definitions.Put(tx, DefinitionKey(f.Name, f.Last), rec)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.RegisterTaskDefinitionOutput{TaskDefinition: &rec.Definition, Tags: rec.Tags}, nil
}

// DescribeTaskDefinition returns one revision.
func (a *API) DescribeTaskDefinition(ctx context.Context, in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	var d TaskDefinition
	err := a.db.View(ctx, func(tx store.Tx) (err error) {
		d, err = definition(tx, *in.TaskDefinition)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DescribeTaskDefinitionOutput{
		TaskDefinition: &d.Definition,
		Tags:           tagsOf(in.Include, types.TaskDefinitionFieldTags, d.Tags),
	}, nil
}

// DeregisterTaskDefinition makes a revision INACTIVE: what runs goes on,
// nothing new starts from it.
func (a *API) DeregisterTaskDefinition(ctx context.Context, in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	d, err := a.changeDefinition(ctx, *in.TaskDefinition, func(d *TaskDefinition) error {
		if d.Definition.Status != types.TaskDefinitionStatusActive {
			return client("The specified task definition is inactive. Specify an active task definition and try again.")
		}
		d.Definition.Status = types.TaskDefinitionStatusInactive
		d.Definition.DeregisteredAt = aws.Time(now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: &d.Definition}, nil
}

// changeDefinition changes the revision that ref names, which must have a number.
func (a *API) changeDefinition(ctx context.Context, ref string, change func(*TaskDefinition) error) (TaskDefinition, error) {
	family, revision, err := parseDefinition(ref)
	if err != nil {
		return TaskDefinition{}, err
	}
	if revision == 0 {
		return TaskDefinition{}, invalid("Missing revision: name it as %s:<revision>.", family)
	}
	var d TaskDefinition
	err = a.db.Update(ctx, func(tx store.Tx) (err error) {
		if d, err = definition(tx, ref); err != nil {
			return err
		}
		if err := change(&d); err != nil {
			return err
		}
		return Definitions.Put(tx, DefinitionKey(family, revision), d)
	})
	return d, err
}

// DeleteTaskDefinitions deletes INACTIVE revisions; one that a service or task
// still uses stays, as DELETE_IN_PROGRESS, for as long as it is used.
func (a *API) DeleteTaskDefinitions(ctx context.Context, in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) > 10 {
		return nil, invalid("Cannot delete more than 10 task definitions at once.")
	}
	out := &ecs.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
	for _, ref := range in.TaskDefinitions {
		d, err := a.changeDefinition(ctx, ref, func(d *TaskDefinition) error {
			if d.Definition.Status == types.TaskDefinitionStatusActive {
				return client("The specified task definition is still in ACTIVE status. Please deregister the target and try again.")
			}
			d.Definition.Status = types.TaskDefinitionStatusDeleteInProgress
			d.Definition.DeleteRequestedAt = aws.Time(now())
			return nil
		})
		if e, ok := errors.AsType[*types.ClientException](err); ok {
			out.Failures = append(out.Failures, types.Failure{Arn: aws.String(ref), Reason: aws.String("MISSING"), Detail: e.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		out.TaskDefinitions = append(out.TaskDefinitions, d.Definition)
	}
	return out, nil
}

// ListTaskDefinitions returns ARNs of revisions.
func (a *API) ListTaskDefinitions(ctx context.Context, in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	status := in.Status
	if status == "" {
		status = types.TaskDefinitionStatusActive
	}
	var found []TaskDefinition
	err = a.db.View(ctx, func(tx store.Tx) error {
		prefix := ""
		if p := aws.ToString(in.FamilyPrefix); p != "" {
			prefix = p + "/" // the whole family's name, as ECS has it
		}
		all, err := Definitions.List(tx, prefix)
		for _, d := range all {
			if d.Definition.Status == status {
				found = append(found, d)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns := []string{}
	if in.Sort == types.SortOrderDesc {
		slices.Reverse(found)
	}
	for _, d := range found {
		arns = append(arns, *d.Definition.TaskDefinitionArn)
	}
	arns, next := after(arns, in.NextToken, n)
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, nil
}

// after pages a list that isn't sorted by what it shows: a token is the last
// entry of a page.
func after(all []string, token *string, n int32) ([]string, *string) {
	if token != nil {
		all = all[slices.Index(all, *token)+1:]
	}
	if len(all) <= int(n) {
		return all, nil
	}
	return all[:n], &all[n-1]
}

// ListTaskDefinitionFamilies returns the names of families.
func (a *API) ListTaskDefinitionFamilies(ctx context.Context, in *ecs.ListTaskDefinitionFamiliesInput) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	names := []string{}
	err = a.db.View(ctx, func(tx store.Tx) error {
		all, err := Definitions.List(tx, aws.ToString(in.FamilyPrefix))
		if err != nil {
			return err
		}
		active := map[string]bool{}
		for _, d := range all {
			f := *d.Definition.Family
			active[f] = active[f] || d.Definition.Status == types.TaskDefinitionStatusActive
		}
		for f, is := range active {
			if in.Status == "" || in.Status == types.TaskDefinitionFamilyStatusAll || is == (in.Status == types.TaskDefinitionFamilyStatusActive) {
				names = append(names, f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	names, next := page(names, func(s string) string { return s }, in.NextToken, n)
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, nil
}
