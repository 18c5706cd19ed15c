package deploy

import "slices"

// health is what a task is worth to its service.
type health int

const (
	starting health = iota // not there yet: containers start, or targets pass their first checks
	healthy                // runs, and every target group says so too
	bad                    // runs, but a target group calls it unhealthy, and no grace period is left to it: an old deployment's have none
)

// member is a task that is to run, as plan sees it.
type member struct {
	id        string
	current   bool // of the primary deployment
	protected bool // neither scale-in nor a deployment may stop it
	health    health
	zone      string
}

// input is all that plan looks at.
type input struct {
	desired   int
	low, high int // how many must stay healthy, and how many may run or start at once
	tasks     []member
	leaving   int    // tasks that are told to stop and still count as running: they take room
	freeing   int    // tasks that are told to stop and have room on the machine
	mayStart  bool   // false while back-off holds starts back
	fits      int    // for how many tasks the machine has room
	stuck     bool   // it has had too little for a while, and nothing that is under way makes more
	never     bool   // it will never have any
	zones     []zone // that current tasks are to be even over; none: as they are
}

// current is how many tasks of the primary deployment are to run.
func (in input) current() (n int) {
	for _, m := range in.tasks {
		if m.current {
			n++
		}
	}
	return n
}

// action is what is to be done now: tasks to start from the primary
// deployment, and tasks to stop.
type action struct {
	start   int
	lacking int // tasks to start as soon as the machine has room for them
	stop    []string
	moving  int      // how many run beside the desired ones until zones are even
	into    []string // the zones that have too few
}

// plan decides; it never acts.
//
// Healthy tasks of old deployments go only while enough healthy ones remain,
// and no earlier than their replacements are healthy, unless there is no room
// to start those: within high, or on the machine. Unhealthy ones are replaced in
// the same way, never all at once. Never are there more than high tasks by
// plan's doing. Protected tasks count as they are, and are never stopped. Zones
// get even in the same way: a task more first, then one less.
func plan(in input) action {
	n := survey(in.tasks)
	l := level(in, n)
	want := in.desired + l.moving - len(n.current[starting]) - len(n.current[healthy])
	room := max(0, in.high-len(in.tasks)-in.leaving)
	a := action{moving: l.moving, into: l.into}
	shortage := 0 // starts for which something must go first
	if in.mayStart && want > 0 {
		room = min(want, room)
		a.start = min(room, in.fits)
		a.lacking = room - a.start
		shortage = max(0, want-room-in.leaving) // those who leave make room already
		if in.stuck && !in.never {
			shortage += max(0, a.lacking-in.freeing)
		}
	}
	free := survey(slices.DeleteFunc(slices.Clone(in.tasks), func(m member) bool { return m.protected }))
	p := planner{in: in, n: n, free: free, levels: l, spare: n.healthy() - in.low}
	p.stopSurplus()
	p.stopOld(shortage)
	p.stopBad(shortage - p.freed)
	a.stop = p.stop
	return a
}

// makesRoom says that there will be room on the machine by what is under way:
// tasks that leave, or old ones that will, once new ones are healthy.
func (in input) makesRoom(a action) bool {
	n := survey(in.tasks)
	return in.freeing+len(a.stop) > 0 || len(n.old[healthy])+len(n.old[bad]) > 0 && len(n.current[starting])+a.start > 0
}

// counted is the tasks by deployment and health.
type counted struct{ current, old [3][]member }

func survey(tasks []member) (n counted) {
	for _, t := range tasks {
		if t.current {
			n.current[t.health] = append(n.current[t.health], t)
			continue
		}
		n.old[t.health] = append(n.old[t.health], t)
	}
	return n
}

func (n counted) healthy() int { return len(n.current[healthy]) + len(n.old[healthy]) }

// planner gathers what is to stop. free are the tasks that may be; spare is how
// many healthy ones may go; freed how many went to make room.
type planner struct {
	in   input
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
	all := slices.Concat(p.n.current[starting], p.n.current[healthy])
	surplus := len(all) - p.in.desired - p.moving
	excess := p.excess(all)
	starts, fit := p.free.current[starting], p.free.current[healthy]
	if p.moving > 0 { // those that are to stay aren't in the way
		starts = slices.DeleteFunc(slices.Clone(starts), func(m member) bool { return excess[m.zone] <= 0 })
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
	zones := levels{}.excess(slices.Concat(p.n.old[starting], p.n.old[healthy]))
	for starts := p.free.old[starting]; len(starts) > 0; {
		starts = p.take(starts, zones)
		p.freed++
	}
	fit := p.free.old[healthy]
	keep := max(0, p.in.desired-len(p.n.current[healthy]))
	for n := len(p.n.old[healthy]) - keep + max(0, shortage-p.freed); n > 0 && len(fit) > 0 && p.spare > 0; n-- {
		fit = p.take(fit, zones)
		p.spare--
		p.freed++
	}
}

// stopBad retires unhealthy tasks whose replacements are healthy; when there
// is no room for those, some go before, as many as may be missing at a time.
func (p *planner) stopBad(shortage int) {
	unfit := append(slices.Clone(p.free.old[bad]), p.free.current[bad]...)
	keep := max(0, p.in.desired-p.n.healthy())
	missing := max(1, p.in.desired-p.in.low) - len(p.n.current[starting])
	n := len(unfit) - keep + max(0, min(shortage, missing))
	if p.n.healthy() == 0 && p.in.desired > 1 {
		n = min(n, max(1, len(unfit)-1)) // the balancer still sends requests to them, when all are unhealthy
	}
	for ; n > 0 && len(unfit) > 0; n-- {
		p.stop = append(p.stop, unfit[0].id)
		unfit = unfit[1:]
	}
}

// take stops one task of the zone that has the most too many.
func (p *planner) take(ms []member, zones map[string]int) []member {
	most := 0
	for i, m := range ms {
		if zones[m.zone] > zones[ms[most].zone] {
			most = i
		}
	}
	zones[ms[most].zone]--
	p.stop = append(p.stop, ms[most].id)
	return slices.Delete(slices.Clone(ms), most, most+1)
}
