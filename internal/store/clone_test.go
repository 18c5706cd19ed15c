package store

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type pet struct {
	Name  string
	Ports []int
	Tags  map[string][]string
	Owner *owner
	Kin   []owner
	Since time.Time
	Addr  netip.Addr
	Union interface{ isUnion() }
	Empty []string
	None  []string
	Pair  [2]int
}

type owner struct {
	Age  *int
	Near map[string]string
}

func newPet() pet {
	age, older := 3, 4
	return pet{
		Name: "a", Ports: []int{1, 2}, Tags: map[string][]string{"k": {"v"}}, Owner: &owner{Age: &age, Near: map[string]string{"x": "y"}},
		Kin: []owner{{Age: &older}}, Since: time.Unix(1, 0).UTC(), Addr: netip.MustParseAddr("10.0.0.1"), Empty: []string{},
	}
}

// TestCloneIsItsOwn changes all that a clone refers to, and looks whether the
// original is as it was.
func TestCloneIsItsOwn(t *testing.T) {
	t.Parallel()
	equal := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	p := newPet()
	c := cloner[pet]()(&p)
	if diff := cmp.Diff(p, c, equal); diff != "" {
		t.Fatalf("the clone differs (-original +clone):\n%s", diff)
	}
	c.Ports[0], c.Tags["k"][0], c.Tags["new"] = 9, "changed", nil
	*c.Owner.Age, c.Owner.Near["x"], *c.Kin[0].Age = 9, "changed", 9
	c.Owner.Age = nil
	if diff := cmp.Diff(newPet(), p, equal); diff != "" {
		t.Errorf("the original changed with its clone (-want +got):\n%s", diff)
	}
}

// TestNoRecord refuses what can't be a record's when the table is made, not
// when it is read.
func TestNoRecord(t *testing.T) {
	t.Parallel()
	type tree struct{ Children []*struct{ Any any } }
	type list struct{ Next *list }
	type forest struct{ Trees []forest }
	for name, table := range map[string]func(){
		"any": func() { NewTable[tree]("t") }, "itself": func() { NewTable[list]("t") }, "itself in a slice": func() { NewTable[forest]("t") },
		"channel": func() { NewTable[struct{ C chan int }]("t") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			table()
		}()
	}
}
