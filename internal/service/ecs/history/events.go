// Package history is what is kept of services: what happened to them, and their past deployments. It says how much of
// that is kept, and removes the rest.
package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// MaxEvents is how many events of a service are kept, as on ECS.
const MaxEvents = 100

// Tell writes a service event. The message comes after "(service NAME) ".
func Tell(tx store.Tx, s *ecs.Service, at time.Time, format string, args ...any) error {
	e := ecs.Event{Service: s.Key(), ID: id.UUID(), At: at, Message: fmt.Sprintf("(service %s) ", s.Name) + fmt.Sprintf(format, args...)}
	return ecs.Events.Put(tx, e.Key(), e)
}

// newsAfter is how long a service isn't told again what it was told.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html
const newsAfter = 6 * time.Hour

// News returns those messages, as Tell takes them, that a service wasn't told
// in the last six hours.
func News(tx store.Tx, service string, at time.Time, messages []string) ([]string, error) {
	told, err := ecs.Events.List(tx, service+"/")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(messages), func(m string) bool {
		return slices.ContainsFunc(told, func(e ecs.Event) bool {
			return at.Sub(e.At) < newsAfter && strings.HasSuffix(e.Message, ") "+m)
		})
	}), nil
}

// PruneEvents drops a service's oldest events beyond 100. It is not part of
// Tell: there, whoever tells something at the same time would be in the way.
func PruneEvents(ctx context.Context, db store.DB, service string) error {
	var old []ecs.Event
	err := db.View(ctx, func(tx store.Tx) error {
		all, err := ecs.Events.List(tx, service+"/")
		old = all[:max(0, len(all)-MaxEvents)]
		return err
	})
	if err != nil || len(old) == 0 {
		return err
	}
	return db.Update(ctx, func(tx store.Tx) error {
		for _, e := range old {
			if err := ecs.Events.Delete(tx, e.Key()); err != nil {
				return err
			}
		}
		return nil
	})
}
