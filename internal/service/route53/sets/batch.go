package sets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

// The limits of a batch (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html).
const (
	maxBatchValues     = 1000
	maxBatchCharacters = 32_000
	maxValues          = 400 // of a set
	maxGroup           = 100 // sets of one name and type

	// maxWrong is how many faults of a batch are told.
	maxWrong = 100
)

// batch makes changes in a transaction, which is to be given up when anything is wrong with them.
type batch struct {
	tx        store.Tx
	zone      record.Zone
	balancers scope.Balancers
	wrong     []string
	put       []record.Set
}

func (b *batch) say(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// make makes all changes. Its error is about something else than the batch's content.
func (b *batch) make(all []change) error {
	b.large(all)
	if len(b.wrong) > 0 {
		return nil
	}
	b.twice(all)
	for i := range all {
		if len(b.wrong) >= maxWrong {
			b.say("There may be more that is wrong: the first %d faults are told.", maxWrong)
			return nil
		}
		c := &all[i]
		c.set.Zone = b.zone.ID
		if !b.sound(c) {
			continue
		}
		if err := b.one(c.action, &c.set); err != nil {
			return err
		}
	}
	for i := range b.put {
		if err := b.target(&b.put[i]); err != nil {
			return err
		}
	}
	return nil
}

// commit writes what changed the zone, or fails with all that is wrong.
func (b *batch) commit(c record.Change) error {
	if len(b.wrong) == 0 && b.zone.Count > scope.MaxSets {
		b.say("Number of resource record sets limit of %d exceeded in zone %s", scope.MaxSets, b.zone.Name)
	}
	if len(b.wrong) > 0 {
		return record.InvalidBatch(b.wrong...)
	}
	return scope.Commit(b.tx, b.zone, c)
}

// large counts what AWS bounds, which bounds the work of a batch, too. A change that replaces counts twice, and an alias as a value.
func (b *batch) large(all []change) {
	values, characters := 0, 0
	for _, c := range all {
		times := 1
		if c.action == types.ChangeActionUpsert {
			times = 2
		}
		values += times * max(1, len(c.set.Values))
		if c.set.Alias != nil {
			characters += times * len(c.set.Alias.Name)
		}
		for _, v := range c.set.Values {
			characters += times * len(v)
		}
	}
	if values > maxBatchValues {
		b.say("Number of records limit of %d exceeded.", maxBatchValues)
	}
	if characters > maxBatchCharacters {
		b.say("Number of characters limit of %d exceeded.", maxBatchCharacters)
	}
}

// twice refuses several changes of one set, but for its deletion and a new one of that name.
func (b *batch) twice(all []change) {
	seen := map[string][]types.ChangeAction{}
	for _, c := range all {
		key := c.set.Key()
		before := seen[key]
		seen[key] = append(before, c.action)
		again := len(before) == 1 && before[0] == types.ChangeActionDelete && c.action == types.ChangeActionCreate
		if len(before) > 0 && !again && c.fault == nil && len(b.wrong) < maxWrong {
			b.say("The request contains an invalid set of changes for a resource record set '%s %s'", c.set.Type, c.set.Name)
		}
	}
}

// sound looks at a change by itself, and says whether it is worth looking further.
func (b *batch) sound(c *change) bool {
	switch {
	case c.fault != nil:
		b.say("FATAL problem: %s encountered with '%s'", c.fault, c.said)
		return false
	case !record.Within(c.set.Name, b.zone.Name):
		b.say("RRSet with DNS name %s is not permitted in zone %s", c.set.Name, b.zone.Name)
		return false
	case c.action == types.ChangeActionDelete:
		return true
	}
	before := len(b.wrong)
	b.wrong = append(b.wrong, valueFaults(&c.set)...)
	b.place(&c.set)
	return len(b.wrong) == before
}

// place looks at where a set of its type may be, and of which policy.
func (b *batch) place(s *record.Set) {
	apex := s.Name == b.zone.Name
	not := func(why string) {
		b.say("RRSet of type %s with DNS name %s is not permitted %s in zone %s", s.Type, s.Name, why, b.zone.Name)
	}
	switch {
	case s.Type == "CNAME" && apex:
		not("at apex")
	case s.Type == "SOA" && !apex:
		not("below the apex")
	case s.Type == "DS" && apex:
		not("at apex")
	case s.Type == "NS" && strings.HasPrefix(s.Name, record.Asterisk+"."):
		not("with a wildcard")
	case s.ID != "" && (s.Type == "SOA" || s.Type == "NS"):
		not("with a routing policy")
	case s.Alias != nil && slices.Contains([]string{"SOA", "NS", "DS", "TLSA", "SSHFP"}, s.Type):
		not("as an alias")
	case s.Multi && (s.Type == "CNAME" || s.Alias != nil):
		not("as a multivalue answer")
	}
}

// one makes a change.
func (b *batch) one(action types.ChangeAction, s *record.Set) error {
	old, there, err := handler.Find(b.tx, record.Sets, s.Key())
	if err != nil {
		return err
	}
	switch action {
	case types.ChangeActionDelete:
		return b.drop(s, &old, there)
	case types.ChangeActionCreate:
		if there {
			b.say("Tried to create resource record set [%s] but it already exists", inNames(s))
			return nil
		}
	}
	if err := b.fits(s); err != nil {
		return err
	}
	if !there {
		b.zone.Count++
	}
	b.put = append(b.put, *s)
	return record.Sets.Put(b.tx, s.Key(), *s)
}

// drop deletes a set.
func (b *batch) drop(s, old *record.Set, there bool) error {
	switch apex := s.Name == b.zone.Name; {
	case !there:
		b.say("Tried to delete resource record set [%s] but it was not found", inNames(s))
		return nil
	case !same(s, old):
		b.say("Tried to delete resource record set [%s] but the values provided do not match the current values", inNames(s))
		return nil
	case apex && s.Type == "SOA":
		b.say("A HostedZone must contain exactly one SOA record.")
		return nil
	case apex && s.Type == "NS":
		b.say("A HostedZone must contain at least one NS record for the zone itself.")
		return nil
	}
	b.zone.Count--
	return record.Sets.Delete(b.tx, s.Key())
}

// fits looks at a set beside the others of its name.
func (b *batch) fits(s *record.Set) error {
	if s.Check != "" {
		if _, err := handler.Get(b.tx, record.Checks, s.Check, record.NoCheck); err != nil {
			return err
		}
	}
	if err := b.alone(s); err != nil {
		return err
	}
	group := 1
	for o, err := range record.Sets.Peek(b.tx, record.SetKey(s.Zone, s.Name, s.Type, "")) {
		if err != nil {
			return err
		}
		if o.ID != s.ID {
			group++
			b.among(s, o)
		}
	}
	if group > maxGroup {
		b.say("Cannot have more than %d RRSets with DNS name %s, type %s", maxGroup, s.Name, s.Type)
	}
	return nil
}

// alone looks for another type of a set's name, where a CNAME stands alone. The first that there is tells enough.
func (b *batch) alone(s *record.Set) error {
	other := "CNAME"
	if s.Type == other {
		other = ""
	}
	for o, err := range record.Sets.Peek(b.tx, record.SetKey(s.Zone, s.Name, other, "")) {
		if err != nil {
			return err
		}
		if o.Type != s.Type {
			b.beside(s, o)
			break
		}
	}
	return nil
}

// beside looks at a set and another type of its name: a CNAME is alone.
func (b *batch) beside(s, o *record.Set) {
	switch {
	case s.Type == "CNAME":
		b.once("RRSet of type CNAME with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", s.Name, b.zone.Name)
	case o.Type == "CNAME":
		b.once("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone %s", s.Type, s.Name, b.zone.Name)
	}
}

// among looks at a set and another one of its name and type: both have one policy, and different parts in it.
func (b *batch) among(s, o *record.Set) {
	which := fmt.Sprintf("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as ", s.Name, s.Type, s.ID)
	switch {
	case s.ID == "":
		b.once("RRSet with DNS name %s, type %s cannot be created as other RRSets exist with the same name and type.", s.Name, s.Type)
	case o.ID == "":
		b.once("%sa non-weighted set exists with the same name and type.", which)
	case policyOf(s) != policyOf(o):
		b.once("%sanother RRSet of a different routing policy exists with the same name and type.", which)
	case s.Failover != "" && s.Failover == o.Failover:
		b.once("%sa %s failover RRSet exists with the same name and type.", which, s.Failover)
	case s.Region != "" && s.Region == o.Region:
		b.once("%san RRSet of region %s exists with the same name and type.", which, s.Region)
	case s.Geo != nil && *s.Geo == *o.Geo:
		b.once("%san RRSet of the same geolocation exists with the same name and type.", which)
	}
}

// once says something that would be said again for each other set.
func (b *batch) once(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.wrong, text) {
		b.wrong = append(b.wrong, text)
	}
}

func policyOf(s *record.Set) string {
	switch {
	case s.Weight != nil:
		return "weighted"
	case s.Region != "":
		return "latency"
	case s.Failover != "":
		return "failover"
	case s.Geo != nil:
		return "geolocation"
	}
	return "multivalue"
}

// target looks at what an alias stands for, which must be there after all changes.
func (b *batch) target(s *record.Set) error {
	if s.Alias == nil {
		return nil
	}
	which := fmt.Sprintf("Tried to create an alias that targets %s, type %s in zone %s, but ", s.Alias.Name, s.Type, s.Alias.Zone)
	found, within := false, true
	switch s.Alias.Zone {
	case b.zone.ID:
		within = record.Within(s.Alias.Name, b.zone.Name)
		for _, err := range record.Sets.Peek(b.tx, record.SetKey(s.Zone, s.Alias.Name, s.Type, "")) {
			if err != nil {
				return err
			}
			found = s.Alias.Name != s.Name
			break
		}
	case b.balancers.HostedZone():
		there, err := b.balancers.Named(b.tx, record.BalancerName(s.Alias.Name))
		if err != nil {
			return err
		}
		found = there && (s.Type == "A" || s.Type == "AAAA")
	}
	switch {
	case !within:
		b.say("%sthe alias target name does not lie within the target zone", which)
	case !found:
		b.say("%sthat target was not found", which)
	}
	return nil
}
