package ecs

import (
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// LaunchTTL is how long a client token stands for its RunTask at the most;
// it stands no longer than launchGrace beyond the last of the tasks.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
const (
	LaunchTTL   = 24 * time.Hour
	launchGrace = time.Hour
)

// Over says when the token is free again. tasks are those that there still are.
func (l *Launch) Over(tasks []Task) time.Time {
	last := l.StoppedAt
	for _, t := range tasks {
		if t.Status != Stopped {
			return l.CreatedAt.Add(LaunchTTL)
		}
		if t.StoppedAt.After(last) {
			last = t.StoppedAt
		}
	}
	if end := l.CreatedAt.Add(LaunchTTL); last.IsZero() || last.Add(launchGrace).After(end) {
		return end
	}
	return last.Add(launchGrace)
}

// LaunchEnded keeps of a task that goes when it stopped, for as long as the
// client token that it was started with is known.
func LaunchEnded(tx store.Tx, t Task) error {
	if t.Launch == "" {
		return nil
	}
	l, ok, err := handler.Find(tx, Launches, t.Launch)
	if err != nil || !ok || !t.StoppedAt.After(l.StoppedAt) {
		return err
	}
	l.StoppedAt = t.StoppedAt
	return Launches.Put(tx, l.Key(), l)
}
