package scope

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/setting"
	"github.com/skylift/skylift/internal/store"
)

// Root is the account's root user, whose settings are everybody's default.
func (a *Scope) Root() string { return setting.Root(a.NS) }

var idForm = regexp.MustCompile(`^([0-9a-zA-Z]{32}|[0-9a-zA-Z-]{36})$`)

// Ours reads what names a resource of the kind: what an ARN has behind the
// kind, or ref itself when it is no ARN. An ARN must be of this account and
// region.
func (a *Scope) Ours(ref, kind string) (string, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	r, err := arn.Parse(ref)
	rest, ok := strings.CutPrefix(r.Resource, kind+"/")
	switch {
	case err != nil || r.Service != "ecs" || !ok || rest == "":
		return "", ecs.Invalid("Invalid identifier: %s is not the ARN of a %s.", ref, kind)
	case r.Account != a.NS.Account:
		return "", ecs.Invalid("Invalid identifier: Identifier is for %s. Your accountId is %s", r.Account, a.NS.Account)
	case r.Region != a.NS.Region:
		return "", ecs.Invalid("Invalid identifier: Identifier is for region %s. Your region is %s", r.Region, a.NS.Region)
	}
	return rest, nil
}

// ClusterName reads a cluster's short name or ARN; "default" when none is given.
func (a *Scope) ClusterName(ref *string) (string, error) {
	if aws.ToString(ref) == "" {
		return "default", nil
	}
	name, err := a.Ours(*ref, "cluster")
	if err == nil && !ecs.ValidName(name) {
		err = ecs.Invalid(`Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was %s`, name)
	}
	return name, err
}

// ActiveCluster returns the cluster that ref names, which must be ACTIVE.
func (a *Scope) ActiveCluster(tx store.Tx, ref *string) (ecs.Cluster, error) {
	name, err := a.ClusterName(ref)
	if err != nil {
		return ecs.Cluster{}, err
	}
	c, err := handler.Get(tx, ecs.Clusters, name, noCluster)
	if err == nil && c.Status != ecs.Active {
		err = &types.ClusterNotFoundException{Message: aws.String("The referenced cluster was inactive.")}
	}
	return c, err
}

func noCluster(string) error {
	return &types.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
}

// InCluster reads the name of a service or the id of a task, or their ARN with
// or without the cluster's name in it, which must be cluster's.
func (a *Scope) InCluster(cluster, ref, kind string) (string, error) {
	rest, err := a.Ours(ref, kind)
	if err != nil {
		return "", err
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 1:
		return rest, nil
	case len(parts) > 2:
		return "", ecs.Invalid("Invalid identifier: Unexpected number of separators")
	case parts[0] != cluster:
		return "", ecs.Invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", parts[0], cluster)
	}
	return parts[1], nil
}

// ARNs returns the ARNs of the services or tasks that refs name in a cluster, read as the handlers do. What these refuse stays as
// it is.
func (a *Scope) ARNs(kind string, cluster *string, refs ...string) []string {
	list := slices.Clone(refs)
	in, err := a.ClusterName(cluster)
	if err != nil {
		return list
	}
	for i, ref := range refs {
		if name, err := a.InCluster(in, ref, kind); err == nil {
			list[i] = a.NS.ARN("ecs", kind+"/"+in+"/"+name)
		}
	}
	return list
}

// ServiceKey returns the key of the service that ref names.
func (a *Scope) ServiceKey(cluster, ref string) (string, error) {
	name, err := a.InCluster(cluster, ref, "service")
	if err == nil && name == "" {
		err = ecs.Invalid("Service cannot be empty.")
	}
	return cluster + "/" + name, err
}

// TaskKey returns the key of the task that ref names.
func (a *Scope) TaskKey(cluster, ref string) (string, error) {
	id, err := a.InCluster(cluster, ref, "task")
	if err == nil && !idForm.MatchString(id) {
		err = ecs.Invalid("taskId length should be one of [32,36]")
	}
	return cluster + "/" + id, err
}

// DefinitionRef reads family, family:revision or an ARN; revision is 0 when
// none is named.
func (a *Scope) DefinitionRef(ref string) (family string, revision int32, err error) {
	rest, err := a.Ours(ref, "task-definition")
	if err != nil {
		return "", 0, err
	}
	return ecs.ParseDefinition(rest)
}

// Definition returns the revision that ref names: the newest ACTIVE one of the
// family when it names no number.
func (a *Scope) Definition(tx store.Tx, ref string) (ecs.TaskDefinition, error) {
	d, ok, err := a.findDefinition(tx, ref)
	if err == nil && !ok {
		err = NoDefinition(ref)
	}
	return d, err
}

// NoDefinition is the error for a task definition that isn't there.
func NoDefinition(string) error { return ecs.Client("Unable to describe task definition.") }

func (a *Scope) findDefinition(tx store.Tx, ref string) (d ecs.TaskDefinition, ok bool, err error) {
	family, revision, err := a.DefinitionRef(ref)
	if err != nil {
		return d, false, err
	}
	if revision > 0 {
		return handler.Find(tx, ecs.Definitions, ecs.DefinitionKey(family, revision))
	}
	all, err := ecs.Definitions.List(tx, family+"/")
	for _, d := range slices.Backward(all) {
		if d.Definition.Status == types.TaskDefinitionStatusActive {
			return d, true, nil
		}
	}
	return d, false, err
}

// LaunchableDefinition returns the revision that ref names, which must be ACTIVE.
func (a *Scope) LaunchableDefinition(tx store.Tx, ref string) (ecs.TaskDefinition, error) {
	d, ok, err := a.findDefinition(tx, ref)
	switch {
	case err != nil:
		return d, err
	case !ok:
		return d, ecs.Client("TaskDefinition not found.")
	case d.Definition.Status != types.TaskDefinitionStatusActive:
		return d, ecs.Client("TaskDefinition is inactive")
	}
	return d, nil
}

// NoService is the error for a service that isn't there.
func NoService(string) error {
	return &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
}
