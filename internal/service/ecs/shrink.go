package ecs

import (
	"context"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/store"
)

// shrinking returns a ctx that may use the store's reserve when all that is asked
// for is that a service has no more tasks than now.
func (a *API) shrinking(ctx context.Context, in *ecs.UpdateServiceInput) context.Context {
	only := ecs.UpdateServiceInput{Cluster: in.Cluster, Service: in.Service, DesiredCount: in.DesiredCount}
	if in.DesiredCount == nil || !reflect.DeepEqual(*in, only) {
		return ctx
	}
	fewer := false
	err := a.db.View(ctx, func(tx store.Tx) error {
		s, err := a.activeService(tx, in.Cluster, *in.Service)
		fewer = err == nil && *in.DesiredCount <= s.Desired
		return err
	})
	if err != nil || !fewer { // the change itself says what is wrong
		return ctx
	}
	return store.Freeing(ctx)
}
