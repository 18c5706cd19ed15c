package daemon

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

// TestEveryResourceIsKnown tags a resource of each type and looks it up by its ARN.
func TestEveryResourceIsKnown(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	var services []part
	for _, p := range e.parts {
		services = append(services, p)
	}
	m := &machine{db: e.db}
	gone := e.ns.ARN("ecs", "cluster/gone")
	for _, arn := range e.arns {
		service := strings.Split(arn, ":")[2]
		if err := e.parts[service].tagged.Tag(t.Context(), arn, map[string]string{"name": arn}); err != nil {
			t.Fatal(err)
		}
	}
	found, err := m.known(services)(t.Context(), append(slices.Clone(e.arns), gone, "*", "x", e.ns.ARN("ecs", "task-definition/web:*"), e.ns.ARN("ec2", "vpc/")))
	if err != nil {
		t.Fatal(err)
	}
	for _, arn := range e.arns {
		if found[arn].Tags["name"] != arn {
			t.Errorf("of %s is known %v", arn, found[arn].Tags)
		}
	}
	if len(found[gone].Tags)+len(found[gone].Keys) > 0 {
		t.Errorf("of what isn't there is known %v", found[gone])
	}
	// A key that EC2 says its resources tell is told by one.
	told := map[string]bool{}
	for _, k := range found {
		for key := range maps.Keys(k.Keys) {
			told[strings.ToLower(key)] = true
		}
	}
	d, err := descriptor.Load("ec2")
	if err != nil {
		t.Fatal(err)
	}
	for key := range strings.FieldsSeq(d.Operations["CreateTags"].TypeKeys["subnet"] + " " + d.Operations["CreateTags"].TypeKeys["security-group"]) {
		if strings.HasPrefix(key, "ec2:") && !strings.Contains(key, "Tag/") && !told[strings.ToLower(key)] {
			t.Errorf("no resource tells %s; they tell %v", key, slices.Sorted(maps.Keys(told)))
		}
	}
}

// TestUnreadableRecordsAreNotUntagged has the store fail.
func TestUnreadableRecordsAreNotUntagged(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	m := &machine{db: e.db}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.known([]part{e.parts["ecs"]})(ctx, e.arns); err == nil {
		t.Error("a look-up in a store that can't be read says that there are no tags")
	}
}
