package roles

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
)

// servicePath is what the paths of service-linked roles begin with.
const servicePath = "/aws-service-role/"

// linked is a service-linked role that a service has. Without a policy it has none attached: Skylift doesn't carry AWS's.
type linked struct{ name, policy, description string }

// linkedRoles are those of the services that containers need
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html and the like).
var linkedRoles = map[string]linked{
	"ecs.amazonaws.com":                  {"AWSServiceRoleForECS", "aws-service-role/AmazonECSServiceRolePolicy", "Role to enable Amazon ECS to manage your cluster."},
	"elasticloadbalancing.amazonaws.com": {"AWSServiceRoleForElasticLoadBalancing", "", "Allows ELB to call AWS services on your behalf."},
	"ecs.application-autoscaling.amazonaws.com": {
		"AWSServiceRoleForApplicationAutoScaling_ECSService", "aws-service-role/AWSApplicationAutoscalingECSServicePolicy", "",
	},
	"elasticfilesystem.amazonaws.com": {"AWSServiceRoleForAmazonElasticFileSystem", "aws-service-role/AmazonElasticFileSystemServiceRolePolicy", ""},
	"ssm.amazonaws.com":               {"AWSServiceRoleForAmazonSSM", "aws-service-role/AmazonSSMServiceRolePolicy", ""},
}

// CreateServiceLinkedRole makes the role of a service.
func (a *Roles) CreateServiceLinkedRole(ctx context.Context, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	service := strings.ToLower(*in.AWSServiceName)
	l, ok := linkedRoles[service]
	switch {
	case !ok:
		return nil, record.Input("Service-linked roles are not supported for %s by Skylift.", service)
	case in.CustomSuffix != nil:
		return nil, record.Input("Custom suffix is not allowed for %s", service)
	}
	r := l.role(service)
	if in.Description != nil {
		r.Description = *in.Description
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateServiceLinkedRoleOutput, error) {
		if _, there, err := handler.Find(tx, record.Roles, record.ID(r.Name)); err != nil {
			return nil, err
		} else if there {
			return nil, record.Input("Service role name %s has been taken in this account, please try a different suffix.", r.Name)
		}
		out, err := a.Listed(tx, r)
		if err != nil {
			return nil, err
		}
		out.MaxSessionDuration = nil // AWS answers without
		return &iam.CreateServiceLinkedRoleOutput{Role: &out}, record.Roles.Put(tx, record.ID(r.Name), r)
	})
}

// linked returns the ARNs of the roles of services, which needn't be there.
func (a *Roles) linked(_ context.Context, services []string) (arns []string) {
	for _, service := range services {
		service = strings.ToLower(service)
		arns = append(arns, a.ARN("role"+servicePath+service+"/"+linkedRoles[service].name))
	}
	return arns
}

// role makes the record of a service's role.
func (l linked) role(service string) record.Role {
	r := record.Role{
		Entity:      record.Entity{Name: l.name, Path: servicePath + service + "/", ID: record.NewID("AROA"), Created: record.Now()},
		Description: l.description, MaxSession: usualSession, Service: service,
		Trust: fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":[%q]},"Action":["sts:AssumeRole"]}]}`, service),
	}
	if l.policy != "" {
		r.Attached = []string{"arn:aws:iam::aws:policy/" + l.policy}
	}
	return r
}

// Link makes the role of a service, if it isn't there: a service calls it when it makes its first resource.
func (a *Roles) Link(ctx context.Context, service string) error {
	l, ok := linkedRoles[service]
	if !ok {
		return fmt.Errorf("make the service-linked role of %s: it has none", service)
	}
	r := l.role(service)
	there, err := handler.View(ctx, a.DB, func(tx store.Tx) (bool, error) {
		_, there, err := handler.Find(tx, record.Roles, record.ID(r.Name))
		return there, err
	})
	if there || err != nil {
		return err
	}
	return a.DB.Update(ctx, func(tx store.Tx) error {
		if _, there, err := handler.Find(tx, record.Roles, record.ID(r.Name)); there || err != nil {
			return err
		}
		return record.Roles.Put(tx, record.ID(r.Name), r)
	})
}

// DeleteServiceLinkedRole deletes the role of a service. It is made again when the service needs it.
func (a *Roles) DeleteServiceLinkedRole(ctx context.Context, in *iam.DeleteServiceLinkedRoleInput) (*iam.DeleteServiceLinkedRoleOutput, error) {
	unique, now := id.UUID(), record.Now()
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteServiceLinkedRoleOutput, error) {
		r, err := record.AsRole.Get(tx, *in.RoleName)
		if err != nil {
			return nil, err
		}
		if r.Service == "" {
			return nil, record.Input("%s is not a service-linked role.", r.Name)
		}
		for d, err := range record.Deletions.Peek(tx, "") { // those that nobody asks about any more
			if err != nil {
				return nil, err
			}
			if now.Sub(d.Done) > deletionKept {
				if err := record.Deletions.Delete(tx, d.ID); err != nil {
					return nil, err
				}
			}
		}
		task := "task" + r.Path + r.Name + "/" + unique
		if err := record.Deletions.Put(tx, task, record.Deletion{ID: task, Role: record.AsRole.ARN(a.Kit, &r.Entity), Done: now}); err != nil {
			return nil, err
		}
		return &iam.DeleteServiceLinkedRoleOutput{DeletionTaskId: &task}, remove(tx, r)
	})
}

// deletionKept is how long a deletion can be asked about.
const deletionKept = 24 * time.Hour

// GetServiceLinkedRoleDeletionStatus says that a deletion is done.
func (a *Roles) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *iam.GetServiceLinkedRoleDeletionStatusInput) (*iam.GetServiceLinkedRoleDeletionStatusOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetServiceLinkedRoleDeletionStatusOutput, error) {
		_, err := handler.Get(tx, record.Deletions, *in.DeletionTaskId, func(string) error {
			return record.NoSuch("Deletion task %s cannot be found.", *in.DeletionTaskId)
		})
		return &iam.GetServiceLinkedRoleDeletionStatusOutput{Status: types.DeletionTaskStatusTypeSucceeded}, err
	})
}

// deleted finds the ARNs of the roles of deletions.
func (a *Roles) deleted(ctx context.Context, tasks []string) (arns []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // the handler says that it isn't there
		for _, task := range tasks {
			if d, there, err := handler.Find(tx, record.Deletions, task); err == nil && there {
				arns = append(arns, d.Role)
			}
		}
		return nil
	})
	return arns
}
