package taskdef

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store"
)

// RegisterTaskDefinition makes the next revision of a family.
func (a *Definitions) RegisterTaskDefinition(ctx context.Context, in *sdk.RegisterTaskDefinitionInput) (*sdk.RegisterTaskDefinitionOutput, error) {
	def, err := definition.New(in, a.NS.Region)
	if err != nil {
		return nil, err
	}
	if def.TaskRoleArn, err = role.ARN(a.NS, def.TaskRoleArn); err != nil {
		return nil, err
	}
	tags, err := scope.NewTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if def.ExecutionRoleArn, err = role.ARN(a.NS, def.ExecutionRoleArn); err != nil {
		return nil, err
	}
	def.RegisteredAt, def.RegisteredBy = aws.Time(ecs.Now()), handler.Optional(caller.From(ctx).ARN)
	rec := ecs.TaskDefinition{Definition: *def, Tags: tags}
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		f, _, err := handler.Find(tx, ecs.Families, *in.Family)
		if err != nil {
			return err
		}
		f.Name, f.Last = *in.Family, f.Last+1
		rec.Definition.Revision = f.Last
		rec.Definition.TaskDefinitionArn = aws.String(a.NS.ARN("ecs", fmt.Sprintf("task-definition/%s:%d", f.Name, f.Last)))
		if err := ecs.Families.Put(tx, f.Name, f); err != nil {
			return err
		}
		return ecs.Definitions.Put(tx, ecs.DefinitionKey(f.Name, f.Last), rec)
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.RegisterTaskDefinitionOutput{TaskDefinition: &rec.Definition}
	if len(tags) > 0 {
		out.Tags = shape.TagType.To(tags)
	}
	return out, nil
}

// DescribeTaskDefinition returns one revision.
func (a *Definitions) DescribeTaskDefinition(ctx context.Context, in *sdk.DescribeTaskDefinitionInput) (*sdk.DescribeTaskDefinitionOutput, error) {
	d, err := handler.View(ctx, a.DB, func(tx store.Tx) (ecs.TaskDefinition, error) { return a.Definition(tx, *in.TaskDefinition) })
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeTaskDefinitionOutput{
		TaskDefinition: &d.Definition,
		Tags:           shape.Tags(in.Include, types.TaskDefinitionFieldTags, d.Tags),
	}, nil
}

// DeregisterTaskDefinition makes a revision INACTIVE: what runs goes on,
// nothing new starts from it.
func (a *Definitions) DeregisterTaskDefinition(ctx context.Context, in *sdk.DeregisterTaskDefinitionInput) (*sdk.DeregisterTaskDefinitionOutput, error) {
	family, revision, err := a.revision(*in.TaskDefinition)
	if err != nil {
		return nil, err
	}
	at := ecs.Now()
	d, err := handler.Update(ctx, a.DB, func(tx store.Tx) (ecs.TaskDefinition, error) {
		return handler.Change(tx, ecs.Definitions, ecs.DefinitionKey(family, revision), scope.NoDefinition, func(d *ecs.TaskDefinition) error {
			if d.Definition.Status != types.TaskDefinitionStatusActive {
				return ecs.Client("The specified task definition is inactive. Specify an active task definition and try again.")
			}
			d.Definition.Status, d.Definition.DeregisteredAt = types.TaskDefinitionStatusInactive, &at
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeregisterTaskDefinitionOutput{TaskDefinition: &d.Definition}, nil
}

// revision reads a reference that must name a revision.
func (a *Definitions) revision(ref string) (family string, revision int32, err error) {
	family, revision, err = a.DefinitionRef(ref)
	if err == nil && revision == 0 {
		err = ecs.Invalid("Missing revision: name it as %s:<revision>.", family)
	}
	return family, revision, err
}

// DeleteTaskDefinitions deletes INACTIVE revisions: they are DELETE_IN_PROGRESS
// for as long as a task or a deployment uses them.
func (a *Definitions) DeleteTaskDefinitions(ctx context.Context, in *sdk.DeleteTaskDefinitionsInput) (*sdk.DeleteTaskDefinitionsOutput, error) {
	if n := len(in.TaskDefinitions); n == 0 || n > 10 {
		return nil, ecs.Invalid("taskDefinitions must have 1 to 10 items.")
	}
	var keys []string
	for _, ref := range in.TaskDefinitions {
		family, revision, err := a.revision(ref)
		if err != nil {
			return nil, err
		}
		keys = append(keys, ecs.DefinitionKey(family, revision))
	}
	at := ecs.Now()
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*sdk.DeleteTaskDefinitionsOutput, error) {
		out := &sdk.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
		for i, key := range keys {
			d, ok, err := handler.Find(tx, ecs.Definitions, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(in.TaskDefinitions[i], "The specified task definition does not exist. Specify a valid account, family, revision and try again."))
				continue
			}
			switch d.Definition.Status {
			case types.TaskDefinitionStatusActive:
				out.Failures = append(out.Failures, shape.Failure(*d.Definition.TaskDefinitionArn, "The specified task definition is still in ACTIVE status. Please deregister the target and try again."))
				continue
			case types.TaskDefinitionStatusInactive:
				d.Definition.Status, d.Definition.DeleteRequestedAt = types.TaskDefinitionStatusDeleteInProgress, &at
				if err := ecs.Definitions.Put(tx, key, d); err != nil {
					return nil, err
				}
			}
			out.TaskDefinitions = append(out.TaskDefinitions, d.Definition)
		}
		return out, nil
	})
}

// ListTaskDefinitions returns ARNs of revisions.
func (a *Definitions) ListTaskDefinitions(ctx context.Context, in *sdk.ListTaskDefinitionsInput) (*sdk.ListTaskDefinitionsOutput, error) {
	page, err := scope.Pages(100, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	page.Descending = in.Sort == types.SortOrderDesc
	status := cmp.Or(in.Status, types.TaskDefinitionStatusActive)
	found, err := handler.View(ctx, a.DB, func(tx store.Tx) ([]ecs.TaskDefinition, error) {
		prefix := ""
		if p := aws.ToString(in.FamilyPrefix); p != "" {
			prefix = p + "/" // the whole family's name, as ECS has it
		}
		all, err := ecs.Definitions.List(tx, prefix)
		return slices.DeleteFunc(all, func(d ecs.TaskDefinition) bool { return d.Definition.Status != status }), err
	})
	if err != nil {
		return nil, err
	}
	found, next := handler.Cut(page, found, rank)
	out := &sdk.ListTaskDefinitionsOutput{TaskDefinitionArns: []string{}, NextToken: next}
	for _, d := range found {
		out.TaskDefinitionArns = append(out.TaskDefinitionArns, *d.Definition.TaskDefinitionArn)
	}
	return out, nil
}

// rank orders revisions as ECS lists them: by the family's name and then by
// number. Keys don't: web-2/… comes before web/… among them.
func rank(d ecs.TaskDefinition) string {
	return fmt.Sprintf("%s\x00%010d", *d.Definition.Family, d.Definition.Revision)
}

// ListTaskDefinitionFamilies returns the names of families.
func (a *Definitions) ListTaskDefinitionFamilies(ctx context.Context, in *sdk.ListTaskDefinitionFamiliesInput) (*sdk.ListTaskDefinitionFamiliesOutput, error) {
	page, err := scope.Pages(100, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	names, err := handler.View(ctx, a.DB, func(tx store.Tx) ([]string, error) {
		active := map[string]bool{}
		for d, err := range ecs.Definitions.Peek(tx, aws.ToString(in.FamilyPrefix)) {
			if err != nil {
				return nil, err
			}
			f := *d.Definition.Family
			active[f] = active[f] || d.Definition.Status == types.TaskDefinitionStatusActive
		}
		names := []string{}
		for f, is := range active {
			if in.Status == "" || in.Status == types.TaskDefinitionFamilyStatusAll || is == (in.Status == types.TaskDefinitionFamilyStatusActive) {
				names = append(names, f)
			}
		}
		return names, nil
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTaskDefinitionFamiliesOutput{}
	out.Families, out.NextToken = handler.Cut(page, names, scope.Itself)
	return out, nil
}
