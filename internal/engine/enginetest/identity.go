package enginetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/engine"
)

// testIdentity asks who a container would run as, and the container.
func testIdentity(t *testing.T, s suite) {
	e := s.open(t)
	task := s.task()
	want := map[string]engine.Identity{}
	for i, c := range []struct {
		image, user string
		want        engine.Identity
	}{
		{s.images.App, "", engine.Identity{}},
		{s.images.App, "0", engine.Identity{}},
		{s.images.App, "1001", engine.Identity{UID: 1001}}, // without an account the group is root's
		{s.images.App, "7:8", engine.Identity{UID: 7, GID: 8}},
		{s.images.Users, "", engine.Identity{UID: 1001, GID: 1002}},
		{s.images.Users, "db", engine.Identity{UID: 999, GID: 998}},
		{s.images.Users, "999", engine.Identity{UID: 999, GID: 998}},
		{s.images.Users, "4711", engine.Identity{UID: 4711}},
		{s.images.Users, "db:app", engine.Identity{UID: 999, GID: 1002}},
		{s.images.Users, "7:db", engine.Identity{UID: 7, GID: 998}},
		{s.images.Users, "db:8", engine.Identity{UID: 999, GID: 8}},
		{s.images.Users, "0:0", engine.Identity{}},
	} {
		name := fmt.Sprintf("who%d", i)
		task.Containers = append(task.Containers, engine.Container{Name: name, Image: c.image, User: c.user, Command: []string{"who"}})
		want[name] = c.want
		if got, err := e.Identity(t.Context(), c.image, c.user); err != nil || got != c.want {
			t.Errorf("user %q of %s is %+v, %v, want %+v", c.user, c.image, got, err, c.want)
		}
	}
	start(t, e, task)
	for name, id := range want {
		awaitState(t, e, task.ID, name, engine.Exited)
		said := read(t, e, task.ID, name, time.Time{}, 0, false)
		if is := fmt.Sprintf("%d:%d", id.UID, id.GID); len(said) != 1 || said[0].Text != is {
			t.Errorf("%s says it is %+v, want %s", name, said, is)
		}
	}
	for _, user := range []string{"nobody-at-all", "db:nobody-at-all"} {
		_, err := e.Identity(t.Context(), s.images.Users, user)
		if refused, ok := errors.AsType[*engine.StartError](err); !ok || refused.Reason == "" {
			t.Errorf("user %s: %v, want a StartError", user, err)
		}
	}
	if all, err := e.List(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("there are %+v, %v, want nothing beside the task", all, err)
	}
}
