// Package plan decides which tasks of a service are started and which are stopped. It is pure, and its random property is
// that healthy tasks never fall below the minimum nor all tasks rise above the maximum by its doing, and that it ends.
package plan

import (
	"slices"
)

// Health is what a task is worth to its service.
type Health int

// What a task may be worth.
const (
	Starting  Health = iota // not there yet: containers start, or targets pass their first checks
	Healthy                 // runs, and every target group says so too
	Unhealthy               // runs, but a target group calls it unhealthy, and no grace period is left to it: an old deployment's have none
)

// Member is a task that is to run, as plan sees it.
type Member struct {
	ID        string
	Current   bool // of the primary deployment
	Protected bool // neither scale-in nor a deployment may stop it
	Health    Health
	Zone      string
}

// Input is all that plan looks at.
type Input struct {
	Desired   int
	Low, High int // how many must stay healthy, and how many may run or start at once
	Tasks     []Member
	Leaving   int    // tasks that are told to stop and still count as running: they take room
	Freeing   int    // tasks that are told to stop and hold capacity of the machine
	MayStart  bool   // false while back-off holds starts back
	Fits      int    // for how many tasks the machine has capacity
	Stuck     bool   // it has had too little for a while, and nothing that is under way makes more
	Never     bool   // it will never have any
	Zones     []Zone // that current tasks are to be even over; none: as they are
}

// CurrentTasks is how many tasks of the primary deployment are to run.
func (in Input) CurrentTasks() (n int) {
	for _, m := range in.Tasks {
		if m.Current {
			n++
		}
	}
	return n
}

// Action is what is to be done now: tasks to start from the primary
// deployment, and tasks to stop.
type Action struct {
	Start   int
	Lacking int // tasks to start as soon as the machine has capacity for them
	Stop    []string
	Moving  int      // how many run beside the desired ones until zones are even
	Into    []string // the zones that have too few
}

// Decide decides; it never acts.
//
// Healthy tasks of old deployments go only while enough healthy ones remain,
// and no earlier than their replacements are healthy, unless those can't be
// started: for want of room within high, or of capacity on the machine. Unhealthy ones are replaced in
// the same way, never all at once. Never are there more than high tasks by
// plan's doing. Protected tasks count as they are, and are never stopped. Zones
// get even in the same way: a task more first, then one less.
func Decide(in Input) Action {
	n := survey(in.Tasks)
	l := level(in, n)
	want := in.Desired + l.moving - len(n.current[Starting]) - len(n.current[Healthy])
	room := max(0, in.High-len(in.Tasks)-in.Leaving)
	a := Action{Moving: l.moving, Into: l.into}
	shortage := 0 // starts for which something must go first
	if in.MayStart && want > 0 {
		room = min(want, room)
		a.Start = min(room, in.Fits)
		a.Lacking = room - a.Start
		shortage = max(0, want-room-in.Leaving) // those who leave make room already
		if in.Stuck && !in.Never {
			shortage += max(0, a.Lacking-in.Freeing)
		}
	}
	free := survey(slices.DeleteFunc(slices.Clone(in.Tasks), func(m Member) bool { return m.Protected }))
	p := planner{in: in, n: n, free: free, levels: l, spare: n.healthy() - in.Low}
	p.stopSurplus()
	p.stopOld(shortage)
	p.stopBad(shortage - p.freed)
	a.Stop = p.stop
	return a
}

// MakesCapacity says that the machine will have capacity by what is under way:
// tasks that leave, or old ones that will, once new ones are healthy.
func (in Input) MakesCapacity(a Action) bool {
	n := survey(in.Tasks)
	return in.Freeing+len(a.Stop) > 0 || len(n.old[Healthy])+len(n.old[Unhealthy]) > 0 && len(n.current[Starting])+a.Start > 0
}

// counted is the tasks by deployment and health.
type counted struct{ current, old [3][]Member }

func survey(tasks []Member) (n counted) {
	for _, t := range tasks {
		if t.Current {
			n.current[t.Health] = append(n.current[t.Health], t)
			continue
		}
		n.old[t.Health] = append(n.old[t.Health], t)
	}
	return n
}

func (n counted) healthy() int { return len(n.current[Healthy]) + len(n.old[Healthy]) }

// planner gathers what is to stop. free are the tasks that may be; spare is how
// many healthy ones may go; freed how many went to make room.
type planner struct {
	in   Input
	n    counted
	free counted
	levels
	spare int
	freed int
	stop  []string
}

// stopSurplus scales in: current tasks beyond desired go, those that are not
// healthy first.
func (p *planner) stopSurplus() {
	all := slices.Concat(p.n.current[Starting], p.n.current[Healthy])
	surplus := len(all) - p.in.Desired - p.moving
	excess := p.excess(all)
	starts, fit := p.free.current[Starting], p.free.current[Healthy]
	if p.moving > 0 { // those that are to stay aren't in the way
		starts = slices.DeleteFunc(slices.Clone(starts), func(m Member) bool { return excess[m.Zone] <= 0 })
	}
	for surplus > 0 && len(starts) > 0 {
		starts = p.take(starts, excess)
		surplus--
	}
	for surplus > 0 && len(fit) > 0 && p.spare > 0 {
		fit = p.take(fit, excess)
		surplus--
		p.spare--
	}
}

// stopOld retires tasks of old deployments. Those that never got healthy go at
// once.
func (p *planner) stopOld(shortage int) {
	zones := levels{}.excess(slices.Concat(p.n.old[Starting], p.n.old[Healthy]))
	for starts := p.free.old[Starting]; len(starts) > 0; {
		starts = p.take(starts, zones)
		p.freed++
	}
	fit := p.free.old[Healthy]
	keep := max(0, p.in.Desired-len(p.n.current[Healthy]))
	for n := len(p.n.old[Healthy]) - keep + max(0, shortage-p.freed); n > 0 && len(fit) > 0 && p.spare > 0; n-- {
		fit = p.take(fit, zones)
		p.spare--
		p.freed++
	}
}

// stopBad retires unhealthy tasks whose replacements are healthy; when there
// is no room for those, some go before, as many as may be missing at a time.
func (p *planner) stopBad(shortage int) {
	unfit := append(slices.Clone(p.free.old[Unhealthy]), p.free.current[Unhealthy]...)
	keep := max(0, p.in.Desired-p.n.healthy())
	missing := max(1, p.in.Desired-p.in.Low) - len(p.n.current[Starting])
	n := len(unfit) - keep + max(0, min(shortage, missing))
	if p.n.healthy() == 0 && p.in.Desired > 1 {
		n = min(n, max(1, len(unfit)-1)) // the balancer still sends requests to them, when all are unhealthy
	}
	for ; n > 0 && len(unfit) > 0; n-- {
		p.stop = append(p.stop, unfit[0].ID)
		unfit = unfit[1:]
	}
}

// take stops one task of the zone that has the most too many.
func (p *planner) take(ms []Member, zones map[string]int) []Member {
	most := 0
	for i, m := range ms {
		if zones[m.Zone] > zones[ms[most].Zone] {
			most = i
		}
	}
	zones[ms[most].Zone]--
	p.stop = append(p.stop, ms[most].ID)
	return slices.Delete(slices.Clone(ms), most, most+1)
}
