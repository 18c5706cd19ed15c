package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// definition returns the revision that ref names: the newest ACTIVE one of the
// family when it names no number.
func (a *API) definition(tx store.Tx, ref string) (TaskDefinition, error) {
	family, revision, err := a.definitionRef(ref)
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
func (a *API) launchable(tx store.Tx, ref string) (TaskDefinition, error) {
	d, err := a.definition(tx, ref)
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
	def, err := newDefinition(in, a.ns.Region)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	def.RegisteredAt, def.RegisteredBy = aws.Time(now()), str(caller.From(ctx).ARN)
	rec := TaskDefinition{Definition: *def, Tags: given(in.Tags)}
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
		d, err = a.definition(tx, *in.TaskDefinition)
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
	family, revision, err := a.revision(*in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	var d TaskDefinition
	at := now()
	err = a.db.Update(ctx, func(tx store.Tx) error {
		d, err = Definitions.Get(tx, DefinitionKey(family, revision))
		switch {
		case missing(err):
			return client("Unable to describe task definition.")
		case err != nil:
			return err
		case d.Definition.Status != types.TaskDefinitionStatusActive:
			return client("The specified task definition is inactive. Specify an active task definition and try again.")
		}
		d.Definition.Status, d.Definition.DeregisteredAt = types.TaskDefinitionStatusInactive, &at
		return Definitions.Put(tx, DefinitionKey(family, revision), d)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: &d.Definition}, nil
}

// revision reads a reference that must name a revision.
func (a *API) revision(ref string) (family string, revision int32, err error) {
	family, revision, err = a.definitionRef(ref)
	if err == nil && revision == 0 {
		err = invalid("Missing revision: name it as %s:<revision>.", family)
	}
	return family, revision, err
}

// DeleteTaskDefinitions deletes INACTIVE revisions: they are DELETE_IN_PROGRESS
// for as long as a task or a deployment uses them.
func (a *API) DeleteTaskDefinitions(ctx context.Context, in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if n := len(in.TaskDefinitions); n == 0 || n > 10 {
		return nil, invalid("taskDefinitions must have 1 to 10 items.")
	}
	var keys []string
	for _, ref := range in.TaskDefinitions {
		family, revision, err := a.revision(ref)
		if err != nil {
			return nil, err
		}
		keys = append(keys, DefinitionKey(family, revision))
	}
	var out *ecs.DeleteTaskDefinitionsOutput
	at := now()
	err := a.db.Update(ctx, func(tx store.Tx) error {
		out = &ecs.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
		for i, key := range keys {
			d, err := Definitions.Get(tx, key)
			if missing(err) {
				out.Failures = append(out.Failures, failure(in.TaskDefinitions[i], "The specified task definition does not exist. Specify a valid account, family, revision and try again."))
				continue
			}
			if err != nil {
				return err
			}
			switch d.Definition.Status {
			case types.TaskDefinitionStatusActive:
				out.Failures = append(out.Failures, failure(*d.Definition.TaskDefinitionArn, "The specified task definition is still in ACTIVE status. Please deregister the target and try again."))
				continue
			case types.TaskDefinitionStatusInactive:
				d.Definition.Status, d.Definition.DeleteRequestedAt = types.TaskDefinitionStatusDeleteInProgress, &at
				if err := Definitions.Put(tx, key, d); err != nil {
					return err
				}
			}
			out.TaskDefinitions = append(out.TaskDefinitions, d.Definition)
		}
		return nil
	})
	if err != nil {
		return nil, err
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
	desc := in.Sort == types.SortOrderDesc
	slices.SortFunc(found, func(a, b TaskDefinition) int { return strings.Compare(rank(a), rank(b)) })
	if desc {
		slices.Reverse(found)
	}
	found, next, err := page(found, rank, desc, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, d := range found {
		arns = append(arns, *d.Definition.TaskDefinitionArn)
	}
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, nil
}

// rank orders revisions as ECS lists them: by the family's name and then by
// number. Keys don't: web-2/… comes before web/… among them.
func rank(d TaskDefinition) string {
	return fmt.Sprintf("%s\x00%010d", *d.Definition.Family, d.Definition.Revision)
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
	names, next, err := page(names, itself, false, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	return &ecs.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, nil
}
