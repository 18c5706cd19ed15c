package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

const (
	// pressEvery is how often what tasks write is measured when the disk is nearly
	// full, and how often it is seen whether it is.
	pressEvery = time.Second
	// leastGrowth is how much a task must have written since the disk had room, in
	// bytes, to be stopped for it: else somebody else fills the disk.
	leastGrowth = 8 << 20
)

// Pressure is what is known of the disk that tasks write to.
type Pressure interface {
	// Near says that the disk is nearly full.
	Near() bool
	// Over says that it is so full that who writes most must stop.
	Over() bool
	// Free returns the bytes that are left.
	Free() int64
	// Ephemeral says whether the tasks' ephemeral storage is on this disk.
	Ephemeral() bool
	// Metered returns how many bytes a file system was found to take some time ago,
	// and Used how many it takes now. Each may be an error: it was deleted, say.
	Metered(ctx context.Context, fileSystem string) (int64, error)
	Used(ctx context.Context, fileSystem string) (int64, error)
	// Stopped is told what was stopped, and why.
	Stopped(what string)
}

// place is where tasks write: a file system, or else a task's ephemeral storage.
type place struct{ fileSystem, task string }

func (p place) String() string {
	if p.fileSystem != "" {
		return "EFS file system " + p.fileSystem
	}
	return "its ephemeral storage"
}

// press remembers how much was written when the disk had room. A nil one is of
// a disk that nobody watches.
type press struct {
	Pressure
	db     store.DB
	before map[place]int64
	since  time.Time // when it was begun to look
	last   string    // the key of the task that was stopped last
}

func newPress(p Pressure, db store.DB) *press {
	if p == nil {
		return nil
	}
	return &press{Pressure: p, db: db, before: map[place]int64{}, since: time.Now()}
}

func (p *press) near() bool { return p != nil && p.Near() }

// wait waits for d, or for less when the disk gets nearly full; false: ctx ended.
func (p *press) wait(ctx context.Context, d time.Duration) bool {
	for near := p.near(); d > 0; {
		part := d
		if p != nil && !near {
			part = min(d, pressEvery)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(part):
		}
		if d -= part; p.near() && !near {
			return true
		}
	}
	return true
}

// growth is how much more a place has than when the disk had room, and who
// writes there.
type growth struct {
	task  *ecs.Task
	place place
	bytes int64
}

// greediest returns the task whose place has grown most, if any has grown
// enough. Where several write to one it is the task that came last: the others
// did without filling it.
func greediest(all []growth) (growth, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(g growth) bool { return g.bytes < leastGrowth })
	if len(all) == 0 {
		return growth{}, false
	}
	return slices.MaxFunc(all, func(a, b growth) int {
		return cmp.Or(cmp.Compare(a.bytes, b.bytes), a.task.CreatedAt.Compare(b.task.CreatedAt), cmp.Compare(a.task.ID, b.task.ID))
	}), true
}

// relieve stops the task that has written most since the disk had room, when it
// is so full that this must be. The tasks run; written is what each has of
// ephemeral storage.
func (m *Meter) relieve(ctx context.Context, tasks []*ecs.Task, written map[string]int64) error {
	p := m.press
	if !p.Near() {
		p.before = map[place]int64{}
		for task, n := range written {
			p.before[place{task: task}] = n
		}
		return nil
	}
	stopping, err := p.stopping(ctx)
	if err != nil || stopping { // what that frees is to be seen first
		return err
	}
	grown, err := p.grown(ctx, tasks, written)
	if err != nil || !p.Over() {
		return err
	}
	g, ok := greediest(grown)
	if !ok {
		return nil
	}
	return m.shed(ctx, g, grown)
}

// shed stops a task that fills the disk. What its places have now is what they
// are measured by from now on.
func (m *Meter) shed(ctx context.Context, g growth, grown []growth) error {
	reason := fmt.Sprintf("Task stopped: the disk of this machine is nearly full (%d MiB are left), and this task wrote most since it had room: %d MiB to %s.",
		m.press.Free()>>20, g.bytes>>20, g.place)
	if err := m.stop(ctx, g.task, reason); err != nil {
		return fmt.Errorf("stop task %s, which fills the disk: %w", g.task.ID, err)
	}
	m.press.last = g.task.Key()
	for _, other := range grown {
		if other.task == g.task {
			m.press.before[other.place] += other.bytes
		}
	}
	of := "task " + g.task.ID
	if g.task.Service != "" {
		of += " of service " + g.task.Service
	}
	m.press.Stopped(fmt.Sprintf("%s was stopped because the disk was nearly full: it wrote %d MiB to %s since there was room", of, g.bytes>>20, g.place))
	return nil
}

// stopping says whether the task that was stopped last still has something on
// the machine.
func (p *press) stopping(ctx context.Context) (bool, error) {
	if p.last == "" {
		return false, nil
	}
	var t ecs.Task
	err := p.db.View(ctx, func(tx store.Tx) (err error) {
		t, err = ecs.Tasks.Get(tx, p.last)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && t.Status == ecs.Stopped {
		p.last = ""
		return false, nil
	}
	return err == nil, err
}

// grown says what the places have more than when there was room. One that was
// not known then counts from now on.
func (p *press) grown(ctx context.Context, tasks []*ecs.Task, written map[string]int64) (all []growth, err error) {
	now := map[place]int64{}
	for _, t := range tasks {
		places, err := p.places(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, at := range places {
			if _, seen := now[at]; !seen {
				n, known := written[at.task]
				if at.fileSystem != "" {
					n, known = p.used(ctx, at.fileSystem)
				}
				if !known {
					continue
				}
				now[at] = n
			}
			if _, ok := p.before[at]; !ok {
				p.before[at] = p.first(ctx, t, at, now[at])
			}
			all = append(all, growth{t, at, now[at] - p.before[at]})
		}
	}
	return all, nil
}

// used is how much a file system has now, if that can be told.
func (p *press) used(ctx context.Context, fileSystem string) (int64, bool) {
	n, err := p.Used(ctx, fileSystem)
	return n, err == nil
}

// first is what a place is said to have had when the disk had room, when nobody
// remembers: a file system was metered then, perhaps.
func (p *press) first(ctx context.Context, t *ecs.Task, at place, now int64) int64 {
	if at.fileSystem == "" && t.CreatedAt.After(p.since) {
		return 0 // it came since
	}
	if at.fileSystem == "" {
		return now
	}
	n, err := p.Metered(ctx, at.fileSystem)
	if err != nil {
		return now
	}
	return min(n, now)
}

// places are where a task can write.
func (p *press) places(ctx context.Context, t *ecs.Task) (all []place, err error) {
	if p.Ephemeral() {
		all = append(all, place{task: t.ID})
	}
	var def ecs.TaskDefinition
	err = p.db.View(ctx, func(tx store.Tx) (err error) {
		def, err = ecs.DefinitionByARN(tx, t.TaskDefinition)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the volumes of task %s: %w", t.ID, err)
	}
	writes := map[string]bool{}
	for _, c := range def.Definition.ContainerDefinitions {
		for _, m := range c.MountPoints {
			if !aws.ToBool(m.ReadOnly) {
				writes[aws.ToString(m.SourceVolume)] = true
			}
		}
	}
	for _, v := range def.Definition.Volumes {
		if e := v.EfsVolumeConfiguration; e != nil && writes[aws.ToString(v.Name)] {
			all = append(all, place{fileSystem: aws.ToString(e.FileSystemId)})
		}
	}
	return all, nil
}
