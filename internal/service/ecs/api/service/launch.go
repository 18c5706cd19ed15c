package service

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// launch is what a new service deployment is made from, apart from what it
// brings: its ids and the time, which no transaction may make.
type launch struct {
	revision   string // 19 digits
	deployment string // 21 letters, digits, - and _
	at         time.Time
}

func newLaunch() launch {
	return launch{revision: ecs.NewRevisionID(), deployment: ecs.NewServiceDeploymentID(), at: ecs.Now()}
}

// put makes a revision of spec and the service deployment that brings it, and
// makes that the current one of s, which the caller writes. last is the one
// before; the zero one for a new service.
func (l launch) put(tx store.Tx, s *ecs.Service, spec ecs.Spec, last ecs.ServiceDeployment) error {
	running, err := ecs.Deployments.List(tx, s.Key()+"/")
	if err != nil {
		return err
	}
	r := ecs.ServiceRevision{ID: l.revision, Service: s.Key(), Spec: spec, CreatedAt: l.at}
	next := ecs.ServiceDeployment{
		ID: l.deployment, Service: s.Key(), Target: r.ID, Fallback: last.NextFallback(), Config: s.DeploymentConfig, CreatedAt: l.at,
		Progress: ecs.Progress{Status: types.ServiceDeploymentStatusPending, UpdatedAt: l.at},
	}
	slices.SortFunc(running, func(a, b ecs.Deployment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, d := range running {
		next.Sources = append(next.Sources, d.Revision())
	}
	s.Current = next.ID
	d := r.NewDeployment(l.at)
	if err := ecs.ServiceRevisions.Put(tx, r.Key(), r); err != nil {
		return err
	}
	if err := ecs.Deployments.Put(tx, d.Key(), d); err != nil {
		return err
	}
	return ecs.ServiceDeployments.Put(tx, next.Key(), next)
}
