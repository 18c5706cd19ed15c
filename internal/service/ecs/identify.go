package ecs

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

var (
	nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
	idForm   = regexp.MustCompile(`^([0-9a-zA-Z]{32}|[0-9a-zA-Z-]{36})$`)
)

// ours reads what names a resource of the kind: what an ARN has behind the
// kind, or ref itself when it is no ARN. An ARN must be of this account and
// region.
func (a *API) ours(ref, kind string) (string, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	r, err := arn.Parse(ref)
	rest, ok := strings.CutPrefix(r.Resource, kind+"/")
	switch {
	case err != nil || r.Service != "ecs" || !ok || rest == "":
		return "", invalid("Invalid identifier: %s is not the ARN of a %s.", ref, kind)
	case r.Account != a.ns.Account:
		return "", invalid("Invalid identifier: Identifier is for %s. Your accountId is %s", r.Account, a.ns.Account)
	case r.Region != a.ns.Region:
		return "", invalid("Invalid identifier: Identifier is for region %s. Your region is %s", r.Region, a.ns.Region)
	}
	return rest, nil
}

// clusterName reads a cluster's short name or ARN; "default" when none is given.
func (a *API) clusterName(ref *string) (string, error) {
	if aws.ToString(ref) == "" {
		return "default", nil
	}
	name, err := a.ours(*ref, "cluster")
	if err == nil && !nameForm.MatchString(name) {
		err = invalid(`Cluster must match ^[a-zA-Z0-9\-_]{1,255}$, but was %s`, name)
	}
	return name, err
}

// activeCluster returns the cluster that ref names, which must be ACTIVE.
func (a *API) activeCluster(tx store.Tx, ref *string) (Cluster, error) {
	name, err := a.clusterName(ref)
	if err != nil {
		return Cluster{}, err
	}
	c, err := Clusters.Get(tx, name)
	switch {
	case missing(err):
		return c, &types.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
	case err == nil && c.Status != Active:
		return c, &types.ClusterNotFoundException{Message: aws.String("The referenced cluster was inactive.")}
	}
	return c, err
}

// inCluster reads the name of a service or the id of a task, or their ARN with
// or without the cluster's name in it, which must be cluster's.
func (a *API) inCluster(cluster, ref, kind string) (string, error) {
	rest, err := a.ours(ref, kind)
	if err != nil {
		return "", err
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 1:
		return rest, nil
	case len(parts) > 2:
		return "", invalid("Invalid identifier: Unexpected number of separators")
	case parts[0] != cluster:
		return "", invalid("Invalid identifier: Identifier is for cluster %s. Your cluster is %s", parts[0], cluster)
	}
	return parts[1], nil
}

// serviceKey returns the key of the service that ref names.
func (a *API) serviceKey(cluster, ref string) (string, error) {
	name, err := a.inCluster(cluster, ref, "service")
	if err == nil && name == "" {
		err = invalid("Service cannot be empty.")
	}
	return cluster + "/" + name, err
}

// taskKey returns the key of the task that ref names.
func (a *API) taskKey(cluster, ref string) (string, error) {
	id, err := a.inCluster(cluster, ref, "task")
	if err == nil && !idForm.MatchString(id) {
		err = invalid("taskId length should be one of [32,36]")
	}
	return cluster + "/" + id, err
}

// definitionRef reads family, family:revision or an ARN; revision is 0 when
// none is named.
func (a *API) definitionRef(ref string) (family string, revision int32, err error) {
	rest, err := a.ours(ref, "task-definition")
	if err != nil {
		return "", 0, err
	}
	return parseDefinition(rest)
}

// parseDefinition reads family, family:revision or one of our ARNs.
func parseDefinition(ref string) (family string, revision int32, err error) {
	if _, rest, ok := strings.Cut(ref, ":task-definition/"); ok {
		ref = rest
	}
	family, number, ok := strings.Cut(ref, ":")
	switch {
	case family == "":
		return "", 0, invalid("TaskDefinition cannot be empty.")
	case !ok:
		return family, 0, nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return "", 0, invalid("Invalid revision number. Number: %s", number)
	}
	return family, int32(n), nil
}
