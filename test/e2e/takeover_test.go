package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGoesOverFromDocker has an instance with tasks on Docker start as instances do
// by default: its tasks run on, go over as they are replaced, and no request is
// lost.
func TestGoesOverFromDocker(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	s := prepare(t)
	s.engine = "docker"
	s.serve(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	before, there := s.tasks(t), s.containers(t)
	load.while(func() {
		s.term(t)
		s.restartOn(t, "")
	})
	sameTasks(t, before, s.tasks(t))
	if now := s.containers(t); !slices.Equal(there, now) {
		t.Errorf("containers before %v, after %v", there, now)
	}
	if on := s.status(t).Engine; !strings.Contains(on, "2 tasks are on Docker until they are replaced") {
		t.Errorf("tasks run on %q", on)
	}

	s.redeploy(t, "shop", "2")
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=2")
	waitFor(t, time.Minute, "Docker to have nothing of it", func() error {
		if on := s.status(t).Engine; strings.Contains(on, "Docker") {
			return errors.New(on)
		}
		return onDocker{}.left(s, s.id())
	})
	s.engine = "containerd"
	s.exactly(t, 2)
	load.lossless(t)

	s.term(t)
	code, said := s.fails(t, append(s.args(), "--engine=docker")...)
	checkRefusal(t, code, 1, said, []string{"this instance's tasks run on containerd", "--engine containerd", "skylift down"})
	s.run(t, "down", "--yes", "--data-dir", s.dir)
	s.restartOn(t, "docker") // once nothing runs, it may begin anywhere
	s.stable(t, "shop")
	s.exactly(t, 2)
}

// restartOn starts an instance that ended on an engine; "": its own choice. What is
// behind it is seen as before.
func (s *skylift) restartOn(t *testing.T, engine string) {
	t.Helper()
	was := s.engine
	s.engine = engine
	s.restart(t)
	if engine == "" {
		s.engine = was
	}
}

// TestKilledWhileItGoesOver kills Skylift again and again while an instance goes
// over to containerd.
func TestKilledWhileItGoesOver(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	s := prepare(t)
	s.engine = "docker"
	s.serve(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	load.while(func() {
		s.kill9(t)
		s.restartOn(t, "containerd")
	})
	s.redeploy(t, "shop", "2")
	for i := range *kills {
		<-time.After(time.Duration(i+1) * time.Second)
		load.while(func() {
			s.kill9(t)
			s.restart(t)
		})
	}
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=2")
	s.exactly(t, 2)
	waitFor(t, time.Minute, "Docker to have nothing of it", func() error { return onDocker{}.left(s, s.id()) })
	load.lossless(t)
}

// TestDownWhileItGoesOver removes an instance that has tasks on either engine.
func TestDownWhileItGoesOver(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	s := prepare(t)
	s.engine = "docker"
	s.serve(t)
	s.site(t, "shop", 1)
	s.term(t)
	s.restartOn(t, "containerd")
	s.runTask(t, s.define(t, "more", fmt.Sprintf("%s/shop:latest", s.listen)))
	waitFor(t, time.Minute, "a task on containerd", func() error {
		if len(s.containers(t)) == 0 {
			return errors.New("none")
		}
		return nil
	})
	id := s.id()
	s.run(t, "down", "--purge", "--yes", "--data-dir", s.dir)
	if err := errors.Join(s.left(id), onDocker{}.left(s, id)); err != nil {
		t.Error(err)
	}
	if err := s.removeImages(); err != nil {
		t.Error(err)
	}
}
